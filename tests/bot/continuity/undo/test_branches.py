"""A branch begins as its session is, goes on by itself, and is what its place shows until it is gone."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from bot.continuity.undo import branches
from bot.errors import BranchRefused, DeletedSince, NotOpened
from bot.session import Session
from bot.sessions import Sessions
from filestore.errors import QuotaExceeded, StoreUnavailable
from filestore.records import CellRecord, Said
from kernels.cell.events import Restarted, UnsavedValue
from kernels.errors import KernelClosed
from kernels.state.journey import ChangedVariable, Journey
from tests.bot.fake_kernels import FakeKernel
from tests.bot.worlds import Program, World

THREAD = "channel-9"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty one, whose kernels save after every cell."""
    world = World(tmp_path)
    world.kernels.of["u1"].saving = True
    return world


async def entries(sessions: Sessions, place: str) -> list[str]:
    """The code and the words of the session that this place shows."""
    session = await sessions.session(1, place)
    return [
        entry.code if isinstance(entry, CellRecord) else entry.markdown
        for entry in await session.transcript.entries()
    ]


async def names(sessions: Sessions, place: str) -> list[str]:
    """The variables there."""
    session = await sessions.session(1, place)
    return [variable.name for variable in session.kernel.variables]


async def refusal(sessions: Sessions, to: str, name: str) -> str:
    """Why there is no such branch of what the terminal shows."""
    with pytest.raises(BranchRefused) as refused:
        await sessions.branch(1, "terminal", to, name)
    return refused.value.why


async def test_a_branch_has_variables_files_and_transcript(world: World) -> None:
    """From then on the two go their own ways, in another program, too."""
    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        world.kernels.of["u1"].files = {"f": b"1"}
        await world.ran(sessions, "a b")
        branch = await sessions.branch(1, "terminal", THREAD, "what if")
        assert (branch.place, branch.of, branch.from_place, branch.cell) == (THREAD, "u1", "terminal", 2)
        assert sessions.id_of(1, THREAD) == branch.session_id != sessions.id_of(1, "terminal") == "u1"
        *copied, told = await entries(sessions, THREAD)
        assert copied == ["a", "a b"]
        assert "`what if`" in told
        assert await names(sessions, THREAD) == ["a", "b"]
        assert world.kernels.of[branch.session_id].files == {"f": b"1"}
    async with Program(world) as sessions:
        assert sessions.id_of(1, THREAD) == branch.session_id
        assert sessions.id_of(2, THREAD) == "u2"
        await sessions.execute_code("a b c", 1, place=THREAD)
        assert await entries(sessions, "terminal") == ["a", "a b"]
        told_undone = await (await sessions.session(1, THREAD)).undo()
        assert (told_undone.cells, told_undone.as_of) == ((4,), 2)


async def test_nothing_is_told_as_lost_in_a_branch(world: World) -> None:
    """Its first cell begins with what was copied."""
    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        await sessions.branch(1, "terminal", THREAD, "x")
    async with Program(world) as sessions:
        result = await sessions.execute_code("a b", 1, place=THREAD)
        assert (result.lost, result.earlier, result.as_of) == ((), False, 0)


async def test_a_place_switches_between_its_branches(world: World) -> None:
    """And keeps to it in the next program."""
    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        first = await sessions.branch(1, "terminal", "terminal", "first")
        world.now += timedelta(seconds=1)
        second = await sessions.branch(1, "terminal", "terminal", "second")
        assert second.of == first.session_id
        assert sessions.id_of(1, "terminal") == second.session_id
        await sessions.switch(1, "terminal", "first")
    async with Program(world) as sessions:
        assert sessions.id_of(1, "terminal") == first.session_id
        there = [(branch.name, branch.here) for branch in await sessions.branches(1, "terminal")]
        assert there == [("first", True), ("second", False)]
        with pytest.raises(BranchRefused, match="none"):
            await sessions.switch(1, "terminal", "third")
        await sessions.switch(1, "terminal", "")
        assert sessions.id_of(1, "terminal") == "u1"
    async with Program(world) as sessions:
        assert sessions.id_of(1, "terminal") == "u1"
        assert await sessions.branches(1, THREAD) == []


async def test_what_cannot_be_branched_is_refused(world: World) -> None:
    """A bad name, a name or a place that is taken, a cell that runs."""
    kernel, began = world.kernels.of["u1"], asyncio.Event()
    async with Program(world) as sessions:
        for name in ("", " ", "x" * 41, "a\nb"):
            assert await refusal(sessions, THREAD, name) == "name"
        await sessions.branch(1, "terminal", "terminal", "x")
        assert await refusal(sessions, "terminal", "x") == "taken"
        await sessions.switch(1, "terminal", "")
        await sessions.branch(1, "terminal", THREAD, "x")
        assert await refusal(sessions, THREAD, "y") == "taken"

        async def works() -> None:
            began.set()
            await kernel.interrupted.wait()

        kernel.working = works
        running = asyncio.create_task(sessions.execute_code("a", 1))
        await began.wait()
        assert await refusal(sessions, "terminal", "z") == "running"
        with pytest.raises(BranchRefused, match="running"):
            await sessions.switch(1, "terminal", "x")
        kernel.interrupted.set()
        await running


async def test_two_branches_of_one_name_do_not_begin_at_once(world: World) -> None:
    """Nobody could go to the first one."""
    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        both = [sessions.branch(1, "terminal", "terminal", "x") for _ in range(2)]
        first, second = await asyncio.gather(*both, return_exceptions=True)
        assert isinstance(second, BranchRefused)
        assert second.why == "taken"
        assert await sessions.branches(1, "terminal") == [first]


async def test_a_person_has_few_branches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a workspace of its own; one whose workspace was removed does not count."""
    monkeypatch.setattr(branches, "MOST", 2)
    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        for name in "xy":
            await sessions.branch(1, "terminal", "terminal", name)
        assert await refusal(sessions, "terminal", "z") == "many"
        await sessions.discard(1, "terminal")
        await sessions.branch(1, "terminal", "terminal", "z")
        world.now += timedelta(days=3)
        await sessions.sweep(world.now)
        await sessions.branch(1, "terminal", "terminal", "after a while")


async def test_the_first_cell_of_a_branch_without_variables_is_undone(world: World) -> None:
    """What it has copied ran elsewhere, and stays."""
    world.kernels.of["u1"].saving = False
    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        branch = await sessions.branch(1, "terminal", THREAD, "x")
        assert branch.cell == 0
        world.kernels.of[branch.session_id].saving = True
        await sessions.execute_code("b", 1, place=THREAD)
        told = await (await sessions.session(1, THREAD)).undo(2)
        assert (told.cells, told.as_of) == ((3,), 0)


async def test_a_place_with_a_session_of_its_own_is_not_hidden(world: World) -> None:
    """Where each place has one."""
    async with Program(world, scope="place") as sessions:
        await sessions.execute_code("a", 1, place=THREAD)
        assert await refusal(sessions, THREAD, "x") == "taken"
        branch = await sessions.branch(1, "terminal", "channel-10", "x")
        assert sessions.id_of(1, "channel-10") == branch.session_id


@pytest.mark.parametrize("what", ["copy", "branch", "_show"])
async def test_a_branch_that_fails_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Neither a record nor a workspace."""

    async def fails(*_: object) -> int:
        raise QuotaExceeded(1, 1, 1)

    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        whose = {"copy": sessions.store.transcripts, "branch": world.kernels, "_show": sessions}
        monkeypatch.setattr(whose[what], what, fails)
        with pytest.raises(QuotaExceeded):
            await sessions.branch(1, "terminal", THREAD, "x")
        assert [record.session_id for record in await sessions.store.sessions.of_user(1)] == ["u1"]
        assert list(world.kernels.of) == ["u1"]
        assert sessions.id_of(1, THREAD) == "u1"


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), NotOpened(OSError()), KernelClosed()])
async def test_a_branch_that_cannot_be_opened_yet_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """Its first cell begins with what was copied."""
    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        opened = sessions.session

        async def fails(user_id: int, place: str) -> Session:
            if place == THREAD:
                raise failure
            return await opened(user_id, place)

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(sessions, "session", fails)
            branch = await sessions.branch(1, "terminal", THREAD, "x")
        assert sessions.id_of(1, THREAD) == branch.session_id
        result = await sessions.execute_code("a b", 1, place=THREAD)
        assert (result.lost, result.earlier) == ((), False)


async def test_a_branch_whose_variables_cannot_be_read_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and with its first cell, which is told by the kernel."""
    gone = ChangedVariable("a", "int 1", "")

    async def fails(kernel: FakeKernel, _: int, **__: bool) -> Journey:
        kernel.alive, kernel.variables = True, ()
        kernel.events = [Restarted("they could not be brought back", ("files",), ("a",))]
        return Journey(1, 0, (gone,))

    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        monkeypatch.setattr(FakeKernel, "go_to", fails)
        branch = await sessions.branch(1, "terminal", THREAD, "x")
        assert branch.unsaved == (UnsavedValue("a", 0, "int 1"),)
        assert (await sessions.execute_code("b", 1, place=THREAD)).lost == ("a",)


async def test_a_deleted_branch_is_no_longer_shown(world: World) -> None:
    """By itself, and with everything of its person."""

    async def records() -> Sequence[str]:
        return sorted(record.session_id for record in await sessions.store.sessions.of_user(1))

    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        branch = await sessions.branch(1, "terminal", THREAD, "x")
        await sessions.discard(1, THREAD)
        assert (sessions.id_of(1, THREAD), await records()) == ("u1", ["u1"])
        assert branch.session_id in world.kernels.forgotten
        await sessions.branch(1, "terminal", THREAD, "x")
        await sessions.forget_person(1)
        assert (sessions.id_of(1, THREAD), await records()) == ("u1", [])


async def test_a_branch_does_not_come_back_after_its_deletion(world: World) -> None:
    """If somebody asks for it just then."""
    async with Program(world) as sessions:
        await world.ran(sessions, "a")
        branch = await sessions.branch(1, "terminal", THREAD, "x")
        entered, leave = asyncio.Event(), asyncio.Event()

        async def removing(session_id: str) -> None:
            entered.set()
            await leave.wait()

        world.kernels.removing = removing
        deleting = asyncio.create_task(sessions.discard(1, THREAD))
        await entered.wait()
        asking = asyncio.create_task(sessions.session(1, THREAD))
        await asyncio.sleep(0)
        leave.set()
        await deleting
        with pytest.raises(DeletedSince):
            await asking
        assert await sessions.store.sessions.get(branch.session_id) is None


async def test_a_cell_that_runs_in_a_session_that_is_not_shown_is_resumed(world: World) -> None:
    """Whatever its place shows now."""
    async with Program(world) as sessions:
        session = await sessions.session(1, "terminal")
        assert sessions.exists(session.record)
        await sessions.branch(1, "terminal", "terminal", "x")
        assert sessions.exists(session.record)
        assert await sessions.of_record(session.record) is session


async def test_what_was_said_in_a_dm_is_not_known_in_a_channel(world: World) -> None:
    """Between channels it is."""
    async with Program(world) as sessions:
        for place, to, heard in (
            ("channel-1", "channel-2", ("channel-2", "channel-1")),
            ("dm-1", "channel-3", ("channel-3",)),
            ("dm-1", "dm-1~x", ("dm-1~x", "dm-1")),
        ):
            session = await sessions.session(1, place)
            await session.transcript.say(place, "Ann", f"said in {place}")
            await sessions.branch(1, place, to, "x")
            branched = await sessions.session(1, to)
            assert branched.heard(to) == heard
            pages = [page async for page in branched.transcript.said_in(branched.heard(to))]
            said = [entry.markdown for page in pages for entry in page if isinstance(entry, Said)]
            assert (f"said in {place}" in said) == (len(heard) == 2)
