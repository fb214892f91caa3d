"""People's files: kept for a while under a short id, versioned by name, readable by their owner only.

    files = FileStore(store, Blobs(root), clock=lambda: datetime.now(UTC))
    stored = await files.put(user_id, session_id, "plot.png", content, source="generated")
    loaded = await files.load_file(stored.file_id, user_id)

The bytes are durable before the record, and the record before the id is announced. So an id that `put` has
returned can be loaded, and bytes without a record are found by the janitor.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime, timedelta
from typing import BinaryIO

from filestore.blobs.copying import Written, size_left
from filestore.blobs.removal import remove_expired
from filestore.blobs.space import DISK_FULL
from filestore.blobs.store import Blobs
from filestore.cancellation import to_the_end
from filestore.errors import (
    BlobExists,
    BlobMissing,
    BytesStay,
    FileIdTaken,
    FileTooLarge,
    NoSuchFile,
    QuotaExceeded,
    SpoolFull,
    StoreFull,
    StoreUnavailable,
    TooManyFiles,
)
from filestore.filetypes import file_type
from filestore.names import clean_name, file_id_of, new_file_id
from filestore.ownership import is_ours
from filestore.records import Cursor, FilePage, LoadedFile, OpenFile, Source, StoredFile
from filestore.store import Store

MIB = 1024 * 1024
RETENTION = timedelta(hours=48)
QUOTA = 1024 * MIB  # bytes a person
MOST_FILES = 2000  # a person: each costs a record, a file on the disk, and time in each sweep
MAX_FILE = 50 * MIB
PAGE_LIMIT = 200  # files a page at most
ASKED_FOR = 64 * 1024  # bytes of a file from which on the quota is checked before the file is copied
ID_TRIES = 10  # ids drawn for one file; a second is needed once in 8e14 files or so

log = logging.getLogger(__name__)


class FileStore:
    """Puts, finds, lists, shares and deletes files.

    For what is foreign, expired, absent or malformed they raise NoSuchFile, which does not say why. `quota`
    (of one person) and `max_file` are in bytes; one person can have up to `most` files.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        *,
        clock: Callable[[], datetime],
        retention: timedelta = RETENTION,
        quota: int = QUOTA,
        most: int = MOST_FILES,
        max_file: int = MAX_FILE,
        new_id: Callable[[], str] = new_file_id,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._retention = retention
        self._quota = quota
        self._most = most
        self.max_file = max_file
        self._new_id = new_id

    async def put(
        self,
        user_id: int,
        session_id: str,
        filename: str,
        content: BinaryIO | bytes | AbstractAsyncContextManager[BinaryIO],
        *,
        source: Source,
        cell: int | None = None,
    ) -> StoredFile:
        """Keep a file, from the content's position to its end, and give it an id.

        If the bytes are those of the newest version of this name in the session, that version keeps its id
        and its expiry is renewed; other bytes become the next version. Content that is a context manager is
        left as soon as its bytes are copied; if leaving it raises, they are deleted and nothing is kept.

        Raises:
            FileTooLarge: the file is above `max_file`.
            QuotaExceeded: the person has no room for it.
            TooManyFiles: the person has as many files as one person may have.
            StoreFull: the disk has no room for the bytes.
            NotRecordedYet: the bytes are kept, and the file gets its id once the database can be used.
            StoreUnavailable: the database does not answer; nothing was announced.
        """
        name = clean_name(filename)
        if source != "generated":  # its record cannot wait: bytes on the disk would count for nobody
            await self._store.files.used(user_id, self._clock())
        file_id, key, written = await self._written(user_id, session_id, name, content)
        for _ in range(ID_TRIES):
            now = self._clock()
            file = StoredFile(
                file_id=file_id,
                user_id=user_id,
                session_id=session_id,
                filename=name,
                version=1,
                blob_key=key,
                file_size=written.size,
                sha256=written.sha256,
                file_type=file_type(name, written.head),
                source=source,
                uploaded_at=now,
                expires_at=now + self._retention,
                cell=cell,
            )
            try:
                stored = await self._store.files.add(file, quota=self._quota, most=self._most)
            except FileIdTaken:
                file_id = self._new_id()
                continue
            except (QuotaExceeded, TooManyFiles, SpoolFull, StoreFull):
                await self._drop_bytes(key)
                raise
            # Any other failure may have written the record after all; the janitor sorts that out.
            if stored.blob_key != key:
                await self._drop_bytes(key)
            return stored
        raise FileIdTaken(file_id)

    async def find(self, id_or_name: str, user_id: int, session_id: str) -> StoredFile:
        """The file with this id, else the person's newest of this name: in the session, then anywhere."""
        now = self._clock()
        if (file_id := file_id_of(id_or_name)) and (
            found := await self._store.files.readable(file_id, user_id, now)
        ):
            return found
        if isinstance(id_or_name, str):
            name = clean_name(id_or_name)
            for where in (session_id, None):
                if found := await self._store.files.named(name, user_id, now, where):
                    return found
        raise NoSuchFile(id_or_name)

    async def newest(self, filename: str, user_id: int, session_id: str) -> StoredFile | None:
        """The newest version that the session has of this name, if any."""
        return await self._store.files.named(clean_name(filename), user_id, self._clock(), session_id)

    async def open(self, file_id: str, user_id: int) -> OpenFile:
        """The file's record and its bytes as an open file, for its owner and whom it is shared with."""
        valid = file_id_of(file_id)
        record = valid and await self._store.files.readable(valid, user_id, self._clock())
        if not record:
            raise NoSuchFile(file_id)
        try:
            return OpenFile(record, await self._blobs.open(record.blob_key))
        except BlobMissing as error:
            log.error("the bytes of file %s are gone", record.file_id)
            raise NoSuchFile(file_id) from error

    async def load_file(self, file_id: str, user_id: int) -> LoadedFile:
        """The file's record and all its bytes, for its owner and whom it is shared with."""
        opened = await self.open(file_id, user_id)
        with opened.file:
            return LoadedFile(opened.record, await asyncio.to_thread(opened.file.read))

    async def list_user_files(
        self, user_id: int, *, limit: int = 50, after: Cursor | None = None, session_id: str | None = None
    ) -> FilePage:
        """The person's files, uploaded and generated, newest first, at most 200 a page.

        `after` is the `next` of the previous page; `session_id` limits the list to one session.
        """
        limit = max(1, min(limit, PAGE_LIMIT))
        found = await self._store.files.page(
            user_id, self._clock(), limit=limit + 1, after=after, session_id=session_id
        )
        files = tuple(found[:limit])
        last = files[-1] if len(found) > limit else None
        return FilePage(files, Cursor(last.number, last.uploaded_at, last.file_id) if last else None)

    async def all_of(self, user_id: int, session_id: str | None = None) -> AsyncIterator[StoredFile]:
        """All files of the person, or of one session, newest first."""
        after: Cursor | None = None
        while True:
            page = await self.list_user_files(user_id, limit=PAGE_LIMIT, after=after, session_id=session_id)
            for file in page.files:
                yield file
            if (after := page.next) is None:
                return

    async def used(self, user_id: int) -> int:
        """How many bytes of the person's quota are used."""
        return await self._store.files.used(user_id, self._clock())

    async def make_room(self, user_id: int, size: int) -> None:
        """Shorten the person's oldest large outputs until `size` bytes more are within their quota.

        Raises: QuotaExceeded if they are not even so; StoreUnavailable.
        """
        while True:
            room = await self._store.transcripts.make_room(user_id, size, self._quota, self._clock())
            if room.fits:
                return
            if not room.shortened:
                raise QuotaExceeded(room.used, self._quota, size)

    async def extend(self, file_id: str, user_id: int, by: timedelta | None = None) -> StoredFile:
        """Keep the person's own file for `by` longer, or (None) for the whole retention time from now on."""
        now = self._clock()
        own = await self._own(file_id, user_id, now)
        until = now + self._retention if by is None else own.expires_at + by
        extended = await self._store.files.extend(own.file_id, user_id, now, until)
        if extended is None:  # deleted meanwhile
            raise NoSuchFile(file_id)
        return extended

    async def delete(self, file_id: str, user_id: int) -> None:
        """Delete the person's own file with its bytes; on a full disk the bytes first, to make room."""
        try:
            condemned = await self._condemn(file_id, user_id)
        except StoreFull:
            own = await self._own(file_id, user_id, self._clock())
            await self._blobs.delete(own.blob_key)
            condemned = await self._condemn(file_id, user_id)
        await self._blobs.delete(condemned.blob_key)
        await self._store.files.remove([condemned.file_id])

    async def share(self, file_id: str, owner_id: int, user_id: int) -> None:
        """Let another person read the owner's file as long as it is kept."""
        valid = file_id_of(file_id)
        if not valid or not await self._store.shares.add(valid, owner_id, user_id, self._clock()):
            raise NoSuchFile(file_id)

    async def unshare(self, file_id: str, owner_id: int, user_id: int) -> None:
        """End a share; nothing happens if there is none."""
        own = await self._own(file_id, owner_id, self._clock())
        await self._store.shares.remove(own.file_id, owner_id, user_id)

    async def condemn_all_of(self, session_id: str, user_id: int) -> None:
        """Make the person's files of this session expire for good; on a full disk their bytes go first.

        Raises: StoreUnavailable, and then nothing has changed unless the disk is full; BytesStay once all has
        expired, if the disk keeps what waited for the database.
        """
        try:
            await self._store.files.condemn_all(user_id, session_id)
        except StoreFull:
            async for file in self.all_of(user_id, session_id):
                with suppress(OSError):
                    await self._blobs.delete(file.blob_key)
            await self._store.files.condemn_all(user_id, session_id)

    async def delete_all_of(self, session_id: str, user_id: int) -> None:
        """Delete the person's files of this session, with bytes that an earlier try has left.

        Raises: BytesStay once all were tried; StoreUnavailable.
        """
        left = 0
        try:
            await self.condemn_all_of(session_id, user_id)
        except BytesStay:
            left = 1
        now = self._clock()
        gone = await remove_expired(
            self._store.files, self._blobs, now, user_id=user_id, session_id=session_id
        )
        if gone.left or left:
            raise BytesStay("see the log")

    async def forget_person(self, user_id: int) -> int:
        """Delete all of a person except their usage: files and bytes, sessions, transcripts, shares.

        Bytes without a record, which a crash has left, are deleted, too. Returns how many files, sessions and
        folders the disk keeps. Raises: StoreUnavailable.
        """
        left = 0
        try:
            await self._store.files.condemn_all(user_id)
        except BytesStay:  # of what waited for the database
            left = 1
        left += (await remove_expired(self._store.files, self._blobs, self._clock(), user_id=user_id)).left
        for session in await self._store.sessions.of_user(user_id):
            left += await self._delete_transcript(session.session_id)
        await self._store.shares.forget_person(user_id)
        try:
            if await is_ours(self._store, self._blobs):
                await self._blobs.delete_folder(str(user_id))
        except (OSError, BytesStay):
            left += 1
            log.exception("bytes of person %s cannot be deleted", user_id)
        return left

    async def _delete_transcript(self, session_id: str) -> int:
        """Delete a session's record and transcript; returns 1 if the disk keeps bytes of it, else 0."""
        try:
            await self._store.sessions.delete(session_id)
        except BytesStay:
            return 1
        return 0

    async def _condemn(self, file_id: str, user_id: int) -> StoredFile:
        valid = file_id_of(file_id)
        condemned = valid and await self._store.files.condemn(valid, user_id, self._clock())
        if not condemned:
            raise NoSuchFile(file_id)
        return condemned

    async def _own(self, file_id: str, user_id: int, now: datetime) -> StoredFile:
        valid = file_id_of(file_id)
        found = valid and await self._store.files.readable(valid, user_id, now)
        if not found or found.user_id != user_id:
            raise NoSuchFile(file_id)
        return found

    async def _written(
        self,
        user_id: int,
        session_id: str,
        name: str,
        content: BinaryIO | bytes | AbstractAsyncContextManager[BinaryIO],
    ) -> tuple[str, str, Written]:
        if not isinstance(content, AbstractAsyncContextManager):
            await self._refuse_by_size(user_id, session_id, name, content)
            return await self._write(user_id, content)
        key = ""
        try:
            async with content as entered:
                await self._refuse_by_size(user_id, session_id, name, entered)
                file_id, key, written = await self._write(user_id, entered)
        except BaseException:  # also when a cell is cancelled: bytes without a record would stay
            if key:  # leaving the content raised: its bytes are not to be kept
                await to_the_end(self._drop_bytes(key))
            raise
        return file_id, key, written

    async def _drop_bytes(self, key: str) -> None:
        """Delete bytes that have no record. If the disk refuses, the janitor finds them."""
        with suppress(OSError):
            await self._blobs.delete(key)

    async def _refuse_by_size(
        self, user_id: int, session_id: str, name: str, content: BinaryIO | bytes
    ) -> None:
        """Refuse what the quota certainly has no room for before its bytes are copied, hashed and synced.

        Bytes that may be the newest version again are not refused, nor is anything if the database is away.
        Raises: FileTooLarge, QuotaExceeded.
        """
        size = size_left(content)
        if size > self.max_file:
            raise FileTooLarge(size, self.max_file)
        if size < ASKED_FOR:
            return
        now = self._clock()
        with suppress(StoreUnavailable):
            if await self._store.files.used(user_id, now, outputs=False) + size > self._quota:
                newest = await self._store.files.named(name, user_id, now, session_id)
                if newest is None or newest.file_size != size:
                    raise QuotaExceeded(await self._store.files.used(user_id, now), self._quota, size)

    async def _write(self, user_id: int, content: BinaryIO | bytes) -> tuple[str, str, Written]:
        """Keep the bytes under an id, which the file gets too unless another file has it."""
        for _ in range(ID_TRIES):
            file_id = self._new_id()
            key = f"{user_id}/{file_id}"
            try:
                return file_id, key, await self._blobs.put(key, content, limit=self.max_file)
            except BlobExists:  # raised before any of the content was read
                continue
            except OSError as error:
                if error.errno in DISK_FULL:
                    raise StoreFull(os.strerror(error.errno)) from error
                raise
        raise FileIdTaken(file_id)
