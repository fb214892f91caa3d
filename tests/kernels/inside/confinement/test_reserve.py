"""A few descriptors are free when the kernel needs them, however many a cell has opened."""

import os
import resource
from collections.abc import Iterator
from contextlib import suppress

import pytest

from kernels.inside.confinement import reserve


@pytest.fixture(autouse=True)
def _given_back() -> Iterator[None]:
    yield
    while reserve._kept:
        os.close(reserve._kept.pop())


def test_they_are_free_while_they_are_used() -> None:
    """And are reserved again afterwards."""
    reserve.fill()
    reserve.fill()
    assert len(reserve._kept) == reserve.SIZE
    with reserve.used():
        assert reserve._kept == []
    assert len(reserve._kept) == reserve.SIZE


def test_a_file_can_be_opened_when_there_is_no_descriptor_left() -> None:
    """A traceback needs two descriptors."""
    reserve.fill()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, hard))
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(OSError, match="Too many open files"):
            os.dup(0)
        with reserve.used(), open(os.devnull, encoding="ascii"), open(os.devnull, encoding="ascii"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in taken:
            os.close(number)
    assert len(reserve._kept) == reserve.SIZE


def test_one_that_the_person_has_closed_costs_nothing() -> None:
    """Only Python itself may be surprised by it."""
    reserve.fill()
    os.close(reserve._kept[0])
    with reserve.used():
        assert reserve._kept == []
    assert len(reserve._kept) == reserve.SIZE
