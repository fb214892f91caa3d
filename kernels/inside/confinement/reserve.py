"""A few descriptors that the kernel keeps for itself, since a cell can use up all the others.

    reserve.fill()                  # once
    with reserve.used(): ...        # to show an error, which reads source files and imports modules

Threads and processes need no reserve: once it is up the kernel starts none, and what libraries would start is
avoided (see `copy_threshold` in `program`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["fill", "used"]

SIZE = 8  # descriptors; a traceback needs two at a time

_kept: list[int] = []


def fill() -> None:
    """Open as many as there should be, or as can be opened now."""
    with suppress(OSError):
        while len(_kept) < SIZE:
            _kept.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))


@contextmanager
def used() -> Iterator[None]:
    """While entered they are free for other use."""
    while _kept:
        with suppress(OSError):  # the person has closed it
            os.close(_kept.pop())
    try:
        yield
    finally:
        fill()
