"""A save or a load ends when its time or its memory is used up, whatever its values' code does."""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from kernels.inside import memory
from kernels.inside.children import forked
from kernels.inside.state import bounds
from kernels.inside.state.bounds import GivenUp, TakesTooLong, TakesTooMuch, WorkBounds, spare_memory
from kernels.sandbox.policy import MAPPED

MiB = 1 << 20


@pytest.fixture(autouse=True)
def _no_timer() -> Iterator[None]:
    """The timer that ends a test which hangs waits meanwhile."""
    before = signal.setitimer(signal.ITIMER_REAL, 0)
    yield
    signal.setitimer(signal.ITIMER_REAL, *before)


def loop() -> None:
    """Run for ever, with exceptions caught, as code may do on purpose: here only the first two."""
    for _ in range(2):
        try:
            while True:
                pass
        except GivenUp:
            continue
    while True:
        pass


@pytest.mark.parametrize("work", [loop, lambda: time.sleep(1000), lambda: os.read(os.pipe()[0], 1)])
def test_code_that_does_not_end_is_ended(work: Callable[[], Any]) -> None:
    """Also if it waits, and if it catches the first exceptions."""
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(GivenUp, match="too long"), WorkBounds(0.01, MiB):
        work()
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_it_can_be_stopped_before_its_time() -> None:
    """As an interrupt does, at a time when the code may catch it; or before it has begun."""

    def work() -> None:
        with WorkBounds(1000, MiB) as bounded:
            bounded.stop()
            loop()

    with pytest.raises(GivenUp):
        work()
    early = WorkBounds(1000, MiB)
    early.stop()
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    with pytest.raises(GivenUp, match="interrupted"), early:
        early.check()


def test_a_part_may_take_only_its_share_of_the_time() -> None:
    """Then the rest goes on; but a part ends the whole when the whole is at its end."""
    with WorkBounds(20, MiB) as bounded:
        with pytest.raises(TakesTooLong), bounded.part(0.0001):
            loop()
        bounded.check()
        with bounded.part(0.5):
            assert bounded.left() <= 10
        assert bounded.left() > 10
        bounded.stop()
        with pytest.raises(GivenUp), bounded.part(0.5):
            bounded.check()


def test_what_is_finished_is_not_given_up() -> None:
    """The node has the state by then."""
    with WorkBounds(1000, MiB) as bounded:
        bounded.finish()
        bounded.stop()
        signal.raise_signal(signal.SIGALRM)


@pytest.fixture
def alarms() -> Iterator[list[int]]:
    """The person's own handler of alarms, which counts them."""
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    yield heard
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_the_persons_own_timer_goes_on(alarms: list[int]) -> None:
    """It is not used up meanwhile, and comes when it is due, or at once if that has passed."""
    signal.setitimer(signal.ITIMER_REAL, 1000, 50)
    with WorkBounds(1000, MiB):
        pass
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert 900 < left <= 1000
    assert interval == 50
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    with WorkBounds(1000, MiB):
        time.sleep(0.05)
        assert not alarms
    while not alarms:
        time.sleep(0.01)


def test_the_timer_ends_with_it_whenever_it_fires() -> None:
    """What is raised before the block is entered or as it is left would leave it on, and end the kernel."""
    bounded, fired = WorkBounds(1000, MiB), set[str]()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code in (WorkBounds.__enter__.__code__, WorkBounds.__exit__.__code__):
            if signal.getsignal(signal.SIGALRM) == bounded._tick:
                fired.add(f"{frame.f_code.co_name}: {event}")
                bounded._tick(signal.SIGALRM, frame)
            return trace
        return None

    before, around = signal.getsignal(signal.SIGALRM), sys.gettrace()
    bounded.stop()
    sys.settrace(trace)
    try:
        with pytest.raises(GivenUp), bounded:
            bounded.check()
    finally:
        sys.settrace(around)
    assert {"__enter__: line", "__enter__: return", "__exit__: call", "__exit__: line"} <= fired
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) == before


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used before does not count."""
    used = 100 * MiB
    monkeypatch.setattr(memory, "used", lambda: used)
    monkeypatch.setattr(bounds, "LOOK", 0)
    with WorkBounds(1000, 10 * MiB) as bounded:
        used += 10 * MiB
        bounded.check()
        used += 1
        with pytest.raises(TakesTooMuch):
            bounded.check()
        used -= 10 * MiB  # by code that has caught it, and whose value is not whole
        with pytest.raises(TakesTooMuch):
            bounded.check()
        bounded.grow_from_now()
        bounded.check()
        used += 11 * MiB
        with pytest.raises(TakesTooMuch), bounded.part(0.5):
            bounded.check()
        signal.raise_signal(signal.SIGALRM)  # while nothing of it has been freed yet


def test_memory_is_bounded_in_code_that_never_checks() -> None:
    """A value's own code can take any amount of it."""
    held = []

    def grow() -> None:
        while True:
            held.append(b"x" * MiB)
            time.sleep(0.001)

    with pytest.raises(TakesTooMuch), WorkBounds(1000, 10 * MiB):
        grow()
    assert len(held) < 1000


def test_a_save_takes_at_most_half_of_what_the_kernel_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is the one on its address space, less what the sandbox adds to it; there may be none."""
    assert bounds.MAPPED == MAPPED
    limit = MAPPED + 400 * MiB
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    monkeypatch.setattr(memory, "used", lambda: 100 * MiB)
    assert spare_memory() == 150 * MiB
    monkeypatch.setattr(memory, "used", lambda: 400 * MiB)
    assert 0 < spare_memory() < 10 * MiB
    limit = resource.RLIM_INFINITY
    assert spare_memory() == bounds.MOST


def test_a_forked_child_goes_no_further() -> None:
    """A value's code can fork while it is saved; only the kernel itself may go on."""
    before = forked._kernel
    forked._kernel = os.getpid()
    try:
        with WorkBounds(1000, MiB) as bounded:
            child = os.fork()
            if child == 0:
                try:
                    bounded.look()
                finally:
                    os._exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        forked._kernel = before
