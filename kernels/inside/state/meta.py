"""What is told about a saved state: names, what is lost, and which libraries made it.

    described(names, [told("conn", 3, "a database connection")])        # at most 256 KiB as JSON

It says in words what only the person's own kernel could otherwise read.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["LONGEST_META", "described", "python", "told"]

LONGEST_META = 256 << 10  # bytes
MOST_NAMES, MOST_LOST = 4000, 500
LONGEST_NAME, LONGEST_WHAT = 100, 200  # characters
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
    return {"name": _shown(name, LONGEST_NAME), "cell": cell, "what": _shown(what, LONGEST_WHAT)}


def described(
    names: Iterable[str], lost: Sequence[dict[str, Any]], values: Sequence[Sequence[str]] = ()
) -> dict[str, Any]:
    """The names in their order, and the lost values. Where they are too many, the last ones are left out.

    `values` are the type, detail and digest of each name, as far as there is room for them.
    """
    shown = [_shown(name, LONGEST_NAME) for name in names][:MOST_NAMES]
    found, known = list(lost[:MOST_LOST]), list(values[:MOST_NAMES])
    while True:
        meta = {"names": shown, "lost": found, "libraries": _libraries(), "values": known}
        if len(json.dumps(meta)) <= LONGEST_META:
            return meta
        if known:
            known = known[: len(known) // 2]
        else:
            shown, found = shown[: len(shown) // 2], found[: len(found) // 2]


def _libraries() -> dict[str, str]:
    versions = {"python": python()}
    for name in LIBRARIES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            versions[name] = _shown(version, LONGEST_NAME)
    return versions


def _shown(text: str, longest: int) -> str:
    """Text that can be sent: not too long, and without what UTF-8 cannot encode."""
    return str(text)[:longest].encode(errors="replace").decode()
