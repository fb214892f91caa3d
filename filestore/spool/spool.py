"""The journals of all sessions and people, and the task that brings them into the database.

spool = Spool(store, folder, clock)
cell = await spool.write(key, lambda: store.transcripts.begin_cell(...), instead)
async for stored in spool.recorded(): ...       # files that have got their ids late
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Never
from weakref import WeakValueDictionary

from filestore.errors import (
    FileIdTaken,
    FileStoreError,
    NoSuchCell,
    NoSuchSession,
    QuotaExceeded,
    SpoolFull,
    StoreFull,
    StoreUnavailable,
)
from filestore.records import StoredFile, Waiting
from filestore.spool.journal import Journal, loaded
from filestore.spool.reads import Reads
from filestore.spool.writes import (
    CellFinished,
    EntryAdded,
    FileAdded,
    OutputsAppended,
    Write,
    encode,
    new_batch,
    session_key,
)
from filestore.store import Store

__all__ = ["Recorded", "Spool"]

log = logging.getLogger(__name__)

MIB = 1024 * 1024
A_PERSON = 4 * MIB  # bytes of lines that may wait for one person, over all of their sessions
IN_ALL = 64 * MIB  # for everybody; as much memory is taken several times over
SMALL = 4096  # bytes of a line that also fits when `IN_ALL` is reached, so that cells go on without outputs
SPARE = 1 * MIB  # bytes of a person for such lines, beyond `A_PERSON`
FIRST_PAUSE = 1.0  # seconds until what waits is tried; doubles up to LAST_PAUSE while nothing can be done
LAST_PAUSE = 30.0
GIVING_UP = 3  # journals in vain, and none with success, after which the others need not be tried now


@dataclass(frozen=True, slots=True)
class Recorded:
    """A cell's file that had to wait: it has its id now, or (`refused`) cannot be kept after all."""

    file: StoredFile
    refused: FileStoreError | None = None


class Spool:
    """See the module's text. `away` is why the database cannot be used, None while it can."""

    def __init__(self, store: Store, folder: Path, clock: Callable[[], datetime]) -> None:
        self.away: StoreUnavailable | None = None
        self.reads = Reads()
        self._moved: dict[
            tuple[str, int], int
        ] = {}  # numbers of cells that were another's, and their new ones
        self.owners: dict[str, str] = {}  # by key of a session: the key of its person
        self._store = store
        self._folder = folder
        self._clock = clock
        self._journals: WeakValueDictionary[str, Journal] = WeakValueDictionary()
        self._waiting: dict[str, Journal] = {}
        self._something_waits = asyncio.Event()
        self._recorded: defaultdict[str, asyncio.Queue[Recorded]] = defaultdict(asyncio.Queue)

    async def load(self) -> None:
        """Take up what a program before us left. Raises: OSError."""
        for journal in await asyncio.to_thread(lambda: list(loaded(self._folder))):
            self._journals[journal.key] = self._waiting[journal.key] = journal
        if self._waiting:
            self._something_waits.set()

    async def write[T](
        self,
        key: str,
        direct: Callable[[], Coroutine[Any, Any, T]],
        instead: Write | Callable[[], Awaitable[Write]],
    ) -> T | None:
        """What `direct` returns; or None, when `instead`, or what it returns, waits in this key's journal.

        Whoever is cancelled has written it one way or the other. Raises: SpoolFull.
        """
        return await _to_its_end(self._write(self.journal(key), direct, instead))

    def journal(self, key: str) -> Journal:
        """The journal of a key; there is one as long as somebody holds it."""
        journal = self._journals.get(key)
        if journal is None:
            journal = self._journals[key] = Journal(self._folder, key)
        return journal

    def writes(self, key: str) -> list[Write]:
        """What waits of a key, in order."""
        return list(self._waiting[key].writes) if key in self._waiting else []

    def all_writes(self) -> Iterator[Write]:
        """What waits of all keys; to be read at once."""
        return chain.from_iterable(journal.writes for journal in self._waiting.values())

    def state(self, key: str) -> Waiting | None:
        """How what waits of a key does so; None when nothing does."""
        journal = self._waiting.get(key)
        if journal is None:
            return None
        return Waiting(journal.full, journal.durable, frozenset(journal.cut))

    async def forget(self, key: str, *kinds: type[Write]) -> None:
        """Drop what waits of a key: writes of these kinds, or (none given) all."""
        journal = self.journal(key)
        async with journal.lock:
            await journal.drop(kinds)
            if not journal.writes:
                self._waiting.pop(key, None)

    async def recorded(self, session_id: str) -> AsyncIterator[Recorded]:
        """The files of a session's cells that had to wait, once they are in the database. Never ends."""
        queue = self._recorded[session_id]
        while True:
            yield await queue.get()

    async def bring_in_often(self) -> Never:
        """Bring in what waits, as soon as it can be, until cancelled."""
        pause = FIRST_PAUSE
        while True:
            await self._something_waits.wait()
            await asyncio.sleep(pause)  # the database's own pace: nothing tells when it is back
            try:
                usable = await self.bring_in()
            except Exception:  # whatever fails this time, the next one must come
                log.exception("what waits for the database cannot be brought in")
                usable = False
            pause = FIRST_PAUSE if usable else min(2 * pause, LAST_PAUSE)

    async def bring_in(self) -> bool:
        """Try once to bring in what waits; whether the database can be used."""
        brought = failed = 0
        for journal in list(self._waiting.values()):
            if failed == GIVING_UP and not brought:
                break
            try:
                brought += await self._bring_in(journal)
            except StoreUnavailable:
                failed += 1
        if brought and self.away is not None:
            log.warning("the database can be used again")
            self.away = None
            self.reads.again()
        if not self._waiting:
            self._something_waits.clear()
        return brought > 0 or not failed

    async def save(self) -> None:
        """Try once more to have on the disk what is only in memory."""
        for journal in list(self._waiting.values()):
            async with journal.lock:
                await journal.save()
                if not journal.durable:
                    log.error("what waited of %s is lost: the disk takes nothing", journal.key)

    async def _write[T](
        self,
        journal: Journal,
        direct: Callable[[], Coroutine[Any, Any, T]],
        instead: Write | Callable[[], Awaitable[Write]],
    ) -> T | None:
        async with journal.lock:
            if not journal.writes and self.away is None:
                try:
                    return await direct()
                except StoreUnavailable as error:
                    log.error("the database cannot be used, writes wait for it: %s", error)
                    self.away = error
            await self._keep(journal, await instead() if callable(instead) else instead)
            return None

    async def _keep(self, journal: Journal, write: Write) -> None:
        line = await asyncio.to_thread(encode, write)
        if not self._fits(journal, len(line)):
            shorter = write.cut()
            if shorter is None:
                raise SpoolFull(self.reason)
            line = encode(shorter)
            if not self._fits(journal, len(line)):
                raise SpoolFull(self.reason)
            write = shorter
            if isinstance(shorter, CellFinished | OutputsAppended):
                journal.cut.add(shorter.seq)
        if self.away is not None:
            journal.full = isinstance(self.away, StoreFull)
        await journal.add(write, line)
        self._waiting[journal.key] = journal
        self._something_waits.set()

    def _fits(self, journal: Journal, size: int) -> bool:
        owner = self._owner(journal.key)
        others = [each for each in self._waiting.values() if self._owner(each.key) == owner]
        theirs = size + sum(each.size for each in others)
        if size <= SMALL:
            return theirs <= A_PERSON + SPARE
        return theirs <= A_PERSON and size + sum(each.size for each in self._waiting.values()) <= IN_ALL

    def _owner(self, key: str) -> str:
        return self.owners.get(key, key)

    @property
    def reason(self) -> str:
        """Why writes wait, in the database's own words."""
        return self.away.reason if self.away is not None else "what came before is still being brought in"

    async def _bring_in(self, journal: Journal) -> int:
        """All that waits of one journal; how many writes. Raises: StoreUnavailable."""
        count = 0
        while journal.writes:
            write = journal.writes[0]
            broken = False
            try:
                await self.bring_in_write(write)
            except (NoSuchCell, NoSuchSession) as gone:  # deleted meanwhile, with what was written of it
                log.info("a write of %s is left out: %s", journal.key, gone)
            except StoreUnavailable:
                if count:
                    async with journal.lock:
                        await journal.rewrite()
                    break
                raise
            except Exception:  # whatever is wrong with this one, those after it must not wait for ever
                log.exception("a write of %s is left out", journal.key)
                broken = True
            async with journal.lock:
                if journal.writes and journal.writes[0] is write:  # else it was forgotten meanwhile
                    await (journal.set_aside() if broken else journal.drop_first())
                if not journal.writes:
                    self._waiting.pop(journal.key, None)
            count += 1
        return count

    async def bring_in_write(self, write: Write) -> None:
        """Do one write. Raises: as the database does."""
        match write:
            case FileAdded(file, quota):
                await self._bring_in_file(file, quota)
            case EntryAdded(entry):
                seq = await self._store.transcripts.restore(entry)
                if seq != entry.seq:
                    log.warning("entry %d of %s became %d", entry.seq, entry.session_id, seq)
                    self._moved[entry.session_id, entry.seq] = seq
            case OutputsAppended(session_id, seq) | CellFinished(session_id, seq):
                await replace(write, seq=self._moved.get((session_id, seq), seq)).bring_in(self._store)
            case _:
                await write.bring_in(self._store)

    async def _bring_in_file(self, file: StoredFile, quota: int) -> None:
        """Add the row, for as long from now as it was to stay; then its cell has the id, and it is told."""
        now = self._clock()
        file = replace(file, expires_at=now + (file.expires_at - file.uploaded_at))
        try:
            stored: StoredFile | None = await self._store.files.add(file, quota=quota)
        except FileIdTaken:  # by itself, before the program ended
            stored = await self._store.files.readable(file.file_id, file.user_id, now)
        except QuotaExceeded as error:
            self._recorded[file.session_id].put_nowait(Recorded(file, error))
            return
        if stored is None:  # deleted since
            return
        if file.cell is not None:
            joined = OutputsAppended(file.session_id, file.cell, (), (stored.file_id,), new_batch())
            with suppress(NoSuchCell):
                await self.write(session_key(file.session_id), lambda: self.bring_in_write(joined), joined)
        self._recorded[file.session_id].put_nowait(Recorded(replace(stored, cell=file.cell)))


async def _to_its_end[T](work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which a cancellation does not stop, and which begins at once."""
    task = asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):  # once more; it is on its way
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # whoever was cancelled does not ask for it
        raise
