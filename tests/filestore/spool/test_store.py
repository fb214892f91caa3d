"""Sessions, files, usage and messages while the database is away."""

import asyncio
from typing import Any

import pytest

from filestore.blobs.removal import remove_expired
from filestore.blobs.store import Blobs
from filestore.errors import NoSuchFile, NotRecordedYet, QuotaExceeded, SpoolFull, StoreFull, StoreUnavailable
from filestore.files import FileStore
from filestore.records import EPOCH, MessageCell, UsageRecord, UsageTotal
from filestore.spool.spool import SpoolRoom
from tests.filestore.faults import full
from tests.filestore.people import ANN, BOB, bytes_on_disk, put
from tests.filestore.spool.conftest import PLACE, SESSION, Opened


async def test_of_notes_about_a_kernel_the_last_one_waits(store: Opened) -> None:
    """However many there are, they take no room from the outputs of cells."""
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


async def test_a_note_about_a_kernel_leaves_what_was_set_aside(store: Opened) -> None:
    """Journals that were set aside are kept for the operator; only a deletion removes them."""
    aside = store.kept.transcripts._spool.journal(f"session {SESSION}").path.with_suffix(".broken")
    async with full():
        await store.cell("x = 1")
        aside.write_bytes(b"broken")
        for number in range(2):
            await store.kept.sessions.set_kernel(SESSION, f"{number}")
    assert aside.exists()
    await store.kept.transcripts.clear(SESSION)
    assert not aside.exists()


async def test_what_is_kept_of_a_deletion_has_what_waits_as_well(store: Opened) -> None:
    """Turns that wait for the database are also kept under the anonymous number, with no name left."""
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


@pytest.mark.parametrize("kept", [True, False])
async def test_what_was_set_aside_of_a_person_is_deleted_with_them(store: Opened, kept: bool) -> None:
    """Even if the sums of their usage are kept; other people's journals stay."""
    asides = []
    for person in (ANN, BOB):
        journal = store.kept.transcripts._spool.journal(f"person {person}")
        async with full():
            await store.kept.usage.add(UsageRecord(person, store.clock(), "m", 1, 2, 0.25, 0.5))
        asides.append(journal.path.with_suffix(".broken"))
        asides[-1].write_bytes(journal.path.read_bytes())
    if kept:
        await store.kept.usage.forget_person(ANN, kept_as=-5, since=EPOCH)
    else:
        await store.kept.files.condemn_all(ANN)
    assert [path.exists() for path in asides] == [False, True]


async def test_what_was_set_aside_of_one_session_is_deleted_with_it(store: Opened) -> None:
    """Where each place has a session of its own, the person's other places keep theirs, readable or not."""
    files = FileStore(store.kept, Blobs(store.data / "files"), clock=store.clock)
    journal = store.kept.transcripts._spool.journal(f"person {ANN}")
    async with full():
        for session_id in (SESSION, f"{SESSION}-2"):
            with pytest.raises(NotRecordedYet):
                await put(files, session_id=session_id, source="generated")
        await store.kept.usage.add(UsageRecord(ANN, store.clock(), "m", 1, 2, 0.25, 0.5))
    first, second, usage = journal.path.read_bytes().splitlines(keepends=True)[1:]
    await store.kept.catch_up.bring_in()
    aside = journal.path.with_suffix(".broken")
    aside.write_bytes(b"".join([first, second, b"[broken\n", first[:-9] + b"\n", usage]))
    await files.delete_all_of(SESSION, ANN)
    assert aside.read_bytes() == b"".join([second, b"[broken\n", usage])
    await store.kept.files.condemn_all(ANN)
    assert not aside.exists()


async def test_what_is_spent_meanwhile_counts(store: Opened) -> None:
    """Usage counts while the database is away, and is not counted twice when it is back."""
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
    """Until then it is not announced, and its bytes are not orphans; then it lives as long as any file."""
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
    """Nobody can fill the disk in an outage; a file that is over the quota in the end is refused by name."""
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
    """The quota is checked when the file gets its id."""
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
    """Nobody can fill the disk with bytes that no record will ever name."""
    files = FileStore(store.kept, blobs, clock=store.clock)
    async with full():
        with pytest.raises(SpoolFull):
            await put(files, session_id=SESSION)
    assert [path for path in (store.data / "files").rglob("*") if path.is_file()] == []


async def test_an_upload_in_an_outage_leaves_no_bytes(
    store: Opened, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither if nothing can be written, nor if nothing can be read, however often a person tries."""
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
    """Its bytes go first, since the database cannot change the row until then; others' files stay."""
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
    """The sweep that frees the disk works although the disk is full; files that have not expired stay."""
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


async def test_a_message_leads_to_its_cell_meanwhile(store: Opened) -> None:
    """The message's buttons keep working during an outage."""
    await store.kept.message_cells.set(MessageCell(3, SESSION, 1, 4))
    async with full():
        cell = await store.cell()
        for message_id in (1, 2, 3):
            await store.kept.message_cells.set(MessageCell(message_id, SESSION, cell.seq, 9))
        expected = [MessageCell(message_id, SESSION, cell.seq, 9) for message_id in (1, 2, 3)]
        assert await store.kept.message_cells.get(3) == expected[2]
        assert await store.kept.message_cells.of_cell(SESSION, cell.seq) == expected
        going_on = MessageCell(4, SESSION, 0, 9, turn="5f0c9a1e")
        await store.kept.message_cells.set(going_on)
        assert await store.kept.message_cells.going_on(1) == [going_on]
        taken_over = MessageCell(2, SESSION, 0, 9)
        await store.kept.message_cells.set(taken_over)  # the latest note counts
        expected.remove(MessageCell(2, SESSION, cell.seq, 9))
        assert await store.kept.message_cells.get(2) == taken_over
        assert await store.kept.message_cells.of_cell(SESSION, cell.seq) == expected
    await store.kept.catch_up.bring_in()
    assert await store.raw.message_cells.of_cell(SESSION, cell.seq) == expected
    assert list(await store.raw.message_cells.going_on(1)) == [going_on]


async def test_nothing_of_a_person_who_is_forgotten_comes_back(
    store: Opened, blobs: Blobs, clock: Any
) -> None:
    """Waiting transcripts, sessions that the database never knew, usage, files and bytes are all deleted."""
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


async def test_a_session_is_opened_meanwhile(store: Opened) -> None:
    """New and known sessions can be opened; both are in the database afterwards, with their last use."""
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
