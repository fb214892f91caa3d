"""A store whose writes wait in a spool while its database cannot be used: see `filestore.spool`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from filestore.errors import BytesStay, NotRecordedYet, QuotaExceeded, StoreUnavailable, TooManyFiles
from filestore.records import (
    EPOCH,
    CellRecord,
    MessageCell,
    SessionRecord,
    StoredFile,
    UsageRecord,
    UsageTotal,
    storable_history,
)
from filestore.spool.catch_up import FIRST_PAUSE, SpoolCatchUp
from filestore.spool.journal import name_others
from filestore.spool.spool import Spool, SpoolRoom
from filestore.spool.transcripts import SpooledTranscripts
from filestore.spool.writes import (
    EntryAdded,
    FileAdded,
    HistoryNoted,
    KernelNoted,
    MessageNoted,
    SessionOpened,
    SessionTouched,
    UsageAdded,
    person_key,
    session_key,
)
from filestore.store import Store

__all__ = ["SpooledStore", "spooled"]


LAST = datetime.max.replace(tzinfo=UTC)
Work = Callable[[], Coroutine[Any, Any, object]]
Start = Callable[[Work, str], "asyncio.Task[Any]"]


def _started(work: Work, name: str) -> "asyncio.Task[Any]":
    return asyncio.create_task(work(), name=name)


class SpooledSessions:
    """store.SessionRecords."""

    def __init__(self, store: Store, spool: Spool, transcripts: SpooledTranscripts) -> None:
        self._sessions = store.sessions
        self._spool = spool
        self._transcripts = transcripts
        self.touch_all = store.sessions.touch_all
        self.idle_since = store.sessions.idle_since
        self.erase_deleted = store.sessions.erase_deleted

    async def get_or_create(self, session_id: str, user_id: int, place: str, at: datetime) -> SessionRecord:
        key = session_key(session_id)
        self._spool.owners[key] = person_key(user_id)
        found = await self._spool.write(
            key,
            lambda: self._sessions.get_or_create(session_id, user_id, place, at),
            SessionOpened(session_id, user_id, place, at),
        )
        if found is None:
            try:
                found = await self._spool.reads.read(lambda: self._sessions.get(session_id))
            except StoreUnavailable:
                found = None
            found = self._as_noted(found or SessionRecord(session_id, user_id, place, None, at, at))
        return found

    async def get(self, session_id: str) -> SessionRecord | None:
        """The session, with the newest notes on its kernel and its history even if these wait."""
        found = await self._spool.reads.read(lambda: self._sessions.get(session_id))
        return self._as_noted(found) if found is not None else None

    def _as_noted(self, record: SessionRecord) -> SessionRecord:
        key = session_key(record.session_id)
        for kernel in self._spool.of_kind(KernelNoted, key):
            record = replace(record, kernel=kernel.kernel)
        for history in self._spool.of_kind(HistoryNoted, key):
            record = replace(record, history=history.history)
        return record

    async def of_user(self, user_id: int) -> list[SessionRecord]:
        found = [self._as_noted(record) for record in await self._sessions.of_user(user_id)]
        known = {record.session_id for record in found}
        for write in self._spool.of_kind(SessionOpened):  # so that forgetting a person forgets these too
            if write.user_id == user_id and write.session_id not in known:
                record = SessionRecord(write.session_id, user_id, write.place, None, write.at, write.at)
                found.insert(0, self._as_noted(record))
                known.add(write.session_id)
        return found

    async def with_history(self, part: str) -> list[SessionRecord]:
        """With those whose history waits, if the sessions themselves do not."""
        found = {record.session_id: record for record in await self._sessions.with_history(part)}
        for note in self._spool.of_kind(HistoryNoted):
            if note.session_id not in found and (record := await self._sessions.get(note.session_id)):
                found[note.session_id] = record
        noted = [self._as_noted(record) for _, record in sorted(found.items())]
        return [record for record in noted if part in (record.history or "")]

    async def touch(self, session_id: str, at: datetime) -> None:
        await self._spool.write(
            session_key(session_id),
            lambda: self._sessions.touch(session_id, at),
            SessionTouched(session_id, at),
        )

    async def set_kernel(self, session_id: str, kernel: str | None) -> None:
        await self._note(
            KernelNoted(session_id, kernel), lambda: self._sessions.set_kernel(session_id, kernel)
        )

    async def set_history(self, session_id: str, text: str | None) -> None:
        history = storable_history(text)
        await self._note(
            HistoryNoted(session_id, history), lambda: self._sessions.set_history(session_id, history)
        )

    async def _note(self, note: KernelNoted | HistoryNoted, direct: Work) -> None:
        """Of several notes only the last one waits: room in the spool is for what cells have shown.

        One for which there is no room replaces none.
        """
        key = session_key(note.session_id)
        await self._spool.write(key, direct, note)
        if len(self._spool.of_kind(type(note), key)) > 1:
            await self._spool.keep_last(key, type(note))

    async def unfinished(self, since: datetime) -> list[SessionRecord]:
        """Includes sessions whose cells wait."""
        found = await self._sessions.unfinished(since)
        known = {record.session_id for record in found}
        begun = [write.entry for write in self._spool.of_kind(EntryAdded)]
        waiting = {entry.session_id for entry in begun if isinstance(entry, CellRecord)}
        for session_id in sorted(waiting - known):
            record = await self._sessions.get(session_id)
            if record is not None and record.last_used_at > since:
                found.append(record)
        return found

    async def delete(self, session_id: str) -> None:
        """Raises: BytesStay once all was tried, if the disk keeps what waits, or bytes of outputs."""
        stays: BytesStay | None = None
        try:
            await self._spool.drop_writes(session_key(session_id))
        except BytesStay as error:
            stays = error
        try:
            await self._sessions.delete(session_id)
        except BytesStay as error:  # of outputs; the session is gone
            stays = error
        self._transcripts.forget_session(session_id)
        self._spool.owners.pop(session_key(session_id), None)
        if stays is not None:
            raise stays


class SpooledUsage:
    """store.Usage. Usage that waits counts, so nothing is free while the database is away."""

    def __init__(self, store: Store, spool: Spool, catch_up: SpoolCatchUp) -> None:
        self._usage = store.usage
        self._spool = spool
        self._catch_up = catch_up
        self.forget_kept = store.usage.forget_kept

    async def add(self, usage: UsageRecord, *, again: bool = False) -> None:
        await self._spool.write(
            person_key(usage.user_id), lambda: self._usage.add(usage, again=again), UsageAdded(usage)
        )

    async def total(self, user_id: int, since: datetime, before: datetime | None = None) -> UsageTotal:
        # Read first: better to count it twice than not at all.
        waiting = [write.usage for write in self._spool.of_kind(UsageAdded, person_key(user_id))]
        total = await self._spool.reads.read(lambda: self._usage.total(user_id, since, before))
        for used in waiting:
            if since <= used.at < (before or LAST):
                total += UsageTotal(1, used.input_tokens, used.output_tokens, used.cost, used.cell_seconds)
        return total

    async def forget_person(
        self, user_id: int, *, kept_as: int | None = None, since: datetime = EPOCH
    ) -> None:
        """With `kept_as`, what waits is brought into the database first, so that it is kept as well.

        All else that waits of the person is dropped. Raises: BytesStay once all was tried.
        """
        if kept_as is not None:
            await self._catch_up.bring_in_all_of(person_key(user_id))
        try:
            await self._spool.forget_person(user_id)
        finally:
            await self._usage.forget_person(user_id, kept_as=kept_as, since=since)


class SpooledFiles:
    """store.FileRecords.

    What a cell wrote can wait. What a person uploads is refused: they can send it again.
    """

    def __init__(self, store: Store, spool: Spool, catch_up: SpoolCatchUp) -> None:
        self._files = store.files
        self._spool = spool
        self._catch_up = catch_up
        self.readable = store.files.readable
        self.named = store.files.named
        self.page = store.files.page
        self.extend = store.files.extend
        self.used = store.files.used
        self.recount = store.files.recount
        self.condemn = store.files.condemn
        self.condemned = store.files.condemned
        self.remove = store.files.remove
        self.batch = store.files.batch

    async def add(self, file: StoredFile, *, quota: int, most: int | None = None) -> StoredFile:
        """Raises: NotRecordedYet if the record waits; `SpoolCatchUp.recorded` tells when it has its id."""
        if file.source != "generated":
            return await self._files.add(file, quota=quota, most=most)
        key = person_key(file.user_id)
        waits = [write.file.file_size for write in self._spool.of_kind(FileAdded, key)]
        if waits and sum(waits) + file.file_size > quota:
            raise QuotaExceeded(sum(waits), quota, file.file_size)
        if most is not None and len(waits) >= most:
            raise TooManyFiles(most)
        stored = await self._spool.write(
            key, lambda: self._files.add(file, quota=quota, most=most), FileAdded(file, quota, most)
        )
        if stored is None:
            raise NotRecordedYet(self._spool.reason)
        return stored

    async def condemn_all(self, user_id: int, session_id: str | None = None) -> None:
        """Records that wait are brought in first, because the bytes are found and deleted by them.

        What was set aside of them is deleted here. Raises: StoreUnavailable if that is not possible; once the
        records are condemned BytesStay, if the disk keeps what was set aside.
        """
        await self._catch_up.bring_in_all_of(person_key(user_id))
        await self._files.condemn_all(user_id, session_id)
        await self._spool.forget_aside(person_key(user_id), session_id)

    async def known_keys(self, blob_keys: Collection[str]) -> set[str]:
        """Includes keys of records that wait: their bytes are no orphans."""
        waiting = {write.file.blob_key for write in self._spool.of_kind(FileAdded)}
        return await self._files.known_keys(blob_keys) | waiting.intersection(blob_keys)


class SpooledMessageCells:
    """store.MessageCells."""

    def __init__(self, store: Store, spool: Spool, catch_up: SpoolCatchUp) -> None:
        self._cells = store.message_cells
        self._spool = spool
        self._catch_up = catch_up

    async def set(self, cell: MessageCell) -> None:
        noted = MessageNoted(replace(cell, seq=self._catch_up.number(cell.session_id, cell.seq)))
        await self._spool.write(
            session_key(cell.session_id), lambda: self._catch_up.bring_in_write(noted), noted
        )

    async def get(self, message_id: int) -> MessageCell | None:
        waiting = _newest(self._spool.of_kind(MessageNoted))
        return waiting.get(message_id) or await self._cells.get(message_id)

    async def of_cell(self, session_id: str, seq: int) -> list[MessageCell]:
        found = {cell.message_id: cell for cell in await self._cells.of_cell(session_id, seq)}
        found |= _newest(self._spool.of_kind(MessageNoted, session_key(session_id)))
        return [cell for _, cell in sorted(found.items()) if cell.seq == seq]

    async def going_on(self, since: int) -> list[MessageCell]:
        found = {cell.message_id: cell for cell in await self._cells.going_on(since)}
        found |= _newest(self._spool.of_kind(MessageNoted))
        notes = [cell for message_id, cell in sorted(found.items()) if message_id >= since]
        return [cell for cell in notes if cell.first > 0 or cell.turn]


def _newest(notes: Iterable[MessageNoted]) -> dict[int, MessageCell]:
    """The last note on each message that waits, which replaces what the database has."""
    return {note.cell.message_id: note.cell for note in notes}


@dataclass(frozen=True, slots=True)
class SpooledStore(Store):
    """A store, with `catch_up`, which brings in the writes that wait."""

    files: SpooledFiles
    transcripts: SpooledTranscripts
    sessions: SpooledSessions
    usage: SpooledUsage
    message_cells: SpooledMessageCells
    catch_up: SpoolCatchUp


@asynccontextmanager
async def spooled(
    store: Store,
    folder: Path,
    *,
    clock: Callable[[], datetime],
    start: Start = _started,
    before: Callable[[SpooledFiles], Awaitable[None]] | None = None,
    room: SpoolRoom | None = None,
    first_pause: float = FIRST_PAUSE,
) -> AsyncIterator[SpooledStore]:
    """The store, with a spool in `folder` (0700), for one program at a time.

    The writes for each database wait in a folder of their own, which is named by the database's id, so they
    never get into another database. What an earlier program left there is brought in first; what waits for
    other databases is logged. `before` is awaited before anything is brought in, with the files that are
    known by then. `start` starts the task that brings in later writes; the caller may have a way of its own
    to keep it alive. Raises: StoreUnavailable.
    """
    folder = folder / await store.identity.id()
    spool = Spool(folder, room or SpoolRoom())
    catch_up = SpoolCatchUp(store, spool, clock)
    try:
        await asyncio.to_thread(name_others, folder)
        await spool.load()
    except OSError as error:
        raise StoreUnavailable(f"{folder}: {error.strerror}") from error
    files = SpooledFiles(store, spool, catch_up)
    if before is not None:
        await before(files)
    await catch_up.bring_in()
    transcripts = SpooledTranscripts(store, spool, catch_up, await store.transcripts.last_seq())
    bringing_in = start(partial(catch_up.bring_in_often, first_pause=first_pause), "spool")
    try:
        yield SpooledStore(
            store.identity,
            files,
            store.shares,
            transcripts,
            SpooledSessions(store, spool, transcripts),
            SpooledUsage(store, spool, catch_up),
            store.server_settings,
            SpooledMessageCells(store, spool, catch_up),
            catch_up,
        )
    finally:
        bringing_in.cancel()
        await asyncio.wait([bringing_in])
        await spool.save()
