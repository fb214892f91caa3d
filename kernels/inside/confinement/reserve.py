"""A few descriptors that the kernel keeps for itself, since a cell can use up all the others.

    reserve.fill()                  # once, and whenever it was used
    with reserve.used(): ...        # showing an error, which reads sources and imports modules

Threads and processes need no reserve: the kernel starts none once it is up. What other libraries would start
on the way is avoided (see `copy_threshold` in `program`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["fill", "used"]

SIZE = 8  # descriptors; a traceback needs two at a time

_kept: list[int] = []


def fill() -> None:
    """Have as many as there should be, or as there can be now."""
    with suppress(OSError):
        while len(_kept) < SIZE:
            _kept.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))


@contextmanager
def used() -> Iterator[None]:
    """While entered they are free for others."""
    while _kept:
        with suppress(OSError):  # the person has closed it
            os.close(_kept.pop())
    try:
        yield
    finally:
        fill()
