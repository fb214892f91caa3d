"""Transcripts whose writes wait while the database cannot be used."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Unpack

from filestore.errors import StoreUnavailable
from filestore.records import (
    MOST_ENTRIES,
    RUNNING,
    Appended,
    CellEnding,
    CellRecord,
    Finished,
    Output,
    Said,
    Waiting,
    Wanted,
)
from filestore.spool.catch_up import SpoolCatchUp
from filestore.spool.overlay import with_writes
from filestore.spool.spool import Spool
from filestore.spool.writes import (
    CellFinished,
    CellsMarked,
    EntryAdded,
    MessageNoted,
    OutputsAppended,
    Write,
    new_batch,
    session_key,
)
from filestore.store import Store

__all__ = ["Early", "SpooledTranscripts"]

SHORT = 4096  # characters of code that are refused neither for a quota nor by an empty spool

type Early = Callable[[CellRecord], None]


class SpooledTranscripts:
    """store.Transcripts. While the database is away, numbers go on from the last one that is known."""

    def __init__(self, store: Store, spool: Spool, catch_up: SpoolCatchUp, highest: int) -> None:
        self._store = store
        self._spool = spool
        self._catch_up = catch_up
        self._highest = highest  # the highest number of any session
        self._last: dict[str, int] = {}  # the last number that this program gave, by session
        for write in spool.of_kind(EntryAdded):
            self._note(write.entry)
        self.last_seq = store.transcripts.last_seq
        self.outputs: Callable[[CellRecord], AsyncIterator[Output]] = store.transcripts.outputs
        self.kept_outside = store.transcripts.kept_outside
        self.make_room = store.transcripts.make_room
        self.copyable = store.transcripts.copyable

    async def say(self, session_id: str, place: str, author: str, markdown: str, at: datetime) -> Said:
        said = Said(session_id, 0, place, author, markdown, at)
        return await self._add(
            said, lambda: self._store.transcripts.say(session_id, place, author, markdown, at)
        )

    async def begin_cell(
        self,
        session_id: str,
        place: str,
        author: str,
        code: str,
        at: datetime,
        early: Early | None = None,
        *,
        least: int = 1,
    ) -> CellRecord:
        """`early` is called with the numbered cell just before it is recorded, so its code can run meanwhile.

        That way nobody waits for the two requests to MongoDB. It is called only if the cell is certain to be
        recorded, in the spool if necessary. So it is not called for long code, which can be refused for lack
        of room, nor while anything waits, because the spool may be full, nor for the first cell that this
        program records in a session, because only the database knows its number.
        """
        cell = CellRecord(session_id, 0, place, author, code, (), RUNNING, at)
        announced = 0

        async def begin() -> CellRecord:
            nonlocal announced
            last = self._last.get(session_id)
            certain = len(code) <= SHORT and not self._spool.waiting
            if early is not None and last is not None and certain:
                announced = max(last + 1, least)
                early(replace(cell, seq=announced))
            number = max(announced, least)
            return await self._store.transcripts.begin_cell(session_id, place, author, code, at, least=number)

        begun = await self._add(cell, begin)
        if announced not in (0, begun.seq):
            self._catch_up.note_moved(session_id, announced, begun.seq)
        return begun

    async def restore(self, entry: Said | CellRecord) -> int:
        seq = await self._store.transcripts.restore(entry)
        self._note(replace(entry, seq=seq))
        return seq

    def waiting(self, session_id: str) -> Waiting | None:
        """Why writes of the session wait, and how safely; None if everything is in the database."""
        return self._spool.state(session_key(session_id))

    async def append_outputs(
        self, session_id: str, seq: int, outputs: Sequence[Output], **more: Unpack[Appended]
    ) -> Finished:
        """Writes wait with all their outputs, so `outside` is ignored."""
        number, batch = self._catch_up.number(session_id, seq), more.get("batch") or new_batch()
        appended = OutputsAppended(session_id, number, tuple(outputs), tuple(more.get("file_ids", ())), batch)
        return await self._write(session_id, appended)

    async def finish_cell(self, session_id: str, seq: int, **ending: Unpack[CellEnding]) -> Finished:
        """Writes wait with all their outputs, so `outside` is ignored."""
        outputs = ending.get("outputs")
        finished = CellFinished(
            session_id,
            self._catch_up.number(session_id, seq),
            ending["status"],
            None if outputs is None else tuple(outputs),
            ending.get("execution_time"),
            ending.get("execution_count"),
            tuple(ending.get("file_ids", ())),
        )
        return await self._write(session_id, finished)

    async def mark(self, session_id: str, seqs: Sequence[int], undone: bool) -> None:
        numbers = tuple(self._catch_up.number(session_id, seq) for seq in seqs)
        await self._write(session_id, CellsMarked(session_id, numbers, undone))

    async def copy(self, session_id: str, to: str, upto: int) -> int:
        """What waits of both sessions is brought in first: a copy cannot wait, nor be made without it."""
        for each in (session_id, to):
            await self._catch_up.bring_in_all_of(session_key(each))
        upto = self._catch_up.number(session_id, upto)
        try:
            return await self._store.transcripts.copy(session_id, to, upto)
        finally:
            self._last.pop(to, None)  # the database knows how it goes on counting

    async def entries(self, session_id: str, **wanted: Unpack[Wanted]) -> list[Said | CellRecord]:
        waiting = self._spool.writes(session_key(session_id))
        found = await self._spool.reads.read(lambda: self._store.transcripts.entries(session_id, **wanted))
        entries = with_writes(found, waiting, after=wanted.get("after", 0), place=wanted.get("place"))
        return entries[: wanted.get("limit", MOST_ENTRIES)]

    async def newest(
        self, session_id: str, *, before: int | None = None, limit: int = 50, place: str | None = None
    ) -> list[Said | CellRecord]:
        waiting = self._spool.writes(session_key(session_id))
        found = await self._spool.reads.read(
            lambda: self._store.transcripts.newest(session_id, before=before, limit=limit, place=place)
        )
        entries = reversed(with_writes(found, waiting, place=place))
        return [entry for entry in entries if before is None or entry.seq < before][:limit]

    async def unfinished(self, session_id: str) -> list[CellRecord]:
        waiting = self._spool.writes(session_key(session_id))
        found = await self._spool.reads.read(lambda: self._store.transcripts.unfinished(session_id))
        cells = [entry for entry in with_writes(found, waiting) if isinstance(entry, CellRecord)]
        return [cell for cell in cells if cell.status == RUNNING]

    async def clear(self, session_id: str) -> None:
        key = session_key(session_id)
        await self._spool.drop_writes(
            key, EntryAdded, OutputsAppended, CellFinished, CellsMarked, MessageNoted
        )
        await self._store.transcripts.clear(session_id)
        await self._spool.forget_aside(key)

    def forget_session(self, session_id: str) -> None:
        """The session is gone, and its numbers start again."""
        self._last.pop(session_id, None)
        self._catch_up.forget_session(session_id)

    async def _add[Entry: (Said, CellRecord)](
        self, entry: Entry, direct: Callable[[], Coroutine[Any, Any, Entry]]
    ) -> Entry:
        added = entry

        async def add() -> None:
            nonlocal added
            added = await direct()
            self._note(added)

        async def instead() -> EntryAdded:
            nonlocal added
            added = replace(entry, seq=await self._last_of(entry.session_id) + 1)
            self._note(added)
            return EntryAdded(added)

        await self._spool.write(session_key(entry.session_id), add, instead)
        return added

    async def _write(self, session_id: str, write: Write) -> Finished:
        written = await self._spool.write(
            session_key(session_id), lambda: self._catch_up.bring_in_write(write), write
        )
        return written if isinstance(written, Finished) else Finished()

    def _note(self, entry: Said | CellRecord) -> None:
        self._last[entry.session_id] = max(entry.seq, self._last.get(entry.session_id, 0))
        self._highest = max(entry.seq, self._highest)

    async def _last_of(self, session_id: str) -> int:
        if session_id in self._last:
            return self._last[session_id]
        try:
            return await self._spool.reads.read(lambda: self._store.transcripts.last_seq(session_id))
        except StoreUnavailable:  # the highest number of any session: there may be a gap, never a clash
            return self._highest
