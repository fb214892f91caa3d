"""Bytes by key, in a local directory.

    blobs = Blobs(root)
    written = await blobs.put("7/k7m3q9x2va", content, limit=50 * MIB)
    with await blobs.open("7/k7m3q9x2va") as file: ...

A key is "folder/name"; the folder belongs to one person. Bytes that the database does not know are moved to
a trash folder, from which they can be brought back. A mark, which is a short text, says which database the
bytes belong to.

Bytes are copied to a temporary file beside their place, synced and renamed, and then the folder is synced, so
bytes that `put` has returned for survive a power cut. Folders are 0700, files 0600. Disk work is done in
threads; a cancelled caller waits for the thread, so nothing goes on behind its back.
"""

import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from filestore.blobs.copying import Written, copy
from filestore.blobs.space import (
    FOLDER_TRIES,
    in_thread,
    move,
    remove_if_empty,
    sync_folder,
    unlink,
    unlink_all,
)
from filestore.errors import BlobExists, BlobMissing

MIB = 1024 * 1024

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64}")
_FOLDER = re.compile(_KEY.pattern.partition("/")[0])
_TEMPORARY = ".part"  # no key has a dot
_TRASH, _MARK = ".trash", ".database"  # in the root


@dataclass(frozen=True, slots=True)
class BlobEntry:
    """Bytes in the directory, whether or not the database has a record of them."""

    key: str
    size: int  # bytes
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Tidied:
    """How much `tidy` removed."""

    temporary: int
    folders: int


class Blobs:
    """Bytes by key, in the directory `root`, which the first put makes. A key is never written twice."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sweeps = ThreadPoolExecutor(1, "files swept")  # ends with this object

    async def put(self, key: str, content: BinaryIO | bytes, *, limit: int) -> Written:
        """Keep the bytes, from the content's position to its end; durable when this returns.

        Raises: FileTooLarge if there are more than `limit` bytes; BlobExists.
        """
        target = self._path(key)
        return await in_thread(lambda: self._put(target, content, limit), lambda _: unlink(target))

    async def open(self, key: str) -> BinaryIO:
        """A read-only file object with a real descriptor; no link is followed. Raises: BlobMissing."""
        target = self._path(key)
        return await in_thread(lambda: _open(key, target), lambda file: file.close())

    async def delete(self, key: str) -> None:
        """Delete the bytes, if there are any, and their folder if that leaves it empty."""
        target = self._path(key)
        await in_thread(lambda: unlink(target))

    async def delete_folder(self, folder: str) -> None:
        """Delete all bytes of a folder, those in the trash and half-written ones included.

        Raises: BytesStay once all were tried.
        """
        folders = [part / folder for part in (self._root, self._root / _TRASH) if self._path(f"{folder}/x")]
        await in_thread(partial(unlink_all, folders))

    async def missing(self, keys: Collection[str]) -> set[str]:
        """Those of the keys that have no bytes.

        Raises: OSError if the directory itself is absent, which does not mean that every file is lost.
        """
        paths = {key: self._path(key) for key in keys}

        def work() -> set[str]:
            os.stat(self._root)
            return {key for key, path in paths.items() if not path.exists()}

        return await in_thread(work)

    @property
    def mark_file(self) -> Path:
        """The file that holds the mark."""
        return self._root / _MARK

    async def folders(self) -> AsyncIterator[list[BlobEntry]]:
        """All bytes in the directory, one folder at a time; names that are not keys are left out."""
        for folder in await self._sweeping(partial(_folders, self._root)):
            yield await self._sweeping(partial(_entries, folder))

    async def throw_away(self, key: str, at: datetime) -> None:
        """Move the bytes, if there are any, into the trash; the date of the file says when."""
        source, target = self._path(key), self._root / _TRASH / key

        def work() -> None:
            with suppress(FileNotFoundError):
                os.utime(source, (at.timestamp(), at.timestamp()))
                move(source, target)

        await in_thread(work)

    async def bring_back(self, key: str) -> None:
        """Move the bytes, if there are any, from the trash back to their place."""
        source, target = self._root / _TRASH / key, self._path(key)

        def work() -> None:
            if source.exists() and not target.exists():
                move(source, target)
                remove_if_empty(self._root / _TRASH)

        await in_thread(work)

    async def trash(self) -> AsyncIterator[list[BlobEntry]]:
        """All bytes in the trash, one folder at a time; `modified_at` is when they were thrown away."""
        for folder in await self._sweeping(partial(_folders, self._root / _TRASH)):
            yield await self._sweeping(partial(_entries, folder))

    async def empty_trash(self, keys: Collection[str]) -> None:
        """Delete these bytes from the trash."""
        paths = [self._root / _TRASH / key for key in keys if self._path(key)]

        def work() -> None:
            for path in paths:
                unlink(path)
            remove_if_empty(self._root / _TRASH)

        await self._sweeping(work)

    async def mark(self) -> str | None:
        """The mark, or None if none was set."""

        def work() -> str | None:
            try:
                return self.mark_file.read_text("utf-8", "replace")
            except FileNotFoundError:
                return None

        return await in_thread(work)

    async def set_mark(self, mark: str) -> None:
        """Replace the mark, either whole or not at all; durable when this returns."""

        def work() -> None:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = self._root / f"{_MARK}.{secrets.token_hex(4)}{_TEMPORARY}"
            try:
                copy(mark.encode(), temporary, limit=MIB)
                os.replace(temporary, self.mark_file)
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(self._root)

        await in_thread(work)

    async def tidy(self, before: datetime) -> Tidied:
        """Delete the temporary files of puts that were cut off before then, and empty folders."""
        return await self._sweeping(lambda: self._tidy(before.timestamp()))

    async def _sweeping[T](self, work: Callable[[], T]) -> T:
        """Do work of the janitor, which looks at every file, in a thread that nobody else waits for."""
        return await in_thread(work, executor=self._sweeps)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"not a key of the form folder/name: {key[:100]!r}")
        return self._root / key

    def _put(self, target: Path, content: BinaryIO | bytes, limit: int) -> Written:
        self._claim(target)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_TEMPORARY}")
        try:
            written = copy(content, temporary, limit=limit)
            os.replace(temporary, target)
            sync_folder(target.parent)
            sync_folder(self._root)
        except BaseException:  # whatever stopped it, neither claim nor half a copy stays
            for path in (temporary, target):
                with suppress(OSError):  # what stopped it is what is told
                    unlink(path)
            raise
        return written

    def _claim(self, target: Path) -> None:
        """Create the empty file of a key, so that no two puts use the same one."""
        for tries_left in reversed(range(FOLDER_TRIES)):
            self._make_folder(target.parent)
            try:
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
                return
            except FileExistsError as error:
                raise BlobExists(f"{target.parent.name}/{target.name}") from error
            except FileNotFoundError:
                if not tries_left:
                    raise

    def _make_folder(self, folder: Path) -> None:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)

    def _tidy(self, before: float) -> Tidied:
        temporary = folders = 0
        for folder in (self._root, *_folders(self._root)):
            for path in folder.glob(f".*{_TEMPORARY}"):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < before:
                        path.unlink()
                        temporary += 1
            folders += folder != self._root and remove_if_empty(folder)
        return Tidied(temporary, folders)


def _folders(root: Path) -> list[Path]:
    with suppress(FileNotFoundError), os.scandir(root) as found:
        return [
            root / entry.name
            for entry in found
            if _FOLDER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        ]
    return []


def _entries(folder: Path) -> list[BlobEntry]:
    entries = []
    with suppress(FileNotFoundError), os.scandir(folder) as found:  # gone with its last file
        for entry in found:
            key = f"{folder.name}/{entry.name}"
            if _KEY.fullmatch(key):
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    entries.append(
                        BlobEntry(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
                    )
    return entries


def _open(key: str, path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except FileNotFoundError as error:
        raise BlobMissing(key) from error
