"""The journals of all sessions and people, and what goes to them instead of the database.

spool = Spool(folder)
cell = await spool.write(key, lambda: store.transcripts.begin_cell(...), instead)
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from filestore.errors import BytesRefused, SpoolFull, StoreFull, StoreUnavailable
from filestore.finish import to_the_end
from filestore.records import Waiting
from filestore.spool.journal import Journal, loaded, make_folder
from filestore.spool.reads import Reads
from filestore.spool.writes import CellFinished, OutputsAppended, UsageAdded, Write, encode, least_size

__all__ = ["Spool"]

log = logging.getLogger(__name__)

MIB = 1024 * 1024
A_PERSON = 4 * MIB  # bytes of lines that may wait for one person, over all of their sessions
IN_ALL = 64 * MIB  # for everybody together; in memory the same writes take several times as much
SMALL = 4096  # bytes of a line that is also taken once `IN_ALL` is reached, so that cells can go on
SPARE = 1 * MIB  # bytes that each person has for such lines beyond `A_PERSON`


class Spool:
    """Writes that wait. `away` is why the database cannot be used, None while it can.

    `waiting` has the journals that are not empty. `owners` maps the key of a session to that of its person.
    Reads that a cell needs go through `reads`.
    """

    def __init__(self, folder: Path) -> None:
        self.away: StoreUnavailable | None = None
        self.reads = Reads()
        self.owners: dict[str, str] = {}
        self._folder = folder
        self._told = False  # the log has been told that the disk has no room for what waits
        self._journals: WeakValueDictionary[str, Journal] = WeakValueDictionary()
        self.waiting: dict[str, Journal] = {}
        self.something_waits = asyncio.Event()

    async def load(self) -> None:
        """Take up what a program before us left, and make the folder. Raises: OSError."""
        await asyncio.to_thread(make_folder, self._folder)
        for journal in await asyncio.to_thread(lambda: list(loaded(self._folder))):
            self._journals[journal.key] = self.waiting[journal.key] = journal
        if self.waiting:
            self.something_waits.set()

    async def write[T](
        self,
        key: str,
        direct: Callable[[], Coroutine[Any, Any, T]],
        instead: Write | Callable[[], Awaitable[Write]],
    ) -> T | None:
        """Returns what `direct` returns, or None if the write `instead` waits in this key's journal.

        `instead` is a write, or a function that makes it. A cancelled caller has written it one way or the
        other. Raises: SpoolFull.
        """
        return await to_the_end(self._write(self.journal(key), direct, instead))

    def journal(self, key: str) -> Journal:
        """The journal of a key; there is one as long as somebody holds it."""
        journal = self._journals.get(key)
        if journal is None:
            journal = self._journals[key] = Journal(self._folder, key)
        return journal

    def writes(self, key: str) -> list[Write]:
        """What waits of a key, in order."""
        return list(self.waiting[key].writes) if key in self.waiting else []

    def all_writes(self) -> Iterator[Write]:
        """What waits of all keys; to be read at once."""
        return chain.from_iterable(journal.writes for journal in self.waiting.values())

    def state(self, key: str) -> Waiting | None:
        """Why the writes of a key wait, and how safely; None when there are none."""
        journal = self.waiting.get(key)
        if journal is None:
            return None
        return Waiting(journal.full, journal.durable, frozenset(journal.cut))

    async def drop_writes(self, key: str, *kinds: type[Write]) -> None:
        """Drop what waits of a key: writes of these kinds, or (none given) all.

        One that is on its way into the database is there when this returns, and can be deleted there.
        """
        journal = self.journal(key)
        async with journal.turn, journal.lock:
            await journal.drop(kinds)
            if not journal.writes:
                self.waiting.pop(key, None)

    async def save(self) -> None:
        """Try once more to have on the disk what is only in memory."""
        for journal in list(self.waiting.values()):
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
                except BytesRefused as error:  # of this write alone: the others go on
                    log.error("outputs cannot be written, they wait in the spool: %s", error.reason)
                    journal.full = error.full
                except StoreUnavailable as error:
                    log.error("the database cannot be used, writes wait for it: %s", error.reason)
                    self.away = error
            await self._keep(journal, await instead() if callable(instead) else instead)
            return None

    async def _keep(self, journal: Journal, write: Write) -> None:
        line = await self._line(journal, write)
        if line is None:
            shorter = write.cut()
            line = await self._line(journal, shorter) if shorter is not None else None
            if shorter is None or line is None:
                raise SpoolFull(self.reason)
            write = shorter
            if isinstance(shorter, CellFinished | OutputsAppended):
                journal.cut.add(shorter.seq)
        if self.away is not None:
            journal.full = isinstance(self.away, StoreFull)
        await journal.add(write, line)
        if not journal.durable and not self._told:
            log.error("the disk takes nothing: what waits for the database is only in memory")
            self._told = True
        self.waiting[journal.key] = journal
        self.something_waits.set()

    async def _line(self, journal: Journal, write: Write) -> bytes | None:
        """The write as a line; None when there is no room for it, if possible before the line is made."""
        if not self._fits(journal, write, least_size(write)):
            return None
        line = await asyncio.to_thread(encode, write)
        return line if self._fits(journal, write, len(line)) else None

    def _fits(self, journal: Journal, write: Write, size: int) -> bool:
        if isinstance(
            write, UsageAdded
        ):  # else turns would be free once the room is used up; budgets bound them
            return True
        owner = self._owner(journal.key)
        others = [each for each in self.waiting.values() if self._owner(each.key) == owner]
        theirs = size + sum(each.size for each in others)
        if size <= SMALL:
            return theirs <= A_PERSON + SPARE
        return theirs <= A_PERSON and size + sum(each.size for each in self.waiting.values()) <= IN_ALL

    def _owner(self, key: str) -> str:
        return self.owners.get(key, key)

    @property
    def reason(self) -> str:
        """Why writes wait, in the database's own words."""
        return self.away.reason if self.away is not None else "what came before is still being brought in"

    def can_be_used(self) -> None:
        """Note that the database has just taken something."""
        if self.away is not None:
            log.warning("the database can be used again")
            self.away = None
            self._told = False
            self.reads.again()
