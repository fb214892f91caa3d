"""Discards what the code of values writes and displays while they are saved or made again.

    with muting.muted(descriptors=True): ...

What other threads write meanwhile is not discarded, except by a thread that is started within. `descriptors`
also discards what is written to the descriptors 1 and 2, which nobody can tell apart: only where no other
thread can write to them.
"""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from typing import Any

__all__ = ["is_muted", "muted"]

STANDARD = (1, 2)  # the descriptors of stdout and stderr
# A warning that is ignored is not noted as shown: in a cell it is shown all the same. The pattern, which any
# text matches, makes it no one else's filter.
IGNORED: Any = ("ignore", re.compile("(?:)"), Warning, None, 0)

_muted: ContextVar[object] = ContextVar("muted", default=None)
_now: object = None  # what is discarded now; a thread that was started within goes on when that is over


def is_muted() -> bool:
    """Whether what is written here and now is discarded."""
    muted_by = _muted.get()
    return muted_by is not None and muted_by is _now


@contextmanager
def muted(*, descriptors: bool) -> Iterator[None]:
    """While entered, discard what this thread writes and displays, and any warnings."""
    with ExitStack() as stack:
        if descriptors:
            with suppress(OSError):  # no descriptor is left, or the person has closed these
                stack.enter_context(_descriptors_muted())
        stack.enter_context(_warnings_ignored())
        stack.enter_context(_discarded())
        yield


@contextmanager
def _discarded() -> Iterator[None]:
    global _now  # noqa: PLW0603  one process, one main thread
    _now = object()
    token = _muted.set(_now)
    try:
        yield
    finally:
        _muted.reset(token)
        _now = None


@contextmanager
def _descriptors_muted() -> Iterator[None]:
    kept: dict[int, int] = {}
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for number in STANDARD:
            kept[number] = os.dup(number)
            os.dup2(null, number)
        yield
    finally:
        os.close(null)
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)


@contextmanager
def _warnings_ignored() -> Iterator[None]:
    """As `warnings.catch_warnings`, which makes Python forget which warnings were shown already."""
    filters = warnings.filters
    filters.insert(0, IGNORED)  # type: ignore[attr-defined]  # it is a list, which C code reads
    try:
        yield
    finally:
        for each in (filters, warnings.filters):
            with suppress(ValueError):  # it is the same list, or the code of a value has emptied it
                each.remove(IGNORED)  # type: ignore[attr-defined]
