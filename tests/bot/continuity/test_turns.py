"""What a session's turns record while others wait for them to end, and after the session is gone."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from bot.files import KeptFiles
from bot.model.turn import ask
from bot.notebooks.replay import Step, replay
from bot.reply import Reply, tell_nobody
from bot.request import Request
from bot.session import Session
from bot.turn import take_turn
from filestore.errors import QuotaExceeded
from filestore.records import ENTRY, CellRecord, Said
from kernels.cell.events import Stream
from kernels.cell.result import Late
from kernels.errors import KernelClosed
from kernels.notebooks.cells import Cell, Code, LoadedNotebook, Markdown
from tests.bot.worlds import Program, World
from tests.live.cells import until

SKIPPED = ("skip-execution",)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty one."""
    return World(tmp_path)


async def replayed(session: Session, cells: Iterable[Cell]) -> list[Step]:
    """Run a notebook."""

    async def tell(_reply: Reply) -> None:
        await asyncio.sleep(0)

    request = Request(1, "Ann", "dm")
    book = LoadedNotebook(tuple(cells))
    return [step async for step in replay(session, book, request, tell, keep_going=True)]


async def test_what_comes_before_the_end_of_its_cell_is_recorded_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread prints while the cell's files are being stored: the cell's end does not replace that."""
    async with Program(world) as sessions:
        session = await sessions.session(1, "dm")
        kernel, keep = world.kernels.of["u1"], session.files.keep

        async def prints_meanwhile(*found: Any) -> KeptFiles:
            kernel.told.put_nowait(Late(1, Stream("stdout", "late\n")))
            for _ in range(20):
                await asyncio.sleep(0.005)
            assert not world.told
            return await keep(*found)

        monkeypatch.setattr(session.files, "keep", prints_meanwhile)
        await sessions.execute_code("x", 1, place="dm")
        await until(lambda: bool(world.told))
        (entry,) = await session.transcript.entries()
        assert isinstance(entry, CellRecord)
        assert [output["text"] for output in entry.outputs] == ["late\n"]
        assert [reply.event for reply in world.told] == [Stream("stdout", "late\n")]


@pytest.mark.parametrize("everything", [True, False])
async def test_a_replay_records_nothing_after_its_session_is_deleted(world: World, everything: bool) -> None:
    """Neither words nor cells: they would end up in the next session, where nothing would delete them."""
    cells = [Code("x"), *(Markdown(f"words {number}") for number in range(200)), Code("y", tags=SKIPPED)]
    async with Program(world) as sessions:
        session = await sessions.session(1, "dm")
        said, enough = session.transcript.say, asyncio.Event()

        async def say(*words: str) -> Said:
            enough.set()
            return await said(*words)

        session.transcript.say = say  # type: ignore[method-assign]
        running = asyncio.create_task(replayed(session, cells * 20))
        await enough.wait()
        await (sessions.forget_person(1) if everything else sessions.discard(1, "dm"))
        with pytest.raises(KernelClosed):
            await running
        session = await sessions.session(1, "dm")
        assert await session.transcript.entries() == []


async def test_a_file_that_arrives_after_its_session_was_deleted_is_not_stored(world: World) -> None:
    """It was read from Discord meanwhile; its person has been told that everything is deleted."""
    async with Program(world) as sessions:
        session = await sessions.session(1, "dm")
        await sessions.forget_person(1)
        with pytest.raises(KernelClosed):
            await session.upload("a.csv", b"a\n1\n")
        assert (await sessions.list_user_files(1)).files == ()


async def test_no_turn_begins_in_a_session_that_was_found_before_its_deletion(world: World) -> None:
    """Its cell, its words and what the model costs would be recorded where nothing deletes them."""
    async with Program(world) as sessions:
        session = await sessions.session(1, "dm")
        await sessions.forget_person(1)
        with pytest.raises(KernelClosed):
            await take_turn(session, Request(1, "Ann", "dm", "x"), tell_nobody)
        with pytest.raises(KernelClosed):
            await ask(
                session, Request(1, "Ann", "dm", words="?"), cast(Any, None), sessions.ledger, tell_nobody
            )
        assert await session.transcript.entries() == []


async def test_no_turn_begins_while_its_session_waits_to_be_deleted(world: World) -> None:
    """Nobody would stop it: the deletion would have to wait, and the turn could record something later."""
    async with Program(world) as sessions:
        session = await sessions.session(1, "dm")
        with session.turn():
            deleting = asyncio.create_task(sessions.forget_person(1))
            await until(lambda: session.turns._ending > 0)
            with pytest.raises(KernelClosed):
                await sessions.execute_code("x", 1, place="dm")
        await deleting
        assert (await sessions.execute_code("x", 1, place="dm")).success


@pytest.mark.parametrize("everything", [True, False])
async def test_a_turn_that_begins_while_its_deletion_waits_for_others_ends_before_it(
    world: World, everything: bool
) -> None:
    """The deletion waits for turns in another place, or for an opening; nothing may be stored after it."""
    began, stored, waits = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with Program(world, scope="place") as sessions:
        session, other = [await sessions.session(1, place) for place in ("a", "b")]

        async def works() -> None:
            with session.turn():
                began.set()
                await until(lambda: session.turns._ending > 0 or deleting.done())
                await session.files._store.put(1, session.record.session_id, "a", b"1", source="generated")
                stored.set()

        async def holds() -> None:
            async with sessions._locks.one(1, session.record.session_id):
                waits.set()
                await began.wait()

        if everything:
            with other.turn():
                deleting = asyncio.create_task(sessions.forget_person(1))
                await until(lambda: other.turns._ending > 0 and not session.turns._ending)
                working = asyncio.create_task(works())
                await began.wait()
        else:
            opening = asyncio.create_task(holds())
            await waits.wait()
            deleting = asyncio.create_task(sessions.discard(1, "a"))
            await asyncio.sleep(0)  # it has found no turn, and waits for the lock
            working = asyncio.create_task(works())
            await opening
        await asyncio.gather(deleting, working)
        assert stored.is_set()
        assert (await sessions.list_user_files(1)).files == ()


async def test_a_replay_of_many_short_cells_ends_when_the_quota_is_used_up(world: World) -> None:
    """However short they are, each takes room in the database."""
    async with Program(world) as sessions:
        session = await sessions.session(1, "dm")
        sessions.files._quota = 100 * ENTRY
        with pytest.raises(QuotaExceeded):
            await replayed(session, [Markdown("")] * 1000)
        assert await sessions.files.used(1) == 100 * ENTRY
        assert len(await session.transcript.entries()) == 100


async def test_a_replay_ends_when_the_quota_is_used_up(world: World) -> None:
    """It is a single turn, so what is always recorded, such as words, must not exceed the quota."""
    cells = [Code("x"), *(Markdown(f"{number} {'w' * 20_000}") for number in range(50))]
    async with Program(world) as sessions:
        session = await sessions.session(1, "dm")
        sessions.files._quota = 100_000
        with pytest.raises(QuotaExceeded):
            await replayed(session, cells)
        assert await sessions.files.used(1) <= 100_000
        assert len(await session.transcript.entries()) == 5
        assert (await sessions.execute_code("x", 1, place="dm")).success
