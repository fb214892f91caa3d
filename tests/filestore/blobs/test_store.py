"""Bytes in a directory: whole, private, never outside of it."""

import asyncio
import errno
import hashlib
import io
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filestore.blobs.copying import PIECE, copy
from filestore.blobs.space import FOLDER_TRIES
from filestore.blobs.store import Blobs
from filestore.errors import BlobExists, BlobMissing, FileTooLarge
from tests.descriptors import descriptors, left_open

MIB = 1024 * 1024


def everything(root: Path) -> list[str]:
    """All paths below the root."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


async def read(blobs: Blobs, key: str) -> bytes:
    """All bytes under a key."""
    with await blobs.open(key) as file:
        return file.read()


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * PIECE])
@pytest.mark.parametrize("kind", ["bytes", "memory", "disk"])
async def test_bytes_come_back_whole_and_described(
    blobs: Blobs, tmp_path: Path, size: int, kind: str
) -> None:
    """Whatever the source, the size, checksum and head are those of the stored bytes."""
    data = os.urandom(size)
    (tmp_path / "source").write_bytes(data)
    with (tmp_path / "source").open("rb") as disk:
        content = {"bytes": data, "memory": io.BytesIO(data), "disk": disk}[kind]
        written = await blobs.put("7/a", content, limit=size)
    assert await read(blobs, "7/a") == data
    assert (written.size, written.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert written.head == data[:4096]


async def test_folders_and_files_are_private(blobs: Blobs, tmp_path: Path) -> None:
    """Nobody but us reads the bytes, whatever the umask."""
    before = os.umask(0)
    try:
        await blobs.put("7/a", b"x", limit=1)
    finally:
        os.umask(before)
    modes = {
        path: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "files", *(tmp_path / "files").rglob("*"))
    }
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


async def test_key_is_written_once(blobs: Blobs, tmp_path: Path) -> None:
    """A second put under a key is refused and changes nothing."""
    await blobs.put("7/a", b"first", limit=10)
    with pytest.raises(BlobExists):
        await blobs.put("7/a", b"second", limit=10)
    assert await read(blobs, "7/a") == b"first"
    assert everything(tmp_path / "files") == ["7", "7/a"]


async def test_failed_put_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    """A source that fails or is too long leaves neither bytes, nor part of them, nor a folder."""

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        await blobs.put("7/a", Breaking(b"x"), limit=10)
    with pytest.raises(FileTooLarge):
        await blobs.put("7/a", b"x" * 11, limit=10)
    assert everything(tmp_path / "files") == []


async def test_failed_put_tells_why_though_the_disk_deletes_nothing(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when it became read-only in between. What can be deleted is deleted, such as the claim here."""
    delete = Path.unlink

    def refuse(path: Path, *given: Any, **more: Any) -> None:
        if path.suffix == ".part":
            raise OSError(errno.EIO, "no")
        delete(path, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(FileTooLarge):
            await blobs.put("7/a", b"xx", limit=1)
    assert [Path(name).suffix for name in everything(tmp_path / "files")] == ["", ".part"]


async def test_source_that_grows_while_it_is_copied_is_held_to_the_limit(tmp_path: Path) -> None:
    """The limit counts the bytes copied, not the size that the source reports."""

    class Growing(io.FileIO):
        """A regular file that reports a size of zero."""

        def tell(self) -> int:
            position = super().tell()
            with open(self.name, "ab") as more:
                more.write(bytes(100))
            return position

    source = tmp_path / "source"
    source.write_bytes(b"")
    with Growing(str(source)) as content, pytest.raises(FileTooLarge) as caught:
        copy(content, tmp_path / "target", limit=50)
    assert caught.value.limit == 50
    assert (tmp_path / "target").stat().st_size <= 51


async def test_pipe_is_read_to_its_end(blobs: Blobs) -> None:
    """A source with a descriptor that is not a regular file is read."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as target:
        target.write(b"through a pipe")
    with os.fdopen(reading, "rb") as content:
        await blobs.put("7/a", content, limit=100)
    assert await read(blobs, "7/a") == b"through a pipe"


async def test_file_that_the_system_cannot_copy_is_read(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between file systems, or on old ones, bytes are read and written instead."""

    def refuse(*arguments: object, **others: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    (tmp_path / "source").write_bytes(b"x" * 3 * MIB)
    with (tmp_path / "source").open("rb") as content:
        await blobs.put("7/a", content, limit=3 * MIB)
    assert await read(blobs, "7/a") == b"x" * 3 * MIB


async def test_delete_removes_the_empty_folder_only(blobs: Blobs, tmp_path: Path) -> None:
    """Deleting the last file deletes its folder; deleting something absent does nothing."""
    await blobs.put("7/a", b"x", limit=1)
    await blobs.put("7/b", b"x", limit=1)
    await blobs.delete("7/a")
    assert everything(tmp_path / "files") == ["7", "7/b"]
    await blobs.delete("7/b")
    await blobs.delete("7/b")
    assert everything(tmp_path / "files") == []
    with pytest.raises(BlobMissing):
        await blobs.open("7/b")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a",
        "/etc/passwd",
        "../a",
        "7/..",
        "7/../8/a",
        "7//a",
        "7/a/b",
        "7/.a.part",
        "7/a\n",
        "7/a\x00",
        "é/a",
    ],
)
async def test_key_that_could_lead_elsewhere_is_refused(blobs: Blobs, key: str) -> None:
    """No method accepts a key other than folder/name in plain characters."""
    for attempt in (blobs.put(key, b"x", limit=1), blobs.open(key), blobs.delete(key), blobs.missing([key])):
        with pytest.raises(ValueError, match="not a key"):
            await attempt


@given(st.text(max_size=200))
def test_no_key_escapes_the_root(key: str) -> None:
    """Any text that is accepted as a key lies directly below a folder of the root."""
    root = Path("/nowhere/files")
    try:
        path = Blobs(root)._path(key)
    except ValueError:
        return
    assert path.parent.parent == root
    assert Path(os.path.normpath(path)) == path


async def test_link_in_the_place_of_bytes_is_not_followed(blobs: Blobs, tmp_path: Path) -> None:
    """Even somebody who can write to the directory cannot make us read another file."""
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "files/7").mkdir(parents=True)
    (tmp_path / "files/7/a").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        await blobs.open("7/a")


async def test_folders_list_keys_only(blobs: Blobs, tmp_path: Path) -> None:
    """Temporary files and anything else there are not listed as stored bytes."""
    assert [folder async for folder in blobs.folders()] == []
    for key in ("7/a", "7/b", "8/c"):
        await blobs.put(key, b"12345", limit=5)
    (tmp_path / "files/7/.a.0123.part").write_bytes(b"x")
    (tmp_path / "files/README.txt").write_bytes(b"x")
    entries = [entry async for folder in blobs.folders() for entry in folder]
    assert sorted((entry.key, entry.size) for entry in entries) == [("7/a", 5), ("7/b", 5), ("8/c", 5)]
    assert await blobs.missing(["7/a", "8/a"]) == {"8/a"}


async def test_put_survives_its_folder_being_swept_away(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a sweep removes the empty folder just before the bytes are put there, it is created again."""
    make_folder, removed = blobs._make_folder, []

    def make_and_lose(folder: Path) -> None:
        make_folder(folder)
        if len(removed) < FOLDER_TRIES - 1:
            folder.rmdir()
            removed.append(folder)

    monkeypatch.setattr(blobs, "_make_folder", make_and_lose)
    await blobs.put("7/a", b"x", limit=1)
    assert len(removed) == FOLDER_TRIES - 1
    assert await read(blobs, "7/a") == b"x"


async def test_cancelled_open_closes_what_it_opened(blobs: Blobs) -> None:
    """No descriptor stays open if the caller is cancelled."""
    await blobs.put("7/a", b"x", limit=1)
    before = descriptors()
    for _ in range(20):
        opening = asyncio.create_task(blobs.open("7/a"))
        await asyncio.sleep(0)  # lets it start
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    assert not await left_open(before)


async def test_thrown_away_bytes_come_back_or_go(blobs: Blobs, tmp_path: Path) -> None:
    """The trash keeps them under their key, with the time; meanwhile nobody can open or list them."""
    at = datetime(2030, 1, 1, tzinfo=UTC)
    for key in ("7/a", "7/b"):
        await blobs.put(key, key.encode(), limit=9)
    await blobs.throw_away("7/a", at)
    await blobs.throw_away("7/b", at)
    await blobs.throw_away("7/absent", at)
    assert [folder async for folder in blobs.folders()] == []
    with pytest.raises(BlobMissing):
        await blobs.open("7/a")
    (thrown,) = [folder async for folder in blobs.trash()]
    assert {(entry.key, entry.modified_at) for entry in thrown} == {("7/a", at), ("7/b", at)}
    await blobs.bring_back("7/a")
    await blobs.bring_back("7/absent")
    with await blobs.open("7/a") as file:
        assert file.read() == b"7/a"
    await blobs.put("7/b", b"new", limit=9)
    await blobs.bring_back("7/b")  # never replaces existing bytes
    with await blobs.open("7/b") as file:
        assert file.read() == b"new"
    await blobs.empty_trash(["7/b"])
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == ["7"]


async def test_a_mark_is_whole_private_and_no_bytes(blobs: Blobs, tmp_path: Path) -> None:
    """The mark is a file in the directory, which is created if needed; a half-written mark is swept away."""
    assert await blobs.mark() is None
    for text in ("one", "two"):
        await blobs.set_mark(text)
        assert await blobs.mark() == text
    assert stat.S_IMODE(blobs.mark_file.stat().st_mode) == 0o600
    assert [folder async for folder in blobs.folders()] == []
    (tmp_path / "files/.database.0123.part").write_bytes(b"x")
    await blobs.tidy(datetime.now(UTC) + timedelta(hours=1))
    assert [path.name for path in (tmp_path / "files").iterdir()] == [".database"]
