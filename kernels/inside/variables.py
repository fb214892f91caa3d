"""The person's variables in a few words each, if possible without running code of theirs."""

from typing import Any

MOST = 200  # variables described; the newest are kept
LONGEST = 60  # characters of a name or a type


def describe(shell: Any) -> list[list[str]]:
    """[name, type, detail] of each variable that the person has defined: ["df", "DataFrame", "5 x 3"]."""
    try:
        namespace, hidden = shell.user_ns, shell.user_ns_hidden
        mine = [name for name in list(namespace) if type(name) is str and name[:1] != "_"]
        names = [name for name in mine if name not in hidden]
        return [_describe(name, namespace[name]) for name in names[-MOST:] if name in namespace]
    except BaseException:  # noqa: BLE001  the person can replace any part of it, and the reply must go out
        return []


def _describe(name: str, value: object) -> list[str]:
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
