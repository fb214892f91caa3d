"""A person's stored files, as their kernel and their cells use them.

files = PersonFiles(store, record, pool)       # the kernel's FileSource: `load_file` asks it
await files.bring(["k7m3q9x2va"])              # into the workspace, under their names
kept = await files.keep(captured, skipped, cell)
"""

import asyncio
import contextlib
import errno
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from bot.errors import WorkspaceFull
from bot.reply import GeneratedFile
from bot.wording.error_messages import clause, put_off
from filestore.blobs.space import DISK_FULL
from filestore.errors import (
    FileStoreError,
    NoSuchFile,
    NotRecordedYet,
    QuotaExceeded,
    StoreFull,
    StoreUnavailable,
    TooManyFiles,
)
from filestore.files import FileStore
from filestore.records import SessionRecord, StoredFile
from kernels.broker import FileRow, FileUnavailable, Opened
from kernels.errors import KernelError
from kernels.interface import WORKSPACE_FULL, Kernels, PersonKernel
from kernels.workspace.captured import Captured, FileChanged, Skipped
from kernels.workspace.names import shown_name

__all__ = ["KeptFiles", "PersonFiles"]

log = logging.getLogger(__name__)

TRIES = 3  # attempts to copy a file that keeps changing
NAMED = 5  # files without room that are named one by one
PUT_OFF = 200  # files at most that are kept for a later attempt
# Seconds before each new attempt at a file that changed while it was copied. They are for all files of a cell
# together, since the person is waiting for the cell's end.
PAUSES = (0.05, 0.2) * 3
PASSING = (StoreUnavailable, OSError)  # temporary reasons; the file itself is fine
LISTED = 200  # files shown by `list_files()` in a cell


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """A cell's files: those that were stored, and those that were not, with the reason."""

    files: tuple[GeneratedFile, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class PersonFiles:
    """One person's files in one session; it also answers the kernel's broker."""

    def __init__(self, store: FileStore, record: SessionRecord, pool: Kernels) -> None:
        self._store = store
        self._user_id = record.user_id
        self._session_id = record.session_id
        self._put_off: dict[str, Captured] = {}  # by name: stored as soon as that is possible
        self._limits = pool.limits
        self.kernel: PersonKernel = pool.kernel(record.session_id, self)

    @property
    def put_off(self) -> bool:
        """Whether files wait to be stored with the next cell."""
        return bool(self._put_off)

    def waits(self, name: str) -> bool:
        """Whether the file of this name waits to be stored."""
        return name in self._put_off

    async def keep(
        self, captured: Iterable[Captured], skipped: Iterable[Skipped], cell: int | None
    ) -> KeptFiles:
        """Store the files that a cell wrote. One that cannot be stored is skipped with its reason.

        If the reason is the disk or the database, the next cell tries again.
        """
        files: list[GeneratedFile] = []
        left = list(skipped)
        no_room: list[Skipped] = []
        fresh = list(captured)
        pauses = iter(PAUSES)
        earlier, self._put_off = self._put_off, {}
        for number, file in enumerate(fresh):
            earlier.pop(file.name, None)
            try:
                files.append(await self._store_captured(file, cell, pauses))
            except NotRecordedYet as error:  # it is stored, and gets its id later
                left.append(Skipped(file.name, clause(error)))
            except TooManyFiles as error:  # the others would be refused too, after they were written
                more = len(fresh) - number - 1
                left.append(Skipped(f"{file.name} and {more:,} more" if more else file.name, clause(error)))
                break
            except QuotaExceeded as error:  # a smaller file may fit, and the store checks the size first
                no_room.append(Skipped(file.name, clause(error)))
            except PASSING as error:
                left.append(Skipped(file.name, put_off(error)))
                self._put_off[file.name] = file
            except (FileStoreError, FileChanged, KernelError) as error:
                left.append(Skipped(file.name, clause(error)))
        files += await self._try_again(earlier, cell)
        return KeptFiles(tuple(files), (*left, *_together(no_room)))

    async def _store_captured(
        self, file: Captured, cell: int | None, pauses: Iterator[float]
    ) -> GeneratedFile:
        """Store the file as it was captured, or, if it is being written to, as it is after a pause."""
        waits = islice(pauses, TRIES - 1)
        content = file.content()
        while True:
            try:
                stored = await self._store.put(
                    self._user_id, self._session_id, file.name, content, source="generated", cell=cell
                )
            except FileChanged:
                if (pause := next(waits, None)) is None:
                    raise
                await asyncio.sleep(pause)  # nothing says when its writer has finished
                content = file.content(latest=self._store.max_file)
            else:
                return self.generated(stored)

    async def _try_again(self, earlier: dict[str, Captured], cell: int | None) -> list[GeneratedFile]:
        """Store what could not be stored before. Only a success is told, not each attempt."""
        files = []
        while earlier and not self._put_off:  # otherwise there is still no room
            name, file = earlier.popitem()
            try:
                files.append(await self._store_captured(file, cell, iter(())))
            except NotRecordedYet:
                pass
            except PASSING:
                self._put_off[name] = file
            except (FileStoreError, FileChanged, KernelError) as error:  # it has changed, or is gone
                log.info("file %s of session %s is given up: %s", name, self._session_id, error)
        for name, file in earlier.items():
            if len(self._put_off) < PUT_OFF:
                self._put_off[name] = file
        return files

    async def make_room(self, size: int) -> None:
        """Make room in the person's quota, as `FileStore.make_room` does. Raises: QuotaExceeded.

        While the database is away nothing is known of the quota, and the spool has limits of its own.
        """
        with contextlib.suppress(StoreUnavailable):
            await self._store.make_room(self._user_id, size)

    async def upload(self, name: str, data: bytes) -> StoredFile:
        """Store a person's file and put it into the workspace. Raises: as `FileStore.put` and `bring`.

        If it cannot be put there, it is not kept in the store either: it is in both or in neither. Only what
        had been stored before stays: the same file keeps its id.
        """
        before = await self._store.newest(name, self._user_id, self._session_id)
        stored = await self._store.put(self._user_id, self._session_id, name, data, source="uploaded")
        try:
            await self._place(stored.filename, data)
        except Exception:  # whatever it is, people are told that the file is not stored
            if before is None or before.file_id != stored.file_id:
                with contextlib.suppress(FileStoreError, OSError):  # what could not be placed is the error
                    await self._store.delete(stored.file_id, self._user_id)
            raise
        return stored

    async def bring(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Put stored files into the workspace; returns their names.

        Raises: NoSuchFile, in which case none is put there; WorkspaceFull; StoreFull if the disk has no room.
        """
        found = [await self._store.find(one, self._user_id, self._session_id) for one in wanted]
        names = []
        for stored in found:
            opened = await self._store.open(stored.file_id, self._user_id)
            with opened.file:
                names.append(await self._place(stored.filename, opened.file))
        return tuple(names)

    async def _place(self, name: str, content: BinaryIO | bytes, *, beside: str = "") -> str:
        try:
            return await self.kernel.place(name, content, beside=beside)
        except OSError as error:
            if error.errno == WORKSPACE_FULL and (limit := self._limits.workspace) is not None:
                raise WorkspaceFull(name, limit) from error
            if error.errno in DISK_FULL:
                raise StoreFull(str(error)) from error
            raise

    def generated(self, stored: StoredFile) -> GeneratedFile:
        """The stored file as a front shows it."""

        async def read() -> bytes:
            return (await self._store.load_file(stored.file_id, self._user_id)).data

        return GeneratedFile(stored, read)

    # What a cell asks (kernels.broker.FileSource):

    async def open(self, wanted: str) -> Opened:
        """The file for `load_file`. Raises: FileUnavailable."""
        try:
            stored = await self._found(wanted)
            opened = await self._store.open(stored.file_id, self._user_id)
        except NoSuchFile as error:
            raise FileUnavailable(str(error)) from None
        return Opened(stored.file_id, stored.filename, stored.file_type, stored.file_size, opened.file)

    async def _found(self, wanted: str) -> StoredFile:
        """The stored file with this id or name, or with a name that had to be changed to be shown."""
        try:
            return await self._store.find(wanted, self._user_id, self._session_id)
        except NoSuchFile:
            with contextlib.suppress(UnicodeEncodeError):  # no file system has such a name
                if (shown := shown_name(wanted)) != wanted:
                    return await self._store.find(shown, self._user_id, self._session_id)
            raise

    async def place(self, wanted: str) -> str:
        """The path for `file_path`: a copy beside the person's own files. Raises: FileUnavailable."""
        opened = await self.open(wanted)
        with opened.file:
            try:
                return await self._place(opened.filename, opened.file, beside=opened.file_id)
            except WorkspaceFull as error:
                raise FileUnavailable(clause(error), WORKSPACE_FULL) from None
            except StoreFull as error:
                raise FileUnavailable(clause(error), errno.ENOSPC) from None

    async def list(self) -> Sequence[FileRow]:
        """The files for `list_files()`, newest first."""
        page = await self._store.list_user_files(self._user_id, limit=LISTED)
        return [
            FileRow(
                file.file_id,
                file.filename,
                file.file_type,
                file.file_size,
                file.source,
                file.uploaded_at.isoformat(),
                file.expires_at.isoformat(),
            )
            for file in page.files
        ]


def _together(refused: list[Skipped]) -> list[Skipped]:
    """The files without room; if there are many, the last ones are only counted."""
    if len(refused) <= NAMED + 1:
        return refused
    first, *more = refused[NAMED:]
    return [*refused[:NAMED], Skipped(f"{first.name} and {len(more):,} more", first.reason)]
