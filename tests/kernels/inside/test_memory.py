"""A kernel's memory use is counted from its start."""

import pytest

from kernels.inside import memory

MiB = 1 << 20


def test_what_comes_after_the_beginning_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there before does not count; the result is never negative."""
    monkeypatch.setattr(memory, "_before", 0)
    whole = memory.used()
    assert whole > MiB
    memory.begin()
    assert memory.used() < whole
    held = b"x" * (64 * MiB)
    assert 60 * MiB < memory.used() < 64 * MiB + whole
    del held
    monkeypatch.setattr(memory, "_before", 1 << 50)
    assert memory.used() == 0


def test_a_system_that_does_not_tell_counts_as_nothing() -> None:
    """As macOS, which has no /proc."""
    assert memory._resident("/proc/self/no such file") == 0
