"""Keeps what is shared by fork shared: no reference to an object that exists now is counted any more.

    immortal.make_all()         # in the process that is forked, before its first child

Python writes to an object whenever a reference to it comes or goes, and each child then has a copy of its
page: 6 of the 15 MB that a kernel did not share. An immortal object (PEP 683) is not written to, and never
freed, which none of these would be: they are what the imported libraries consist of.
"""

import ctypes
import gc
import sys
from types import CodeType

__all__ = ["make_all"]

IMMORTAL = 0xFFFFFFFF  # in the lower half of the count; CPython 3.12 leaves it so (Include/object.h)
MORTAL = 1 << 30  # references, more than any mortal object has


def make_all() -> int:
    """Make all objects immortal that the collector knows, and all that these consist of; returns how many.

    Nothing happens, and 0 is returned, where the count is not what CPython on a 64-bit machine makes of it.
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
    """Whether an object that is made immortal is as one that Python made so."""
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
