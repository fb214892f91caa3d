"""A stopped cell that goes on: the kernel is killed only if the person asks for it or the time is up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic

import pytest

from kernels.cell import run as module
from kernels.cell.events import Event, Failure, InputRequest, Restarted, Stream, Unstopped
from kernels.cell.run import Run
from kernels.errors import NoQuestion
from kernels.limits import Limits
from tests.kernels.cell.hosts import SOON, Host, ends, ignores, stops, until

QUESTION = InputRequest("name? ", password=False)
ASKED = Unstopped(("x",), limited=True, asks=False)
KEYBOARD = Failure("KeyboardInterrupt", "", ("traceback",))


class Running(Run):
    """A running cell, with all that it has reported so far."""

    told: list[Event]


@asynccontextmanager
async def running(host: Host) -> AsyncIterator[Running]:
    """A running cell of this host; it ends when the block is left."""
    async with asyncio.timeout(20), Running(host, "code") as run:
        run.told = []

        async def take() -> None:
            async for event in run:
                run.told.append(event)

        taking = asyncio.create_task(take())
        await until(lambda: bool(host.cells))
        yield run
        await taking


def deaf(*, limits: Limits | None = None) -> Host:
    """A host whose kernel receives interrupts but keeps running its cell."""
    host = Host(ignores, limits=limits)
    host.on_interrupt = lambda run: run.interrupted()
    return host


def did(host: Host) -> list[str]:
    """What was asked of the kernel."""
    return [step for step in host.asked if step in ("interrupt", "kill", "replace")]


async def test_a_cell_that_stops_is_not_asked_about() -> None:
    """It ends as interrupted, and keeps its kernel."""
    host = Host(ignores)
    async with running(host) as run:
        await run.stop()
    assert (run.told, run.result.status, did(host)) == ([], "interrupted", ["interrupt"])


async def test_a_cell_that_does_not_stop_is_asked_about_and_nothing_is_killed() -> None:
    """The question comes once; a cell that then ends keeps its kernel, and there is nothing to decide."""
    host = deaf()
    async with running(host) as run:
        with pytest.raises(NoQuestion):
            run.decide(kill=True)  # nobody has asked
        await run.stop()
        await until(lambda: bool(run.told))
        await asyncio.sleep(4 * SOON.total_seconds())
        ends(run)
    assert (run.told, run.result.status, did(host)) == ([ASKED], "interrupted", ["interrupt"])
    with pytest.raises(NoQuestion):
        run.decide(kill=True)
    assert run.result.restarted is None


@pytest.mark.parametrize("extended", [False, True])
async def test_kill_kills_at_once(extended: bool) -> None:
    """It reports what was lost, as any kill does."""
    host = deaf()
    async with running(host) as run:
        await run.stop()
        await until(lambda: bool(run.told))
        if extended:
            run.extend(timedelta(hours=1))
        run.decide(kill=True)
        assert run.over
        with pytest.raises(NoQuestion):
            run.decide(kill=True)
    restarted = Restarted(module.ON_REQUEST, ("files",), ("x",))
    assert (run.told, run.result.restarted) == ([ASKED, restarted], restarted)
    assert (run.result.status, did(host)) == ("interrupted", ["interrupt", "kill", "replace"])


@pytest.mark.parametrize(
    ("shown", "replied", "status"),
    [(None, "ok", "ok"), (KEYBOARD, "error", "interrupted"), (Failure("ValueError", ""), "error", "error")],
)
async def test_who_waits_gets_what_the_cell_comes_to(
    shown: Failure | None, replied: str, status: str
) -> None:
    """The result is "interrupted" only if the interrupt ended the cell after all."""
    host = deaf()
    async with running(host) as run:
        await run.stop()
        await until(lambda: bool(run.told))
        run.decide(kill=False)
        with pytest.raises(NoQuestion):
            run.decide(kill=True)  # it is already decided
        await asyncio.sleep(2 * SOON.total_seconds())
        if shown is not None:
            run.take_event(shown)
        run.reply(replied, 1)
    assert (run.told[0], run.result.status, did(host)) == (ASKED, status, ["interrupt"])


async def test_who_waits_may_stop_again_and_is_asked_again() -> None:
    """As often as they like."""
    host = deaf()
    async with running(host) as run:
        for times in (1, 2, 3):
            await run.stop()
            await until(lambda times=times: len(run.told) == times)
            run.decide(kill=False)
        ends(run)
    assert (run.told, run.result.status, did(host)) == ([ASKED] * 3, "ok", ["interrupt"] * 3)


async def test_a_second_stop_interrupts_again_and_asks_again() -> None:
    """That ends a thread pool that is being joined; it works before the question and while it is open."""
    host = deaf()
    async with running(host) as run:
        await run.stop()
        await run.stop()
        await until(lambda: bool(run.told))
        await run.stop()
        await until(lambda: len(run.told) == 2)
        host.on_interrupt = stops
        await run.stop()
    assert (run.told, run.result.status, did(host)) == ([ASKED] * 2, "interrupted", ["interrupt"] * 4)


async def test_an_interrupt_that_is_on_its_way_is_not_sent_again() -> None:
    """Pressing the button repeatedly sends one interrupt, and kills nothing."""
    host = Host(ignores)
    host.on_interrupt = ignores
    async with running(host) as run:
        for _ in range(100):
            await run.stop()
        await until(lambda: bool(run.told))
        for _ in range(100):
            await run.stop()
        await until(lambda: len(run.told) == 2)
        run.interrupted()
        ends(run)
    assert (run.told, did(host)) == ([ASKED] * 2, ["interrupt"])


async def test_without_an_answer_it_is_killed_when_its_time_is_up_and_not_before() -> None:
    """The limit counts from the start of the cell; the earlier interrupt earns no further grace."""
    limit = timedelta(seconds=1)
    host = deaf(limits=Limits(cell=limit))
    began = monotonic()
    async with running(host) as run:
        await run.stop()
        await until(lambda: bool(run.told))
        await until(lambda: "kill" in host.asked)
        assert monotonic() - began > limit.total_seconds() - 0.1
    assert isinstance(run.told[1], Restarted)
    assert (run.result.status, run.told[1].reason) == ("interrupted", module.OUT_OF_TIME)
    assert did(host) == ["interrupt", "kill", "replace"]


async def test_who_waits_has_the_cells_own_time() -> None:
    """The cell then times out as any other does: an interrupt, and a moment to react to it."""
    host = deaf(limits=Limits(cell=timedelta(seconds=3)))
    async with running(host) as run:
        await run.stop()
        await until(lambda: bool(run.told))
        run.decide(kill=False)
        host.on_interrupt = stops
    assert (run.told, run.result.status, run.result.cause) == ([ASKED], "timeout", "deadline")
    assert did(host) == ["interrupt", "interrupt"]


async def test_a_stop_just_before_the_deadline_leaves_the_kernel_its_moment() -> None:
    """And no question is asked, since it would be settled before anybody could answer."""
    host = deaf()
    async with running(host) as run:
        await run.stop()
        run._clock._ring()  # just now
        assert did(host) == ["interrupt"]
    assert [type(event) for event in run.told] == [Restarted]
    assert (run.result.status, did(host)) == ("interrupted", ["interrupt", "kill", "replace"])


async def test_a_stop_just_before_the_deadline_that_works_keeps_the_kernel() -> None:
    """A deadline that comes in the meantime kills nothing."""
    host = deaf()
    async with running(host) as run:
        await run.stop()
        run._clock._ring()  # just now
        ends(run)
    assert (run.told, run.result.status, did(host)) == ([], "interrupted", ["interrupt"])


async def test_more_time_is_more_time_for_a_cell_that_does_not_stop() -> None:
    """Whether it is granted before the deadline or during the moment of grace after it."""
    host = deaf()
    async with running(host) as run:
        await run.stop()
        run._clock._ring()  # just now
        run.extend(timedelta(seconds=30))
        await until(lambda: bool(run.told))
        await asyncio.sleep(2 * SOON.total_seconds())
        run.decide(kill=False)
        ends(run)
    assert (run.told, run.result.status, did(host)) == ([ASKED], "ok", ["interrupt"])


async def test_without_a_limit_it_goes_on_until_it_ends() -> None:
    """The question says so, and what would come back of a kernel that is killed."""
    host = deaf(limits=Limits(cell=None))
    host.saved = 12
    async with running(host) as run:
        await run.stop()
        await until(lambda: bool(run.told))
        await asyncio.sleep(3 * SOON.total_seconds())
        ends(run)
    asked = Unstopped(("x",), limited=False, asks=False, saved=12)
    assert (run.told, did(host)) == ([asked], ["interrupt"])


async def test_whatever_else_ends_a_cell_kills_its_kernel_as_ever() -> None:
    """A reset or an edited message does so even for a cell that was stopped or is being asked about."""
    for moment in ("before", "stopped", "asked"):
        host = deaf(limits=Limits(cell=None))
        async with running(host) as run:
            if moment != "before":
                await run.stop()
            if moment == "asked":
                await until(lambda: bool(run.told))
            await run.interrupt()
            with pytest.raises(NoQuestion):
                run.decide(kill=False)  # nobody has a say in it now
            await run.stop()  # nor does this lead to a question
        assert isinstance(run.told[-1], Restarted), moment
        assert (len(run.told), run.result.status) == (1 + (moment == "asked"), "interrupted")
        assert did(host)[-2:] == ["kill", "replace"]


async def test_whoever_leaves_while_it_is_asked_kills_the_kernel() -> None:
    """A cancelled turn does not hold the kernel until the deadline."""
    host = deaf(limits=Limits(cell=None))
    async with asyncio.timeout(10), Run(host, "code") as run:
        stopping = asyncio.create_task(_stop_when_it_runs(host, run))
        async for event in run:
            assert event == Unstopped(("x",), limited=False, asks=False)
            break
        await stopping
    assert (run.result.status, did(host)) == ("interrupted", ["interrupt", "interrupt", "kill", "replace"])


async def _stop_when_it_runs(host: Host, run: Run) -> None:
    await until(lambda: bool(host.cells))
    await run.stop()


async def test_a_question_is_withdrawn_by_a_stop_and_the_cells_time_goes_on() -> None:
    """The clock goes on with the cell's own remaining time, not with the time allowed for an answer."""
    host = deaf(limits=Limits(cell=timedelta(seconds=3), answer=timedelta(seconds=60)))
    async with running(host) as run:
        run.take_event(QUESTION)
        await run.stop()
        with pytest.raises(NoQuestion):
            run.answer("Bob")
        await until(lambda: len(run.told) == 2)
    assert run.told[:2] == [QUESTION, ASKED]
    assert isinstance(run.told[2], Restarted)
    assert run.told[2].reason == module.OUT_OF_TIME


async def test_a_cell_that_asks_when_it_is_stopped_can_be_answered_and_killed() -> None:
    """As with `except KeyboardInterrupt: input("quit? ")`: both questions are open at the same time."""
    host = deaf()
    async with running(host) as run:
        await run.stop()
        run.take_event(QUESTION)
        await until(lambda: len(run.told) == 2)
        assert run.told == [QUESTION, Unstopped(("x",), limited=True, asks=True)]
        run.answer("no")
        assert "answer no" in host.asked
        run.decide(kill=True)
    assert run.told[2] == Stream("stdout", "name? no\n")
    assert isinstance(run.told[3], Restarted)


async def test_an_answer_that_nothing_comes_of_leaves_it_asked_about() -> None:
    """Neither the answer nor the stop kills the kernel, and the cell's time goes on after the answer."""
    host = deaf(limits=Limits(cell=timedelta(seconds=3), answer=timedelta(seconds=60)))
    async with running(host) as run:
        await run.stop()
        run.take_event(QUESTION)
        run.answer("no")
        await until(lambda: len(run.told) == 3)
        assert did(host) == ["interrupt"]
    assert run.told[2] == ASKED
    assert isinstance(run.told[3], Restarted)
    assert run.told[3].reason == module.OUT_OF_TIME


async def test_a_question_that_nobody_answers_ends_a_stopped_cell_too() -> None:
    """It ends after the time that any answer may take."""
    host = deaf(limits=Limits(cell=None, answer=4 * SOON))
    async with running(host) as run:
        await run.stop()
        run.take_event(QUESTION)
    assert (run.result.status, run.result.cause) == ("timeout", "no answer")
    assert did(host) == ["interrupt", "interrupt", "kill", "replace"]


async def test_an_interrupt_that_is_never_confirmed_does_not_keep_an_ended_cell_open() -> None:
    """Then the kernel is broken rather than the cell slow, so the wait is limited."""
    for waited in (False, True):
        host = Host(ignores, limits=Limits(cell=None))
        host.on_interrupt = ignores
        async with running(host) as run:
            await run.stop()
            if waited:
                await until(lambda: bool(run.told))
                run.decide(kill=False)
            ends(run)
            assert not run.over
        assert isinstance(run.told[-1], Restarted)
        assert (run.result.status, did(host)) == ("interrupted", ["interrupt", "kill", "replace"])


async def test_a_kernel_that_dies_is_told_as_what_it_died_of() -> None:
    """An exceeded limit is named; a death while waiting is a death; one the stop may have caused is not."""
    cases: list[tuple[bool | None, str | None, str]] = [
        (None, "memory", "out of memory"),
        (None, None, "interrupted"),
        (False, None, "died"),
    ]
    for decided, fault, status in cases:
        host = deaf()
        async with running(host) as run:
            await run.stop()
            await until(lambda: bool(run.told))
            if decided is not None:
                run.decide(kill=decided)
            run.died(-9, "it ended", fault)
        assert run.result.status == status


async def test_a_stop_before_the_cell_runs_ends_it() -> None:
    """While it is queued for its kernel, there is nothing to kill."""
    host = Host(ignores)
    async with running(host) as first:
        second = Run(host, "second")
        waiting = asyncio.create_task(_events(second))
        await until(lambda: host.queue.waiting == 1)
        await second.stop()
        await waiting
        assert second.result.status == "interrupted"
        ends(first)
    assert "second" not in host.asked
    await first.stop()  # too late
    assert did(host) == []


async def _events(run: Run) -> list[Event]:
    async with run:
        return [event async for event in run]
