"""When a keeper saves, for whom it gives a save up, and what it brings back; the kernels follow scripts."""

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from kernels.cell.router import Router
from kernels.cell.run import Run
from kernels.limits import Limits
from kernels.state import keeper as module
from kernels.state import session_state
from kernels.state.errors import StateBusy, StateFull
from kernels.state.keeper import Keeper
from kernels.state.keeping.slots import SaveSlots
from kernels.state.keeping.times import KeeperTimes
from kernels.state.manifest import Buffers, Manifest
from kernels.state.store import StateStore
from kernels.wire.connection import Message
from kernels.workspace.copies.listing import Listing
from tests.kernels.state.kernel_side import fetch, upload

type Reply = dict[str, Any]
type Script = Callable[["FakeProcess", Reply], Awaitable[Reply | None]]

_numbers = count(1)


class FakeProcess:
    """A kernel's process whose every request is answered by `script`, with its reply; None leaves it out."""

    def __init__(self, script: Script, router: Router, keeper: Keeper | None = None) -> None:
        self.exited = asyncio.Event()
        self.interrupted = asyncio.Event()
        self.wire = self
        self.script = script
        self.keeper = keeper
        self.asked: list[tuple[str, Reply]] = []
        self.news = asyncio.Event()  # something was asked
        self.working = 0
        self._router = router
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, channel: str, kind: str, content: Reply) -> str:
        assert channel == "shell"
        sent = f"m{next(_numbers)}"
        self.asked.append((kind, content))
        self.news.set()
        task = asyncio.create_task(self._answer(kind, sent, content))
        self._tasks.add(task)
        return sent

    def interrupt(self, cell: str) -> str:
        self.interrupted.set()
        return f"interrupt of {cell}"

    async def _answer(self, kind: str, sent: str, content: Reply) -> None:
        self.working += 1
        reply = await self.script(self, content)
        self.working -= 1
        if reply is not None:
            name = kind.replace("request", "reply")
            self._router.receive(Message("shell", name, sent, reply, {}))

    async def exchange(self, op: str, ticket: str, work: Callable[..., Any], *given: Any) -> Any:
        """Bring a ticket to the broker, and do the kernel's part with `work` in a thread."""
        assert self.keeper is not None
        ours, theirs = socket.socketpair()
        line = asyncio.to_thread(work, theirs, ticket, *given)
        working = asyncio.create_task(line)
        loop = asyncio.get_running_loop()
        ours.setblocking(False)
        request = bytearray()
        while not request.endswith(b"\n"):
            request += await loop.sock_recv(ours, 1000)
        errand = self.keeper.exchange.take({"op": op, "ticket": ticket})
        with ours:
            if errand is not None:
                await errand.serve(ours)
        with suppress(OSError, ValueError, TypeError):
            return await working

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def saves(process: FakeProcess, content: Reply) -> Reply:
    """A save goes well: the value is the cell's number."""
    meta = {"names": ["x"], "lost": [{"name": "db", "cell": 2, "what": "a database connection"}]}
    await process.exchange("save", content["ticket"], upload, [[b"%d" % content["cell"]]], meta)
    return {"status": "ok", "why": "", "seconds": 0.01}


async def saves_slowly(process: FakeProcess, content: Reply) -> Reply:
    """As `saves`, some time after it was asked for."""
    await asyncio.sleep(0.2)
    return await saves(process, content)


async def gives_up(process: FakeProcess, _: Reply) -> Reply:
    """A save takes until it is interrupted."""
    await process.interrupted.wait()
    process.interrupted.clear()
    return {"status": "given up", "why": "interrupted", "seconds": 1.0}


async def hangs(_process: FakeProcess, _: Reply) -> Reply | None:
    """Nothing is answered, and an interrupt does nothing."""
    await asyncio.Event().wait()
    return None


async def fails(_process: FakeProcess, _: Reply) -> Reply:
    """A save fails at once."""
    return {"status": "failed", "why": "no memory\n" + "x" * 10_000, "seconds": 0.0}


async def lies(_process: FakeProcess, _: Reply) -> Reply:
    """All is said to be well, and nothing was done."""
    return {"status": "ok", "why": [[]], "back": {"x": 1}, "missing": 7}


async def dies(process: FakeProcess, _: Reply) -> Reply | None:
    """The process ends during the save."""
    process.exited.set()
    return None


async def loads(process: FakeProcess, content: Reply) -> Reply:
    """A load goes well, unless the bytes end early."""
    header, buffers = await process.exchange("load", content["ticket"], fetch)
    if not header or len(b"".join(buffers)) != sum(header["buffers"]):
        return {"status": "failed", "why": "the bytes ended", "back": [], "missing": []}
    told = {"back": header["meta"]["names"], "missing": header["meta"]["lost"]}
    return {"status": "ok", "why": "", **told, "seconds": 0.1}


class Scene:
    """A store, and sessions in it that share the slots of a pool."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = StateStore(folder, quota=1 << 30, disk=1 << 30)
        self.slots = SaveSlots()
        self.processes: list[FakeProcess] = []
        self.keepers: list[Keeper] = []

    def kernel(
        self, script: Script, session_id: str = "u7", *, kept: bool = True, **times: float
    ) -> tuple[Keeper, FakeProcess]:
        """A keeper, as of a new program, and the process of its kernel; some of its `times` may differ."""
        router = Router(Limits(), lambda: None)
        listing = Listing(self.folder, max_file=1 << 20)
        store = self.store if kept else None
        keeper = Keeper(
            session_id, store, router, self.slots, listing, times=KeeperTimes(**{"first": 0.1, **times})
        )
        process = FakeProcess(script, router, keeper)
        self.keepers.append(keeper)
        self.processes.append(process)
        return keeper, process

    async def saved(self, *cells: int) -> None:
        """Save the state after each of these cells."""
        keeper, process = self.kernel(saves)
        for cell in cells:
            ended(keeper, process, cell)
            await saved_as(keeper, cell)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene, of which nothing runs when the test has ended."""
    scene = Scene(tmp_path)
    yield scene
    for keeper in scene.keepers:
        await keeper.stop()
        assert not keeper._tasks
    for process in scene.processes:
        await process.close()


def ended(keeper: Keeper, process: FakeProcess, cell: int) -> None:
    """A cell has ended, and nothing follows it."""
    keeper.cell_ended(cell)
    keeper.release(process)


async def saved_as(keeper: Keeper, cell: int) -> None:
    """Wait until the state after this cell is saved."""
    async with asyncio.timeout(20):
        while (saved := await keeper.newest()) is None or saved.cell != cell:  # noqa: ASYNC110  state within it
            await asyncio.sleep(0.005)


async def rest(keeper: Keeper) -> None:
    """Wait until the keeper does nothing."""
    async with asyncio.timeout(20):
        while keeper._tasks:  # noqa: ASYNC110  state within it
            await asyncio.sleep(0.005)


async def asked(process: FakeProcess, times: int = 1) -> None:
    """Wait until so much was asked of the process."""
    async with asyncio.timeout(20):
        while len(process.asked) < times:
            process.news.clear()
            await process.news.wait()


async def test_a_save_begins_when_a_cell_has_ended(scene: Scene) -> None:
    """It says which cell that was, how many came since the last save, and how long it may take."""
    keeper, process = scene.kernel(saves)
    ended(keeper, process, 12)
    await saved_as(keeper, 12)
    await rest(keeper)
    ((kind, content),) = process.asked
    assert kind == "save_request"
    assert (content["cell"], content["cells"], content["hurry"]) == (12, 1, False)
    assert content["seconds"] > 0
    assert await keeper.make_way()
    assert not process.interrupted.is_set()


async def test_a_save_counts_before_older_ones_are_deleted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel is free again, and the save is on the disk; the next one waits all the same."""
    go_on, loop = threading.Event(), asyncio.get_running_loop()
    monkeypatch.setattr(session_state.SessionState, "_limit_history", lambda *_: go_on.wait(30))

    async def saves_and_answers(process: FakeProcess, content: Reply) -> Reply:
        done = asyncio.Event()

        def work(*given: Any) -> None:
            upload(*given)
            loop.call_soon_threadsafe(done.set)

        doing = asyncio.create_task(process.exchange("save", content["ticket"], work, [[b"x"]]))
        process._tasks.add(doing)
        await done.wait()
        return {"status": "ok", "why": "", "seconds": 0.01}

    keeper, process = scene.kernel(saves_and_answers)
    ended(keeper, process, 1)
    await saved_as(keeper, 1)
    assert not keeper.unsaved
    assert keeper._tasks
    assert await keeper.make_way()
    ended(keeper, process, 2)
    go_on.set()
    await saved_as(keeper, 2)
    await rest(keeper)
    assert not keeper.unsaved
    assert [content["cells"] for _, content in process.asked] == [1, 1]


async def test_cells_without_numbers_are_counted(scene: Scene) -> None:
    """A save as of cell 0 would count as none."""
    keeper, process = scene.kernel(saves)
    for cell in (1, 2):
        ended(keeper, process, 0)
        await saved_as(keeper, cell)


async def test_a_cell_that_follows_at_once_finds_nothing_in_its_way(scene: Scene) -> None:
    """Nothing has been asked of the kernel yet; the state after the second cell is saved."""
    keeper, process = scene.kernel(saves)
    ended(keeper, process, 1)
    assert await keeper.make_way()
    await rest(keeper)
    assert process.asked == []
    ended(keeper, process, 2)
    await saved_as(keeper, 2)
    assert process.asked[0][1]["cells"] == 2


async def test_a_short_save_is_finished_before_a_cell(scene: Scene) -> None:
    """Without an interrupt: it would only be made again."""
    keeper, process = scene.kernel(saves, first=20.0)
    ended(keeper, process, 1)
    await asked(process)
    assert await keeper.make_way()
    assert not process.interrupted.is_set()
    await saved_as(keeper, 1)


@pytest.mark.parametrize("name", ["first", "share"])
async def test_a_cell_waits_longer_the_more_there_is_to_lose(scene: Scene, name: str) -> None:
    """For the first save of all, and for one after a long time without."""
    keeper, process = scene.kernel(saves_slowly, **{"short": 0.0, "first": 0.0, "share": 0.0, name: 1000.0})
    ended(keeper, process, 1)
    await asked(process)
    assert await keeper.make_way()
    assert not process.interrupted.is_set()
    assert keeper.saved == 1


async def test_a_long_save_is_given_up_for_a_cell_and_made_up_for(scene: Scene) -> None:
    """The second one at once, since the first has taken long."""
    keeper, process = scene.kernel(gives_up, first=KeeperTimes().short)
    for cell in (1, 2):
        ended(keeper, process, cell)
        await asked(process, cell)
        assert await keeper.make_way()
        assert not process.working
        await rest(keeper)
    assert await keeper.newest() is None
    assert keeper._expected >= keeper.times.short
    process.script = saves
    ended(keeper, process, 3)
    await saved_as(keeper, 3)
    assert process.asked[-1][1]["cells"] == 3


async def test_the_reply_to_such_an_interrupt_is_not_the_cells(scene: Scene) -> None:
    """The cell may be interrupted itself at that moment, and must wait for its own."""
    keeper, process = scene.kernel(gives_up)
    ended(keeper, process, 1)
    await asked(process)
    await keeper.make_way()
    router, heard = process._router, list[str]()
    run: Any = type(
        "Cell", (Run,), {"__init__": lambda _: None, "interrupted": lambda _: heard.append("it")}
    )()
    run.tag = 2
    router.begin("the cell", run)
    (interrupt,) = router.unheeded
    router.receive(Message("control", "interrupt_reply", interrupt, {"status": "ok", "running": False}, {}))
    assert (heard, router.idle) == ([], False)
    router.receive(Message("control", "interrupt_reply", "of the cell", {"status": "ok"}, {}))
    assert heard == ["it"]


async def test_a_cell_that_is_withdrawn_lets_the_save_begin_again(scene: Scene) -> None:
    """Otherwise nothing would be saved until the next cell."""
    keeper, process = scene.kernel(gives_up)
    ended(keeper, process, 1)
    await asked(process)
    await keeper.make_way()
    await rest(keeper)
    process.script = saves
    keeper.release(process)
    await saved_as(keeper, 1)


async def test_a_kernel_that_does_not_stop_saving_is_told(scene: Scene) -> None:
    """It cannot run the cell. A person who stops the cell does not wait for that."""
    keeper, process = scene.kernel(hangs)
    ended(keeper, process, 1)
    await asked(process)
    way = asyncio.create_task(keeper.make_way())
    await process.interrupted.wait()
    keeper.release(process)
    assert await way
    keeper.times = replace(keeper.times, stuck=0.05)
    assert not await keeper.make_way()
    await keeper.stop()


async def test_a_save_that_takes_too_long_is_interrupted(scene: Scene) -> None:
    """Without a cell, too; and if that does not help, the connection is cut, and the next cell sees to it."""
    keeper, process = scene.kernel(gives_up, saving=0.01, leeway=0.01)
    ended(keeper, process, 1)
    await rest(keeper)
    assert await keeper.newest() is None
    keeper.times = replace(keeper.times, stuck=0.01)
    process.script = hangs
    ended(keeper, process, 2)
    await asked(process, 2)
    async with asyncio.timeout(20):
        while keeper.exchange._offered is not None:  # noqa: ASYNC110  state within it
            await asyncio.sleep(0.005)
    assert not await keeper.make_way()


async def test_a_save_that_fails_is_not_tried_again_for_this_cell(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Only after the next one; and the log says it once, in one line that is not long."""
    caplog.set_level(logging.INFO, module.log.name)
    keeper, process = scene.kernel(fails)
    for cell in (1, 2):
        ended(keeper, process, cell)
        await asked(process, cell)
        await rest(keeper)
        keeper.release(process)
        await keeper.save_now(process, 5)
    assert len(process.asked) == 2
    (told,) = [record.message for record in caplog.records if "not saved" in record.message]
    assert "no memory" in told
    assert "\n" not in told
    assert len(told) < 500


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    "error", [OSError(5, "Input/output error"), StateBusy("u7"), StateFull("device", "no space left")]
)
async def test_a_save_that_cannot_be_stored_just_now_is_made_up_for(
    scene: Scene, error: Exception, at_once: bool
) -> None:
    """By itself after a while, and before the process is ended: the kernel is not to blame."""
    keeper, process = scene.kernel(saves, passing=1000.0 if at_once else 0.05)
    missing, errors = keeper._state.missing, [error]  # type: ignore[union-attr]

    def misses(buffers: Buffers) -> list[int]:
        if errors:
            raise errors.pop()
        return missing(buffers)

    keeper._state.missing = misses  # type: ignore[union-attr,method-assign]
    ended(keeper, process, 1)
    await asked(process)
    while errors or keeper._asked is not None:  # noqa: ASYNC110  state within it
        await asyncio.sleep(0.005)
    assert not keeper.unsavable
    if at_once:
        await keeper.save_now(process, 20)
    await saved_as(keeper, 1)
    del keeper._state.missing  # type: ignore[union-attr]


async def test_a_kernel_that_only_says_that_it_has_saved_has_not(scene: Scene) -> None:
    """What counts is what is stored."""
    keeper, process = scene.kernel(lies)
    ended(keeper, process, 1)
    await asked(process)
    await rest(keeper)
    assert await keeper.newest() is None


async def test_after_a_save_that_ended_its_kernel_cells_go_without_one(scene: Scene) -> None:
    """Otherwise a value that kills whoever saves it would take the kernel after each cell."""
    keeper, process = scene.kernel(dies)
    asks = []
    for cell in range(1, 10):
        process.exited.clear()
        ended(keeper, process, cell)
        await rest(keeper)
        asks.append(len(process.asked))
    assert asks == [1, 1, 2, 2, 2, 3, 3, 3, 3]


async def test_two_saves_run_at_a_time_and_one_of_each_person(scene: Scene) -> None:
    """Somebody else goes before the second kernel of the same person."""
    kernels = [scene.kernel(gives_up, name) for name in ("u7-a", "u7-b", "u8", "u9")]
    for keeper, process in kernels:
        ended(keeper, process, 1)
    (first, one), (_, two), (second, three), (_, four) = kernels
    await asked(one)
    await asked(three)
    assert (len(two.asked), len(four.asked)) == (0, 0)
    one.interrupted.set()
    await asked(four)
    assert two.asked == []
    three.interrupted.set()
    await asked(two)
    await rest(first)
    await rest(second)
    two.interrupted.set()
    four.interrupted.set()


async def test_a_long_save_gives_its_place_to_others(scene: Scene) -> None:
    """Two people whose saves hang would keep everybody else's from being made."""
    for name in ("u7", "u8"):
        keeper, process = scene.kernel(hangs, name, slot=0.05)
        ended(keeper, process, 1)
        await asked(process)
    keeper, process = scene.kernel(saves, "u9")
    ended(keeper, process, 1)
    await saved_as(keeper, 1)


async def test_a_person_whose_saves_take_long_has_one_at_a_time(scene: Scene) -> None:
    """Also when it has let others begin: with many kernels it would else be as many."""
    keeper, process = scene.kernel(hangs, "u7-a", slot=0.01)
    ended(keeper, process, 1)
    await asked(process)
    (second, another), (third, other) = scene.kernel(saves, "u7-b"), scene.kernel(saves, "u8")
    ended(second, another, 1)
    ended(third, other, 1)
    await saved_as(third, 1)
    assert another.asked == []
    await keeper.stop()
    await saved_as(second, 1)


async def test_a_save_before_an_end_waits_for_no_saves_that_can_wait(scene: Scene) -> None:
    """Two people whose saves hang would else cost others what they have not saved."""
    for name in ("u7", "u8"):
        keeper, process = scene.kernel(hangs, name, slot=1000.0)
        ended(keeper, process, 1)
        await asked(process)
    keeper, process = scene.kernel(saves, "u9")
    keeper.cell_ended(1)
    await keeper.save_now(process, 20)
    assert keeper.saved == 1


async def test_a_cell_that_comes_before_an_end_does_not_wait_for_the_save(scene: Scene) -> None:
    """It gives way as any save does: the kernel is needed again."""
    keeper, process = scene.kernel(gives_up)
    keeper.cell_ended(1)
    needed = asyncio.Event()
    ending = asyncio.create_task(keeper.save_unless(process, needed.wait()))
    await asked(process)
    needed.set()
    await ending
    assert process.working
    assert await keeper.make_way()
    assert not process.working
    process.script = saves
    keeper.release(process)
    await saved_as(keeper, 1)


async def test_after_a_long_save_the_next_one_begins_later(scene: Scene) -> None:
    """Otherwise somebody with many values would have the node save all the time."""
    keeper, process = scene.kernel(saves_slowly)
    times = [0.0, 0.0]
    for cell in (1, 2):
        ended(keeper, process, cell)
        await asked(process, cell)
        times[cell - 1] = asyncio.get_running_loop().time()
        await saved_as(keeper, cell)
    assert times[1] - times[0] >= 0.3


async def test_save_now_saves_what_has_no_save(scene: Scene) -> None:
    """In a hurry, and only then; a dead kernel is not asked."""
    keeper, process = scene.kernel(saves)
    await keeper.save_now(process, 5)
    assert process.asked == []
    ended(keeper, process, 1)
    await keeper.save_now(process, 5)
    assert (await keeper.newest()).cell == 1  # type: ignore[union-attr]
    assert process.asked[0][1]["hurry"]
    await keeper.save_now(process, 5)
    assert len(process.asked) == 1
    ended(keeper, process, 2)
    process.exited.set()
    await keeper.save_now(process, 5)
    assert len(process.asked) == 1


async def test_save_now_waits_for_a_save_that_runs_but_not_for_ever(scene: Scene) -> None:
    """It takes the time that it is given, at most."""
    keeper, process = scene.kernel(saves)
    ended(keeper, process, 1)
    await asked(process)
    await keeper.save_now(process, 20)
    assert (await keeper.newest()).cell == 1  # type: ignore[union-attr]
    assert len(process.asked) == 1
    process.script = hangs
    ended(keeper, process, 2)
    await asked(process, 2)
    await keeper.save_now(process, 0.05)


async def test_what_was_saved_comes_back_in_another_program(scene: Scene) -> None:
    """With its cell, its names and what it lacks; further cells are numbered from there."""
    await scene.saved(11, 12)
    keeper, process = scene.kernel(loads)
    restored = await keeper.restore(process)
    assert restored is not None
    assert (restored.cell, restored.back) == (12, ("x",))
    assert [(one.name, one.cell, one.what) for one in restored.unsaved] == [
        ("db", 2, "a database connection")
    ]
    process.script = saves
    ended(keeper, process, 0)
    await saved_as(keeper, 13)


async def test_nothing_is_asked_where_nothing_is_saved(scene: Scene) -> None:
    """A first kernel starts as quickly as ever."""
    keeper, process = scene.kernel(loads)
    assert await keeper.restore(process) is None
    assert process.asked == []


async def test_of_a_damaged_save_the_one_before_is_taken(scene: Scene) -> None:
    """And of that only what was there then."""
    await scene.saved(11, 12)
    chunk = max(
        (path for path in scene.folder.rglob("*") if path.is_file() and len(path.name) >= 30), key=made
    )
    assert chunk.read_bytes() == b"12"
    chunk.write_bytes(b"??")
    keeper, process = scene.kernel(loads)
    restored = await keeper.restore(process)
    assert restored is not None
    assert restored.cell == 11
    assert (await keeper.newest()).cell == 11  # type: ignore[union-attr]


def made(path: Path) -> int:
    """When a file was written."""
    return path.stat().st_mtime_ns


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), StateBusy("u7")])
async def test_what_cannot_be_read_just_now_is_not_damaged(scene: Scene, error: Exception) -> None:
    """It is tried again, and no older save takes its place."""
    await scene.saved(11, 12)
    keeper, process = scene.kernel(loads, again=0.01)
    read, left = keeper._state.read, [error, error]  # type: ignore[union-attr]

    def reads(manifest: Manifest, index: int | None = None) -> Iterator[bytes]:
        if left:
            raise left.pop()
        return read(manifest, index)

    keeper._state.read = reads  # type: ignore[union-attr,method-assign]
    restored = await keeper.restore(process)
    del keeper._state.read  # type: ignore[union-attr]
    assert restored is not None
    assert (restored.cell, keeper.saved, left) == (12, 12, [])
    assert len(process.asked) == 3


async def test_what_can_never_be_read_is_told_and_kept(scene: Scene) -> None:
    """Once it has been tried for long enough. When the disk works again, it can be gone back to."""
    await scene.saved(11, 12)
    keeper, process = scene.kernel(loads, passing=0.03, again=0.01)

    def reads(_manifest: Manifest, _index: int | None = None) -> Iterator[bytes]:
        raise OSError(5, "Input/output error")

    keeper._state.read = reads  # type: ignore[union-attr,method-assign]
    restored = await keeper.restore(process)
    del keeper._state.read  # type: ignore[union-attr]
    assert restored is not None
    assert (restored.cell, restored.gone, restored.kept) == (0, ("x",), 12)
    process.script = saves
    ended(keeper, process, 13)
    await saved_as(keeper, 13)
    history = keeper.history
    assert history is not None
    *_, kept, newest = history.saves()
    assert (kept.cell, newest.cell) == (12, 13)
    history.repeat(history.find(kept.number))
    process.script = loads
    restored = await keeper.restore(process)
    assert restored is not None
    assert restored.cell == 12


@pytest.mark.parametrize("script", [fails, hangs, dies, lies])
async def test_a_restore_that_fails_keeps_the_save(scene: Scene, script: Script) -> None:
    """Within a limit of time. Its names are told, and what a kernel says of names is bounded."""
    await scene.saved(12)
    keeper, process = scene.kernel(script, loading=0.1)
    restored = await keeper.restore(process)
    assert restored is not None
    if script is lies:  # it can only lie about its own person's names
        assert (restored.cell, restored.back, restored.unsaved) == (12, (), ())
    else:
        assert (restored.cell, restored.gone, restored.kept) == (0, ("x",), 12)
    assert scene.store.session("u7").newest() is not None


async def test_a_state_that_cannot_be_read_is_no_state_that_is_not_there(scene: Scene) -> None:
    """The disk is at fault, for as long as it is tried: the person has to be told."""
    await scene.saved(12)
    keeper, process = scene.kernel(loads, passing=0.05, again=0.01)

    def newest(_before: int | None = None) -> None:
        raise OSError(5, "Input/output error")

    keeper._state.newest = newest  # type: ignore[union-attr,method-assign,assignment]
    restored = await keeper.restore(process)
    del keeper._state.newest  # type: ignore[union-attr]
    assert restored is not None
    assert restored.cell == 0


async def test_what_was_saved_meanwhile_is_the_newest(scene: Scene) -> None:
    """Not what was there when somebody began to look."""
    await scene.saved(12)
    keeper, process = scene.kernel(saves)
    looked, go_on = keeper._state.newest, threading.Event()  # type: ignore[union-attr]

    def newest() -> object:
        found = looked()
        assert go_on.wait(30)
        return found

    keeper._state.newest = newest  # type: ignore[union-attr,method-assign,assignment]
    looking = asyncio.create_task(keeper.newest())
    ended(keeper, process, 13)
    await asked(process)
    await rest(keeper)
    go_on.set()
    await looking
    del keeper._state.newest  # type: ignore[union-attr]
    assert keeper.saved == 13


async def test_forgetting_deletes_the_saves(scene: Scene) -> None:
    """Those of this session only."""
    await scene.saved(12)
    keeper, process = scene.kernel(saves, "u8")
    ended(keeper, process, 1)
    await saved_as(keeper, 1)
    mine, process = scene.kernel(loads)
    await mine.forget()
    assert await mine.newest() is None
    assert await mine.restore(process) is None
    assert scene.store.session("u8").newest() is not None


async def test_what_could_not_be_deleted_counts_as_forgotten(scene: Scene) -> None:
    """It has lost its name, and is deleted later."""
    keeper, process = scene.kernel(saves)
    ended(keeper, process, 1)
    await saved_as(keeper, 1)

    def forget() -> None:
        raise OSError(5, "Input/output error")

    keeper._state.forget = forget  # type: ignore[union-attr,method-assign]
    with pytest.raises(OSError, match="Input"):
        await keeper.forget()
    del keeper._state.forget  # type: ignore[union-attr]
    assert keeper.saved == 0


async def test_a_save_of_another_program_is_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a node that ends, and whose kernel had much to save: the state is not given up for that."""
    monkeypatch.setattr(session_state, "PATIENCE", 0.01)
    await scene.saved(12)
    keeper, process = scene.kernel(loads)
    other = StateStore(scene.folder, quota=1 << 30, disk=1 << 30).session("u7")
    writing = other.writing()
    writing.__enter__()
    restoring = asyncio.create_task(keeper.restore(process))
    await asyncio.sleep(0.2)
    assert not restoring.done()
    writing.__exit__(None, None, None)
    restored = await restoring
    assert restored is not None
    assert restored.cell == 12


async def test_a_kernel_that_answers_no_save_is_not_waited_for_again(scene: Scene) -> None:
    """Otherwise the end of each such kernel would take the time of a save, while others need the memory."""
    keeper, process = scene.kernel(hangs, saving=0.01, leeway=0.01, stuck=0.01)
    ended(keeper, process, 1)
    await asked(process)
    async with asyncio.timeout(30):
        while not keeper._stuck:  # noqa: ASYNC110  state within it
            await asyncio.sleep(0.005)
        await keeper.save_now(process, 3600)
    await keeper.stop()
    assert not keeper._stuck


async def test_nothing_happens_without_a_store(scene: Scene) -> None:
    """Neither tasks nor requests."""
    keeper, process = scene.kernel(saves, kept=False)
    assert await keeper.restore(process) is None
    ended(keeper, process, 1)
    assert not keeper._tasks
    assert await keeper.make_way()
    await keeper.save_now(process, 5)
    await keeper.forget()
    assert await keeper.newest() is None
    assert process.asked == []


async def test_nothing_is_saved_once_another_program_does(scene: Scene) -> None:
    """As in a node that a newer one has followed: its older state must not come back."""
    keeper, process = scene.kernel(saves)
    scene.slots.closed = True
    ended(keeper, process, 1)
    await rest(keeper)
    await keeper.save_now(process, 5)
    assert process.asked == []
