"""Which save an undo goes to, which cells are undone by it, and what a crash in the middle leaves."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.continuity.losses import BROKEN_OFF, COMPLETED
from bot.continuity.undo.history import UndoHistory
from bot.continuity.undo.undoable import number_of_cells
from bot.errors import UndoRefused
from bot.model.stopping import ModelTurn
from bot.reply import tell_nobody
from bot.request import Request
from bot.session import Session
from bot.sessions import Sessions
from bot.turn import take_turn
from bot.wording.error_messages import sentence
from filestore.errors import StoreUnavailable
from filestore.records import CellRecord
from kernels.cell.events import UnsavedValue
from kernels.errors import CheckpointRefused, KernelStartFailed, NoSuchSave
from kernels.interface import State
from kernels.notebooks.cells import Code, Markdown
from kernels.state.journey import Journey, SavedCell
from tests.bot.fake_kernels import FakeKernel
from tests.bot.worlds import Program, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty one, whose kernels save after every cell."""
    world = World(tmp_path)
    world.kernels.of["u1"].saving = True
    return world


@pytest.fixture
def kernel(world: World) -> FakeKernel:
    """The person's."""
    return world.kernels.of["u1"]


async def ran(world: World, sessions: Sessions, *codes: str) -> Session:
    """The person's session, once these cells have run: each names the variables that there are then."""
    for code in codes:
        await world.ran(sessions, code)
    return await sessions.session(1, "terminal")


async def undone_in(session: Session) -> list[int]:
    """The cells that are marked."""
    entries = await session.transcript.entries()
    return [entry.seq for entry in entries if isinstance(entry, CellRecord) and entry.undone]


async def refusal(session: Session, cells: int = 1) -> UndoRefused:
    """Why these cells cannot be undone."""
    with pytest.raises(UndoRefused) as refused:
        await session.undo(cells)
    return refused.value


async def test_the_last_cells_are_undone_and_redone(world: World, kernel: FakeKernel) -> None:
    """Several at once, and step by step; each redo takes one step back."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "a b", "a b c", "a b c d")
        told = await session.undo()
        assert (told.kind, told.cells, told.as_of, told.for_good) == ("undo", (4,), 3, False)
        assert [(one.name, one.now) for one in told.changed] == [("d", "")]
        told = await session.undo(2)
        assert (told.cells, told.as_of, await undone_in(session)) == ((2, 3), 1, [2, 3, 4])
        told = await session.redo()
        assert (told.again, told.as_of, await undone_in(session)) == ((2, 3), 3, [4])
        told = await session.redo()
        assert (told.again, told.as_of, await undone_in(session)) == ((4,), 4, [])
        assert [variable.name for variable in kernel.variables] == ["a", "b", "c", "d"]
        with pytest.raises(UndoRefused, match="nothing"):
            await session.redo()


async def test_an_undone_cell_is_never_gone_back_to(world: World) -> None:
    """Its save is of a state that is no longer before the cells since."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "a b")
        await session.undo()
        await ran(world, sessions, "a c")
        told = await session.undo()
        assert (told.cells, told.as_of, await undone_in(session)) == ((3,), 1, [2, 3])


async def test_a_new_cell_ends_what_can_be_redone(world: World) -> None:
    """Even when it was undone itself: that step is the last one then."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "a b")
        await session.undo()
        await ran(world, sessions, "a c")
        with pytest.raises(UndoRefused, match="nothing"):
            await session.redo()
        await session.undo()
        assert (await session.redo()).again == (3,)
        with pytest.raises(UndoRefused, match="nothing"):
            await session.redo()
        assert await undone_in(session) == [2]


async def test_cells_without_a_save_are_told(world: World, kernel: FakeKernel) -> None:
    """They count, and what they defined is gone."""
    async with Program(world) as sessions:
        await ran(world, sessions, "a")
        kernel.saving = False
        await ran(world, sessions, "a b", "a b c")
        kernel.saving = True
        session = await ran(world, sessions, "a b c d")
        told = await session.undo()
        assert (told.cells, told.as_of, told.unkept) == ((4,), 1, (2, 3))


async def test_cells_that_stay_are_not_lost_for_good(world: World, kernel: FakeKernel) -> None:
    """Where nothing can be saved any more; whoever takes all of them back loses them."""
    async with Program(world) as sessions:
        await ran(world, sessions, "a")
        kernel.saving = False
        session = await ran(world, sessions, "a b", "a b c", "a b c d")
        refused = await refusal(session)
        assert (refused.why, refused.cell, await undone_in(session)) == ("unsaved", 2, [])
        assert "cell 2 and" in sentence(refused)
        assert [variable.name for variable in kernel.variables] == ["a", "b", "c", "d"]
        told = await session.undo(3)
        assert (told.cells, told.as_of, await undone_in(session)) == ((2, 3, 4), 1, [2, 3, 4])


async def test_the_first_cells_go_back_to_a_fresh_kernel(world: World, kernel: FakeKernel) -> None:
    """Which has nothing; more cells than there are do no harm."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "b")
        told = await session.undo(7)
        assert (told.cells, told.as_of, kernel.variables) == ((1, 2), 0, ())
        assert (await refusal(session)).why == "nothing"


async def test_what_is_not_kept_is_not_lost_for_it(world: World, kernel: FakeKernel) -> None:
    """If nothing of before is saved any more, it says how far one can go."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "b", "c", "d")
        del kernel.kept[1], kernel.kept[2]
        with pytest.raises(UndoRefused) as further:
            await session.undo(2)
        assert (further.value.why, further.value.cell) == ("too far", 3)
        assert (await session.undo()).as_of == 3
        refused = await refusal(session)
        assert (refused.why, refused.cell) == ("too far", 0)  # it is at cell 3 already
        assert [variable.name for variable in kernel.variables] == ["c"]
        assert await undone_in(session) == [4]


async def test_a_save_that_cannot_be_read_changes_nothing(world: World, kernel: FakeKernel) -> None:
    """No cell is marked, and another step can be tried."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "b", "c")
        kernel.unreadable.add(2)
        refused = await refusal(session)
        assert (refused.why, refused.cell, await undone_in(session)) == ("unread", 2, [])
        assert (await session.undo(2)).as_of == 1


@pytest.mark.parametrize(("as_of", "why"), [(0, "lost"), (1, "lost"), (3, "unread")])
async def test_nothing_has_changed_only_if_the_kernel_is_where_it_was(
    world: World, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, as_of: int, why: str
) -> None:
    """What there was may not come back either, or as of an older cell."""

    async def fails(_number: int, **_: bool) -> Journey:
        return Journey(3, as_of)

    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "b", "c")
        monkeypatch.setattr(kernel, "go_to", fails)
        refused = await refusal(session)
        assert (refused.why, refused.cell, await undone_in(session)) == (why, 2, [])


async def test_a_node_that_saves_nothing_is_not_called_unreadable(
    world: World, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings are its own, so the bot may think that variables are saved."""

    async def nowhere(_number: int, **_: bool) -> Journey:
        raise NoSuchSave

    kernel.saving = False
    monkeypatch.setattr(kernel, "go_to", nowhere)
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a")
        assert (await refusal(session)).why == "off"
        assert (await undone_in(session), (await refusal(session)).why) == ([], "off")


async def test_where_variables_are_not_saved_nothing_is_undone(world: World) -> None:
    """Nor is anything kept under a name."""
    async with Program(world, saved=False) as sessions:
        session = await ran(world, sessions, "a", "b")
        assert (await refusal(session)).why == "off"
        with pytest.raises(UndoRefused, match="off"):
            await session.checkpoint("x")


async def test_without_the_database_nothing_is_stopped(
    world: World, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would know which cells are undone."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "b")

        async def away(_session_id: str) -> None:
            raise StoreUnavailable("gone")

        monkeypatch.setattr(sessions.store.sessions, "get", away)
        with pytest.raises(StoreUnavailable):
            await session.undo()
        assert [variable.name for variable in kernel.variables] == ["b"]


async def test_a_running_cell_is_stopped_and_undone_and_the_next_one_waits(
    world: World, kernel: FakeKernel
) -> None:
    """A cell that is sent while the session goes back runs on what there is then."""
    began, arrived = asyncio.Event(), asyncio.Event()
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a")

        async def works() -> None:
            began.set()
            await kernel.interrupted.wait()

        async def arrives() -> None:
            arrived.set()
            await asyncio.sleep(0)
            assert [variable.name for variable in kernel.variables] == ["a"]

        kernel.working, kernel.arrived = works, arrives
        running = asyncio.create_task(sessions.execute_code("a slow", 1))
        await began.wait()
        undoing = asyncio.create_task(session.undo())
        await arrived.wait()
        request = Request(1, "Ann", "terminal", "a next")
        await take_turn(session, request, tell_nobody)
        told = await undoing
        await running
        assert (told.cells, told.as_of, await undone_in(session)) == ((2,), 1, [2])
        assert [variable.name for variable in kernel.variables] == ["a", "next"]


async def test_a_checkpoint_has_the_cells_that_counted(world: World) -> None:
    """Whatever was undone and run since counts as it did then; and all of it can be redone."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "a b", "a b c")
        await session.undo()
        assert (await session.checkpoint("good")).saved.cell == 2
        assert list(await session.checkpoints()) == ["good"]
        await session.undo()
        await ran(world, sessions, "a x", "a x y")
        told = await session.restore("good")
        assert (told.kind, told.name, told.as_of) == ("restore", "good", 2)
        assert (told.cells, told.again) == ((4, 5), (2,))
        assert await undone_in(session) == [3, 4, 5]
        told = await session.redo()
        assert (told.cells, told.again, told.as_of) == ((2,), (4, 5), 5)
        assert await undone_in(session) == [2, 3]
        await session.forget_checkpoint("good")
        for call in (session.restore, session.forget_checkpoint):
            with pytest.raises(UndoRefused, match="no checkpoint"):
                await call("good")


async def test_a_checkpoint_tells_what_is_not_in_it(
    world: World, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be saved, and not what came since."""
    conn = UnsavedValue("conn", 7, "a database connection")

    async def state() -> State:
        return State(alive=True, saved=1, unsaved=(conn, UnsavedValue("new", 0, "")))

    async with Program(world) as sessions:
        session = await ran(world, sessions, "a")
        monkeypatch.setattr(kernel, "state", state)
        assert (await session.checkpoint("good")).unsaved == (conn,)


async def test_a_checkpoint_never_has_the_cells_of_an_older_one_of_its_name(
    world: World, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even if the program is ended once the newer one is made; one that is refused changes nothing."""
    made = kernel.checkpoint

    async def dies(name: str) -> SavedCell:
        await made(name)
        raise RuntimeError("the program dies here")

    async def refuses(_name: str) -> SavedCell:
        raise CheckpointRefused("unsaved")

    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "a b")
        await session.undo()
        await session.checkpoint("good")
        await session.redo()
        monkeypatch.setattr(kernel, "checkpoint", refuses)
        with pytest.raises(CheckpointRefused):
            await session.checkpoint("good")
        assert (await session.restore("good")).cells == (2,)
        await session.redo()
        monkeypatch.setattr(kernel, "checkpoint", dies)
        with pytest.raises(RuntimeError):
            await session.checkpoint("good")
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        assert (await session.restore("good")).as_of == 2
        assert await undone_in(session) == []


@pytest.mark.parametrize("stored", [True, False])
async def test_a_crash_after_the_journey_leaves_what_is_told(
    world: World, kernel: FakeKernel, *, stored: bool
) -> None:
    """The next program marks the cells and puts the files back, and the next cell says what happened."""

    async def dies() -> None:
        raise RuntimeError("the program dies here")

    async with Program(world) as sessions:
        kernel.files = {"f": b"one"}
        session = await ran(world, sessions, "a")
        kernel.files = {"f": b"two"}
        await ran(world, sessions, "a b")
        for cell, data in enumerate((b"one", b"two")[not stored :], 1):
            await sessions.files.put(1, "u1", "f", data, source="generated", cell=cell)
        kernel.arrived = dies
        with pytest.raises(RuntimeError):
            await session.undo()
        assert await undone_in(session) == []
    started: list[dict[str, bytes]] = []

    async def begins() -> None:
        started.append(dict(kernel.files))

    kernel.arrived = begins
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        assert await undone_in(session) == [2]
        assert kernel.files == {"f": b"one" if stored else b"two"}
        assert started == [kernel.files]
        (told,) = await world.ran(sessions, "a")
        assert (told.as_of, told.reason) == (1, COMPLETED if stored else BROKEN_OFF)
    async with Program(world) as sessions:
        assert await world.ran(sessions, "a") == []


async def test_the_process_begins_with_the_files_of_that_time(
    world: World, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read modules of its own; if they do not come back with them, that is said."""
    started: list[dict[str, bytes]] = []
    go_to = kernel.go_to

    async def begins() -> None:
        started.append(dict(kernel.files))

    async def fails(number: int, *, keep: bool = False) -> Journey:
        journey = await go_to(number, keep=keep)
        return journey if len(started) % 2 else replace(journey, as_of=0)

    async with Program(world) as sessions:
        for cell, data in enumerate((b"one", b"two"), 1):
            kernel.files = {"f.py": data}
            session = await ran(world, sessions, "a" * cell)
            await sessions.files.put(1, "u1", "f.py", data, source="generated", cell=cell)
        kernel.arrived = begins
        assert (await session.undo()).as_of == 1
        assert started == [{"f.py": b"two"}, {"f.py": b"one"}]
        monkeypatch.setattr(kernel, "go_to", fails)
        with pytest.raises(UndoRefused, match="lost"):
            await session.redo()
        assert (await undone_in(session), kernel.files) == ([], {"f.py": b"two"})


async def test_a_journey_that_fails_on_its_way_is_settled_at_once(
    world: World, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marks are those of the state that the kernel has, and the next cell tells."""

    async def fails() -> None:
        raise KernelStartFailed("no room")

    async def away() -> None:
        raise OSError("the node does not answer")

    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "a b")
        kernel.arrived = fails
        monkeypatch.setattr(kernel, "changed_files", away)
        with pytest.raises(KernelStartFailed):
            await session.undo()
        assert await undone_in(session) == [2]
        (told,) = await world.ran(sessions, "a")
        assert told.as_of == 1


@pytest.mark.parametrize("silent", [1, 2])
async def test_a_journey_that_cannot_be_settled_yet_is_settled_before_a_cell(
    world: World, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    """If a cell has run all the same, the marks still are those of the state that it found."""
    saves, calls = kernel.saves, 0

    async def dies() -> None:
        raise RuntimeError("the program dies here")

    async def answers_late() -> Sequence[SavedCell]:
        nonlocal calls
        calls += 1
        if calls <= silent:
            raise OSError("the node does not answer")
        return await saves()

    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "a b")
        kernel.arrived = dies
        with pytest.raises(RuntimeError):
            await session.undo()
    monkeypatch.setattr(kernel, "saves", answers_late)
    monkeypatch.setattr(kernel, "arrived", FakeKernel().arrived)
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        assert await undone_in(session) == []
        told = [one.as_of for code in ("a c", "a c d") for one in await world.ran(sessions, code)]
        assert (told, await undone_in(session)) == ([1] if silent == 1 else [], [2])
        assert (await session.undo(2)).cells == (3, 4)


async def test_a_second_step_does_not_take_the_first_for_one_that_broke_off(
    world: World, kernel: FakeKernel
) -> None:
    """It waits for its end; nor is a checkpoint forgotten in the middle of one."""
    others: list[asyncio.Task[object]] = []

    async def arrived() -> None:
        if not others:
            others.append(asyncio.create_task(session.undo()))
            others.append(asyncio.create_task(session.forget_checkpoint("good")))
            await asyncio.sleep(0.1)  # they would be far by then
            assert (await undone_in(session), list(kernel.named)) == ([], ["good"])

    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "a b", "a b c")
        await session.checkpoint("good")
        kernel.arrived = arrived
        assert (await session.undo()).cells == (3,)
        await asyncio.gather(*others)
        assert (await undone_in(session), await session.checkpoints()) == ([2, 3], {})
        assert await world.ran(sessions, "a") == []


async def test_the_model_does_not_go_on_as_if_nothing_had_changed(world: World) -> None:
    """Its turn is stopped while it thinks, unless it asks for the undo itself."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "a b", "a b c")
        for of, stopped in (({3}, False), (None, True)):
            turn = ModelTurn("terminal")
            async with session.asked(turn):
                await session.undo(of=of)
            assert turn.stopped == stopped


async def test_a_crash_before_the_journey_leaves_everything(
    world: World, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is marked, and nothing told."""

    async def dies(_number: int, **_: bool) -> None:
        raise RuntimeError("the program dies here")

    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "a b")
        with monkeypatch.context() as patch:
            patch.setattr(kernel, "go_to", dies)
            with pytest.raises(RuntimeError):
                await session.undo()
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        assert await undone_in(session) == []
        assert await world.ran(sessions, "a b") == []
        assert (await session.undo()).cells == (3,)


async def test_a_reset_forgets_steps_and_checkpoints(world: World, kernel: FakeKernel) -> None:
    """Their saves are gone."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "b")
        await session.undo()
        await session.reset()
        with pytest.raises(UndoRefused, match="nothing"):
            await session.redo()
        record = await sessions.store.sessions.get("u1")
        assert record is not None
        assert UndoHistory.from_text(record.history) == UndoHistory(fresh=2)


async def test_a_reset_waits_for_an_undo(world: World, kernel: FakeKernel) -> None:
    """Nothing of it is noted afterwards."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "b")
        resets = []

        async def arrived() -> None:
            resets.append(asyncio.create_task(session.reset()))
            for _ in range(20):
                await asyncio.sleep(0)
            assert kernel.variables

        kernel.arrived = arrived
        assert (await session.undo()).as_of == 1
        await resets[0]
        assert (kernel.variables, (await refusal(session)).why) == ((), "nothing")
        with pytest.raises(UndoRefused, match="nothing"):
            await session.redo()


async def test_what_was_before_a_reset_is_not_undone(world: World, kernel: FakeKernel) -> None:
    """The first cell since goes back to a fresh kernel, however many are asked for."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "b")
        await session.reset()
        kernel.kept.clear()
        assert (await refusal(session)).why == "nothing"
        await ran(world, sessions, "c", "d")
        told = await session.undo(4)
        assert (told.cells, told.as_of, told.unkept, kernel.variables) == ((3, 4), 0, (), ())
        assert await undone_in(session) == [3, 4]
        assert (await session.redo()).as_of == 4


async def test_only_given_cells_are_undone(world: World) -> None:
    """A turn of the model may take back its own cells, while nobody else has run one."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "b", "c")
        assert (await session.undo(1, of={2, 3})).cells == (3,)
        with pytest.raises(UndoRefused, match="not yours"):
            await session.undo(2, of={2, 3})
        await ran(world, sessions, "d")
        with pytest.raises(UndoRefused, match="not yours"):
            await session.undo(1, of={2, 3})


async def test_a_notebook_leaves_undone_cells_out(world: World) -> None:
    """One line says how many; whoever wants them gets them."""
    async with Program(world) as sessions:
        session = await ran(world, sessions, "a", "b", "c")
        await session.undo(2)
        await ran(world, sessions, "d")
        cells = [cell async for cell in session.transcript.notebook_cells()]
        assert [cell.code for cell in cells if isinstance(cell, Code)] == ["a", "d"]
        assert isinstance(cells[-1], Markdown)
        assert "2 cells" in cells[-1].source
        all_of_them = [cell async for cell in session.transcript.notebook_cells(undone=True)]
        assert [cell.code for cell in all_of_them if isinstance(cell, Code)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("said", "number"), [("1", 1), ("007", 7), ("0", 0), ("-1", 0), ("1 2", 0), ("9" * 5000, 0)]
)
def test_a_number_of_cells_is_one_or_more(said: str, number: int) -> None:
    """Whatever else is said asks for nothing, be it as long as it likes."""
    assert number_of_cells(said) == number
