"""The person's variables, described in a few words each, without running code of theirs where that can be helped."""

MOST = 200  # variables described; the newest are kept
LONGEST = 60  # characters of a name or a type


def describe(namespace, hidden):
    """A list of [name, type, detail] of what the person has defined, e.g. ["df", "DataFrame", "5 x 3"]."""
    names = [
        name
        for name in namespace
        if isinstance(name, str) and name not in hidden and not name.startswith("_")
    ]
    return [_describe(name, namespace[name]) for name in names[-MOST:]]


def _describe(name, value):
    kind = type(value)
    try:
        return [name[:LONGEST], kind.__name__[:LONGEST], _detail(kind, value)]
    except Exception:  # a class can make any look at it fail; the reply of the cell must go out all the same
        return [name[:LONGEST], "?", ""]


def _detail(kind, value):
    if kind in (bool, int, float, complex):
        return repr(value)[:LONGEST] if kind is not int or -(10**40) < value < 10**40 else "large"
    if kind in (str, bytes, list, tuple, dict, set, frozenset):
        return f"{len(value)} {'characters' if kind is str else 'bytes' if kind is bytes else 'items'}"
    if kind.__module__.partition(".")[0] in ("numpy", "pandas", "polars", "torch", "scipy"):
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple) and all(isinstance(size, int) for size in shape):
            return " x ".join(map(str, shape))
    return ""
