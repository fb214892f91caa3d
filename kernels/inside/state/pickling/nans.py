"""Floats that are not a number: the same one stays the same one, or `x in [x]` would become false.

`pickle` writes each float as a new one. What has a NaN in it is therefore written once more, with each NaN
named by its address, or by where it is at home, such as `math.nan`:

    nans = WrittenNans()
    pickler.persistent_id = nans.named      # in the stream: what `ReadNans.made` makes one of

A NaN has 64 bits, some of which are its own; they are kept.
"""

import re
import struct
import sys
from contextlib import suppress
from typing import Any

__all__ = ["ReadNans", "WrittenNans", "has_nan", "is_nan"]

AT_HOME = ("math.nan", "numpy.nan", "cmath.nan")  # may be one and the same; the first is told
WRITTEN = re.compile(rb"G[\x7f\xff][\xf0-\xff]")  # how a NaN begins in a pickle, and an infinity
LONGEST = 192 << 10  # bytes; a longer piece of a pickle is a value's own bytes, and no frame
BITS = 64
HELD_ONCE = 3  # references to a float of a tuple that nothing else has, while it is looked at


def is_nan(value: object) -> bool:
    """Whether it is a plain float that is not a number."""
    return type(value) is float and value != value


def has_nan(piece: Any) -> bool:
    """Whether there may be a NaN in this piece of a pickle."""
    return len(piece) <= LONGEST and WRITTEN.search(piece) is not None


class WrittenNans:
    """The NaNs of one stream."""

    def __init__(self) -> None:
        self._home = {id(nan): -number for number, nan in _at_home().items()}
        self._held: list[float] = []  # no other may have their address

    def named(self, value: object) -> int | None:
        """What a pickler writes in place of a NaN that others may have, too; None for anything else."""
        if type(value) is not float or value == value:
            return None
        if (number := self._home.get(id(value))) is not None:
            return number
        if sys.getrefcount(value) <= HELD_ONCE:
            return None
        self._held.append(value)
        return id(value) << BITS | int.from_bytes(struct.pack(">d", value))


class ReadNans:
    """The NaNs of one stream that is read."""

    def __init__(self) -> None:
        self._made: dict[int, float] = {}

    def made(self, named: int) -> float:
        """The NaN of this name, always the same one."""
        found = self._made.get(named)
        if found is None:
            found = self._made[named] = _made(named)
        return found


def _made(named: int) -> float:
    if named < 0:
        module, _, name = AT_HOME[-named - 1].rpartition(".")
        with suppress(Exception):  # the library is gone, or the person has changed it: any NaN will do
            __import__(module)
            found = getattr(sys.modules[module], name)
            return found if is_nan(found) else float("nan")
        return float("nan")
    found = struct.unpack(">d", (named & (1 << BITS) - 1).to_bytes(8))[0]
    return found if is_nan(found) else float("nan")


def _at_home() -> dict[int, object]:
    """Those that modules have, as far as the modules are there, by their numbers; the last ones first."""
    found = {}
    for number, path in reversed(list(enumerate(AT_HOME, 1))):
        module, _, name = path.rpartition(".")
        nan = vars(sys.modules[module]).get(name) if module in sys.modules else None
        if is_nan(nan):
            found[number] = nan
    return found
