"""What a database cannot take waits, in order and safely, and is in it once it can be used again."""

import asyncio
import shutil
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from filestore import open_store
from filestore.blobs.removal import remove_expired
from filestore.blobs.store import Blobs
from filestore.errors import NoSuchFile, NotRecordedYet, QuotaExceeded, SpoolFull, StoreFull, StoreUnavailable
from filestore.files import FileStore
from filestore.records import EPOCH, CellRecord, MessageCell, UsageRecord, UsageTotal, Waiting
from filestore.spool import SpooledStore, spooled
from filestore.spool import catch_up as catching_up
from filestore.spool import spool as spooling
from filestore.spool.spool import SpoolRoom
from filestore.spool.writes import EntryAdded
from filestore.sqlite import open_sqlite
from filestore.sqlite.database import Waits
from filestore.store import Store
from tests.filestore.faults import full, locked, no_room
from tests.filestore.people import ANN, BOB, bytes_on_disk, put
from tests.live.cells import until

SESSION, PLACE = "u7", "dm"


def printed(text: str) -> dict[str, Any]:
    """Text that a cell printed."""
    return {"output_type": "stream", "name": "stdout", "text": text}


@dataclass
class Opened:
    """A store with a spool before it, and what is behind."""

    kept: SpooledStore
    raw: Store
    data: Path
    clock: Callable[[], Any]

    @property
    def folder(self) -> Path:
        """Where the journals are; no other database has been here."""
        (folder,) = (self.data / "spool").iterdir()
        return folder

    async def cell(self, code: str = "1", *outputs: dict[str, Any], session_id: str = SESSION) -> CellRecord:
        """Begin and finish a cell."""
        transcripts = self.kept.transcripts
        cell = await transcripts.begin_cell(session_id, PLACE, "Ann", code, self.clock())
        await transcripts.finish_cell(session_id, cell.seq, status="ok", outputs=outputs, execution_count=1)
        return cell


@asynccontextmanager
async def opened(data: Path, clock: Any, waits: Waits | None = None, **more: Any) -> AsyncIterator[Opened]:
    """Open all of it; `more` goes to the spool."""
    async with (
        open_sqlite(data / "kernelcord.db", waits or Waits()) as raw,
        spooled(raw, data / "spool", clock=clock, **more) as kept,
    ):
        await kept.sessions.get_or_create(SESSION, ANN, PLACE, clock())
        yield Opened(kept, raw, data, clock)


@pytest.fixture
async def store(tmp_path: Path, clock: Any, request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    """A store whose database can be made to fail; nothing is brought in but when a test says so.

    A test may give the spool's room as a parameter.
    """
    room: SpoolRoom | None = getattr(request, "param", None)
    async with opened(tmp_path, clock, Waits(busy=20), first_pause=1000.0, room=room) as store:
        yield store


@pytest.mark.parametrize("fault", [full, locked])
async def test_what_is_refused_waits_and_comes_in_its_order(
    store: Opened, fault: Callable[[Path], AbstractAsyncContextManager[None]]
) -> None:
    """Begun before, between and in the outage: it reads the same while it waits and afterwards."""
    transcripts, now = store.kept.transcripts, store.clock()
    before = await transcripts.begin_cell(SESSION, PLACE, "Ann", "before", now)
    async with fault(store.data):
        said = await transcripts.say(SESSION, PLACE, "Ann", "words", now)
        inside = await transcripts.begin_cell(SESSION, PLACE, "Ann", "inside", now)
        await transcripts.finish_cell(
            SESSION, before.seq, status="error", outputs=[printed("1")], file_ids=["a"]
        )
        await transcripts.append_outputs(SESSION, before.seq, [printed("late")], ["b"])
        await transcripts.append_outputs(SESSION, inside.seq, [printed("so far")])
        assert [before.seq, said.seq, inside.seq] == [1, 2, 3]
        assert transcripts.waiting(SESSION) == Waiting(full=fault is full, durable=True)
        assert await transcripts.unfinished(SESSION) == [
            entry for entry in await transcripts.entries(SESSION) if entry.seq == inside.seq
        ]
        seen = await transcripts.entries(SESSION)
        assert not await store.kept.catch_up.bring_in()
    assert await store.kept.catch_up.bring_in()
    assert transcripts.waiting(SESSION) is None
    assert await store.raw.transcripts.entries(SESSION) == seen
    first, second, third = seen
    assert isinstance(first, CellRecord)
    assert ([output["text"] for output in first.outputs], first.status) == (["1", "late"], "error")
    assert (first.file_ids, second, third.seq) == (("a", "b"), said, 3)
    assert (await transcripts.say(SESSION, PLACE, "Ann", "after", now)).seq == 4
    assert list(store.folder.iterdir()) == []


async def test_a_page_of_a_transcript_that_waits_has_its_limits(store: Opened) -> None:
    """Number, place and length hold also for what waits."""
    transcripts, now = store.kept.transcripts, store.clock()
    for number in range(3):
        await transcripts.say(SESSION, f"place {number % 2}", "Ann", str(number), now)
    async with full():
        for number in range(3, 6):
            await transcripts.say(SESSION, f"place {number % 2}", "Ann", str(number), now)
        seqs = [entry.seq for entry in await transcripts.entries(SESSION, after=1, limit=3)]
        assert seqs == [2, 3, 4]
        assert [entry.seq for entry in await transcripts.entries(SESSION, place="place 1")] == [2, 4, 6]
        assert await transcripts.entries(SESSION, after=6) == []


async def test_of_notes_about_a_kernel_the_last_one_waits(store: Opened) -> None:
    """However many there are, they take no room from what cells have shown."""
    async with full():
        await store.cell("x = 1")
        for number in range(50):
            await store.kept.sessions.set_kernel(SESSION, f"{number}" * 1000)
        (journal,) = store.folder.iterdir()
        assert journal.stat().st_size < 10_000
    assert await store.kept.catch_up.bring_in()
    record = await store.raw.sessions.get(SESSION)
    assert record is not None
    assert record.kernel == "49" * 1000


async def test_nobody_gets_a_number_twice(store: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session goes on counting; of one that nobody can look up some numbers are left out."""
    for _ in range(3):
        await store.raw.transcripts.say("u8", PLACE, "Bob", "earlier", store.clock())
    async with full():
        assert (await store.cell(session_id="u8")).seq == 4
    await store.raw.transcripts.say("u9", PLACE, "Cid", "earlier", store.clock())

    async def unreadable(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(store.raw.transcripts), "last_seq", unreadable)
    async with full():
        begun = await asyncio.gather(*(store.cell(session_id="u9") for _ in range(3)))
    assert [cell.seq for cell in begun] == [5, 6, 7]
    await store.kept.catch_up.bring_in()
    assert [entry.seq for entry in await store.raw.transcripts.entries("u9")] == [1, 5, 6, 7]
    assert (await store.cell(session_id="u9")).seq == 8


async def test_a_number_that_another_entry_has_is_given_up(store: Opened) -> None:
    """Nothing of either is lost; what comes of the cell, and its messages, go to its new number."""
    async with full():
        cell = await store.kept.transcripts.begin_cell(SESSION, PLACE, "Ann", "mine", store.clock())
        await store.kept.message_cells.set(MessageCell(1, SESSION, cell.seq, 9))
    other = await store.raw.transcripts.begin_cell(SESSION, PLACE, "Ann", "other", store.clock())
    assert cell.seq == other.seq
    await store.kept.catch_up.bring_in()
    await store.kept.transcripts.finish_cell(SESSION, cell.seq, status="ok", outputs=[])
    await store.kept.message_cells.set(MessageCell(2, SESSION, cell.seq, 9))
    assert [found.message_id for found in await store.raw.message_cells.of_cell(SESSION, 2)] == [1, 2]
    entries = await store.raw.transcripts.entries(SESSION)
    assert [(entry.seq, entry.code, entry.status) for entry in entries if isinstance(entry, CellRecord)] == [
        (1, "other", "running"),
        (2, "mine", "ok"),
    ]


async def test_what_waits_outlives_a_kill(tmp_path: Path, clock: Any) -> None:
    """The program is killed right after it was told; the next one brings all of it in first."""
    program = f"""
import asyncio, os
from pathlib import Path
from datetime import UTC, datetime
from tests.filestore.faults import full
from tests.filestore.spool.test_spool import Opened, opened, printed
async def main():
    clock = lambda: datetime(2030, 1, 1, tzinfo=UTC)
    async with opened(Path({str(tmp_path)!r}), clock) as store, full():
        for number in range(3):
            await store.cell(f"print({{number}})", printed(str(number)))
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == -9
    async with open_store(tmp_path) as raw:
        assert await raw.transcripts.entries(SESSION) == []
    async with opened(tmp_path, clock) as store:
        cells = await store.raw.transcripts.entries(SESSION)
        assert [cell.outputs for cell in cells if isinstance(cell, CellRecord)] == [
            (printed(str(number)),) for number in range(3)
        ]
        assert (await store.cell()).seq == 4


async def test_bringing_in_twice_does_nothing_more(store: Opened, blobs: Blobs, tmp_path: Path) -> None:
    """After a crash before the journal was removed, the next program does all of it again."""
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


async def test_half_a_line_is_cut_off_and_a_broken_journal_is_set_aside(store: Opened, clock: Any) -> None:
    """What was whole before the break is brought in; the broken file stays for whoever wants to look."""
    async with full():
        await store.cell("mine")
        await store.cell("other", session_id="u8")
        half, broken = (
            store.kept.transcripts._spool.journal(f"session {one}").path for one in (SESSION, "u8")
        )
        for path, rest in ((half, b'{"write": "CellFin'), (broken, b'{"write": "Nothing"}\nmore\n')):
            path.write_bytes(path.read_bytes() + rest)
    async with spooled(store.raw, store.data / "spool", clock=clock):
        for session_id in (SESSION, "u8"):
            (cell,) = await store.raw.transcripts.entries(session_id)
            assert getattr(cell, "status", "") == "ok"
    assert [path.suffix for path in store.folder.iterdir()] == [".broken"]


async def test_what_is_added_to_half_a_line_can_be_read(store: Opened, clock: Any) -> None:
    """The outage goes on under the next program."""
    async with full():
        await store.cell("before")
        path = store.kept.transcripts._spool.journal(f"session {SESSION}").path
        path.write_bytes(path.read_bytes() + b'{"write": "' + b"x" * 5000)
        async with spooled(store.raw, store.data / "spool", clock=clock) as again:
            after = await again.transcripts.begin_cell(SESSION, PLACE, "Ann", "after", clock())
            assert after.seq == 2
    async with spooled(store.raw, store.data / "spool", clock=clock):
        entries = await store.raw.transcripts.entries(SESSION)
    assert [getattr(entry, "code", "") for entry in entries] == ["before", "after"]
    assert list(store.folder.iterdir()) == []


async def test_a_full_disk_leaves_it_in_memory_until_there_is_room(
    store: Opened, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    """It is said, and once there is room all of it is on the disk, in its order."""
    async with full():
        await store.cell("first")
        with no_room(monkeypatch):
            await store.cell("second")
            state = store.kept.transcripts.waiting(SESSION)
            assert state is not None
            assert not state.durable
        assert not await store.kept.catch_up.bring_in()
        assert store.kept.transcripts.waiting(SESSION) == Waiting(full=True, durable=True)
        await store.cell("third")
    async with spooled(store.raw, store.data / "spool", clock=clock):
        entries = await store.raw.transcripts.entries(SESSION)
    assert [getattr(entry, "code", "") for entry in entries] == ["first", "second", "third"]


async def test_a_file_in_which_nothing_was_ever_whole_is_no_broken_one(
    store: Opened, clock: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk leaves none. One that an earlier version or a kill has left goes at the next start."""
    async with full():
        with no_room(monkeypatch):
            await store.cell("first")
            assert list(store.folder.iterdir()) == []
        await store.kept.catch_up.bring_in()
    await store.kept.catch_up.bring_in()
    header = b'{"key": "session u9"}'
    for number, left in enumerate((b"", header[:4], header)):
        (store.folder / f"{number}.jsonl").write_bytes(left)
    (store.folder / "strange.jsonl").write_bytes(b"who knows")
    other = store.folder.with_name("another database")
    other.mkdir()
    (other / "0.jsonl").touch()
    async with spooled(store.raw, store.data / "spool", clock=clock):
        assert not other.exists()
    assert [path.name for path in store.folder.iterdir()] == ["strange.broken"]
    told = [record.getMessage() for record in caplog.records]
    assert len([one for one in told if "is broken" in one]) == 1
    assert not any("for another database" in one for one in told)


async def test_what_is_only_in_memory_comes_in_all_the_same(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database has room before the disk of the spool does."""
    with no_room(monkeypatch):
        async with full():
            await store.cell("first")
        await store.kept.catch_up.bring_in()
    assert [getattr(entry, "status", "") for entry in await store.raw.transcripts.entries(SESSION)] == ["ok"]


async def test_the_spool_is_private(store: Opened) -> None:
    """Folders are 0700 and files 0600: what people ran is in them."""
    async with full():
        await store.cell()
        (journal,) = store.folder.iterdir()
        assert stat.S_IMODE(journal.stat().st_mode) == 0o600
        assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("store", [SpoolRoom(40_000, 60_000, spare=10_000)], indirect=True)
async def test_one_person_fills_neither_the_spool_nor_the_share_of_others(store: Opened) -> None:
    """Over the limits outputs are left out, which is said; far beyond them that person has to wait."""
    large = printed("x" * 30_000)
    async with full():
        for session_id in ("u7-a", "u7-b"):
            await store.kept.sessions.get_or_create(session_id, ANN, PLACE, store.clock())
        kept = await store.cell("1", large)
        cut = await store.cell("2", large, session_id="u7-a")
        assert store.kept.transcripts.waiting(SESSION) == Waiting(full=True, durable=True)
        assert store.kept.transcripts.waiting("u7-a") == Waiting(True, True, frozenset({cut.seq}))

        async def go_on() -> None:
            for _ in range(1000):
                await store.cell("3" * 2000, session_id="u7-b")

        with pytest.raises(SpoolFull):
            await go_on()
        for _ in range(20):
            await store.kept.usage.add(UsageRecord(ANN, store.clock(), "m", 1, 2, 0.25, 0.5))
        assert (await store.kept.usage.total(ANN, EPOCH)).turns == 20  # who has no room pays all the same
        others = await store.cell("4", session_id="u8")
        assert store.kept.transcripts.waiting("u8") == Waiting(full=True, durable=True)
        await store.cell("5", large, session_id="u8")  # there is no room for this in all
    await store.kept.catch_up.bring_in()
    (whole,) = await store.raw.transcripts.entries(SESSION)
    (without,) = await store.raw.transcripts.entries("u7-a")
    assert isinstance(whole, CellRecord)
    assert isinstance(without, CellRecord)
    assert (whole.seq, whole.outputs) == (kept.seq, (large,))
    assert without.status == "ok"
    assert "too large to be kept" in without.outputs[0]["text"]
    fourth, fifth = await store.raw.transcripts.entries("u8")
    assert fourth.seq == others.seq
    assert isinstance(fifth, CellRecord)
    assert "too large to be kept" in fifth.outputs[0]["text"]


async def test_what_is_kept_of_a_deletion_has_what_waits_as_well(store: Opened) -> None:
    """Turns that wait for the database are kept under the number too, and no name is left with them."""
    async with full():
        await store.kept.usage.add(UsageRecord(ANN, store.clock(), "m", 1, 2, 0.25, 0.5))
        with pytest.raises(StoreUnavailable):
            await store.kept.usage.forget_person(ANN, kept_as=-5, since=EPOCH)
        assert (await store.kept.usage.total(ANN, EPOCH)).turns == 1
    await store.kept.usage.forget_person(ANN, kept_as=-5, since=EPOCH)
    assert (await store.kept.usage.total(ANN, EPOCH)).turns == 0
    assert (await store.raw.usage.total(-5, EPOCH)) == UsageTotal(1, 1, 2, 0.25, 0.5)
    await store.kept.catch_up.bring_in()
    assert (await store.raw.usage.total(ANN, EPOCH)).turns == 0


async def test_what_is_spent_meanwhile_counts(store: Opened) -> None:
    """A database that is away makes nothing free, and nothing is counted twice when it is back."""
    turn = UsageRecord(ANN, store.clock(), "m", 100, 20, 0.5, 1.0)
    await store.kept.usage.add(turn)
    async with full():
        for _ in range(2):
            await store.kept.usage.add(UsageRecord(ANN, store.clock(), "m", 1, 2, 0.25, 0.5))
            store.clock.advance(seconds=1)  # type: ignore[attr-defined]
        total = await store.kept.usage.total(ANN, EPOCH)
        assert (total.turns, total.input_tokens, total.output_tokens, total.cost) == (3, 102, 24, 1.0)
        assert (await store.kept.usage.total(ANN, store.clock())).turns == 0
        assert (await store.kept.usage.total(BOB, EPOCH)).turns == 0
    await store.kept.catch_up.bring_in()
    assert await store.raw.usage.total(ANN, EPOCH) == total == await store.kept.usage.total(ANN, EPOCH)


async def test_a_cells_file_gets_its_id_when_the_database_is_back(store: Opened, blobs: Blobs) -> None:
    """Not announced before; its bytes are no orphans meanwhile; then it is offered, for as long as any."""
    files = FileStore(store.kept, blobs, clock=store.clock)
    async with full():
        cell = await store.cell()
        with pytest.raises(NotRecordedYet):
            await put(files, "a.csv", b"1", session_id=SESSION, cell=cell.seq)
        (entries,) = [entries async for entries in blobs.folders()]
        (key,) = await store.kept.files.known_keys([entry.key for entry in entries])
        with pytest.raises(StoreUnavailable) as caught:
            await put(files, "b.csv", b"2", source="uploaded")
        assert not isinstance(caught.value, NotRecordedYet)
        assert await store.raw.files.batch() == []
    store.clock.advance(hours=50)  # type: ignore[attr-defined]
    await store.kept.catch_up.bring_in()
    await store.kept.catch_up.bring_in()
    recorded = await anext(store.kept.catch_up.recorded(SESSION))
    assert (recorded.file.blob_key, recorded.file.cell, recorded.refused) == (key, cell.seq, None)
    assert (await files.load_file(recorded.file.file_id, ANN)).data == b"1"
    (record,) = await store.raw.transcripts.entries(SESSION)
    assert getattr(record, "file_ids", ()) == (recorded.file.file_id,)
    store.clock.advance(hours=47)  # type: ignore[attr-defined]
    assert (await files.load_file(recorded.file.file_id, ANN)).data == b"1"


async def test_files_that_wait_stay_within_the_quota(store: Opened, blobs: Blobs) -> None:
    """Nobody fills the disk while nobody counts; and what is too much after all is refused by name."""
    files = FileStore(store.kept, blobs, clock=store.clock, quota=100)
    await put(files, "0.bin", b"0" * 50)
    async with full():
        for number in range(2):
            with pytest.raises(NotRecordedYet):
                await put(files, f"{number}.bin", f"{number}".encode() * 45, session_id=SESSION)
        with pytest.raises(QuotaExceeded):
            await put(files, "2.bin", b"2" * 45, session_id=SESSION)
    assert len([path for path in (store.data / "files").rglob("*") if path.is_file()]) == 3
    await store.kept.catch_up.bring_in()
    news = store.kept.catch_up.recorded(SESSION)
    first, second = await anext(news), await anext(news)
    assert (first.file.filename, first.refused) == ("0.bin", None)
    assert second.file.filename == "1.bin"
    assert isinstance(second.refused, QuotaExceeded)


async def test_what_has_expired_meanwhile_leaves_room_for_a_file_that_waited(
    store: Opened, blobs: Blobs
) -> None:
    """The quota is that of the moment at which the file gets its id."""
    files = FileStore(store.kept, blobs, clock=store.clock, quota=100)
    await put(files, "0.bin", b"0" * 60)
    async with full():
        store.clock.advance(hours=20)  # type: ignore[attr-defined]
        with pytest.raises(NotRecordedYet):
            await put(files, "1.bin", b"1" * 60, session_id=SESSION)
    store.clock.advance(hours=30)  # type: ignore[attr-defined]
    await store.kept.catch_up.bring_in()
    recorded = await anext(store.kept.catch_up.recorded(SESSION))
    assert (recorded.file.filename, recorded.refused) == ("1.bin", None)


@pytest.mark.parametrize("store", [SpoolRoom(person=0, spare=0)], indirect=True)
async def test_a_file_that_cannot_even_wait_leaves_no_bytes(store: Opened, blobs: Blobs) -> None:
    """Nobody fills the disk with what nobody will ever know."""
    files = FileStore(store.kept, blobs, clock=store.clock)
    async with full():
        with pytest.raises(SpoolFull):
            await put(files, session_id=SESSION)
    assert [path for path in (store.data / "files").rglob("*") if path.is_file()] == []


async def test_an_upload_in_an_outage_leaves_no_bytes(
    store: Opened, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a person tries: neither when nothing can be read, nor when nothing can be written."""
    files = FileStore(store.kept, blobs, clock=store.clock)
    async with full():
        with pytest.raises(StoreUnavailable):
            await put(files, source="uploaded")
    assert bytes_on_disk(store.data) == []

    async def away(*_: object) -> int:
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(store.raw.files), "used", away)
    monkeypatch.setattr(type(store.raw.files), "add", away)
    later = FileStore(store.raw, blobs, clock=store.clock)
    with pytest.raises(StoreUnavailable):
        await put(later, source="uploaded")
    assert bytes_on_disk(store.data) == []


async def test_a_file_can_be_deleted_to_make_room_on_a_full_disk(
    store: Opened, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row, which the database cannot change before, goes after its bytes; others' files stay."""
    files = FileStore(store.kept, blobs, clock=store.clock)
    stored = await put(files)
    raw, condemn = FileStore(store.raw, blobs, clock=store.clock), store.raw.files.condemn

    async def when_there_is_room(*arguments: Any) -> Any:
        if bytes_on_disk(store.data):
            raise StoreFull("kernelcord.db: database or disk is full")
        return await condemn(*arguments)

    monkeypatch.setattr(store.raw.files, "condemn", when_there_is_room)
    with pytest.raises(NoSuchFile):
        await raw.delete(stored.file_id, BOB)
    assert bytes_on_disk(store.data) == [stored.file_id]
    await raw.delete(stored.file_id, ANN)
    assert bytes_on_disk(store.data) == []
    assert await store.raw.files.batch() == []


async def test_expired_files_make_room_on_a_full_disk(
    store: Opened, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep that would free the disk does not fail because the disk is full; what lives on stays."""
    files = FileStore(store.kept, blobs, clock=store.clock)
    expired = await put(files, "old.csv")
    store.clock.advance(hours=40)  # type: ignore[attr-defined]
    kept = await put(files, "new.csv")
    store.clock.advance(hours=9)  # type: ignore[attr-defined]
    condemned = store.raw.files.condemned

    async def when_there_is_room(*arguments: Any, **named: Any) -> Any:
        if expired.file_id in bytes_on_disk(store.data):
            raise StoreFull("kernelcord.db: database or disk is full")
        return await condemned(*arguments, **named)

    monkeypatch.setattr(store.raw.files, "condemned", when_there_is_room)
    assert (await remove_expired(store.raw.files, blobs, store.clock())).files == 1
    assert bytes_on_disk(store.data) == [kept.file_id]
    assert [file.file_id for file in await store.raw.files.batch()] == [kept.file_id]


async def test_a_write_that_can_never_be_done_holds_nobody_up(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its own session, from which it is set aside, nor the others."""
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
    assert list(store.folder.iterdir()) == []  # it goes with what it belongs to


async def test_sessions_whose_writes_fail_for_ever_do_not_keep_others_waiting(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they are and whenever they came."""
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
    """By one task, at a pace that falls, and by no write of a person."""
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


async def test_only_a_read_that_waited_in_vain_spares_others_the_wait(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away keeps everybody waiting; a transcript that is damaged is one person's."""
    await store.cell(session_id="u8")
    entries = store.raw.transcripts.entries
    delay = 0.0

    async def fail(session_id: str, **more: Any) -> Any:
        if session_id == SESSION:
            await asyncio.sleep(delay)
            raise StoreUnavailable("outputs of a cell are missing")
        return await entries(session_id, **more)

    monkeypatch.setattr(store.raw.transcripts, "entries", fail)
    with pytest.raises(StoreUnavailable):
        await store.kept.transcripts.entries(SESSION)
    assert len(await store.kept.transcripts.entries("u8")) == 1
    delay = 0.6
    for session_id in (SESSION, "u8"):
        with pytest.raises(StoreUnavailable):
            await store.kept.transcripts.entries(session_id)


async def test_the_task_ends_with_the_store(tmp_path: Path, clock: Any) -> None:
    """Nothing goes on behind, also while something waits; and what waits comes in by itself."""
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


async def test_who_is_cancelled_has_written_it(store: Opened) -> None:
    """To the database or to the spool, once, and what comes after it is in order."""
    async with full():
        for number in range(10):
            saying = asyncio.create_task(
                store.kept.transcripts.say(SESSION, PLACE, "Ann", str(number), store.clock())
            )
            for _ in range(number + 1):
                await asyncio.sleep(0)
            saying.cancel()
            await asyncio.wait([saying])
    await store.kept.catch_up.bring_in()
    entries = await store.raw.transcripts.entries(SESSION)
    assert [getattr(entry, "markdown", "") for entry in entries] == [str(number) for number in range(10)]


async def test_a_message_leads_to_its_cell_meanwhile(store: Opened) -> None:
    """Its buttons work as before."""
    await store.kept.message_cells.set(MessageCell(3, SESSION, 1, 4))
    async with full():
        cell = await store.cell()
        for message_id in (1, 2, 3):
            await store.kept.message_cells.set(MessageCell(message_id, SESSION, cell.seq, 9))
        expected = [MessageCell(message_id, SESSION, cell.seq, 9) for message_id in (1, 2, 3)]
        assert await store.kept.message_cells.get(3) == expected[2]
        assert await store.kept.message_cells.of_cell(SESSION, cell.seq) == expected
    await store.kept.catch_up.bring_in()
    assert await store.raw.message_cells.of_cell(SESSION, cell.seq) == expected


async def test_nothing_of_a_person_who_is_forgotten_comes_back(
    store: Opened, blobs: Blobs, clock: Any
) -> None:
    """Deleted while it waits: transcript, sessions that the database never knew, usage, files, bytes."""
    files = FileStore(store.kept, blobs, clock=store.clock)
    async with full():
        await store.kept.sessions.get_or_create("u7-new", ANN, PLACE, store.clock())
        for session_id in (SESSION, "u7-new", "u8"):
            await store.cell(session_id=session_id)
        await store.kept.usage.add(UsageRecord(ANN, store.clock(), "m", 1, 2, 0.25, 0.5))
        with pytest.raises(NotRecordedYet):
            await put(files, session_id=SESSION)
    await files.forget_person(ANN)
    await store.kept.usage.forget_person(ANN)
    assert store.kept.transcripts.waiting(SESSION) is None
    await store.kept.catch_up.bring_in()
    for session_id, count in ((SESSION, 0), ("u7-new", 0), ("u8", 1)):
        assert len(await store.raw.transcripts.entries(session_id)) == count
    assert await store.raw.sessions.of_user(ANN) == []
    assert (await store.raw.usage.total(ANN, EPOCH)).turns == 0
    assert await store.raw.files.batch() == []
    assert bytes_on_disk(store.data) == []
    assert list(store.folder.iterdir()) == []
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(store.kept.catch_up.recorded(SESSION)), 0.01)


async def test_a_deletion_waits_for_what_is_on_its_way_into_the_database(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that is brought in at that moment does not come after the deletion."""
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
    await asyncio.wait([deleting], timeout=0.3)  # it would be done by then
    go_on.set()
    await deleting
    await bringing_in
    assert await store.raw.transcripts.entries(SESSION) == []
    assert await store.raw.sessions.of_user(ANN) == []


async def test_a_session_is_opened_meanwhile(store: Opened) -> None:
    """A new one as new, a known one as it is; both are in the database afterwards, and their use is noted."""
    known = await store.raw.sessions.get_or_create("u8", BOB, "there", store.clock())
    start = store.clock()
    async with full():
        store.clock.advance(minutes=5)  # type: ignore[attr-defined]
        assert await store.kept.sessions.get_or_create("u8", BOB, PLACE, store.clock()) == known
        new = await store.kept.sessions.get_or_create("u9", 9, PLACE, store.clock())
        assert (new.user_id, new.created_at) == (9, store.clock())
        store.clock.advance(minutes=5)  # type: ignore[attr-defined]
        await store.kept.sessions.touch("u9", store.clock())
    await store.kept.catch_up.bring_in()
    found = await store.raw.sessions.get("u9")
    assert found is not None
    assert (found.created_at, found.last_used_at) == (new.created_at, store.clock())
    assert start < found.created_at


@pytest.mark.parametrize("crash", ["none", "with its lines", "after its entry"])
async def test_what_follows_an_entry_whose_number_was_taken_goes_to_its_new_one(
    store: Opened, clock: Any, tmp_path: Path, crash: str
) -> None:
    """Also if the program is killed in between, before or after its journal is written anew; and once."""
    mine, theirs = printed("mine"), printed("theirs")
    async with full():
        waited = await store.cell("mine", mine)
        await store.kept.message_cells.set(MessageCell(5, SESSION, waited.seq))
        shutil.copytree(store.data / "spool", tmp_path / "copy")
    other = await store.raw.transcripts.begin_cell(SESSION, PLACE, "Bob", "theirs", clock())
    await store.raw.transcripts.finish_cell(SESSION, other.seq, status="ok", outputs=[theirs])
    assert other.seq == waited.seq
    if crash == "after its entry":  # the database goes away once more, and the journal has what is left
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
    if crash != "none":  # what the killed program left, over the database as it is now
        async with spooled(store.raw, tmp_path / "copy", clock=clock):
            pass
    await store.kept.catch_up.bring_in()
    cells = [entry for entry in await store.raw.transcripts.entries(SESSION) if isinstance(entry, CellRecord)]
    assert [(cell.code, cell.outputs) for cell in cells] == [("theirs", (theirs,)), ("mine", (mine,))]
    message = await store.raw.message_cells.get(5)
    assert message is not None
    assert message.seq == cells[1].seq
    await store.kept.transcripts.append_outputs(SESSION, waited.seq, [printed("late")])  # of whoever ran it
    cells = [entry for entry in await store.raw.transcripts.entries(SESSION) if isinstance(entry, CellRecord)]
    assert [len(cell.outputs) for cell in cells] == [1, 2]


async def test_what_waits_for_another_database_is_named_and_empty_folders_go(
    tmp_path: Path, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not lost, and an operator hears of it at each start."""
    for name in ("kept", "empty"):
        (tmp_path / "spool" / name).mkdir(parents=True)
    (tmp_path / "spool/kept/a.jsonl").write_text("{}")
    async with opened(tmp_path, clock) as store:
        own = await store.raw.identity.id()
    assert {path.name for path in (tmp_path / "spool").iterdir()} == {"kept", own}
    assert str(tmp_path / "spool/kept") in caplog.text
    assert "for another database" in caplog.text


async def test_what_waits_for_one_database_never_comes_into_another(tmp_path: Path, clock: Any) -> None:
    """Also of one that lies in the same place; the right one, under another name too, gets it."""
    spool, first, second = (tmp_path / name for name in ("spool", "first", "second"))
    async with open_store(first) as raw, spooled(raw, spool, clock=clock) as kept, full():
        await kept.transcripts.say(SESSION, PLACE, "Ann", "words", clock())
    (first / "kernelcord.db").rename(tmp_path / "away")
    async with open_store(first) as raw, spooled(raw, spool, clock=clock):
        assert await raw.transcripts.entries(SESSION) == []
    second.mkdir()
    (tmp_path / "away").rename(second / "kernelcord.db")
    async with open_store(second) as raw, spooled(raw, spool, clock=clock):
        assert len(await raw.transcripts.entries(SESSION)) == 1


@pytest.mark.parametrize("store", [SpoolRoom(person=10_000)], indirect=True)
async def test_what_cannot_wait_is_not_even_made_a_line(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred megabytes as JSON would hold everybody up for a second."""
    made: list[int] = []
    encode = spooling.encode

    def counted(write: Any) -> bytes:
        made.append(len(line := encode(write)))
        return line

    monkeypatch.setattr(spooling, "encode", counted)
    picture = {"output_type": "display_data", "data": {"image/png": "x" * 20_000}, "metadata": {}}
    async with full():
        for output in (printed("x" * 20_000), picture):
            await store.cell("1", output)
            cell = await store.kept.transcripts.begin_cell(SESSION, PLACE, "Ann", "2", store.clock())
            await store.kept.transcripts.append_outputs(SESSION, cell.seq, [output])
        state = store.kept.transcripts.waiting(SESSION)
        assert state is not None
        assert state.cut == {1, 2, 3, 4}
    assert max(made) < 1000
