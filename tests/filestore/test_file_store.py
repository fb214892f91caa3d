"""The file store, on every backend: what is put comes back, to its owner, until it expires."""

import asyncio
import hashlib
import io
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from filestore import (
    FileIdTaken,
    FileStore,
    FileTooLarge,
    LocalBlobs,
    NoSuchFile,
    QuotaExceeded,
    Store,
    UsageRecord,
)
from filestore.records import StoredFile

ANN, BOB, SESSION = 7, 8, "user:7"
KIB = 1024
HOSTILE_IDS = [
    "",
    "k7m3q9x2va",
    "x" * 10_000,
    '{"$ne": 1}',
    "../../etc/passwd",
    "\x00",
    "\ud800",
    None,
    {"$ne": 1},
    5,
]


async def put(
    files: FileStore, name: str = "a.csv", content: bytes = b"a,b\n1,2\n", **other: object
) -> StoredFile:
    """Put a file of Ann."""
    arguments = {"user_id": ANN, "session_id": SESSION, "source": "generated"} | other
    return await files.put(filename=name, content=content, **arguments)  # type: ignore[arg-type]


def bytes_on_disk(tmp_path: Path) -> list[str]:
    """The names of all files that hold bytes."""
    return sorted(path.name for path in (tmp_path / "files").rglob("*") if path.is_file())


async def test_put_file_loads_as_it_was(files: FileStore, clock) -> None:
    """What is put is described truly and loads byte for byte."""
    stored = await put(files, cell=3)
    loaded = await files.load_file(stored.file_id, ANN)
    assert loaded.record == stored
    assert loaded.data == b"a,b\n1,2\n"
    assert stored.sha256 == hashlib.sha256(loaded.data).hexdigest()
    assert (stored.version, stored.file_size, stored.file_type, stored.cell) == (1, 8, "data", 3)
    assert stored.uploaded_at == clock.now
    assert stored.expires_at == clock.now + timedelta(hours=48)


async def test_open_gives_a_real_read_only_descriptor(files: FileStore) -> None:
    """The broker passes the descriptor on, so it must be a real one that nobody can write through."""
    opened = await files.open((await put(files)).file_id, ANN)
    with opened.file:
        assert os.pread(opened.file.fileno(), 100, 0) == b"a,b\n1,2\n"
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(opened.file.fileno(), b"x")


async def test_ids_may_be_typed_in_any_case(files: FileStore) -> None:
    """An id is found whatever its case and the spaces around it."""
    stored = await put(files)
    assert (await files.load_file(f" {stored.file_id.upper()} ", ANN)).record == stored


async def test_content_may_come_from_a_file_from_its_position_on(files: FileStore, tmp_path: Path) -> None:
    """Bytes, memory and files on disk are one; reading begins where the file object stands."""
    (tmp_path / "source").write_bytes(b"skipped,kept")
    with (tmp_path / "source").open("rb") as content:
        content.read(8)
        on_disk = await put(files, content=content)
    in_memory = await put(files, content=io.BytesIO(b"kept"))
    assert (await files.load_file(on_disk.file_id, ANN)).data == b"kept"
    assert in_memory.file_id == on_disk.file_id


async def test_same_content_keeps_its_id_and_renews_its_expiry(
    files: FileStore, clock, tmp_path: Path
) -> None:
    """A file written again unchanged is the same file, living longer, with no second copy of its bytes."""
    first = await put(files)
    clock.advance(hours=1)
    again = await put(files)
    assert again.file_id == first.file_id
    assert again.version == 1
    assert again.expires_at == first.expires_at + timedelta(hours=1)
    assert bytes_on_disk(tmp_path) == [first.file_id]


async def test_other_content_is_the_next_version(files: FileStore) -> None:
    """Changed content gets a new id and the next version; the older version still loads."""
    versions = [await put(files, content=content) for content in (b"one", b"two", b"one")]
    assert [file.version for file in versions] == [1, 2, 3]
    assert len({file.file_id for file in versions}) == 3
    assert (await files.load_file(versions[0].file_id, ANN)).data == b"one"


async def test_expired_version_is_not_renewed(files: FileStore, clock) -> None:
    """The same content after expiry is a new file; an id that was gone never comes back."""
    first = await put(files)
    clock.advance(hours=48)
    again = await put(files)
    assert again.file_id != first.file_id
    assert again.version == 2


async def test_puts_of_one_name_at_once_get_one_version_each(files: FileStore) -> None:
    """Versions are never given twice, whoever comes at the same time."""
    stored = await asyncio.gather(*(put(files, content=b"%d" % number) for number in range(8)))
    assert sorted(file.version for file in stored) == list(range(1, 9))


async def test_same_content_at_once_is_one_file(files: FileStore, tmp_path: Path) -> None:
    """The same bytes under the same name at the same moment are kept once."""
    stored = await asyncio.gather(*(put(files) for _ in range(8)))
    assert len({file.file_id for file in stored}) == 1
    assert bytes_on_disk(tmp_path) == [stored[0].file_id]


@pytest.mark.parametrize("wanted", HOSTILE_IDS)
async def test_malformed_and_absent_ids_are_one_error(files: FileStore, wanted) -> None:
    """Whatever is asked for as an id, the answer is NoSuchFile with a short, printable text."""
    await put(files)
    for attempt in (
        files.load_file(wanted, ANN),
        files.open(wanted, ANN),
        files.find(wanted, ANN, SESSION),
        files.extend(wanted, ANN),
        files.delete(wanted, ANN),
        files.share(wanted, ANN, BOB),
        files.unshare(wanted, ANN, BOB),
    ):
        with pytest.raises(NoSuchFile) as caught:
            await attempt
        assert str(caught.value).endswith(": it expired, or is not yours")
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 100


async def test_foreign_expired_and_absent_read_the_same(files: FileStore, clock) -> None:
    """Nobody learns from the answer whether an id exists."""
    stored = await put(files)
    texts = set()
    for user_id, later in ((BOB, 0), (ANN, 48), (BOB, 48)):
        clock.advance(hours=later)
        with pytest.raises(NoSuchFile) as caught:
            await files.load_file(stored.file_id, user_id)
        texts.add(str(caught.value))
    assert texts == {f"no file {stored.file_id}: it expired, or is not yours"}


async def test_foreign_person_can_neither_find_extend_delete_nor_share(files: FileStore) -> None:
    """Every verb asks for the owner."""
    stored = await put(files)
    for attempt in (
        files.find(stored.file_id, BOB, SESSION),
        files.find("a.csv", BOB, SESSION),
        files.extend(stored.file_id, BOB),
        files.delete(stored.file_id, BOB),
        files.share(stored.file_id, BOB, BOB),
        files.unshare(stored.file_id, BOB, ANN),
    ):
        with pytest.raises(NoSuchFile):
            await attempt
    assert (await files.load_file(stored.file_id, ANN)).record == stored


async def test_file_whose_bytes_are_gone_is_no_file(files: FileStore, blobs: LocalBlobs) -> None:
    """A row without bytes reads as an expired file, not as a broken disk."""
    stored = await put(files)
    await blobs.delete(stored.blob_key)
    with pytest.raises(NoSuchFile):
        await files.load_file(stored.file_id, ANN)


async def test_name_finds_the_newest_version_in_the_session_then_anywhere(files: FileStore, clock) -> None:
    """A name means the newest file of that name here, and elsewhere only when there is none here."""
    here = [await put(files, content=content) for content in (b"old", b"new")]
    clock.advance(seconds=1)
    there = await put(files, content=b"there", session_id="other")
    assert await files.find("a.csv", ANN, SESSION) == here[1]
    assert await files.find("a.csv", ANN, "other") == there
    assert await files.find("a.csv", ANN, "a third") == there
    assert await files.find(here[0].file_id, ANN, "other") == here[0]


async def test_deleted_newest_version_leaves_the_one_before(files: FileStore) -> None:
    """A name finds what is left of it."""
    first, second = [await put(files, content=content) for content in (b"1", b"2")]
    await files.delete(second.file_id, ANN)
    assert await files.find("a.csv", ANN, SESSION) == first


@pytest.mark.parametrize(
    "name", ["\ud800.csv", "a\x00b.csv", "two\nlines.csv", "x" * 10_000 + ".csv", "../../.csv", ""]
)
async def test_hostile_name_is_repaired_stored_and_found(files: FileStore, name: str) -> None:
    """A name is never a reason for a failing write, and what was put by a name is found by it."""
    stored = await put(files, name)
    assert len(stored.filename.encode()) <= 255
    assert stored.filename.isprintable()
    assert await files.find(name, ANN, SESSION) == stored


async def test_pages_list_all_files_newest_first(files: FileStore, clock) -> None:
    """Pages neither repeat nor miss a file, also where several are of one moment."""
    stored = []
    for number in range(7):
        stored.append(await put(files, f"{number}.txt"))
        clock.advance(seconds=number % 2)
    seen, cursor = [], None
    while True:
        page = await files.list_user_files(ANN, limit=2, after=cursor)
        seen += page.files
        if (cursor := page.next) is None:
            break
        assert len(page.files) == 2
    assert sorted(seen, key=lambda file: file.file_id) == sorted(stored, key=lambda file: file.file_id)
    assert [file.uploaded_at for file in seen] == sorted((file.uploaded_at for file in seen), reverse=True)


async def test_list_holds_own_unexpired_files_of_the_session_asked_for(files: FileStore, clock) -> None:
    """Other people's files, other sessions' and expired ones are not listed."""
    await put(files, "old.txt")
    clock.advance(hours=47)
    mine = await put(files, "mine.txt")
    other = await put(files, "other.txt", session_id="other")
    await put(files, "bob.txt", user_id=BOB)
    clock.advance(hours=1)
    assert {file.file_id for file in (await files.list_user_files(ANN)).files} == {
        mine.file_id,
        other.file_id,
    }
    assert (await files.list_user_files(ANN, session_id=SESSION)).files == (mine,)


async def test_quota_counts_what_is_unexpired(store: Store, blobs: LocalBlobs, clock, tmp_path: Path) -> None:
    """A file that does not fit is refused, with the numbers, and fits once others have expired."""
    files = FileStore(store, blobs, clock=clock, quota=10 * KIB)
    kept = await put(files, "a.bin", bytes(8 * KIB))
    with pytest.raises(QuotaExceeded) as caught:
        await put(files, "b.bin", bytes(3 * KIB))
    assert (caught.value.used, caught.value.quota, caught.value.size) == (8 * KIB, 10 * KIB, 3 * KIB)
    assert bytes_on_disk(tmp_path) == [kept.file_id]
    assert (await put(files, "a.bin", bytes(8 * KIB))).file_id == kept.file_id
    assert await files.used(ANN) == 8 * KIB
    await put(files, "b.bin", bytes(3 * KIB), user_id=BOB)
    clock.advance(hours=48)
    assert await files.used(ANN) == 0
    await put(files, "b.bin", bytes(3 * KIB))


async def test_quota_holds_under_puts_at_once(store: Store, blobs: LocalBlobs, clock) -> None:
    """Of twenty puts at once exactly those that fit are kept."""
    files = FileStore(store, blobs, clock=clock, quota=7 * KIB)
    results = await asyncio.gather(
        *(put(files, f"{number}.bin", bytes(KIB - 1) + bytes([number])) for number in range(20)),
        return_exceptions=True,
    )
    kept = [result for result in results if isinstance(result, StoredFile)]
    refused = [result for result in results if isinstance(result, QuotaExceeded)]
    assert (len(kept), len(refused)) == (7, 13)
    assert await files.used(ANN) == 7 * KIB


async def test_too_large_file_is_refused_and_leaves_nothing(
    store: Store, blobs: LocalBlobs, clock, tmp_path: Path
) -> None:
    """The limit holds for bytes, for files on disk however sparse, and for a source that never ends."""

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            return len(buffer)

    files = FileStore(store, blobs, clock=clock, max_file=KIB)
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as made:
        made.truncate(3 * KIB**3)
    with sparse.open("rb") as content, pytest.raises(FileTooLarge) as caught:
        await put(files, content=content)
    assert (caught.value.size, caught.value.limit) == (3 * KIB**3, KIB)
    for content in (bytes(KIB + 1), io.BufferedReader(Endless())):
        with pytest.raises(FileTooLarge):
            await put(files, content=content)
    await put(files, content=bytes(KIB))
    assert len(bytes_on_disk(tmp_path)) == 1


async def test_colliding_id_is_drawn_again(store: Store, blobs: LocalBlobs, clock) -> None:
    """An id in use, by the same person or another, is never given twice and never overwrites bytes."""
    ids = iter(["aaaaaaaaaa", "aaaaaaaaaa", "bbbbbbbbbb", "aaaaaaaaaa", "cccccccccc"])
    files = FileStore(store, blobs, clock=clock, new_id=lambda: next(ids))
    first = await put(files, "1.txt", b"first")
    second = await put(files, "2.txt", b"second")
    foreign = await put(files, "3.txt", b"third", user_id=BOB)
    assert [file.file_id for file in (first, second, foreign)] == ["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"]
    assert (await files.load_file("aaaaaaaaaa", ANN)).data == b"first"
    assert (await files.load_file("bbbbbbbbbb", ANN)).data == b"second"
    assert (await files.load_file("cccccccccc", BOB)).data == b"third"


async def test_ids_that_never_come_free_are_an_error(store: Store, blobs: LocalBlobs, clock) -> None:
    """A broken source of ids ends in an error, not in a loop."""
    files = FileStore(store, blobs, clock=clock, new_id=lambda: "aaaaaaaaaa")
    await put(files, "1.txt")
    with pytest.raises(FileIdTaken):
        await put(files, "2.txt")
    with pytest.raises(FileIdTaken):
        await put(files, "2.txt", user_id=BOB)


async def test_extend_prolongs_and_never_shortens(files: FileStore, clock) -> None:
    """Extending adds to the life a file has, or gives it a whole one from now."""
    stored = await put(files)
    assert (
        await files.extend(stored.file_id, ANN, timedelta(hours=5))
    ).expires_at == stored.expires_at + timedelta(hours=5)
    clock.advance(hours=1)
    assert (await files.extend(stored.file_id, ANN)).expires_at == stored.expires_at + timedelta(hours=5)
    clock.advance(hours=50)
    assert (await files.extend(stored.file_id, ANN)).expires_at == clock.now + timedelta(hours=48)
    clock.advance(hours=48)
    with pytest.raises(NoSuchFile):
        await files.extend(stored.file_id, ANN)


async def test_delete_leaves_neither_row_nor_bytes_nor_folder(
    files: FileStore, store: Store, tmp_path: Path
) -> None:
    """A deleted file is gone at once, everywhere."""
    stored = await put(files)
    await files.delete(stored.file_id, ANN)
    assert await store.files.batch() == []
    assert list((tmp_path / "files").iterdir()) == []
    with pytest.raises(NoSuchFile):
        await files.delete(stored.file_id, ANN)


async def test_share_lets_another_read_until_it_ends(files: FileStore, store: Store, clock) -> None:
    """Who has a share reads and finds the file by id, owns nothing of it, and loses it with the share."""
    stored = await put(files)
    await files.share(stored.file_id, ANN, BOB)
    await files.share(stored.file_id, ANN, BOB)
    assert await store.shares.people(stored.file_id) == (BOB,)
    assert (await files.load_file(stored.file_id, BOB)).data == b"a,b\n1,2\n"
    assert await files.find(stored.file_id, BOB, "his") == stored
    assert (await files.list_user_files(BOB)).files == ()
    for attempt in (files.delete(stored.file_id, BOB), files.extend(stored.file_id, BOB)):
        with pytest.raises(NoSuchFile):
            await attempt
    await files.unshare(stored.file_id, ANN, BOB)
    with pytest.raises(NoSuchFile):
        await files.load_file(stored.file_id, BOB)
    await files.share(stored.file_id, ANN, BOB)
    clock.advance(hours=48)
    with pytest.raises(NoSuchFile):
        await files.load_file(stored.file_id, BOB)


async def test_forget_deletes_everything_of_a_person_and_nothing_else(
    files: FileStore, store: Store, clock, tmp_path: Path
) -> None:
    """After forget no row and no byte of the person is left; others keep theirs."""
    for user_id in (ANN, BOB):
        session_id = f"user:{user_id}"
        await store.sessions.get_or_create(session_id, user_id, "dm", clock.now)
        await store.transcripts.say(session_id, "dm", "someone", "hello", clock.now)
        await store.usage.add(UsageRecord(user_id, clock.now, "m", 1, 2, 0.5, 3.0))
    mine = await put(files)
    his = await put(files, user_id=BOB, session_id="user:8")
    await files.share(his.file_id, BOB, ANN)
    await files.share(mine.file_id, ANN, BOB)
    await files.forget(ANN)
    assert await store.files.batch() == [his]
    assert bytes_on_disk(tmp_path) == [his.file_id]
    assert await store.shares.people(his.file_id) == ()
    assert await store.sessions.get("user:7") is None
    assert await store.transcripts.entries("user:7") == []
    assert (await store.usage.total(ANN, clock.now)).turns == 0
    assert await store.sessions.get("user:8") is not None
    assert len(await store.transcripts.entries("user:8")) == 1
    assert (await store.usage.total(BOB, clock.now)).turns == 1


async def test_cancelled_put_leaves_nothing_that_is_announced(
    files: FileStore, store: Store, tmp_path: Path
) -> None:
    """A put that is cancelled at any point leaves rows that load, and bytes that are named by a key."""

    class Interrupting(io.BytesIO):
        def __init__(self, chunks: Iterator[bytes], task: list[asyncio.Task[StoredFile]]) -> None:
            super().__init__()
            self.chunks, self.task, self.loop = chunks, task, asyncio.get_running_loop()

        def read(self, size: int | None = -1) -> bytes:
            self.loop.call_soon_threadsafe(self.task[0].cancel)
            return next(self.chunks, b"")

    task: list[asyncio.Task[StoredFile]] = []
    task.append(asyncio.create_task(put(files, content=Interrupting(iter([b"a", b"b"]), task))))
    with pytest.raises(asyncio.CancelledError):
        await task[0]
    assert await store.files.batch() == []
    assert bytes_on_disk(tmp_path) == []
