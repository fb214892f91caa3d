"""A cell's clock counts the time it works, and rings when that exceeds its limit."""

import asyncio
from datetime import timedelta

import pytest

from kernels.cell.clock import Clock


class Time:
    """A time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def time() -> Time:
    """The clock's time, set up within a running loop."""
    return Time()


def rings_in(clock: Clock) -> float | None:
    """Seconds on the loop until the clock rings, to the whole second; None if it will not ring."""
    alarm = clock._alarm
    if alarm is None or alarm.cancelled():
        return None
    return round(alarm.when() - asyncio.get_running_loop().time())


async def test_it_rings_after_its_limit() -> None:
    """The event loop rings it; a limit of zero rings at once."""
    rung = asyncio.Event()
    Clock(rung.set).start(timedelta())
    await asyncio.wait_for(rung.wait(), 5)


async def test_more_time_is_counted_from_the_start_of_the_cell(time: Time) -> None:
    """A minute in all leaves 20 seconds to a cell that has worked for 40; a second extension counts alike."""
    clock = Clock(lambda: None, time)
    clock.start(timedelta(seconds=50))
    assert rings_in(clock) == 50
    time.now = 40
    clock.extend(timedelta(seconds=60))
    assert rings_in(clock) == 20
    time.now = 50
    clock.extend(timedelta(seconds=600))
    assert rings_in(clock) == 550
    clock.extend(timedelta(seconds=10))  # which it has used up
    assert rings_in(clock) == 0
    clock.stop()
    assert (clock.worked, rings_in(clock)) == (50, None)


async def test_more_time_while_a_question_waits_counts_the_work_before_it(time: Time) -> None:
    """The question's own limit stays in force; afterwards the cell has what is left of the new limit."""
    clock = Clock(lambda: None, time)
    clock.start(timedelta(seconds=50))
    time.now = 40
    clock.pause(timedelta(seconds=300))
    time.now = 140
    clock.extend(timedelta(seconds=60))
    assert rings_in(clock) == 300
    clock.resume()
    assert rings_in(clock) == 20
    clock.stop()
    assert clock.worked == 40


async def test_waiting_for_a_person_does_not_count(time: Time) -> None:
    """Each question has the whole of its own limit; afterwards the cell has the time it had left."""
    clock = Clock(lambda: None, time)
    clock.start(timedelta(seconds=50))
    for asked, left in ((10, 40), (30, 20)):
        time.now += 10 if asked == 10 else 20
        clock.pause(timedelta(seconds=300))
        assert rings_in(clock) == 300
        time.now += 1000
        clock.resume()
        assert rings_in(clock) == left
    clock.stop()
    assert clock.worked == 30


async def test_without_a_limit_it_never_rings(time: Time) -> None:
    """Until it is given a limit, which counts the work done so far."""
    clock = Clock(lambda: None, time)
    clock.start(None)
    time.now = 40
    clock.pause(None)
    clock.resume()
    assert (clock.limited, rings_in(clock)) == (False, None)
    clock.extend(timedelta(seconds=60))
    assert (clock.limited, rings_in(clock)) == (True, 20)
    clock.stop()
