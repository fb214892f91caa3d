"""A cell in flight: when it is over, what it reports, and that it can be left at any time."""

import asyncio
from datetime import timedelta
from time import monotonic

import pytest

from kernels.cell.events import (
    ClearOutput,
    Display,
    Event,
    Failure,
    InputRequest,
    Queued,
    Restarted,
    Result,
    Stream,
)
from kernels.cell.run import Run
from kernels.errors import NoQuestion
from kernels.limits import Limits
from tests.kernels.cell.hosts import SOON, Host, ends, ignores, until

QUESTION = InputRequest("name? ", password=False)


async def events(run: Run) -> list[Event]:
    """All events of a run, within a time-out."""
    async with asyncio.timeout(10):
        async with run:
            return [event async for event in run]


def says(words: str) -> Stream:
    """A piece of standard output."""
    return Stream("stdout", words)


async def test_what_comes_before_the_reply_is_the_cells() -> None:
    """The reply is the last thing a kernel says about a cell."""

    def script(run: Run) -> None:
        run.take_event(says("a"))
        run.take_event(Display({"image/png": "aa"}))
        run.take_event(Result({"text/plain": "2"}, 1))
        run.reply("ok", 7)

    run = Run(Host(script), "code")
    assert [type(event) for event in await events(run)] == [Stream, Display, Result]
    assert (run.result.status, run.result.execution_count, run.result.output) == ("ok", 7, "a\n2\n")
    assert [output["output_type"] for output in run.result.outputs][1:] == ["display_data", "execute_result"]


async def test_events_come_as_they_happen() -> None:
    """Output is reported while the cell runs."""
    host = Host(ignores)
    async with asyncio.timeout(10), Run(host, "code") as run:
        iterator = aiter(run)
        first = asyncio.ensure_future(anext(iterator))
        await until(lambda: bool(host.cells))
        run.take_event(says("a"))
        assert await first == says("a")
        ends(run)
        assert [event async for event in iterator] == []
    assert run.result.status == "ok"


async def test_an_error_is_a_result() -> None:
    """The exception in the person's code is reported, and becomes the result's error."""
    failure = Failure("ZeroDivisionError", "division by zero", ("traceback",))

    def script(run: Run) -> None:
        run.take_event(failure)
        run.reply("error", 1)

    run = Run(Host(script), "1/0")
    assert await events(run) == [failure]
    assert (run.result.status, run.result.error) == ("error", failure)


async def test_a_forged_error_is_not_the_result_of_a_good_cell() -> None:
    """A cell that publishes an error and ends well has status "ok" and no error."""

    def script(run: Run) -> None:
        run.take_event(Failure("E", "v"))
        ends(run)

    run = Run(Host(script), "code")
    await events(run)
    assert (run.result.status, run.result.error) == ("ok", None)


async def test_the_code_is_repaired() -> None:
    """Code with lone surrogates can be sent; it fails in the kernel, as it should."""
    host = Host(ends)
    await events(Run(host, "'\ud800'"))
    assert "'\ufffd'" in host.asked


async def test_death_is_told_with_what_was_lost() -> None:
    """A dying kernel ends the cell; its output so far stays, and Restarted is the last event."""

    def script(run: Run) -> None:
        run.take_event(says("last words"))
        run.died(-11)

    host = Host(script)
    run = Run(host, "code")
    assert await events(run) == [says("last words"), Restarted("the kernel died", ("files",), ("x",))]
    assert (run.result.status, run.result.exit_code) == ("died", -11)
    assert run.result.restarted is not None
    assert run.result.output == "last words"
    assert host.asked[-2:] == ["replace", "look"]


async def test_death_after_the_end_is_not_this_cells() -> None:
    """A kernel that dies after the cell is over does not change the result."""

    def script(run: Run) -> None:
        ends(run)
        run.died(-9)

    run = Run(Host(script), "code")
    assert await events(run) == []
    assert (run.result.status, run.result.exit_code) == ("ok", None)


async def test_the_deadline_interrupts_and_the_kernel_stays() -> None:
    """A cell that stops when it is interrupted keeps its kernel."""
    host = Host(ignores, limits=Limits(cell=SOON))
    run = Run(host, "code")
    assert await events(run) == []
    assert (run.result.status, run.result.cause) == ("timeout", "deadline")
    assert "interrupt" in host.asked
    assert "replace" not in host.asked


async def test_what_does_not_stop_is_killed() -> None:
    """A cell that ignores the interrupt ends with its kernel, and the result says so."""
    host = Host(ignores, limits=Limits(cell=SOON))
    host.on_interrupt = ignores
    run = Run(host, "code")
    (restarted,) = await events(run)
    assert isinstance(restarted, Restarted)
    assert "did not stop" in restarted.reason
    assert (run.result.status, run.result.cause) == ("timeout", "deadline")
    assert [step for step in host.asked if step in ("interrupt", "kill", "replace")] == [
        "interrupt",
        "kill",
        "replace",
    ]


async def test_a_reader_that_takes_nothing_does_not_stop_the_clock() -> None:
    """The deadline and the kill come even if the reader of the events is stuck."""
    host = Host(lambda run: run.take_event(says("a")), limits=Limits(cell=SOON))
    host.on_interrupt = ignores
    async with asyncio.timeout(10), Run(host, "code") as run:
        async for _ in run:
            await until(lambda: "kill" in host.asked)
    assert run.result.status == "timeout"


async def test_a_flood_does_not_stop_the_clock() -> None:
    """The deadline comes even if there is always another event to take."""
    host = Host(ignores, limits=Limits(cell=SOON))
    host.on_interrupt = ignores
    async with asyncio.timeout(10), Run(host, "code") as run:
        flood = asyncio.create_task(pour(run))
        async for _ in run:
            await asyncio.sleep(0)
    await flood
    assert run.result.status == "timeout"


async def pour(run: Run) -> None:
    """Show something at every turn of the loop until the cell is over."""
    while not run.over:
        run.take_event(ClearOutput(wait=False))
        await asyncio.sleep(0)


async def test_an_interrupt_that_is_still_on_its_way_keeps_the_cell_open() -> None:
    """A cell that ends by itself then is over only once the interrupt can no longer hit the next one."""
    host = Host(ignores)
    host.on_interrupt = ends
    async with asyncio.timeout(10), Run(host, "code") as run:
        taking = asyncio.ensure_future(anext(aiter(run), None))
        await until(lambda: bool(host.cells))
        await run.interrupt()
        assert not run.over
        run.interrupted()
        assert run.over
        assert await taking is None
    assert run.result.status == "interrupted"


async def test_no_time_limit_is_none() -> None:
    """Without a deadline a cell runs until it ends."""
    host = Host(ignores, limits=Limits(cell=None))
    run = Run(host, "code")
    running = asyncio.create_task(events(run))
    await until(lambda: bool(host.cells))
    ends(run)
    assert await running == []


async def test_the_deadline_pauses_during_a_question() -> None:
    """The time a person takes to think counts neither against the cell nor as work."""
    limit, began = timedelta(seconds=1), monotonic()
    host = Host(lambda run: run.take_event(QUESTION), limits=Limits(cell=limit, answer=timedelta(seconds=30)))
    async with asyncio.timeout(10), Run(host, "code") as run:
        async for event in run:
            assert event in (QUESTION, says("name? Bob\n"))
            if isinstance(event, InputRequest):
                assert event.number == run.question == 1
                await asyncio.sleep(1.1 * limit.total_seconds())  # longer than the cell's own time
                run.answer("Bob")
                ends(run)
    assert run.result.status == "ok"
    assert run.result.output == "name? Bob\n"
    assert run.result.execution_time < monotonic() - began - limit.total_seconds()
    assert "answer Bob" in host.asked


async def test_the_deadline_goes_on_after_the_answer() -> None:
    """After the answer the cell has the time it had left, and no more."""
    host = Host(lambda run: run.take_event(QUESTION), limits=Limits(cell=SOON))
    async with asyncio.timeout(10), Run(host, "code") as run:
        async for event in run:
            if event == QUESTION:
                run.answer("Bob")
    assert (run.result.status, run.result.cause) == ("timeout", "deadline")


async def test_a_question_without_an_answer_is_a_time_out() -> None:
    """If nobody answers in time the cell is interrupted, and the result names the cause."""
    host = Host(lambda run: run.take_event(QUESTION), limits=Limits(cell=None, answer=SOON))
    run = Run(host, "code")
    assert await events(run) == [QUESTION]
    assert (run.result.status, run.result.cause) == ("timeout", "no answer")


async def test_too_many_questions_are_a_time_out() -> None:
    """A cell that keeps asking is interrupted after a fixed number of questions."""
    host = Host(lambda run: run.take_event(QUESTION), limits=Limits(questions=3))
    asked = 0
    async with asyncio.timeout(10), Run(host, "code") as run:
        async for event in run:
            if event == QUESTION:
                asked += 1
                run.answer("again")
                run.take_event(QUESTION)
    assert asked == 3
    assert (run.result.status, run.result.cause) == ("timeout", "too many questions")


async def test_a_password_is_never_echoed() -> None:
    """The answer to getpass goes to the kernel and nowhere else."""
    host = Host(lambda run: run.take_event(InputRequest("password: ", password=True)))
    async with asyncio.timeout(10), Run(host, "code") as run:
        told = []
        async for event in run:
            told.append(event)
            if isinstance(event, InputRequest):
                run.answer("hunter2")
                ends(run)
    assert "answer hunter2" in host.asked
    assert "hunter2" not in repr((told, run.result))


async def test_an_answer_without_a_question_is_refused() -> None:
    """There is nothing to answer before a question, after its answer, or after the cell."""
    host = Host(lambda run: run.take_event(QUESTION))
    async with asyncio.timeout(10), Run(host, "code") as run:
        with pytest.raises(NoQuestion):
            run.answer("too early")
        async for event in run:
            if event == QUESTION:
                run.answer("Bob")
                with pytest.raises(NoQuestion):
                    run.answer("twice")
                ends(run)
    with pytest.raises(NoQuestion):
        run.answer("too late")


async def test_without_input_a_question_is_not_passed_on() -> None:
    """Where nobody can answer, a forged question is not reported and does not stop the clock."""
    host = Host(lambda run: run.take_event(QUESTION), limits=Limits(cell=SOON))
    run = Run(host, "code", allow_input=False)
    assert await events(run) == []
    assert (run.result.status, run.result.cause) == ("timeout", "deadline")


async def test_cells_of_one_kernel_wait_for_each_other() -> None:
    """The second cell learns its position, and is sent only once the first has been left."""
    host = Host(ignores, ends)
    async with asyncio.timeout(10), Run(host, "first") as first:
        running = asyncio.ensure_future(anext(aiter(first), None))
        second = asyncio.create_task(events(Run(host, "second")))
        await until(lambda: bool(host.cells) and host.queue.waiting == 1)
        ends(first)
        await running
        assert "second" not in host.asked
    assert await second == [Queued(1), Queued(0)]
    assert host.asked == ["ready", "first", "look", "ready", "second", "look"]


async def test_an_interrupt_in_the_queue_leaves_the_queue() -> None:
    """A waiting cell that is stopped never runs, and does not disturb the cell ahead of it."""
    host = Host(ignores)
    async with asyncio.timeout(10), Run(host, "first") as first:
        running = asyncio.ensure_future(anext(aiter(first), None))
        run = Run(host, "second")
        waiting = asyncio.create_task(events(run))
        await until(lambda: host.queue.waiting == 1)
        await run.interrupt()
        assert await waiting == [Queued(1)]
        assert run.result.status == "interrupted"
        assert "withdraw" not in host.asked
        ends(first)
        await running
    assert first.result.status == "ok"
    assert host.queue.served == 0


async def test_an_interrupt_while_the_kernel_gets_ready_withdraws() -> None:
    """A cell that waits for a place in the pool or for a start is stopped at once and never runs."""
    host = Host()
    host.busy_pool()
    run = Run(host, "code")
    waiting = asyncio.create_task(events(run))
    await until(lambda: host.queue.served == 1)
    await asyncio.sleep(0)
    await run.interrupt()
    assert await waiting == [Queued(1)]
    assert run.result.status == "interrupted"
    assert "code" not in host.asked
    assert host.queue.served == 0


async def test_an_interrupt_after_the_end_does_nothing() -> None:
    """A stop button pressed too late neither interrupts nor withdraws the next cell."""
    host = Host(ends)
    run = Run(host, "code")
    await events(run)
    asked = list(host.asked)
    await run.interrupt()
    assert host.asked == asked
    assert run.result.status == "ok"


async def test_leaving_early_interrupts_and_waits() -> None:
    """A `break` stops the cell; the result has everything shown until then."""

    def script(run: Run) -> None:
        run.take_event(says("a"))
        run.take_event(Display({"text/plain": "b"}))

    host = Host(script)
    async with asyncio.timeout(10), Run(host, "code") as run:
        async for _ in run:
            break
    assert run.result.status == "interrupted"
    assert run.result.output == "a\nb\n"
    assert host.asked == ["ready", "code", "interrupt", "look"]
    assert host.queue.served == 0


async def test_leaving_early_from_a_stuck_kernel_replaces_it() -> None:
    """A cell that does not stop is killed in this case too, and the result says so."""
    host = Host(lambda run: run.take_event(says("a")))
    host.on_interrupt = ignores
    async with asyncio.timeout(10), Run(host, "code") as run:
        async for _ in run:
            break
    assert run.result.restarted == Restarted(f"it did not stop within {0:.0f} s", ("files",), ("x",))


async def test_an_exception_in_the_block_leaves_the_restart_to_the_next_cell() -> None:
    """Nobody reads the result then, so the next cell reports what was lost."""
    host = Host(lambda run: run.take_event(says("a")), ends)
    host.on_interrupt = ignores

    async def fail() -> None:
        async with Run(host, "code") as run:
            async for _ in run:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(fail(), 10)
    assert isinstance((await events(Run(host, "next")))[0], Restarted)


@pytest.mark.parametrize(
    "where", ["in line", "waiting for a place", "starting", "running", "stopping", "looking"]
)
async def test_a_cancelled_task_gives_its_place_back(where: str) -> None:
    """Wherever and however often a cell's task is cancelled, the next cell gets its turn."""
    host = Host(ignores, ends)
    holder = host.queue.enter() if where == "in line" else None
    if where == "waiting for a place":
        host.busy_pool()
    if where == "starting":
        host.start = asyncio.Event()
    if where == "looking":
        host = Host(ends, ends)
    if where == "stopping":
        host.on_interrupt = ignores
    cell = asyncio.create_task(events(Run(host, "code")))
    for _ in range(10):
        await asyncio.sleep(0)
    for _ in range(3):
        cell.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([cell], timeout=10)
    assert cell.cancelled() or where == "looking"
    if holder is not None:
        holder.leave()
    assert host.queue.served == 0
    if where in ("running", "stopping", "looking"):
        assert host.asked[-1] == "look"


async def test_a_result_is_there_even_when_the_task_was_cancelled() -> None:
    """Code that records the cell in a `finally` can always read its result."""
    host = Host(lambda run: run.take_event(says("a")))
    run = Run(host, "code")
    cell = asyncio.create_task(events(run))
    await until(lambda: bool(host.cells))
    cell.cancel()
    await asyncio.wait([cell], timeout=10)
    assert (run.result.status, run.result.output) == ("interrupted", "a")


async def test_there_is_no_result_before_the_end() -> None:
    """Asking too early is a mistake in our code, and the error says so."""
    with pytest.raises(RuntimeError, match="before its block is left"):
        _ = Run(Host(), "code").result
