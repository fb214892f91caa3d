"""A node that is silent, refuses, stops, dies or has been replaced is reported as exactly that."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kernels.cell.events import Event, Stream, Unstopped
from kernels.cell.result import Late
from kernels.cell.run import ON_REQUEST
from kernels.client import NodeEndpoint, RemoteNode, at, local_node
from kernels.client.cell import RUNS_ON, STANDS, RemoteCell
from kernels.client.patience import NodePatience
from kernels.client.spawn import recorded
from kernels.concurrency.cancellation import stop
from kernels.errors import NodeGone, NodeUnavailable
from kernels.interface import Cell, PersonKernel
from kernels.node.settings import NodeSettings
from kernels.workspace.captured import FileChanged
from tests.contract.conftest import free_port, node_settings, noded
from tests.contract.files import SomeFiles
from tests.kernels.client.outages import Network, network
from tests.live.cells import Ran, run, until, value

pytestmark = pytest.mark.timeout(120)

LINES = 30
PRINTS = f"""
import pathlib, time
for n in range({LINES // 2}): print(n, flush=True)
while not pathlib.Path(".~lock.go#").exists(): time.sleep(0.02)
for n in range({LINES // 2}, {LINES}): print(n, flush=True)
_ = open("a.txt", "w").write("abc")
"""
# An outage of half a second is what one of a minute is else.
IMPATIENT = NodePatience(between=(0.05, 0.1), soon=0.2)
WHOLE = "".join(f"{n}\n" for n in range(LINES))


def go_on(folder: Path) -> None:
    """Let the cell of session "a" print its second half."""
    (folder / "workspaces" / "a" / ".~lock.go#").touch()


def plain(folder: Path, **changes: object) -> NodeSettings:
    """A node that starts quickly."""
    return replace(node_settings(folder), **{"tier": "none", "libraries": (), **changes})


@asynccontextmanager
async def behind_a_network(
    folder: Path, patience: NodePatience = IMPATIENT
) -> AsyncIterator[tuple[RemoteNode, Network]]:
    """A bot's side of a node that it reaches through a network."""
    settings = plain(folder, address=f"127.0.0.1:{free_port()}")
    async with noded(settings), network(int(settings.address.rpartition(":")[2])) as between:
        find = at(NodeEndpoint(f"http://127.0.0.1:{between.port}", settings.token))
        async with RemoteNode(
            find, python=settings.python, limits=settings.limits, patience=patience
        ) as node:
            yield node, between


def told_to_wait(events: list[Event]) -> int:
    """How often a cell has reported that its node does not answer."""
    return sum(event in (Stream("stderr", RUNS_ON), Stream("stderr", STANDS)) for event in events)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that is suspended in the meantime, and keeps all its connections."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def stopped(cell: RemoteCell) -> None:
    """A cell that is stopped as soon as it reports anything."""
    async with asyncio.timeout(30), cell:
        async for _ in cell:
            await cell.interrupt()


async def during(ran: "asyncio.Task[Ran]", events: list[Event]) -> None:
    """Return once the cell has printed something."""
    await until(lambda: any(isinstance(event, Stream) for event in events) or ran.done())
    assert not ran.done()


async def test_a_cell_goes_on_while_its_node_refuses(tmp_path: Path) -> None:
    """It says so once, and all its lines, its result and its file arrive when the node answers again."""
    async with behind_a_network(tmp_path) as (node, between):
        kernel, events = node.kernel("a", SomeFiles()), list[Event]()
        ran = asyncio.create_task(run(kernel, PRINTS, tag=1, on_event=events.append))
        await during(ran, events)
        await between.down()
        await until(lambda: told_to_wait(events) == 1)
        go_on(tmp_path)
        waiting = asyncio.create_task(run(kernel, "'next'", tag=2))
        await asyncio.sleep(0.5)
        await between.up()
        assert ((await ran).status, (await ran).output, told_to_wait(events)) == ("ok", WHOLE, 1)
        assert [file.name for file in (await ran).result.captured] == ["a.txt"]
        assert (await waiting).status == "ok"
        assert told_to_wait((await waiting).events) == 1  # it could not begin


async def test_a_cell_goes_on_while_its_node_is_silent(tmp_path: Path) -> None:
    """A frozen node keeps its connections; nothing is lost in either direction."""
    settings = plain(tmp_path)
    async with noded(settings, replace(IMPATIENT, heartbeat=0.4)) as node:
        found = recorded(settings.folder)
        assert found is not None
        kernel, events = node.kernel("a", SomeFiles()), list[Event]()
        ran = asyncio.create_task(run(kernel, PRINTS, on_event=events.append))
        await during(ran, events)
        node.patience = replace(node.patience, connecting=0.3, finding=(0.1,))
        with frozen(found[1]):
            await until(lambda: told_to_wait(events) > 0)
            go_on(tmp_path)
            with pytest.raises(NodeUnavailable, match="does not answer"):
                await node.kernel("b", SomeFiles()).left_running()
            assert recorded(settings.folder) == found  # no second node was started beside it
        assert ((await ran).status, (await ran).output) == ("ok", WHOLE)


async def test_who_stops_a_cell_in_an_outage_waits_no_longer(tmp_path: Path) -> None:
    """What the cell still shows arrives as late output, with its files; a cell not yet begun does not run."""
    async with behind_a_network(tmp_path) as (node, between):
        kernel, events = node.kernel("a", SomeFiles()), list[Event]()
        late = list[Late]()

        async def listen() -> None:
            async for one in kernel.late():
                late.append(one)

        listening = asyncio.create_task(listen())
        caught = PRINTS.replace("\nwhile", "\ntry:\n  while").replace(
            "\nfor n in range(15, 30)", "\n  for n in ()"
        )
        caught = caught.replace("\n_ =", "\nfinally: _ =")
        async with kernel.run(caught, tag=7) as cell:
            async for event in cell:
                events.append(event)
                if isinstance(event, Stream) and told_to_wait(events) == 0:
                    await between.down()
                if told_to_wait(events) == 1:
                    await cell.interrupt()
        cell.settle()
        assert (cell.result.status, cell.result.cause) == ("interrupted", "unreachable")
        assert kernel.goes_on
        with pytest.raises(NodeUnavailable):
            await stopped(kernel.run("x = 'not run'", tag=8))
        await between.up()
        assert await value(kernel, "'x' in globals()") == "False"
        await until(lambda: any(one.scan is not None for one in late))
        assert {one.tag for one in late} == {7}
        assert [file.name for one in late if one.scan for file in one.scan.captured] == ["a.txt"]
        assert not kernel.goes_on
        listening.cancel()


DEAF = """
import time
while True:
    try: print("on", flush=True); time.sleep(600)
    except KeyboardInterrupt: pass
"""


async def undecided(kernel: PersonKernel, then: Callable[[Cell, Event], Awaitable[object]]) -> Ran:
    """A cell that was stopped but goes on; `then` gets everything that follows the question."""
    events = list[Event]()
    async with asyncio.timeout(60), kernel.run(DEAF, tag=3) as cell:
        async for event in cell:
            events.append(event)
            if events == [Stream("stdout", "on\n")]:
                await cell.stop()
            if any(isinstance(one, Unstopped) for one in events):
                await then(cell, event)
    cell.settle()
    return Ran(cell.result, events)


async def test_a_cell_that_is_asked_about_can_be_decided_on_after_an_outage(tmp_path: Path) -> None:
    """Nothing has been decided yet, so the cell waits for its node as others do, and says so."""
    async with behind_a_network(tmp_path) as (node, between):
        kernel = node.kernel("a", SomeFiles())

        async def then(cell: Cell, event: Event) -> None:
            if isinstance(event, Unstopped):
                await between.down()
            elif event == Stream("stderr", RUNS_ON):
                await between.up()
                await kernel.state()  # it answers again
                cell.decide(kill=True)

        ran = await undecided(kernel, then)
        assert ran.events[-2] == Stream("stderr", RUNS_ON)
        assert [one.reason for one in ran.restarts] == [ON_REQUEST]
        assert await value(kernel, "1") == "1"


@pytest.mark.parametrize("kill", [pytest.param(True, marks=pytest.mark.soak), False])
async def test_who_stops_or_kills_in_an_outage_waits_no_longer(tmp_path: Path, kill: bool) -> None:
    """Once the node answers again a kill is carried out; a cell that was stopped a second time goes on there.

    Nobody can be asked about that cell, and its time has no limit, but a restart still gives a fresh kernel.
    """
    async with behind_a_network(tmp_path) as (node, between):
        node.limits = replace(node.limits, cell=None)
        kernel = node.kernel("a", SomeFiles())

        async def then(cell: Cell, event: Event) -> None:
            if isinstance(event, Unstopped):
                await between.down()
            elif event == Stream("stderr", RUNS_ON):
                if kill:
                    cell.decide(kill=True)
                else:
                    await cell.stop()

        ran = await undecided(kernel, then)
        assert (ran.status, ran.result.cause, kernel.goes_on) == ("interrupted", "unreachable", True)
        await between.up()
        if kill:
            next_one = await run(kernel, "1")
            assert [one.reason for one in next_one.restarts] == [ON_REQUEST]
        else:
            async with asyncio.timeout(20):
                await kernel.restart()
        assert await value(kernel, "6 * 7") == "42"


async def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    """After the longest time that a cell may take it ends with what came, and questions end much sooner."""
    async with behind_a_network(tmp_path, replace(IMPATIENT, call=0.4, cell=0.6)) as (node, between):
        kernel, events = node.kernel("a", SomeFiles()), list[Event]()
        ran = asyncio.create_task(run(kernel, PRINTS, on_event=events.append))
        await during(ran, events)
        await between.down()
        with pytest.raises(NodeUnavailable):
            await kernel.restart()
        assert (await ran).result.cause == "unreachable"
        assert WHOLE.startswith((await ran).output)
        go_on(tmp_path)
        await between.up()
        for _ in range(2):  # the restart is not carried out once nobody expects it
            assert await value(kernel, "n") == str(LINES - 1)


@pytest.mark.soak
async def test_another_node_at_the_same_place_is_the_end_of_the_first(tmp_path: Path) -> None:
    """The cell is reported as dead, and the next one works."""
    async with behind_a_network(tmp_path / "first") as (node, between):
        kernel, events = node.kernel("a", SomeFiles()), list[Event]()
        ran = asyncio.create_task(run(kernel, PRINTS, on_event=events.append))
        await during(ran, events)
        other = plain(tmp_path / "other", address=f"127.0.0.1:{free_port()}")
        async with noded(other):
            await between.down()
            between.to = int(other.address.rpartition(":")[2])
            await between.up()
            assert ((await ran).status, (await ran).result.cause) == ("died", "node")
            assert await value(kernel, "6 * 7") == "42"


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.soak), signal.SIGHUP])
async def test_a_node_that_is_stopped_tells_its_cell_so(tmp_path: Path, number: signal.Signals) -> None:
    """It does not claim that another program took over; its kernels end first, and the next node works."""
    settings = plain(tmp_path)
    async with noded(settings, IMPATIENT) as node:
        found = recorded(settings.folder)
        assert found is not None
        kernel, events = node.kernel("a", SomeFiles()), list[Event]()
        assert await value(kernel, "x = 1; x") == "1"
        ran = asyncio.create_task(run(kernel, PRINTS, on_event=events.append))
        await during(ran, events)
        os.kill(found[1], number)
        result = (await ran).result
        assert (result.status, result.cause) == ("died", "node")
        assert result.restarted is not None
        assert result.restarted.reason == "the node that kept it was stopped"
        assert "x" in result.restarted.lost
        assert await value(kernel, "6 * 7") == "42"  # in the new node
        assert (settings.folder / "log").read_text().count("Traceback") == 0


async def test_a_hangup_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """nohup relies on that for whatever it starts."""
    settings = plain(tmp_path)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        async with noded(settings, IMPATIENT) as node:
            found = recorded(settings.folder)
            assert found is not None
            os.kill(found[1], signal.SIGHUP)
            assert await value(node.kernel("a", SomeFiles()), "6 * 7") == "42"
            assert recorded(settings.folder) == found
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_a_connected_bot_keeps_its_node(tmp_path: Path) -> None:
    """Even without an open session or a kernel; once the bot has gone the node shuts down."""
    settings = plain(tmp_path, node_idle=timedelta(seconds=0.5))
    async with noded(settings, IMPATIENT) as node:
        found = recorded(settings.folder)
        await asyncio.sleep(1.2)
        assert recorded(settings.folder) == found
        assert await value(node.kernel("a", SomeFiles()), "6 * 7") == "42"
        await node.remove("a")
    await until(lambda: recorded(settings.folder) is None)


async def test_a_node_that_is_gone_is_started_again_before_anybody_is_told(tmp_path: Path) -> None:
    """Whichever comes first: a file to place, or a session to delete."""
    settings = plain(tmp_path)
    async with noded(settings, IMPATIENT) as node:
        await stop(node._attending)  # which would notice, a moment later
        for number in range(2):
            found = recorded(settings.folder)
            assert found is not None
            os.kill(found[1], signal.SIGKILL)
            await until(lambda: recorded(settings.folder) is None)
            if number == 0:
                assert await node.kernel("a", SomeFiles()).place("a.txt", b"abc") == "a.txt"
            else:
                await node.remove("a")
            assert recorded(settings.folder) not in (None, found)


async def test_without_descriptors_of_ours_no_node_is_dead(tmp_path: Path) -> None:
    """Without descriptors we cannot find out, and a running cell must not be reported as lost for that."""
    settings = plain(tmp_path)
    async with noded(settings):
        find = local_node(settings)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            await find(False)  # make sure the threads exist
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            with pytest.raises(NodeUnavailable, match="open files") as raised:
                await find(False)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert not isinstance(raised.value, NodeGone)
        assert await find(False) is not None


async def test_a_file_of_a_node_that_died_is_none_of_the_next_one(tmp_path: Path) -> None:
    """The file was to be stored later but is gone, and its number belongs to another in the next node."""
    settings = plain(tmp_path)
    async with noded(settings, IMPATIENT) as node:
        kernel = node.kernel("a", SomeFiles())
        shown = "for n in range(9): display(n)\n"  # each display is a separate numbered piece of news
        before = (await run(kernel, f"{shown}_ = open('a.txt', 'w').write('a')")).result.captured
        found = recorded(settings.folder)
        assert found is not None
        os.kill(found[1], signal.SIGKILL)
        await until(lambda: recorded(settings.folder) is None)
        (tmp_path / "workspaces" / "a" / "a.txt").unlink()
        await run(kernel, "'which may be lost with the node'")
        for number in range(12):  # at some point the file's news gets the number it had before
            async with kernel.run(f"_ = open('b{number}.txt', 'w').write('b')") as cell:
                async for _ in cell:
                    pass
            with pytest.raises((NodeGone, FileChanged)):
                async with before[0].content():
                    pass
            cell.settle()
