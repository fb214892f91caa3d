"""The journals of all sessions and people, which take writes in place of the database.

spool = Spool(folder, SpoolRoom())
cell = await spool.write(key, lambda: store.transcripts.begin_cell(...), instead)
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from filestore.cancellation import to_the_end
from filestore.errors import BytesRefused, BytesStay, SpoolFull, StoreFull, StoreUnavailable
from filestore.records import Waiting
from filestore.spool.file_names import person_of_key, theirs
from filestore.spool.journal import Journal, loaded, make_folder, sync_names, unlink_all
from filestore.spool.reads import Reads
from filestore.spool.writes import (
    CellFinished,
    OutputsAppended,
    UsageAdded,
    Write,
    encode,
    least_size,
    person_key,
    session_key,
)

__all__ = ["Spool", "SpoolRoom"]

log = logging.getLogger(__name__)

MIB = 1024 * 1024
SMALL = 4096  # bytes of a line that is taken even when everybody's room is used up, so that cells can go on


@dataclass(frozen=True, slots=True)
class SpoolRoom:
    """How many bytes of lines may wait; in memory the same writes take several times as much."""

    person: int = 4 * MIB  # of one person, over all of their sessions
    everybody: int = 64 * MIB
    spare: int = 1 * MIB  # that each person has for small lines beyond `person`


class Spool:
    """Writes that wait. `away` says why the database cannot be used; it is None while it can.

    `waiting` holds the journals that are not empty. `owners` maps a session's key to the key of its person.
    Reads that a cell needs go through `reads`.
    """

    def __init__(self, folder: Path, room: SpoolRoom) -> None:
        self.away: StoreUnavailable | None = None
        self.reads = Reads()
        self.owners: dict[str, str] = {}
        self._folder = folder
        self._room = room
        self._told = False  # it was logged that the disk has no room for what waits
        self._journals: WeakValueDictionary[str, Journal] = WeakValueDictionary()
        self.waiting: dict[str, Journal] = {}
        self.something_waits = asyncio.Event()

    async def load(self) -> None:
        """Create the folder, and load what an earlier program left there. Raises: OSError."""
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
        """Await `direct`, or if the database cannot be used add the write `instead` to this key's journal.

        `instead` is a write, or a function that makes it. Even if the caller is cancelled, one of the two is
        done. Returns what `direct` returns, or None if the write waits. Raises: SpoolFull.
        """
        return await to_the_end(self._write(self.journal(key), direct, instead))

    def journal(self, key: str) -> Journal:
        """The journal of a key; all who ask for it while somebody holds it get the same one."""
        journal = self._journals.get(key)
        if journal is None:
            journal = self._journals[key] = Journal(self._folder, key)
        return journal

    def writes(self, key: str) -> list[Write]:
        """The writes of a key that wait, in order."""
        return list(self.waiting[key].writes) if key in self.waiting else []

    def of_kind[W: Write](self, kind: type[W], key: str | None = None) -> list[W]:
        """The writes of this kind that wait, of one key or (None) of all, in order."""
        keys = self.waiting if key is None else (key,)
        return [write for each in keys for write in self.writes(each) if isinstance(write, kind)]

    def state(self, key: str) -> Waiting | None:
        """Why the writes of a key wait, and how safely; None if there are none."""
        journal = self.waiting.get(key)
        if journal is None:
            return None
        return Waiting(journal.full, journal.durable, frozenset(journal.cut))

    async def keep_last(self, key: str, kind: type[Write]) -> None:
        """Of the writes of this kind that wait, drop all but the last."""
        journal = self.journal(key)
        async with journal.turn, journal.lock:
            await journal.drop((kind,), but_last=True)

    async def drop_writes(self, key: str, *kinds: type[Write]) -> None:
        """Drop writes of a key that wait: those of these kinds, or (none given) all, whatever is on the disk.

        A write that is on its way into the database has arrived when this returns, and can be deleted there.
        Raises: BytesStay if all should go, and the disk refuses.
        """
        journal = self.journal(key)
        async with journal.turn, journal.lock:
            try:
                await (journal.drop(kinds) if kinds else journal.erase())
            finally:
                if not journal.writes:
                    self.waiting.pop(key, None)

    async def forget_aside(self, key: str, session_id: str | None = None) -> None:
        """Delete what was set aside of a key's writes, because it could not be read or brought in.

        Of a person's writes only those of one session, if that is given. Raises: BytesStay.
        """
        journal = self.journal(key)
        async with journal.turn, journal.lock:
            await journal.forget_aside(session_id)

    async def forget_person(self, user_id: int) -> None:
        """Drop all that waits of a person, and delete all that was set aside, of their sessions as well.

        A session whose journal is damaged may have no record, by which its journal would be found.
        Raises: BytesStay once all were tried.
        """
        refused: BytesStay | None = None
        own = {person_key(user_id), session_key(f"u{user_id}")}  # these can have files that nothing names
        keys = own.union(key for key in list(self._journals) if person_of_key(key) == user_id)
        held = [self.journal(key) for key in keys]  # so that nobody gets another one of the same file
        for journal in held:
            try:
                await self.drop_writes(journal.key)
            except BytesStay as error:
                refused = error
        try:
            await self._erase_unnamed(user_id)
        except BytesStay as error:
            refused = error
        if refused is not None:
            raise refused

    async def _erase_unnamed(self, user_id: int) -> None:
        """Delete the files of a person that belong to no journal in use. Raises: BytesStay.

        A journal in use was emptied just now. What it has since is new, and a kill would lose it without its
        file; so nothing may begin to write between the look at the journals and the removal.
        """
        paths = await asyncio.to_thread(theirs, self._folder, user_id)
        used = {journal.path.stem for journal in list(self._journals.values())}
        try:
            unlink_all(path for path in paths if path.stem not in used)
        finally:
            await asyncio.to_thread(sync_names, self._folder)

    async def save(self) -> None:
        """Try once more to save what is only in memory."""
        for journal in list(self.waiting.values()):
            async with journal.lock:
                await journal.save()
                if not journal.durable:
                    log.error(
                        "writes of %s that waited for the database are lost: the disk takes nothing",
                        journal.key,
                    )

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
                except BytesRefused as error:  # concerns this write alone
                    log.error("outputs cannot be written, and wait in the spool: %s", error.reason)
                    journal.full = error.full
                except StoreUnavailable as error:
                    log.error("the database cannot be used, and writes wait for it: %s", error.reason)
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
        """The write as a line; None if there is no room for it, which is checked before the line is made."""
        if not self._fits(journal, write, least_size(write)):
            return None
        line = await asyncio.to_thread(encode, write)
        return line if self._fits(journal, write, len(line)) else None

    def _fits(self, journal: Journal, write: Write, size: int) -> bool:
        if isinstance(write, UsageAdded):  # else turns would be free once the room is used up
            return True
        owner = self._owner(journal.key)
        others = [each for each in self.waiting.values() if self._owner(each.key) == owner]
        theirs = size + sum(each.size for each in others)
        if size <= SMALL:
            return theirs <= self._room.person + self._room.spare
        everybodys = size + sum(each.size for each in self.waiting.values())
        return theirs <= self._room.person and everybodys <= self._room.everybody

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
