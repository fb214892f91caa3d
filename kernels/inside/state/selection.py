"""Which names are saved where there is no room for all of them.

    fitting({"df": 900 << 20, "n": 20}, ["df", "n"], room=100 << 20)     # {"n"}

Small values first, as they are what is missed most for its size. Of the others, those that were bound last.
"""

import re
from collections.abc import Mapping, Sequence

from .. import variables

__all__ = ["Marked", "described", "fitting", "marked", "slow", "too_large"]

type Marked = tuple[str, int, int, str]

SMALL = 64 << 10  # bytes
LONGEST = 60  # characters of a type's name


def fitting(sizes: Mapping[str, int], newest_first: Sequence[str], room: int) -> set[str]:
    """The names whose values fit into `room` together. All sizes are in bytes."""
    small = sorted((name for name in sizes if sizes[name] <= SMALL), key=sizes.__getitem__)
    chosen = set()
    for name in dict.fromkeys([*small, *(name for name in newest_first if sizes.get(name, 0) > SMALL)]):
        if sizes[name] <= room:
            room -= sizes[name]
            chosen.add(name)
    return chosen


def marked(name: str, value: object) -> Marked:
    """What is the same as long as a name has the same value, which may grow a little.

    An address alone may soon be another value's.
    """
    _, _, size = variables.described(name, value)
    return name, id(value), id(type(value)), re.sub(r"\d", "0", size)  # only its order of magnitude


def described(value: object, size: int) -> str:
    """A value that is not saved, in words: "a `DataFrame` of 900 MB (left out: your quota has ...)"."""
    return f"{_kind(value)} of {_in_words(size)} (left out: your quota has no room for it)"


def too_large(value: object, size: int) -> str:
    """The same for a value that takes more than so much memory to be saved."""
    return f"{_kind(value)} of more than {_in_words(size)} (left out: saving it takes too much memory)"


def slow(value: object) -> str:
    """The same for a value that takes too long."""
    return f"{_kind(value)} (left out: saving it takes too long)"


def _kind(value: object) -> str:
    return f"a `{type(value).__name__[:LONGEST].encode(errors='replace').decode()}`"


def _in_words(size: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
