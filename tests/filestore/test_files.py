"""Putting files, on every backend: kept once, versioned by name, within the limits."""

import asyncio
import errno
import hashlib
import io
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from filestore.blobs.copying import Written
from filestore.blobs.store import Blobs
from filestore.errors import FileIdTaken, FileTooLarge, QuotaExceeded, TooManyFiles
from filestore.files import FileStore
from filestore.records import StoredFile
from filestore.store import Store
from tests.filestore.people import ANN, BOB, SESSION, bytes_on_disk, put

KIB = 1024


async def test_put_file_loads_as_it_was(files: FileStore, clock) -> None:
    """A stored file is described correctly and loads byte for byte."""
    stored = await put(files, cell=3)
    loaded = await files.load_file(stored.file_id, ANN)
    assert loaded.record == stored
    assert loaded.data == b"a,b\n1,2\n"
    assert stored.sha256 == hashlib.sha256(loaded.data).hexdigest()
    assert (stored.version, stored.file_size, stored.file_type, stored.cell) == (1, 8, "data", 3)
    assert stored.uploaded_at == clock.now
    assert stored.expires_at == clock.now + timedelta(hours=48)


async def test_content_may_come_from_a_file_from_its_position_on(files: FileStore, tmp_path: Path) -> None:
    """Bytes, buffers and files on disk all work; reading starts at the file object's position."""
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
    """No version number is given twice, even to simultaneous puts."""
    stored = await asyncio.gather(*(put(files, content=b"%d" % number) for number in range(8)))
    assert sorted(file.version for file in stored) == list(range(1, 9))


async def test_same_content_at_once_is_one_file(files: FileStore, tmp_path: Path) -> None:
    """The same bytes under the same name at the same moment are kept once."""
    stored = await asyncio.gather(*(put(files) for _ in range(8)))
    assert len({file.file_id for file in stored}) == 1
    assert bytes_on_disk(tmp_path) == [stored[0].file_id]


@pytest.mark.parametrize(
    "name", ["\ud800.csv", "a\x00b.csv", "two\nlines.csv", "x" * 10_000 + ".csv", "../../.csv", ""]
)
async def test_hostile_name_is_repaired_stored_and_found(files: FileStore, name: str) -> None:
    """No name makes a write fail, and a file can be found by the name it was put under."""
    stored = await put(files, name)
    assert len(stored.filename.encode()) <= 255
    assert stored.filename.isprintable()
    assert await files.find(name, ANN, SESSION) == stored


async def test_quota_counts_what_is_unexpired(store: Store, blobs: Blobs, clock, tmp_path: Path) -> None:
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


async def test_content_that_is_refused_when_it_is_left_is_not_kept(files: FileStore, tmp_path: Path) -> None:
    """The caller learns only then whether the copy is good; if not, no row and no bytes remain."""

    @asynccontextmanager
    async def content(*, good: bool) -> AsyncIterator[io.BytesIO]:
        yield io.BytesIO(b"copied")
        if not good:
            raise LookupError

    with pytest.raises(LookupError):
        await put(files, content=content(good=False))
    assert bytes_on_disk(tmp_path) == []
    assert (await files.list_user_files(ANN)).files == ()
    stored = await put(files, content=content(good=True))
    assert (await files.load_file(stored.file_id, ANN)).data == b"copied"
    with pytest.raises(LookupError):
        await put(files, content=content(good=False))
    assert bytes_on_disk(tmp_path) == [stored.file_id]


async def test_what_the_quota_has_no_room_for_is_not_copied(
    store: Store, blobs: Blobs, clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused by its size; but repeating the newest version only renews it, which needs no room."""
    files = FileStore(store, blobs, clock=clock, quota=200 * KIB)
    kept = await put(files, "a.bin", bytes(150 * KIB))
    copied, copy = [], blobs.put

    async def noted(key: str, content: BinaryIO | bytes, *, limit: int) -> Written:
        copied.append(key)
        return await copy(key, content, limit=limit)

    monkeypatch.setattr(blobs, "put", noted)
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 100 * KIB)
    for content in (bytes(100 * KIB), io.BytesIO(bytes(100 * KIB))):
        with pytest.raises(QuotaExceeded) as caught:
            await put(files, "b.bin", content)  # type: ignore[arg-type]
        assert (caught.value.used, caught.value.quota, caught.value.size) == (150 * KIB, 200 * KIB, 100 * KIB)
    with (tmp_path / "sparse").open("rb") as sparse, pytest.raises(QuotaExceeded):
        await put(files, "a.bin", sparse)  # type: ignore[arg-type]
    assert copied == []
    assert (await put(files, "a.bin", bytes(150 * KIB))).file_id == kept.file_id
    with pytest.raises(QuotaExceeded):
        await put(files, "a.bin", b"x" * (150 * KIB))
    assert len(copied) == 2
    assert bytes_on_disk(tmp_path) == [kept.file_id]


async def test_what_is_refused_says_so_though_the_disk_deletes_nothing(
    store: Store, blobs: Blobs, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason that a person can act on is the quota."""

    async def refuse(_: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    files = FileStore(store, blobs, clock=clock, quota=KIB)
    monkeypatch.setattr(blobs, "delete", refuse)
    with pytest.raises(QuotaExceeded):
        await put(files, content=bytes(KIB + 1))
    kept = await put(files, content=b"x")
    assert (await put(files, content=b"x")).file_id == kept.file_id


async def test_quota_holds_under_puts_at_once(store: Store, blobs: Blobs, clock) -> None:
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


async def test_a_person_has_so_many_files_at_most(store: Store, blobs: Blobs, clock, tmp_path: Path) -> None:
    """However small, at once or one by one; existing files are renewed, and expired ones make room."""
    files = FileStore(store, blobs, clock=clock, most=3)
    results = await asyncio.gather(
        *(put(files, f"{number}.txt", b"%d" % number) for number in range(8)), return_exceptions=True
    )
    kept = [result for result in results if isinstance(result, StoredFile)]
    refused = [result for result in results if isinstance(result, TooManyFiles)]
    assert (len(kept), len(refused), refused[0].most) == (3, 5, 3)
    assert bytes_on_disk(tmp_path) == sorted(file.file_id for file in kept)
    clock.advance(hours=1)
    with pytest.raises(TooManyFiles):
        await put(files, kept[0].filename, b"another version")
    again = await put(files, kept[0].filename, kept[0].filename[:1].encode())
    assert (again.file_id, again.expires_at) == (kept[0].file_id, kept[0].expires_at + timedelta(hours=1))
    await put(files, "9.txt", b"9", user_id=BOB)
    await files.delete(kept[1].file_id, ANN)
    await put(files, "9.txt", b"9")
    clock.advance(hours=47)
    await put(files, "10.txt", b"10")


async def test_too_large_file_is_refused_and_leaves_nothing(
    store: Store, blobs: Blobs, clock, tmp_path: Path
) -> None:
    """The limit applies to bytes, to files on disk, sparse ones too, and to a source that never ends."""

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


async def test_colliding_id_is_drawn_again(store: Store, blobs: Blobs, clock) -> None:
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


async def test_ids_that_never_come_free_are_an_error(store: Store, blobs: Blobs, clock) -> None:
    """A broken source of ids ends in an error, not in a loop."""
    files = FileStore(store, blobs, clock=clock, new_id=lambda: "aaaaaaaaaa")
    await put(files, "1.txt")
    with pytest.raises(FileIdTaken):
        await put(files, "2.txt")
    with pytest.raises(FileIdTaken):
        await put(files, "2.txt", user_id=BOB)


async def test_cancelled_put_leaves_nothing_that_is_announced(
    files: FileStore, store: Store, tmp_path: Path
) -> None:
    """A put cancelled at any point leaves only rows that load, and bytes under valid keys."""

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
