"""The writes of one session or person that wait, in order, in memory and as lines of a file.

    journal = Journal(folder, "session u7")
    await journal.add(write, line)      # synced when `journal.durable`, else in memory until `save`
    await journal.drop_first()          # it is in the database

The file (0600) is removed with the last write. Lines that the disk refuses, for example because it is full,
are written later.
"""

import asyncio
import errno
import json
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from filestore.blobs.space import remove_if_empty, sync_folder
from filestore.errors import BytesStay
from filestore.spool.file_names import digest, file_name, header, renamed
from filestore.spool.writes import Write, decode, encode, renumbered

__all__ = ["Journal", "loaded", "make_folder", "name_others", "sync_names", "unlink_all"]

log = logging.getLogger(__name__)

SUFFIX = ".jsonl"
PIECE = 1 << 20  # bytes written at a time
PART = ".part"  # a journal that is being rewritten
HEADER = b'{"key": "'  # how each file begins
BROKEN = ".broken"  # what could not be read or brought in, kept for the operator


class _Shortened(OSError):
    """A journal's file has less than what was written to it."""


class Journal:
    """One file of writes, and those writes.

    Hold `lock` while writes are added or dropped. Hold `turn`, which is taken first, from before a write goes
    to the database until it is dropped from here, and while writes are dropped without going there.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.key = key
        self.lock = asyncio.Lock()
        self.turn = asyncio.Lock()
        self.writes: deque[Write] = deque()
        self.size = 0  # bytes of the lines of `writes`
        self.full = False  # whether they wait because the disk is full
        self.cut: set[int] = set()  # the cells whose outputs were left out
        self._sizes: deque[int] = deque()
        self._unsaved: list[bytes] = []  # the last lines, which are not on the disk
        self._on_disk = 0  # bytes of the file that are whole lines
        self._folder = folder

    @cached_property
    def path(self) -> Path:
        """Its file, which exists while writes of it are on the disk."""
        return self._folder / f"{file_name(self.key)}{SUFFIX}"

    @property
    def _aside(self) -> Path:
        return self.path.with_suffix(BROKEN)

    @property
    def _old_aside(self) -> Path:
        """What an earlier version set aside, if nothing in it told how it should be named today."""
        return self._folder / f"{digest(self.key)}{BROKEN}"

    @property
    def durable(self) -> bool:
        """Whether all of it is on the disk."""
        return not self._unsaved

    async def add(self, write: Write, line: bytes) -> None:
        """Add a write at the end, and save it if that can be done."""
        self._take_in(write, len(line))
        self._unsaved.append(line)
        await self.save()

    async def save(self) -> None:
        """Write the lines that are not on the disk yet; if that fails they stay in memory."""
        if not self._unsaved:
            return
        lines = self._unsaved if self._on_disk else [header(self.key), *self._unsaved]
        data = b"".join(line + b"\n" for line in lines)
        try:
            await asyncio.to_thread(_append, self.path, data, self._on_disk)
        except _Shortened:  # somebody has removed it: what it had is still in memory
            await self.rewrite()
        except OSError as error:
            log.debug("writes of %s stay in memory: %s", self.key, error)
        else:
            self._on_disk += len(data)
            self._unsaved.clear()

    async def drop_first(self) -> None:
        """Drop the first write, which is in the database now; the last one removes the file."""
        self.writes.popleft()
        self.size -= self._sizes.popleft()
        if not self.writes:
            await self._clear()

    async def drop(self, kinds: tuple[type[Write], ...], *, but_last: bool = False) -> None:
        """Drop the writes of these kinds, or all but the last of them, also on the disk."""
        theirs = [number for number, write in enumerate(self.writes) if isinstance(write, kinds)]
        dropped = set(theirs[:-1] if but_last else theirs)
        sized = zip(self.writes, self._sizes, strict=True)
        kept = [each for number, each in enumerate(sized) if number not in dropped]
        if len(kept) == len(self.writes):
            return
        self.writes = deque(write for write, _ in kept)
        self._sizes = deque(size for _, size in kept)
        self.size = sum(self._sizes)
        await (self.rewrite() if kept else self._clear())

    async def erase(self) -> None:
        """Drop all writes, and whatever of this journal is on the disk, even of writes that were brought in.

        Raises: BytesStay if that stays, because the next program would bring it in again.
        """
        self.writes.clear()
        self._sizes.clear()
        self.size = 0
        await self._clear()
        await asyncio.to_thread(_erase, (self.path, self._aside, self._old_aside))

    def renumber(self, session_id: str, old: int, new: int) -> None:
        """Change writes that are for an entry to the number that the entry has got; `rewrite` saves this."""
        self.writes = deque(renumbered(write, session_id, old, new) for write in self.writes)

    async def rewrite(self) -> None:
        """Rewrite the file with what still waits. If that fails, it still has writes that are done, too."""
        with suppress(OSError):
            self._on_disk = await asyncio.to_thread(_replace, self.path, self.key, list(self.writes))
            self._unsaved.clear()

    async def set_aside(self) -> None:
        """Move the first write to a file beside this one, so that it no longer blocks those after it."""
        line = await asyncio.to_thread(encode, self.writes[0])
        try:
            await asyncio.to_thread(_append, self._aside, line + b"\n")
        except OSError:  # it would block those after it for as long as the disk takes nothing
            log.exception("a write of %s that cannot be brought in is lost", self.key)
        await self.drop_first()

    async def forget_aside(self, session_id: str | None = None) -> None:
        """Delete what was set aside: it is of somebody, or only of a session, that is deleted.

        Raises: BytesStay.
        """
        asides = (self._aside, self._old_aside)
        if session_id is None:
            await asyncio.to_thread(_erase, asides)
            return
        try:
            for aside in asides:
                await asyncio.to_thread(_drop_lines, aside, session_id)
        except OSError as error:
            raise BytesStay(error.strerror) from error

    async def _clear(self) -> None:
        self._unsaved.clear()
        self.cut.clear()
        self.full = False
        self._on_disk = 0
        try:
            await asyncio.to_thread(_remove, self.path)
        except OSError:  # the next program brings its writes in once more, which does nothing
            log.exception("%s cannot be removed", self.path.name)

    def _take_in(self, write: Write, size: int) -> None:
        self.writes.append(write)
        self._sizes.append(size)
        self.size += size

    @classmethod
    def load(cls, path: Path) -> "Journal | None":
        """What an earlier program left in a file, except for a line that it had not finished."""
        whole = path.read_bytes()
        if _has_nothing(whole):
            path.unlink()
            return None
        first, *lines = whole.split(b"\n")[:-1] or [b""]
        journal = cls(path.parent, _key(first))
        good = len(first) + 1
        try:
            if journal.path != path:
                raise ValueError("its first line is not that of its name")
            for line in lines:
                journal._take_in(decode(line), len(line))
                good += len(line) + 1
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            aside = path.with_suffix(BROKEN)
            log.error("%s is broken: %s. It is kept as %s", path.name, error, aside.name)
            _append(aside, whole)
        if not journal.writes:
            path.unlink()
            return None
        journal._on_disk = good  # the next save cuts off what follows
        return journal


def loaded(folder: Path) -> Iterator[Journal]:
    """The journals in a folder, which need not exist. Raises: OSError.

    What a program has left that was killed while it wrote a journal anew is removed: nobody would read it.
    """
    for path in folder.glob(f"*{PART}"):
        path.unlink()
    for path in list(folder.glob(f"*{BROKEN}")):
        renamed(path)
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if (journal := Journal.load(renamed(path))) is not None:
            yield journal


def unlink_all(paths: Iterable[Path]) -> None:
    """Remove these files; `sync_names` makes that last. Raises: BytesStay once all were tried."""
    _erase(paths, Path.unlink)


def sync_names(folder: Path) -> None:
    """Sync the names of the files in the folder, if it exists."""
    with suppress(FileNotFoundError):
        sync_folder(folder)


def make_folder(folder: Path) -> None:
    """Create the folder, private and synced, unless the disk is full. Raises: OSError."""
    try:
        for made in (folder.parent, folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
    else:
        for parent in (folder.parent, folder.parent.parent):
            sync_folder(parent)


def name_others(own: Path) -> None:
    """Log what waits beside `own` for other databases, and remove what is empty there.

    Nothing else is deleted, however old: a clock can be wrong, and what waits there may exist nowhere else.
    """
    for folder in own.parent.glob("*") if own.parent.is_dir() else ():
        if folder == own or not folder.is_dir():
            continue
        for path in folder.glob(f"*{SUFFIX}"):
            if not path.stat().st_size:
                path.unlink()
        if not remove_if_empty(folder):
            log.warning(
                "What waits in %s is for another database. It is brought in when that is used again; delete"
                " the folder if it is gone for good.",
                folder,
            )


def _has_nothing(whole: bytes) -> bool:
    """Whether a file has only a part of its first line: the disk was full, or the program was killed."""
    return b"\n" not in whole and HEADER.startswith(whole[: len(HEADER)])


def _key(first: bytes) -> str:
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(first)["key"])
    return ""


def _append(path: Path, data: bytes, at: int | None = None) -> None:
    """Write after the first `at` bytes of the file (None: at its end) and sync, all of it or nothing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # the disk may have been full at the start
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        end = size if at is None else at
        if end > size:  # a hole would come first, and none of it could be read
            raise _Shortened(errno.ENODATA, os.strerror(errno.ENODATA))
        os.ftruncate(descriptor, end)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(descriptor, data[written : written + PIECE], end + written)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)
            if not end:
                path.unlink(missing_ok=True)
            raise
    finally:
        os.close(descriptor)
    if not end:
        sync_folder(path.parent)


def _replace(path: Path, key: str, writes: Iterable[Write]) -> int:
    """Replace the file by one with these writes; returns its size."""
    data = b"".join(line + b"\n" for line in (header(key), *map(encode, writes)))
    _write_anew(path, data)
    with suppress(OSError):  # the file is the new one all the same
        sync_folder(path.parent)
    return len(data)


def _write_anew(path: Path, data: bytes) -> None:
    """Replace the file by one with these bytes, or leave it as it is; the folder is not synced."""
    temporary = path.with_suffix(PART)
    temporary.unlink(missing_ok=True)
    try:
        _append(temporary, data)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _drop_lines(path: Path, session_id: str) -> None:
    """Drop the lines that name this session as theirs, whether they can be read or not."""
    if not path.exists():
        return
    mark = b'"session_id": ' + json.dumps(session_id).encode()  # in a text, its quotes would be escaped
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if mark not in line]
    if not kept:
        _remove(path)
    elif len(kept) < len(lines):
        _write_anew(path, b"".join(kept))
        sync_folder(path.parent)


def _erase(paths: Iterable[Path], remove: Callable[[Path], None] | None = None) -> None:
    """Remove the files that exist. Raises: BytesStay once all were tried."""
    refused: OSError | None = None
    for path in paths:
        try:
            if path.exists():
                (remove or _remove)(path)
        except OSError as error:
            refused = error
            with suppress(OSError):  # so that the next program at least finds nothing in it
                _empty(path)
    if refused is not None:
        raise BytesStay(refused.strerror) from refused


def _empty(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    sync_names(path.parent)
