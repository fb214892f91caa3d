"""A store that keeps large outputs as bytes outside the cells' records, and counts them in people's quotas.

    async with open_store(data) as database:
        store = with_large_outputs(database, Blobs(data / "files"), quota=QUOTA, clock=clock)

If the outputs of one write are larger than LARGE, they become one object of bytes with a line of JSON for
each, and the record has their short form. So reading a transcript costs no more than reading its text, unless
the outputs are asked for, one by one. Everything that a transcript holds counts. When a quota is used up, the
person's oldest large outputs are reduced to their short forms, to make room for a new output or file. If
there is no room even then, a new output is kept in its short form, long words are cut, and long code is
refused. Small outputs, words and code are always kept.

The bytes are durable before the record refers to them. Bytes that nothing refers to any more are deleted
after the record has changed, except that those of a whole transcript are deleted before it. A crash in
between leaves an orphan for the janitor, or a record whose bytes are missing, of which the short form is
shown.
"""

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import BinaryIO, Unpack, cast

from filestore.blobs.removal import delete_all
from filestore.blobs.space import DISK_FULL, in_thread
from filestore.blobs.store import Blobs
from filestore.cancellation import to_the_end
from filestore.errors import (
    BlobMissing,
    BytesRefused,
    BytesStay,
    NoSuchSession,
    QuotaExceeded,
    StoreUnavailable,
)
from filestore.outputs.copies import LARGEST, copy_bytes
from filestore.outputs.lines import OutputLines, some_lines
from filestore.outputs.outside import all_outputs
from filestore.outputs.short import LOST, NO_ROOM, note, short, size_of
from filestore.records import (
    Appended,
    CellEnding,
    CellRecord,
    Finished,
    Output,
    OutsideOutputs,
    QuotaRoom,
    Said,
    SessionRecord,
    StoredFile,
    Wanted,
    copied_key,
)
from filestore.store import FileRecords, SessionRecords, Store, Transcripts

__all__ = ["LARGE", "with_large_outputs"]

log = logging.getLogger(__name__)

LATE = 1024  # bytes of an output after its cell's end that is kept in any case; there may be many
LARGE = 32 * 1024  # characters of the outputs of one write, of code or of words; less is small
CUT = "Cut: your quota had no room for the rest of this. Delete files to make room."
NOBODY = "nobody"  # the folder of sessions whose person is not known
READ_TRIES = 5


_Writing = Callable[[Sequence[Output], OutsideOutputs | None], Awaitable[Finished]]


def with_large_outputs(database: Store, blobs: Blobs, *, quota: int, clock: Callable[[], datetime]) -> Store:
    """The store over a database. `quota` is in bytes for each person, for files and transcripts together."""
    room = _Quota(database, blobs, quota, clock)
    transcripts = _QuotaTranscripts(database.transcripts, blobs, room)
    return replace(
        database,
        files=_QuotaFiles(database.files, room),
        transcripts=transcripts,
        sessions=_QuotaSessions(database.sessions, transcripts, room),
    )


class _Quota:
    """Knows whom a session belongs to, and makes room in that person's quota."""

    def __init__(self, database: Store, blobs: Blobs, quota: int, clock: Callable[[], datetime]) -> None:
        self._files = database.files
        self._sessions = database.sessions
        self._transcripts = database.transcripts
        self._blobs = blobs
        self._quota = quota
        self._clock = clock
        self._owners: dict[str, int] = {}
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def owner(self, session_id: str) -> int | None:
        """The person that a session belongs to. Raises: StoreUnavailable."""
        if session_id not in self._owners:
            record = await self._sessions.get(session_id)
            if record is None:
                return None
            self._owners[session_id] = record.user_id
        return self._owners[session_id]

    def note(self, record: SessionRecord) -> None:
        """Remember whom a session belongs to."""
        self._owners[record.session_id] = record.user_id

    def forget_session(self, session_id: str) -> None:
        """The session is gone."""
        self._owners.pop(session_id, None)

    def lock(self, user_id: int | None) -> AbstractAsyncContextManager[None]:
        """To be held from checking a person's room until the write is done; nobody (None) has no limit."""
        if user_id is None:
            return nullcontext()
        if len(self._locks) > 1000:
            for free in [person for person, lock in self._locks.items() if not lock.locked()]:
                del self._locks[free]
        return self._locks[user_id]

    async def check(self, user_id: int, size: int) -> None:
        """Raises: QuotaExceeded if there is no room as it is; StoreUnavailable."""
        used = await self._files.used(user_id, self._clock())
        if used + size > self._quota:
            raise QuotaExceeded(used, self._quota, size)

    async def make_room(self, user_id: int | None, size: int, quota: int | None = None) -> None:
        """Shorten a person's oldest large outputs to make room. Raises: QuotaExceeded, StoreUnavailable."""
        quota = self._quota if quota is None else quota
        while user_id is not None:
            room = await self._transcripts.make_room(user_id, size, quota, self._clock())
            await delete_all(self._blobs, room.dropped)
            if room.fits:
                return
            if not room.shortened:
                raise QuotaExceeded(room.used, quota, size)


class _QuotaTranscripts:
    """store.Transcripts."""

    def __init__(self, transcripts: Transcripts, blobs: Blobs, quota: _Quota) -> None:
        self._transcripts = transcripts
        self._blobs = blobs
        self._quota = quota
        self.restore = transcripts.restore
        self.last_seq = transcripts.last_seq
        self.newest = transcripts.newest
        self.unfinished = transcripts.unfinished
        self.kept_outside = transcripts.kept_outside
        self.mark = transcripts.mark
        self.copyable = transcripts.copyable

    async def say(self, session_id: str, place: str, author: str, markdown: str, at: datetime) -> Said:
        """Long words are cut if there is no room: an answer that was given cannot be refused any more."""
        try:
            await self._make_room_for(session_id, markdown)
        except QuotaExceeded:
            markdown = f"{markdown[: LARGE // 2]}\n\n[{CUT}]"
        return await self._transcripts.say(session_id, place, author, markdown, at)

    async def begin_cell(
        self, session_id: str, place: str, author: str, code: str, at: datetime, *, least: int = 1
    ) -> CellRecord:
        """Raises: QuotaExceeded if the code is long and there is no room."""
        await self._make_room_for(session_id, code)
        return await self._transcripts.begin_cell(session_id, place, author, code, at, least=least)

    async def append_outputs(
        self, session_id: str, seq: int, outputs: Sequence[Output], **more: Unpack[Appended]
    ) -> Finished:
        async def write(outputs: Sequence[Output], outside: OutsideOutputs | None) -> Finished:
            told: Appended = {**more, "outside": outside}
            return await self._transcripts.append_outputs(session_id, seq, outputs, **told)

        return await self._write(session_id, outputs, write, always=LATE)

    async def finish_cell(self, session_id: str, seq: int, **ending: Unpack[CellEnding]) -> Finished:
        async def write(outputs: Sequence[Output], outside: OutsideOutputs | None) -> Finished:
            told: CellEnding = {**ending, "outputs": outputs, "outside": outside}
            return await self._transcripts.finish_cell(session_id, seq, **told)

        if outputs := ending.get("outputs"):
            return await self._write(session_id, outputs, write)
        return await self._transcripts.finish_cell(session_id, seq, **ending)

    async def entries(self, session_id: str, **wanted: Unpack[Wanted]) -> list[Said | CellRecord]:
        found = await self._transcripts.entries(session_id, **wanted)
        if wanted.get("brief"):
            return found
        return [await self._whole(entry) if isinstance(entry, CellRecord) else entry for entry in found]

    def outputs(self, cell: CellRecord) -> AsyncIterator[Output]:
        """One by one; in place of missing bytes it gives their short form, with a note."""
        return all_outputs(cell, partial(self._outside, cell))

    async def _outside(self, cell: CellRecord, part: OutsideOutputs) -> AsyncIterator[Output]:
        if part.row is not None:
            async for output in self._transcripts.outputs(replace(cell, outputs=(), outside=(part,))):
                yield output
            return
        try:
            file = await self._blobs.open(part.blob_key)
        except BlobMissing:
            log.error("outputs of cell %d of session %s are missing", cell.seq, cell.session_id)
            for output in (*cell.outputs[part.start : part.start + part.short], note(LOST)):
                yield output
            return
        with file:
            while lines := await in_thread(partial(some_lines, file)):
                for output in lines:
                    yield output

    async def copy(self, session_id: str, to: str, upto: int) -> int:
        """Old outputs make no room for a copy, of which they may be a part. A cancelled caller waits for it.

        Raises: BytesRefused, too.
        """
        return await to_the_end(self._copy(session_id, to, upto))

    async def _copy(self, session_id: str, to: str, upto: int) -> int:
        owner = await self._quota.owner(session_id)
        if owner is None:
            raise NoSuchSession(session_id)
        async with self._quota.lock(owner):
            takes = await self._transcripts.copyable(session_id, to, upto)
            await self._quota.check(owner, takes.size)
            try:
                await copy_bytes(self._blobs, takes.keys, to)
                return await self._transcripts.copy(session_id, to, upto)
            finally:
                await self._drop_unused({copied_key(key, to) for key in takes.keys}, to)

    async def _drop_unused(self, copies: set[str], to: str) -> None:
        """Delete the bytes of copies that no entry refers to; if that cannot be told, the janitor does."""
        with suppress(StoreUnavailable):
            await delete_all(self._blobs, copies.difference(await self._transcripts.kept_outside(to)))

    async def clear(self, session_id: str) -> None:
        """Delete the bytes first, so that nothing of them can stay."""
        await self.delete_bytes(session_id)
        await self._transcripts.clear(session_id)

    async def delete_bytes(self, session_id: str) -> None:
        """Delete the bytes of a session's outputs. Raises: BytesStay."""
        if await delete_all(self._blobs, await self._transcripts.kept_outside(session_id)):
            raise BytesStay("see the log")

    async def _whole(self, cell: CellRecord) -> CellRecord:
        for _ in range(READ_TRIES):
            if not cell.outside:
                return cell
            whole = replace(cell, outputs=tuple([output async for output in self.outputs(cell)]), outside=())
            now = await self._transcripts.entries(cell.session_id, after=cell.seq - 1, limit=1)
            match now:
                case [CellRecord(seq=cell.seq) as again] if again.outside != cell.outside:
                    cell = again  # it was replaced or shortened while we read it
                case _:
                    break
        return whole

    async def make_room(self, user_id: int, size: int, quota: int, now: datetime) -> QuotaRoom:
        """As the database does it; the bytes of what is shortened are deleted, too.

        Not while outputs are being written: their bytes are there before an entry refers to them.
        """
        async with self._quota.lock(user_id):
            room = await self._transcripts.make_room(user_id, size, quota, now)
        await delete_all(self._blobs, room.dropped)
        return replace(room, dropped=())

    async def _make_room_for(self, session_id: str, text: str) -> None:
        if len(text) > LARGE:
            owner = await self._quota.owner(session_id)
            async with self._quota.lock(owner):
                await self._quota.make_room(owner, len(text))

    async def _write(
        self, session_id: str, outputs: Sequence[Output], write: _Writing, always: int = LARGE
    ) -> Finished:
        """Record outputs of up to `always` bytes in any case, larger ones if there is room."""
        size = size_of(outputs)
        if size <= always:
            finished = await write(outputs, None)
        else:
            owner = await self._quota.owner(session_id)
            async with self._quota.lock(owner):
                if size > LARGE:
                    finished = await self._write_large(owner, outputs, write)
                else:
                    finished = await self._write_small(owner, outputs, size, write)
        await delete_all(self._blobs, finished.dropped)
        return replace(finished, dropped=())

    async def _write_small(
        self, owner: int | None, outputs: Sequence[Output], size: int, write: _Writing
    ) -> Finished:
        try:
            await self._quota.make_room(owner, size)
        except QuotaExceeded:
            return replace(await write([note(NO_ROOM)], None), whole=False)
        return await write(outputs, None)

    async def _write_large(self, owner: int | None, outputs: Sequence[Output], write: _Writing) -> Finished:
        brief = await in_thread(partial(short, outputs))
        key = f"{NOBODY if owner is None else owner}/out-{secrets.token_hex(8)}"
        try:
            written = await self._blobs.put(key, cast("BinaryIO", OutputLines(outputs)), limit=LARGEST)
        except OSError as error:
            raise BytesRefused(str(error.strerror), full=error.errno in DISK_FULL) from error
        try:
            await self._quota.make_room(owner, written.size)
            return await write(brief, OutsideOutputs(key, written.size, len(outputs), short=len(brief)))
        except QuotaExceeded:
            await delete_all(self._blobs, [key])
            return replace(await write(short(outputs, NO_ROOM), None), whole=False)
        except BaseException:  # another try writes the bytes again
            with suppress(OSError):
                await self._blobs.delete(key)
            raise


class _QuotaFiles:
    """store.FileRecords; `add` shortens old outputs if a file needs the room."""

    def __init__(self, files: FileRecords, quota: _Quota) -> None:
        self._files = files
        self._quota = quota
        self.readable = files.readable
        self.named = files.named
        self.page = files.page
        self.extend = files.extend
        self.used = files.used
        self.recount = files.recount
        self.condemn = files.condemn
        self.condemn_all = files.condemn_all
        self.condemned = files.condemned
        self.remove = files.remove
        self.known_keys = files.known_keys
        self.batch = files.batch

    async def add(self, file: StoredFile, *, quota: int, most: int | None = None) -> StoredFile:
        try:
            return await self._files.add(file, quota=quota, most=most)
        except QuotaExceeded:
            async with self._quota.lock(file.user_id):
                await self._quota.make_room(file.user_id, file.file_size, quota)
                return await self._files.add(file, quota=quota, most=most)


class _QuotaSessions:
    """store.SessionRecords; `delete` deletes the bytes of outputs, too."""

    def __init__(self, sessions: SessionRecords, transcripts: "_QuotaTranscripts", quota: _Quota) -> None:
        self._sessions = sessions
        self._transcripts = transcripts
        self._quota = quota
        self.get = sessions.get
        self.touch = sessions.touch
        self.touch_all = sessions.touch_all
        self.set_kernel = sessions.set_kernel
        self.set_history = sessions.set_history
        self.of_user = sessions.of_user
        self.with_history = sessions.with_history
        self.idle_since = sessions.idle_since
        self.unfinished = sessions.unfinished
        self.erase_deleted = sessions.erase_deleted

    async def get_or_create(self, session_id: str, user_id: int, place: str, at: datetime) -> SessionRecord:
        record = await self._sessions.get_or_create(session_id, user_id, place, at)
        self._quota.note(record)
        return record

    async def delete(self, session_id: str) -> None:
        """The rows go though the disk may keep bytes of outputs, which the janitor tries again to delete.

        Raises: BytesStay once all was tried.
        """
        stays: BytesStay | None = None
        try:
            await self._transcripts.delete_bytes(session_id)
        except BytesStay as error:
            stays = error
        await self._sessions.delete(session_id)
        self._quota.forget_session(session_id)
        if stays is not None:
            raise stays
