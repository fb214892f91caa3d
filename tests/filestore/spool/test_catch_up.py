"""Waiting writes are brought in once, in order, and none of them holds up the rest."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from filestore.blobs.store import Blobs
from filestore.errors import NotRecordedYet, StoreUnavailable
from filestore.files import FileStore
from filestore.records import EPOCH, CellRecord, MessageCell, UsageRecord
from filestore.spool import catch_up as catching_up
from filestore.spool import spooled
from filestore.spool.writes import EntryAdded
from tests.filestore.faults import full
from tests.filestore.people import ANN, put
from tests.filestore.spool.conftest import PLACE, SESSION, Opened, opened, printed
from tests.live.cells import until


async def test_bringing_in_twice_does_nothing_more(store: Opened, blobs: Blobs, tmp_path: Path) -> None:
    """If the program crashes before the journal is removed, the next one brings everything in again."""
    files = FileStore(store.kept, blobs, clock=store.clock)
    used = UsageRecord(ANN, store.clock(), "m", 10, 2, 0.1, 1.5)
    cell = await store.cell("1", printed("x"))
    async with full():
        await store.cell("2", printed("y"))
        await store.kept.transcripts.append_outputs(SESSION, cell.seq, [printed("tick")])
        await store.kept.transcripts.append_outputs(SESSION, cell.seq, [printed("tick")])
        await store.kept.usage.add(used)
        with pytest.raises(NotRecordedYet):
            await put(files, session_id=SESSION, cell=cell.seq)
        shutil.copytree(store.data / "spool", tmp_path / "copy")
    await store.kept.catch_up.bring_in()
    seen = await store.raw.transcripts.entries(SESSION)
    assert isinstance(seen[0], CellRecord)
    assert [output["text"] for output in seen[0].outputs] == ["x", "tick", "tick"]
    rows = await store.raw.files.batch()
    async with spooled(store.raw, tmp_path / "copy", clock=store.clock) as again:
        assert await again.transcripts.entries(SESSION) == seen
    assert await store.raw.transcripts.entries(SESSION) == seen
    assert await store.raw.files.batch() == rows
    assert await store.raw.usage.total(ANN, EPOCH) == await store.kept.usage.total(ANN, EPOCH)
    assert (await store.raw.usage.total(ANN, EPOCH)).turns == 1


async def test_a_write_that_can_never_be_done_holds_nobody_up(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is set aside, and holds up neither its own session nor others."""
    async with full():
        await store.cell("bad")
        await store.cell("good")
        await store.cell("theirs", session_id="u8")
    restore = store.raw.transcripts.restore

    async def fail(entry: Any) -> int:
        if getattr(entry, "code", "") == "bad":
            raise ZeroDivisionError
        return await restore(entry)

    monkeypatch.setattr(store.raw.transcripts, "restore", fail)
    await store.kept.catch_up.bring_in()
    assert store.kept.transcripts.waiting(SESSION) is None
    assert [getattr(entry, "code", "") for entry in await store.raw.transcripts.entries(SESSION)] == ["good"]
    assert len(await store.raw.transcripts.entries("u8")) == 1
    (aside,) = store.folder.iterdir()
    assert b'"bad"' in aside.read_bytes()
    await store.kept.sessions.delete(SESSION)
    assert list(store.folder.iterdir()) == []  # the set-aside write is deleted with its session


async def test_sessions_whose_writes_fail_for_ever_do_not_keep_others_waiting(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many such sessions there are, and whenever they came."""
    async with full():
        for number in range(5):
            await store.cell("bad", session_id=f"bad {number}")
        await store.cell("theirs", session_id="u8")
    restore = store.raw.transcripts.restore

    async def fail(entry: Any) -> int:
        if entry.code == "bad":
            raise StoreUnavailable("only this one")
        return await restore(entry)

    monkeypatch.setattr(store.raw.transcripts, "restore", fail)
    for _ in range(2):
        await store.kept.catch_up.bring_in()
    assert len(await store.raw.transcripts.entries("u8")) == 1
    await store.cell("direct", session_id="u9")
    assert store.kept.transcripts.waiting("u9") is None
    await store.cell("behind the bad one", session_id="bad 0")
    assert store.kept.transcripts.waiting("bad 0") is not None
    assert await store.raw.transcripts.entries("bad 0") == []


async def test_while_the_database_is_away_it_is_tried_now_and_then(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one task tries it, less and less often; no person's write does."""
    pauses: list[float] = []
    tried = 0

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            raise asyncio.CancelledError

    async def fail(*_: Any, **__: Any) -> int:
        nonlocal tried
        tried += 1
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(store.raw.transcripts), "begin_cell", fail)
    monkeypatch.setattr(type(store.raw.transcripts), "restore", fail)
    for number in range(20):
        await store.cell(session_id=f"u{number}")
    assert tried == 1
    with pytest.raises(asyncio.CancelledError):
        await store.kept.catch_up.bring_in_often(sleep=pause)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert tried == 1 + 7 * catching_up.GIVING_UP


async def test_the_task_ends_with_the_store(tmp_path: Path, clock: Any) -> None:
    """Waiting writes come in by themselves; once the store is closed no task remains, even if some wait."""
    before = asyncio.all_tasks()
    async with opened(tmp_path, clock, first_pause=0.05) as store:
        async with full():
            await store.cell()
        async with asyncio.timeout(30):
            await until(lambda: store.kept.transcripts.waiting(SESSION) is None)
        async with full():
            await store.cell()
            assert len(asyncio.all_tasks() - before) == 1
    assert asyncio.all_tasks() <= before


async def test_a_deletion_waits_for_what_is_on_its_way_into_the_database(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that is being brought in at that moment is not recorded after the deletion."""
    async with full():
        await store.cell()
    on_its_way, go_on = asyncio.Event(), asyncio.Event()
    restore = store.raw.transcripts.restore

    async def slow(entry: Any) -> int:
        on_its_way.set()
        await go_on.wait()
        return await restore(entry)

    monkeypatch.setattr(store.raw.transcripts, "restore", slow)
    bringing_in = asyncio.create_task(store.kept.catch_up.bring_in())
    await on_its_way.wait()
    deleting = asyncio.create_task(store.kept.sessions.delete(SESSION))
    await asyncio.wait([deleting], timeout=0.3)  # long enough for it to finish if it did not wait
    go_on.set()
    await deleting
    await bringing_in
    assert await store.raw.transcripts.entries(SESSION) == []
    assert await store.raw.sessions.of_user(ANN) == []


@pytest.mark.parametrize("crash", ["none", "with its lines", "after its entry"])
async def test_what_follows_an_entry_whose_number_was_taken_goes_to_its_new_one(
    store: Opened, clock: Any, tmp_path: Path, crash: str
) -> None:
    """Even if the program is killed in between, before or after it rewrites its journal; and only once."""
    mine, theirs = printed("mine"), printed("theirs")
    async with full():
        waited = await store.cell("mine", mine)
        await store.kept.message_cells.set(MessageCell(5, SESSION, waited.seq))
        shutil.copytree(store.data / "spool", tmp_path / "copy")
    other = await store.raw.transcripts.begin_cell(SESSION, PLACE, "Bob", "theirs", clock())
    await store.raw.transcripts.finish_cell(SESSION, other.seq, status="ok", outputs=[theirs])
    assert other.seq == waited.seq
    if crash == "after its entry":  # the database fails again, and the journal has the rest
        (journal,) = store.kept.transcripts._spool.waiting.values()
        entry = journal.writes[0]
        seq = await store.kept.catch_up.bring_in_write(entry)
        assert isinstance(entry, EntryAdded)
        assert isinstance(seq, int)
        await store.kept.catch_up._renumber(journal, entry.entry, seq)
        await store.kept.catch_up._drop(journal, entry, broken=False)
        await journal.rewrite()
        shutil.rmtree(tmp_path / "copy")
        shutil.copytree(store.data / "spool", tmp_path / "copy")
    else:
        await store.kept.catch_up.bring_in()
    if crash != "none":  # the next program finds what the killed one left
        async with spooled(store.raw, tmp_path / "copy", clock=clock):
            pass
    await store.kept.catch_up.bring_in()
    cells = [entry for entry in await store.raw.transcripts.entries(SESSION) if isinstance(entry, CellRecord)]
    assert [(cell.code, cell.outputs) for cell in cells] == [("theirs", (theirs,)), ("mine", (mine,))]
    message = await store.raw.message_cells.get(5)
    assert message is not None
    assert message.seq == cells[1].seq
    await store.kept.transcripts.append_outputs(SESSION, waited.seq, [printed("late")])  # by its old number
    cells = [entry for entry in await store.raw.transcripts.entries(SESSION) if isinstance(entry, CellRecord)]
    assert [len(cell.outputs) for cell in cells] == [1, 2]
