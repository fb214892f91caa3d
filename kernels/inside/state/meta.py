"""What is told about a saved state: names, what is lost, and which libraries made it.

    described(names, [told("conn", 3, "a database connection")])        # at most 256 KiB as JSON

It says in words what only the person's own kernel could otherwise read.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from ..variables import LONGEST

__all__ = ["LONGEST_META", "described", "not_kept", "python", "shown", "told"]

LONGEST_META = 256 << 10  # bytes
MOST_NAMES, MOST_LOST = 2000, 500
LONGEST_WHAT = 200  # characters
# Libraries whose objects may not be readable by another version of theirs.
LIBRARIES = (
    *("matplotlib", "networkx", "numpy", "pandas", "PIL", "plotly", "polars", "pyarrow", "scipy"),
    *("seaborn", "sklearn", "statsmodels", "sympy", "cloudpickle"),
)


def python() -> str:
    """The version of Python: "3.12.3"."""
    return ".".join(map(str, sys.version_info[:3]))


def told(name: str, cell: int, what: str) -> dict[str, Any]:
    """One value that is lost, and the cell that made it; 0 if that is not known."""
    return {"name": shown(name), "cell": cell, "what": _clipped(what, LONGEST_WHAT)}


def not_kept(words: str) -> dict[str, Any]:
    """The same for what is no variable, such as "the matplotlib style"."""
    return told(words, 0, "it could not be kept")


def described(
    names: Iterable[str], lost: Sequence[dict[str, Any]], values: Sequence[Sequence[str]] = ()
) -> dict[str, Any]:
    """The names in their order, and the lost values. Where they are too many, the newest names are told.

    `values` are the type, detail and digest of each name, as far as there is room for them.
    """
    told_names, told_lost = [shown(name) for name in names][-MOST_NAMES:], list(lost[:MOST_LOST])
    known: list[Sequence[str] | None] = list(values[-MOST_NAMES:])
    unknown = 0  # of the oldest names
    while True:
        meta = {"names": told_names, "lost": told_lost, "libraries": _libraries(), "values": known}
        if len(json.dumps(meta)) <= LONGEST_META:
            return meta
        if unknown < len(known):
            unknown += (len(known) - unknown + 1) // 2
            known[:unknown] = [None] * unknown if unknown < len(known) else []
        else:
            told_names, told_lost = told_names[len(told_names) // 2 :], told_lost[: len(told_lost) // 2]


def shown(name: str) -> str:
    """A name as the list of the person's variables has it, too."""
    return _clipped(name, LONGEST)


def _libraries() -> dict[str, str]:
    versions = {"python": python()}
    for name in LIBRARIES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            versions[name] = _clipped(version, LONGEST)
    return versions


def _clipped(text: str, longest: int) -> str:
    """Text that can be sent: not too long, and without what UTF-8 cannot encode."""
    return str(text)[:longest].encode(errors="replace").decode()
