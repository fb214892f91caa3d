"""Keeps memory shared after a fork: references to objects that exist now are no longer counted.

    immortal.make_all()         # in the process that is forked, before its first child

Python writes to an object whenever a reference to it is made or dropped, and the child then gets a copy of
that page of memory: 6 of the 15 MB that a kernel did not share. An immortal object (PEP 683) is never written
to and never freed. These objects would not be freed anyway: the imported libraries consist of them.
"""

import ctypes
import gc
import sys
from types import CodeType

__all__ = ["make_all"]

IMMORTAL = 0xFFFFFFFF  # the lower half of the count, which CPython 3.12 then leaves alone (Include/object.h)
MORTAL = 1 << 30  # references; no mortal object has as many


def make_all() -> int:
    """Make all objects immortal that the garbage collector knows, and what they refer to; returns how many.

    Does nothing, and returns 0, where reference counts are not stored as CPython stores them on 64-bit
    machines.
    """
    if not _works():
        return 0
    found: list[object] = gc.get_objects()
    made = 0
    while found:
        one = found.pop()
        if sys.getrefcount(one) < MORTAL:
            _immortalise(one)
            made += 1
            found += (one.co_consts,) if isinstance(one, CodeType) else gc.get_referents(one)
    return made


def _immortalise(one: object) -> None:
    ctypes.c_uint32.from_address(id(one)).value = IMMORTAL


def _works() -> bool:
    """Whether an object that we make immortal looks like one that Python made immortal."""
    if sys.implementation.name != "cpython" or sys.byteorder != "little" or sys.maxsize < 1 << 32:
        return False
    if sys.getrefcount(None) < MORTAL or ctypes.c_uint32.from_address(id(None)).value < MORTAL:
        return False
    one = object()
    before = ctypes.c_uint64.from_address(id(one)).value
    more = [one] * 10
    if ctypes.c_uint64.from_address(id(one)).value != before + len(more):
        return False
    _immortalise(one)
    more *= 10
    return ctypes.c_uint32.from_address(id(one)).value == IMMORTAL
