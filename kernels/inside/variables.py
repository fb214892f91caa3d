"""The person's variables in a few words each, if possible without running code of theirs.

variables = Variables(shell)
variables.describe()        # [["df", "DataFrame", "5 x 3"]]: after each cell
"""

from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from operator import is_not
from typing import Any

__all__ = ["LONGEST", "MOST", "Variables", "described"]

MOST = 200  # variables described; the newest are kept
LONGEST = 60  # characters of a name or a type


class Variables:
    """The variables of a shell's namespace.

    IPython adds two or three names with each cell (`_i12` and `_12`), so a thousand cells leave thousands.
    They are not looked at again: a dictionary keeps its order, so whatever is new comes after the name that
    stands for the last cell's code. No code makes that very object, so if it is there, it is where it was.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._last = object()  # the newest name of a cell's code
        self._before: list[str] = []  # the person's names before that one

    def describe(self) -> list[list[str]]:
        """[name, type, detail] of each variable that the person has defined: ["df", "DataFrame", "5 x 3"]."""
        try:
            namespace, hidden = self._shell.user_ns, self._shell.user_ns_hidden
            names = [name for name in self._names(namespace) if name not in hidden]
            return [described(name, namespace[name]) for name in names[-MOST:] if name in namespace]
        except BaseException:  # noqa: BLE001  the person can replace any part of it, and the reply must go out
            return []

    def _names(self, namespace: dict[Any, Any]) -> list[str]:
        """The names without an underscore, in their order."""
        new = list(
            takewhile(partial(is_not, self._last), reversed(namespace))
        )  # in one step, despite threads
        known = self._before if len(new) < len(namespace) else []
        new.reverse()
        again = set(_own(new))  # they may have been deleted meanwhile, and defined again
        before = [name for name in known if name in namespace and name not in again]
        if codes := [position for position, name in enumerate(new) if _is_code(name)]:
            self._last, self._before = new[codes[-1]], [*before, *_own(new[: codes[-1]])]
        return [*before, *_own(new)]


def _is_code(name: object) -> bool:
    """Whether it is IPython's name for the code of a cell."""
    return type(name) is str and name[:2] == "_i" and name[2:].isdecimal()


def _own(names: list[Any]) -> Iterator[str]:
    return (name for name in names if type(name) is str and name[:1] != "_")


def described(name: str, value: object) -> list[str]:
    """[name, type, detail] of a variable."""
    kind = type(value)
    try:
        return [_shown(name), _shown(kind.__name__), _detail(kind, value)]
    except BaseException:  # noqa: BLE001  a class can raise anything at any look at it
        return [_shown(name), "?", ""]


def _shown(name: str) -> str:
    """A name that can be sent: not too long, and without what UTF-8 cannot encode."""
    return name[:LONGEST].encode(errors="replace").decode()


def _detail(kind: type, value: Any) -> str:
    if kind in (bool, int, float, complex):
        return repr(value)[:LONGEST] if kind is not int or -(10**40) < value < 10**40 else "large"
    if kind in (str, bytes, list, tuple, dict, set, frozenset):
        return f"{len(value)} {'characters' if kind is str else 'bytes' if kind is bytes else 'items'}"
    if kind.__module__.partition(".")[0] in ("numpy", "pandas", "polars", "torch", "scipy"):
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple) and all(isinstance(size, int) for size in shape):
            return " x ".join(map(str, shape))
    return ""
