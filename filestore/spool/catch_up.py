"""Brings what waits in a spool into the database, in order, as soon as the database can be used.

catch_up = SpoolCatchUp(store, spool, clock)
await catch_up.bring_in()                                       # once
async for recorded in catch_up.recorded(session_id): ...        # files whose ids came late
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Never

from filestore.cancellation import to_the_end
from filestore.errors import (
    FileIdTaken,
    FileStoreError,
    NoSuchCell,
    NoSuchSession,
    QuotaExceeded,
    StoreUnavailable,
    TooManyFiles,
)
from filestore.records import CellRecord, Said, StoredFile
from filestore.spool.journal import Journal
from filestore.spool.spool import Spool
from filestore.spool.writes import EntryAdded, FileAdded, OutputsAppended, Write, new_batch, session_key
from filestore.store import Store

__all__ = ["Recorded", "SpoolCatchUp"]

log = logging.getLogger(__name__)

FIRST_PAUSE = 1.0  # seconds before a try; doubles up to LAST_PAUSE while tries fail
LAST_PAUSE = 30.0
GIVING_UP = 3  # failed journals after which, if none has succeeded, the others are left to the next try


@dataclass(frozen=True, slots=True)
class Recorded:
    """A cell's file that had to wait: it has its id now, or (`refused`) cannot be kept after all."""

    file: StoredFile
    refused: FileStoreError | None = None


class SpoolCatchUp:
    """Empties the spool, and tells whoever waits for them of files that have got their ids."""

    def __init__(self, store: Store, spool: Spool, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._spool = spool
        self._clock = clock
        self._recorded: defaultdict[str, asyncio.Queue[Recorded]] = defaultdict(asyncio.Queue)
        self._moved: dict[tuple[str, int], int] = {}  # new numbers of cells whose own number was taken

    async def recorded(self, session_id: str) -> AsyncIterator[Recorded]:
        """The files of a session's cells that had to wait, once they are in the database. Never ends."""
        queue = self._recorded[session_id]
        while True:
            yield await queue.get()

    def forget_session(self, session_id: str) -> None:
        """The session is gone: nobody is told of its files any more, and its numbers start again."""
        self._recorded.pop(session_id, None)
        self._moved = {cell: seq for cell, seq in self._moved.items() if cell[0] != session_id}

    async def bring_in_often(
        self,
        *,
        first_pause: float = FIRST_PAUSE,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> Never:
        """Bring in what waits, as soon as it can be, until cancelled."""
        pause = first_pause
        while True:
            await self._spool.something_waits.wait()
            await sleep(pause)  # no event tells that the database is back
            try:
                usable = await self.bring_in()
            except Exception:  # whatever fails this time, there must be a next try
                log.exception("what waits for the database could not be brought in")
                usable = False
            pause = first_pause if usable else min(2 * pause, LAST_PAUSE)

    async def bring_in(self) -> bool:
        """Try once to bring in what waits; returns whether the database can be used."""
        brought = failed = 0
        for journal in list(self._spool.waiting.values()):
            if failed == GIVING_UP and not brought:
                break
            try:
                brought += await self._bring_in(journal)
            except StoreUnavailable:
                failed += 1
                if journal.key in self._spool.waiting:  # next time the other journals come first
                    self._spool.waiting[journal.key] = self._spool.waiting.pop(journal.key)
        if not self._spool.waiting:
            self._spool.something_waits.clear()
        return brought > 0 or not failed

    async def bring_in_all_of(self, key: str) -> None:
        """Bring in what waits of one session or person. Raises: StoreUnavailable when not all of it is."""
        if (journal := self._spool.waiting.get(key)) is not None:
            await self._bring_in(journal)
            if journal.writes:
                raise StoreUnavailable(self._spool.reason)

    async def _bring_in(self, journal: Journal) -> int:
        """Bring in all that waits in one journal; returns how many writes. Raises: StoreUnavailable."""
        async with journal.turn:
            return await self._bring_in_in_order(journal)

    async def _bring_in_in_order(self, journal: Journal) -> int:
        count = 0
        while journal.writes:
            write = journal.writes[0]
            broken = False
            try:
                found = await self.bring_in_write(write)
                if isinstance(write, EntryAdded) and isinstance(found, int) and found != write.entry.seq:
                    await to_the_end(self._renumber(journal, write.entry, found))
            except (NoSuchCell, NoSuchSession) as gone:  # deleted meanwhile, with what was written of it
                log.info("a write of %s has become pointless: %s", journal.key, gone)
            except StoreUnavailable:
                await to_the_end(self._save(journal, anew=count > 0))
                if count:
                    break
                raise
            except Exception:  # whatever is wrong with this write, those after it must not wait for ever
                log.exception("a write of %s cannot be brought in, and is set aside", journal.key)
                broken = True
            await to_the_end(self._drop(journal, write, broken=broken))
            self._spool.can_be_used()
            count += 1
        return count

    async def _renumber(self, journal: Journal, entry: Said | CellRecord, new: int) -> None:
        """The entry's number was taken: writes that follow it are for its new number, also after a crash."""
        async with journal.lock:
            journal.renumber(entry.session_id, entry.seq, new)
            self.note_moved(entry.session_id, entry.seq, new)

    async def _drop(self, journal: Journal, write: Write, *, broken: bool) -> None:
        async with journal.lock:
            if journal.writes and journal.writes[0] is write:  # else it was dropped meanwhile
                await (journal.set_aside() if broken else journal.drop_first())
            if not journal.writes:
                self._spool.waiting.pop(journal.key, None)

    async def _save(self, journal: Journal, *, anew: bool) -> None:
        async with journal.lock:
            await (journal.rewrite() if anew else journal.save())

    async def bring_in_write(self, write: Write) -> object:
        """Do one write; returns and raises what the database does."""
        if not isinstance(write, FileAdded):
            return await write.bring_in(self._store)
        await self._bring_in_file(write)
        return None

    def note_moved(self, session_id: str, seq: int, new: int) -> None:
        """Note that the number of an entry was taken, and which number it has got instead."""
        log.warning("entry %d of %s has become entry %d: its number was taken", seq, session_id, new)
        self._moved[session_id, seq] = new

    def number(self, session_id: str, seq: int) -> int:
        """The number that an entry has now: another entry may have got its first number in the database."""
        return self._moved.get((session_id, seq), seq)

    async def _bring_in_file(self, write: FileAdded) -> None:
        """Record the file, add its id to its cell, and tell who waits. Its time to live begins only now."""
        now, file = self._clock(), write.file
        retention = file.expires_at - file.uploaded_at
        file = replace(file, uploaded_at=now, expires_at=now + retention)
        try:
            stored: StoredFile | None = await replace(write, file=file).bring_in(self._store)
        except FileIdTaken:  # an earlier try has added it
            stored = await self._store.files.readable(file.file_id, file.user_id, now)
        except (QuotaExceeded, TooManyFiles) as error:
            self._recorded[file.session_id].put_nowait(Recorded(file, error))
            return
        if stored is None:  # deleted meanwhile
            return
        if file.cell is not None:
            cell = self.number(file.session_id, file.cell)
            joined = OutputsAppended(file.session_id, cell, (), (stored.file_id,), new_batch())
            with suppress(NoSuchCell):
                await self._spool.write(
                    session_key(file.session_id), lambda: self.bring_in_write(joined), joined
                )
        self._recorded[file.session_id].put_nowait(Recorded(replace(stored, cell=file.cell)))
