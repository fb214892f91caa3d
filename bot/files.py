"""A person's stored files, as their kernel and their cells use them.

files = PersonFiles(store, record, pool)       # it is the kernel's FileSource: load_file asks here
await files.bring(["k7m3q9x2va"])              # into the workspace, under their names
kept = await files.keep(captured, skipped, cell)
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

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
from kernels.interface import Kernels, PersonKernel
from kernels.workspace.captured import Captured, FileChanged, Skipped
from kernels.workspace.names import shown_name

__all__ = ["Kept", "PersonFiles"]

log = logging.getLogger(__name__)

TRIES = 3  # for a file that changes while it is copied
NAMED = 5  # files for which there is no room that are named one by one
PUT_OFF = 200  # files that are tried again later, at most
# Seconds until a file that changed while it was copied is tried again, until a cell has used up all of these:
# meanwhile the person waits for the cell's end.
PAUSES = (0.05, 0.2) * 3
PASSING = (StoreUnavailable, OSError)  # reasons that pass; the file itself is fine
LISTED = 200  # files that `list_files()` shows in a cell


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a cell's files: stored ones with their ids, and what was left with the reason."""

    files: tuple[GeneratedFile, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class PersonFiles:
    """One person's files in one session; also what the kernel's broker asks."""

    def __init__(self, store: FileStore, record: SessionRecord, pool: Kernels) -> None:
        self._store = store
        self._user_id = record.user_id
        self._session_id = record.session_id
        self._put_off: dict[str, Captured] = {}  # by name: to be stored as soon as it can be
        self.kernel: PersonKernel = pool.kernel(record.session_id, self)

    @property
    def put_off(self) -> bool:
        """Whether files wait for the next cell, with which they are tried again."""
        return bool(self._put_off)

    async def keep(self, captured: Iterable[Captured], skipped: Iterable[Skipped], cell: int | None) -> Kept:
        """Store what a cell wrote; what cannot be stored is skipped with the reason, never raised.

        If the disk or the database is the reason, it is tried again with the next cell.
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
            except NotRecordedYet as error:  # it is stored, and will get its id
                left.append(Skipped(file.name, clause(error)))
            except TooManyFiles as error:  # each of the others would be written to the disk, and refused
                more = len(fresh) - number - 1
                left.append(Skipped(f"{file.name} and {more:,} more" if more else file.name, clause(error)))
                break
            except QuotaExceeded as error:  # a smaller one may fit, and the store refuses by size first
                no_room.append(Skipped(file.name, clause(error)))
            except PASSING as error:
                left.append(Skipped(file.name, put_off(error)))
                self._put_off[file.name] = file
            except (FileStoreError, FileChanged, KernelError) as error:
                left.append(Skipped(file.name, clause(error)))
        files += await self._try_again(earlier, cell)
        return Kept(tuple(files), (*left, *_together(no_room)))

    async def _store_captured(
        self, file: Captured, cell: int | None, pauses: Iterator[float]
    ) -> GeneratedFile:
        """Store the file as it was captured, or as it is after a pause, when nobody may be writing to it."""
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
                await asyncio.sleep(pause)  # nothing tells when its writer is at rest
                content = file.content(latest=self._store.max_file)
            else:
                return self.generated(stored)

    async def _try_again(self, earlier: dict[str, Captured], cell: int | None) -> list[GeneratedFile]:
        """Store what could not be stored before. Only success is told, not each try."""
        files = []
        while earlier and not self._put_off:  # else there is still no room
            name, file = earlier.popitem()
            try:
                files.append(await self._store_captured(file, cell, iter(())))
            except NotRecordedYet:
                pass
            except PASSING:
                self._put_off[name] = file
            except (FileStoreError, FileChanged, KernelError) as error:  # it is another by now, or gone
                log.info("file %s of session %s is given up: %s", name, self._session_id, error)
        for name, file in earlier.items():
            if len(self._put_off) < PUT_OFF:
                self._put_off[name] = file
        return files

    async def upload(self, name: str, data: bytes) -> StoredFile:
        """Store a file of the person's and place it in the workspace. Raises: as `FileStore.put`."""
        stored = await self._store.put(self._user_id, self._session_id, name, data, source="uploaded")
        await self._place(stored.filename, data)
        return stored

    async def bring(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Put stored files into the workspace; returns their names.

        Raises: NoSuchFile, and puts none; StoreFull when the disk has no room for one.
        """
        found = [await self._store.find(one, self._user_id, self._session_id) for one in wanted]
        names = []
        for stored in found:
            opened = await self._store.open(stored.file_id, self._user_id)
            with opened.file:
                names.append(await self._place(stored.filename, opened.file))
        return tuple(names)

    async def _place(self, name: str, content: BinaryIO | bytes) -> str:
        try:
            return await self.kernel.place(name, content)
        except OSError as error:
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
        """The stored file of an id, a name, or a name in the workspace that could not be shown as it is."""
        try:
            return await self._store.find(wanted, self._user_id, self._session_id)
        except NoSuchFile:
            with contextlib.suppress(UnicodeEncodeError):  # of what no file system has
                if (shown := shown_name(wanted)) != wanted:
                    return await self._store.find(shown, self._user_id, self._session_id)
            raise

    async def place(self, wanted: str) -> str:
        """The file for `file_path`, put beside the person's own. Raises: FileUnavailable."""
        opened = await self.open(wanted)
        with opened.file:
            return await self.kernel.place(opened.filename, opened.file, beside=opened.file_id)

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
    """The files for which there is no room; of many the last are counted."""
    if len(refused) <= NAMED + 1:
        return refused
    first, *more = refused[NAMED:]
    return [*refused[:NAMED], Skipped(f"{first.name} and {len(more):,} more", first.reason)]
