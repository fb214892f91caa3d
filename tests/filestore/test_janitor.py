"""The janitor, on every backend: it deletes what nobody can reach and keeps what somebody can."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from filestore.blobs import store as module
from filestore.blobs.store import Blobs
from filestore.errors import NoSuchFile, StoreUnavailable
from filestore.files import FileStore
from filestore.janitor import Janitor, Swept
from filestore.records import StoredFile
from filestore.store import Store

ANN = 7
NOTHING = Swept()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def janitor(store: Store, blobs: Blobs, clock) -> Janitor:
    """A janitor whose clock starts at the real time, which files on disk have."""
    clock.now = datetime.now(UTC)
    return Janitor(store, blobs, clock=clock)


async def put(files: FileStore, name: str, content: bytes = b"12345", user_id: int = ANN) -> StoredFile:
    """Put a file of Ann's, or of another person."""
    return await files.put(user_id, "s", name, content, source="generated")


async def test_expired_file_goes_row_bytes_and_folder(
    janitor: Janitor, files: FileStore, store: Store, clock, tmp_path: Path
) -> None:
    """After its retention, nothing is left of a file; one that has not expired is not touched."""
    await put(files, "a.txt")
    clock.advance(hours=24)
    living = await put(files, "b.txt", user_id=8)
    assert await janitor.sweep(clock.now) == NOTHING
    clock.advance(hours=24)
    assert await janitor.sweep(clock.now) == Swept(files=1, bytes=5)
    assert await store.files.batch() == [living]
    assert [folder.name for folder in (tmp_path / "files").iterdir() if folder.is_dir()] == ["8"]
    assert (await files.load_file(living.file_id, 8)).data == b"12345"


async def test_more_files_than_a_batch_all_go(
    janitor: Janitor, files: FileStore, store: Store, clock
) -> None:
    """A sweep ends only when nothing expired is left."""
    for number in range(5):
        await put(files, f"{number}.txt")
    condemned = store.files.condemned
    clock.advance(hours=48)
    first = await condemned(clock.now, limit=2)
    second = await condemned(clock.now, after=first[-1].file_id, limit=2)
    assert len({file.file_id for file in first + second}) == 4
    assert (await janitor.sweep(clock.now)).files == 5
    assert await store.files.batch() == []


async def test_condemned_file_cannot_be_renewed(files: FileStore, store: Store, clock) -> None:
    """Once its bytes may be deleted, no put, no extension and no slow clock brings a file back."""
    stored = await put(files, "a.txt")
    slow = clock.now
    clock.advance(hours=48)
    await store.files.condemned(clock.now)
    clock.now = slow
    assert (await put(files, "a.txt")).file_id != stored.file_id
    with pytest.raises(NoSuchFile):
        await files.extend(stored.file_id, ANN)
    with pytest.raises(NoSuchFile):
        await files.load_file(stored.file_id, ANN)


async def test_orphans_go_to_the_trash_after_the_grace_time_and_a_day_later_for_good(
    janitor: Janitor, files: FileStore, blobs: Blobs, clock, tmp_path: Path
) -> None:
    """Bytes without a row and half-written ones go only when no put can still be working on them."""
    stored = await put(files, "a.txt")
    await blobs.put("7/orphan", b"123", limit=10)
    (tmp_path / "files/7/.half.0123.part").write_bytes(b"x")
    (tmp_path / "files/9").mkdir()
    assert await janitor.sweep(clock.now) == Swept(folders=1)
    clock.advance(hours=1.1)
    assert await janitor.sweep(clock.now) == Swept(thrown=1, temporary=1)
    assert (await files.load_file(stored.file_id, ANN)).data == b"12345"
    assert [path.name for path in (tmp_path / "files/7").iterdir()] == [stored.file_id]
    clock.advance(hours=23)
    assert await janitor.sweep(clock.now) == NOTHING
    assert (tmp_path / "files/.trash/7/orphan").read_bytes() == b"123"
    clock.advance(hours=1.1)
    assert await janitor.sweep(clock.now) == Swept(bytes=3, emptied=1)
    assert not (tmp_path / "files/.trash").exists()


async def test_row_without_bytes_stays_until_it_expires(
    janitor: Janitor, files: FileStore, store: Store, blobs, clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Its bytes may be on a disk that is away or in another data folder; the log names it once."""
    lost, kept = await put(files, "a.txt"), await put(files, "b.txt")
    await blobs.delete(lost.blob_key)
    for _ in range(2):
        assert (await janitor.sweep(clock.now)).lost == 1
    assert caplog.text.count(lost.file_id) == 1
    assert kept.file_id not in caplog.text
    assert {file.file_id for file in await store.files.batch()} == {lost.file_id, kept.file_id}
    clock.advance(hours=48)
    assert (await janitor.sweep(clock.now)).files == 2
    assert await store.files.batch() == []


async def test_absent_disk_deletes_no_row(
    janitor: Janitor, files: FileStore, store: Store, clock, tmp_path
) -> None:
    """When the whole directory of bytes is away, rows wait for it to come back."""
    stored = await put(files, "a.txt")
    (tmp_path / "files").rename(tmp_path / "away")
    with pytest.raises(OSError, match="files"):
        await janitor.sweep(clock.now)
    (tmp_path / "away").rename(tmp_path / "files")
    assert await janitor.sweep(clock.now) == NOTHING
    assert (await files.load_file(stored.file_id, ANN)).record == stored


async def test_bytes_that_cannot_be_deleted_keep_their_row(
    files: FileStore, store: Store, clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A failing disk stops neither the sweep nor the next try; the row stays until the bytes are gone."""

    class Stubborn(Blobs):
        async def delete(self, key: str) -> None:
            if key == stuck.blob_key:
                raise PermissionError(1, "Operation not permitted")
            await super().delete(key)

    clock.now = datetime.now(UTC)
    stuck = await put(files, "a.txt")
    await put(files, "b.txt")
    clock.advance(hours=48)
    swept = await Janitor(store, Stubborn(tmp_path / "files"), clock=clock).sweep(clock.now)
    assert swept.files == 1
    assert stuck.file_id in caplog.text
    assert [file.file_id for file in await store.files.batch()] == [stuck.file_id]
    assert (await Janitor(store, Blobs(tmp_path / "files"), clock=clock).sweep(clock.now)).files == 1


async def test_put_and_sweep_at_once_lose_nothing(
    files: FileStore, store: Store, blobs: Blobs, clock
) -> None:
    """Files put while sweeps remove empty folders and expired files all load."""
    # This clock runs ahead of the disk's.
    janitor = Janitor(store, blobs, clock=clock, grace=timedelta(days=36_500))
    clock.now = datetime.now(UTC)
    for round_number in range(4):
        old = await put(files, f"old {round_number}.txt")
        clock.advance(hours=49)
        results = await asyncio.gather(
            *(put(files, f"{round_number}-{number}.txt", bytes([number])) for number in range(5)),
            *(janitor.sweep(clock.now) for _ in range(3)),
        )
        for number, stored in enumerate(results[:5]):
            assert isinstance(stored, StoredFile)
            assert (await files.load_file(stored.file_id, ANN)).data == bytes([number])
        with pytest.raises(NoSuchFile):
            await files.load_file(old.file_id, ANN)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), OSError("gone"), KeyError("odd"), MemoryError()])
async def test_loop_goes_on_after_a_failing_sweep(
    store: Store, blobs: Blobs, clock, caplog, error: Exception
) -> None:
    """A sweep that fails, for any reason, is logged, and the next one still runs."""
    swept = asyncio.Event()

    class Flaky(Janitor):
        tries = 0

        async def sweep(self, now: datetime) -> Swept:
            self.tries += 1
            if self.tries == 1:
                raise error
            swept.set()
            return await super().sweep(now)

    running = asyncio.create_task(Flaky(store, blobs, clock=clock).run(timedelta(milliseconds=1)))
    await swept.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert "the sweep failed" in caplog.text


async def test_a_clock_that_jumps_ahead_deletes_nothing_at_once(
    store: Store, blobs: Blobs, files: FileStore, clock, caplog: pytest.LogCaptureFixture
) -> None:
    """If it is corrected before the next sweep, no file is lost; otherwise that sweep trusts it."""
    clock.now = datetime.now(UTC)
    first, second = await put(files, "a.txt"), await put(files, "b.txt")
    looks: asyncio.Queue[None] = asyncio.Queue()

    def look() -> datetime:
        looks.put_nowait(None)
        return clock.now

    running = asyncio.create_task(Janitor(store, blobs, clock=look).run(timedelta(milliseconds=50)))
    try:
        await looks.get()
        clock.advance(hours=49)  # and it is set back before the sweep after next
        await looks.get()
        clock.advance(hours=-49)
        for _ in range(3):
            await looks.get()
        assert (await files.load_file(first.file_id, ANN)).data == b"12345"
        assert "nothing is removed" in caplog.text
        clock.advance(hours=49)
        for _ in range(3):
            await looks.get()
        while await store.files.batch():
            await looks.get()
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert await blobs.missing([first.blob_key, second.blob_key]) == {first.blob_key, second.blob_key}


async def test_a_program_that_starts_while_the_clock_is_ahead_deletes_nothing_at_once(
    store: Store, blobs: Blobs, files: FileStore, clock, tmp_path: Path
) -> None:
    """The next program, started at the right time, finds everything."""
    clock.now = datetime.now(UTC)
    put_before = await put(files, "a.txt")
    looks: asyncio.Queue[None] = asyncio.Queue()

    def look() -> datetime:
        looks.put_nowait(None)
        return clock.now

    async def runs() -> None:
        running = asyncio.create_task(Janitor(store, blobs, clock=look).run(timedelta(hours=1), tmp_path))
        await looks.get()
        await asyncio.sleep(0.2)  # nothing reports that a sweep was skipped
        running.cancel()
        await asyncio.wait([running])

    await runs()
    clock.advance(hours=72)
    await runs()
    await runs()
    clock.advance(hours=-72)
    assert (await files.load_file(put_before.file_id, ANN)).data == b"12345"


@pytest.mark.parametrize("refused", [False, True])
async def test_programs_that_run_for_minutes_sweep_too(
    janitor: Janitor, clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    """The terminal, once a day: every other start sweeps. Each one does if the disk refuses the notes."""
    began, swept = clock.now, list[float]()

    async def sweep(now: datetime) -> Swept:
        swept.append((now - began) / DAY)
        return NOTHING

    monkeypatch.setattr(janitor, "sweep", sweep)
    if refused:
        (tmp_path / "sweep-due").mkdir()
    for _ in range(5):
        running = asyncio.create_task(janitor.run(HOUR, tmp_path))
        await asyncio.sleep(0)  # it has begun, and waits for its next sweep
        running.cancel()
        await asyncio.wait([running])
        clock.advance(hours=24)
    assert swept == ([0, 1, 2, 3, 4] if refused else [0, 2, 4])


async def test_what_looks_through_all_files_takes_no_thread_that_people_wait_for(
    store: Store, blobs: Blobs, files: FileStore, janitor: Janitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing, tidying and emptying the trash use one thread of their own."""
    threads: set[str] = set()
    for name in ("_entries", "_folders", "_tidy"):
        owner = Blobs if name == "_tidy" else module
        work = getattr(owner, name)

        def noted(*args, work=work):
            threads.add(threading.current_thread().name)
            return work(*args)

        monkeypatch.setattr(owner, name, noted)
    await put(files, "a.txt")
    await janitor.sweep(datetime.now(UTC))
    assert threads == {"files swept_0"}
