"""Storing a cell's files while something still writes to them, or when there is no room for them."""

import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from bot.errors import WorkspaceFull
from bot.files import PersonFiles
from bot.wording.error_messages import clause
from filestore import open_store
from filestore.blobs.copying import Written
from filestore.blobs.store import Blobs
from filestore.errors import StoreFull
from filestore.files import FileStore
from filestore.records import SessionRecord
from kernels.broker import FileUnavailable
from kernels.errors import NodeUnavailable
from kernels.interface import WORKSPACE_FULL
from kernels.workspace.captured import Captured
from kernels.workspace.scan import Capture
from tests.bot.fake_kernels import FakeKernels

MIB = 1024 * 1024


class WatchedBlobs(Blobs):
    """Records what is copied; `meanwhile` runs once the bytes are copied, but before the copy is reported."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.copied: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    async def put(self, key: str, content: BinaryIO | bytes, *, limit: int) -> Written:
        written = await super().put(key, content, limit=limit)
        self.copied.append(key)
        self.meanwhile()
        return written


class World:
    """A person's workspace and store. Files are written as cells write them."""

    def __init__(self, folder: Path, files: FileStore, blobs: WatchedBlobs) -> None:
        now = datetime.now(UTC)
        record = SessionRecord("u1", 1, "terminal", None, now, now)
        self.folder, self.store, self.blobs = folder / "workspace", files, blobs
        self.folder.mkdir()
        self.files = PersonFiles(files, record, FakeKernels())
        self.bytes = folder / "files"

    def captured(self) -> tuple[Captured, ...]:
        return Capture(self.folder).scan().captured

    def on_disk(self) -> list[Path]:
        return [path for path in self.bytes.rglob("*") if path.is_file()]


@asynccontextmanager
async def a_world(folder: Path, quota: int = 64 * MIB) -> AsyncIterator[World]:
    """With a store on SQLite."""
    async with open_store(folder / "data") as store:
        blobs = WatchedBlobs(folder / "files")
        files = FileStore(store, blobs, clock=lambda: datetime.now(UTC), quota=quota)
        yield World(folder, files, blobs)


async def test_a_file_that_changes_while_it_is_copied_is_stored_as_it_is_then(tmp_path: Path) -> None:
    """The first two copies are torn, the third is intact: it is stored once, and no other bytes are kept."""
    async with a_world(tmp_path) as world:
        path = world.folder / "log.txt"
        path.write_bytes(b"one\n")

        def write() -> None:
            if len(world.blobs.copied) < 3:
                with path.open("ab") as log:
                    log.write(b"more\n")

        world.blobs.meanwhile = write
        kept = await world.files.keep(world.captured(), (), 1)
        assert [file.filename for file in kept.files] == ["log.txt"]
        assert await kept.files[0].data() == b"one\nmore\nmore\n"
        assert kept.skipped == ()
        assert len(world.blobs.copied) == 3
        assert len(world.on_disk()) == 1


async def test_a_file_that_never_rests_is_told_and_not_stored(tmp_path: Path) -> None:
    """Only the first few of many such files are tried, until the cell's pauses run out; no bytes remain."""
    async with a_world(tmp_path) as world:
        for number in range(10):
            (world.folder / f"{number}.bin").write_bytes(b"x" * 100)

        def write() -> None:
            for path in world.folder.iterdir():
                os.utime(path)

        captured, world.blobs.meanwhile = world.captured(), write
        kept = await world.files.keep(captured, (), 1)
        assert kept.files == ()
        assert [one.name for one in kept.skipped] == [f"{number}.bin" for number in range(10)]
        assert {one.reason for one in kept.skipped} == {
            "not stored: it changed while it was being read; the next cell takes it up again"
        }
        # The first uses up its three tries; copying the others, which had changed by then, begins after a
        # pause, and without a pause left it does not begin.
        assert len(world.blobs.copied) == 3 + 2 + 2
        assert world.on_disk() == []
        assert (await world.store.list_user_files(1)).files == ()


@pytest.mark.parametrize("full", [True, False])
async def test_what_there_is_no_room_for_is_not_copied(tmp_path: Path, *, full: bool) -> None:
    """Sparse files waste no time. A small file that fits is stored, and so is one that is stored already."""
    async with a_world(tmp_path, quota=4 * MIB) as world:
        if full:
            (world.folder / "full.bin").write_bytes(bytes(4 * MIB - 100))
            await world.files.keep(world.captured(), (), 1)
            (world.folder / "full.bin").unlink()
            world.blobs.copied.clear()
        for number in range(20):
            with (world.folder / f"{number:02}.bin").open("wb") as sparse:
                sparse.truncate(50 * MIB)
        (world.folder / "small.txt").write_bytes(b"small")
        (world.folder / "full.bin").write_bytes(bytes(4 * MIB - 100))
        kept = await world.files.keep(world.captured(), (), 2)
        assert sorted(file.filename for file in kept.files) == ["full.bin", "small.txt"]
        assert len(world.blobs.copied) == 2
        assert len(world.on_disk()) == 2
        names = [one.name for one in kept.skipped]
        assert names == [*(f"{number:02}.bin" for number in range(5)), "05.bin and 14 more"]
        assert all(
            "50 MB more would be over your 4 MB" in one.reason.replace(".0 MB", " MB") for one in kept.skipped
        )


REFUSED = {
    OSError(errno.ENOSPC, "full"): StoreFull,
    OSError(errno.EROFS, "read-only"): OSError,
    OSError(WORKSPACE_FULL, "full"): WorkspaceFull,
    NodeUnavailable("gone"): NodeUnavailable,
}


@pytest.mark.parametrize(("error", "raised"), REFUSED.items(), ids=map(str, REFUSED))
async def test_an_upload_that_the_workspace_does_not_take_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception]
) -> None:
    """The person is told that it is not stored: it is in no list, and has no bytes."""
    async with a_world(tmp_path) as world:

        async def refuse(*_: object, **__: object) -> str:
            raise error

        monkeypatch.setattr(world.files.kernel, "place", refuse)
        with pytest.raises(raised):
            await world.files.upload("a.csv", b"a,b\n")
        assert (await world.store.list_user_files(1)).files == ()
        assert world.on_disk() == []


async def test_a_full_workspace_is_told_to_whoever_asks_for_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a cell, and in one by `file_path`: the sentence names the limit, and the file stays stored."""
    async with a_world(tmp_path) as world:

        async def refuse(*_: object, **__: object) -> str:
            raise OSError(WORKSPACE_FULL, "full")

        stored = await world.store.put(1, "u1", "a.csv", b"a,b\n", source="uploaded")
        monkeypatch.setattr(world.files.kernel, "place", refuse)
        with pytest.raises(WorkspaceFull) as refused:
            await world.files.bring([stored.file_id])
        told = "your workspace is full: with a.csv it would be over 512"
        assert told in clause(refused.value)
        with pytest.raises(FileUnavailable, match=told) as unavailable:
            await world.files.place(stored.file_id)
        assert unavailable.value.number == WORKSPACE_FULL
        assert (await world.store.list_user_files(1)).files == (stored,)


async def test_a_full_disk_is_told_to_whoever_asks_for_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not that the file could not be reached: what helps is to make room."""
    async with a_world(tmp_path) as world:

        async def refuse(*_: object, **__: object) -> str:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        stored = await world.store.put(1, "u1", "a.csv", b"a,b\n", source="uploaded")
        monkeypatch.setattr(world.files.kernel, "place", refuse)
        with pytest.raises(FileUnavailable, match="the disk is full") as refused:
            await world.files.place(stored.file_id)
        assert refused.value.number == errno.ENOSPC


async def test_a_file_that_was_stored_before_outlasts_its_second_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes under the same name are the same file: only what the failed upload has added goes."""
    async with a_world(tmp_path) as world:
        first = await world.files.upload("a.csv", b"a,b\n")

        async def refuse(*_: object, **__: object) -> str:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(world.files.kernel, "place", refuse)
        for data in (b"a,b\n", b"other\n"):
            with pytest.raises(StoreFull):
                await world.files.upload("a.csv", data)
        assert [file.file_id for file in (await world.store.list_user_files(1)).files] == [first.file_id]
        assert (await world.store.load_file(first.file_id, 1)).data == b"a,b\n"
        assert len(world.on_disk()) == 1
