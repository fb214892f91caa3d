"""Branches: sessions that began as copies of another session of the same person.

    branch = await sessions.branch(user_id, place, to_place, "what if")
    await sessions.switch(user_id, place, "")       # back to the place's own session

A place shows one session at a time: its own, or a branch. A branch for another place, such as a thread, is
what that place shows from then on. A branch for the same place takes the place over, until it is switched.
What a branch is from, and whether its place shows it, stands in the history of its session's record.
"""

import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec import structs

from bot.continuity.deletions import Deletions
from bot.continuity.losses import KernelNote
from bot.continuity.undo.history import HERE, Origin, UndoHistory
from bot.errors import BranchRefused, DeletedSince, NotOpened
from bot.scheduling.locks import Locks
from bot.session import Session
from bot.transcript import Transcript
from bot.wording.undo_messages import branched
from filestore.errors import FileStoreError, StoreUnavailable
from filestore.records import SessionRecord
from filestore.spool import SpooledStore
from kernels.cell.events import UnsavedValue
from kernels.concurrency.cancellation import to_the_end
from kernels.errors import KernelError
from kernels.interface import Kernels
from kernels.text.visible import one_line

__all__ = ["Branch", "BranchedSessions"]

log = logging.getLogger(__name__)

PRIVATE = "dm-"  # how the places begin in which nobody else reads: what was said there stays there
LONGEST = 40  # characters of a name
MOST = 20  # branches of a person that have a workspace: one that was removed after long disuse is none
LONGEST_LINE = 50  # sessions, each a branch of the next, whose files a branch of them all can use


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch: its session, the place that can show it, its name, and where it comes from.

    `cell` is the cell as of which it began (0: without variables). `here`: the place shows it now. `unsaved`
    is what a branch that has just been made does not have of the other session.
    """

    session_id: str
    place: str
    name: str
    of: str
    from_place: str
    cell: int
    here: bool
    unsaved: tuple[UnsavedValue, ...] = ()


class BranchedSessions(ABC):
    """What `bot.sessions.Sessions` inherits."""

    store: SpooledStore
    pool: Kernels
    deletions: Deletions
    _clock: Callable[[], datetime]
    _scope: Literal["user", "place"]
    _locks: Locks
    _open: dict[str, Session]

    def __init__(self) -> None:
        self._shown: dict[tuple[int, str], str] = {}  # the branch that a person's place shows
        self._gone: set[str] = set()  # branches that were deleted

    @abstractmethod
    async def session(self, user_id: int, place: str) -> Session:
        """The person's session for this place."""

    @abstractmethod
    async def _session(self, session_id: str, user_id: int, place: str) -> Session:
        """The session of this id, opened if necessary."""

    async def of_record(self, record: SessionRecord) -> Session:
        """The session of a record, even if its place shows another one now. Raises: as `session`."""
        return await self._session(record.session_id, record.user_id, record.place)

    async def add_record(self, user_id: int, place: str) -> None:
        """Add the session's record if it has none, so that what is noted of it is found when it is deleted.

        Raises: StoreUnavailable, DeletedSince.
        """
        session_id = self.id_of(user_id, place)
        async with self._locks.one(user_id, session_id):  # or it might come back after its deletion
            self.deletions.check(user_id)
            await self.store.sessions.get_or_create(session_id, user_id, place, self._clock())

    def id_of(self, user_id: int, place: str) -> str:
        """The id of a person's session for this place, whether it is open or not."""
        return self._shown.get((user_id, place)) or self._own_id(user_id, place)

    def exists(self, record: SessionRecord) -> bool:
        """Whether the session exists under the present scope, whatever its place shows."""
        branch = UndoHistory.from_text(record.history).origin is not None
        return branch or self._own_id(record.user_id, record.place) == record.session_id

    async def find_branches(self) -> None:
        """Find out which places show branches, once the program begins. Raises: StoreUnavailable."""
        for record in await self.store.sessions.with_history(HERE):
            if (branch := _branch(record)) is not None and branch.here:
                self._shown[record.user_id, record.place] = record.session_id

    async def branches(self, user_id: int, place: str) -> list[Branch]:
        """The branches that this place can show, oldest first. Raises: StoreUnavailable."""
        records = await self.store.sessions.of_user(user_id)
        return [
            branch
            for record in sorted(records, key=lambda record: record.created_at)
            if record.place == place and (branch := _branch(record)) is not None
        ]

    async def switch(self, user_id: int, place: str, name: str) -> None:
        """Have a place show its branch of this name, or ("") its own session.

        Raises: BranchRefused, also while the one that it shows is at work; StoreUnavailable.
        """
        shown = self._open.get(self.id_of(user_id, place))
        if shown is not None and shown.busy:
            raise BranchRefused("running")
        there = {branch.name: branch for branch in await self.branches(user_id, place)}
        if name and name not in there:
            raise BranchRefused("none", name)
        async with self._locks.one(user_id, self._own_id(user_id, place)):
            await self._show(user_id, place, there[name].session_id if name else None)

    async def branch(self, user_id: int, place: str, to_place: str, name: str) -> Branch:
        """Begin a branch of the session that `place` shows: a session that begins as that one is now.

        `to_place` shows it from now on; it may be `place` itself.

        Raises: BranchRefused, QuotaExceeded, OSError, and as `session`.
        """
        if not 1 <= len(name) <= LONGEST or one_line(name) != name or not name.strip():
            raise BranchRefused("name")
        session = await self.session(user_id, place)
        to = f"u{user_id}-branch-{secrets.token_hex(5)}"
        async with self._locks.one(user_id, f"u{user_id}-branches"):  # one after the other
            self.deletions.check(user_id)
            await self._check_new(user_id, place, to_place, name)
            with session.turn():
                async with session.alone(stop=False) as alone:
                    if not alone:
                        raise BranchRefused("running")
                    heard = not place.startswith(PRIVATE) or to_place.startswith(PRIVATE)
                    of, line = session.record.session_id, _line(session.record)
                    origin = Origin(name, of, place, 0, heard=heard, line=line)
                    origin = await to_the_end(self._copy(session, to, to_place, origin))
        unsaved = await self._begin(user_id, to_place)
        return Branch(to, to_place, name, origin.of, place, origin.cell, here=True, unsaved=unsaved)

    async def _check_new(self, user_id: int, place: str, to_place: str, name: str) -> None:
        """Raises: BranchRefused, StoreUnavailable."""
        if any(branch.name == name for branch in await self.branches(user_id, to_place)):
            raise BranchRefused("taken", name)
        if to_place != place and await self._is_taken(user_id, to_place):
            raise BranchRefused("taken")
        await self.check_number(user_id)

    async def check_number(self, user_id: int) -> None:
        """Raises: BranchRefused for a person with as many branches as one may have; StoreUnavailable."""
        records = await self.store.sessions.of_user(user_id)
        full = [one for one in records if _branch(one) and not KernelNote.from_text(one.kernel).swept]
        if len(full) >= MOST:  # each has a whole workspace
            raise BranchRefused("many")

    async def _is_taken(self, user_id: int, place: str) -> bool:
        """Whether a place has a session that a branch there would hide."""
        if (user_id, place) in self._shown:
            return True
        return self._scope == "place" and (
            await self.store.sessions.get(self._own_id(user_id, place)) is not None
        )

    async def _copy(self, session: Session, to: str, place: str, origin: Origin) -> Origin:
        """Make the branch's session, and have its place show it: all of it, or nothing."""
        if session.transcript.waits:
            raise StoreUnavailable("writes of the session wait")
        sessions, user_id = self.store.sessions, session.record.user_id
        transcript = Transcript(self.store.transcripts, to, self._clock)
        await sessions.get_or_create(to, user_id, place, self._clock())
        try:
            last = await self.store.transcripts.newest(origin.of, limit=1)
            if last:
                await self.store.transcripts.copy(origin.of, to, last[0].seq)
            origin = structs.replace(origin, cell=await self.pool.branch(origin.of, to))
            await sessions.set_kernel(to, KernelNote().to_text())
            await transcript.say(place, "", branched(origin))
            fresh = last[0].seq if last and not origin.cell else 0  # none of their variables is there
            await sessions.set_history(to, UndoHistory(origin=origin, fresh=fresh).to_text())
            await self._show(user_id, place, to)
        except BaseException:  # also a cancellation: no half branch may stay
            with suppress(FileStoreError, KernelError, OSError):
                await self.pool.remove(to)
                await sessions.delete(to)
            raise
        log.info("a branch of session %s begins", origin.of, extra={"session": to})
        return origin

    async def _begin(self, user_id: int, place: str) -> tuple[UnsavedValue, ...]:
        """Start the branch's kernel with its variables; returns what it does not have.

        If that fails, the branch is there all the same, and its first cell tries again.
        """
        try:
            session = await self.session(user_id, place)
            with session.turn():
                saves = await session.kernel.saves()
                if not saves:
                    return ()
                journey = await session.kernel.go_to(saves[-1].number)
                if journey.as_of != saves[-1].cell:  # none of them is back, and the next cell is told why
                    return tuple(UnsavedValue(one.name, 0, one.was) for one in journey.changed)
                await session.notes.moved(one.name for one in session.kernel.variables)
                return journey.unsaved
        except (FileStoreError, NotOpened, KernelError, OSError) as error:
            log.warning("the kernel of a branch could not be started: %r", error)
            return ()

    async def _show(self, user_id: int, place: str, shown: str | None) -> None:
        """Have a place show this branch, and note it: if we are ended halfway, it shows its own session."""
        records = [record for record in await self.store.sessions.of_user(user_id) if record.place == place]
        for record in sorted(records, key=lambda record: record.session_id == shown):
            history = UndoHistory.from_text(record.history)
            here = record.session_id == shown
            if history.origin is not None and history.origin.here != here:
                history = structs.replace(history, origin=structs.replace(history.origin, here=here))
                await self.store.sessions.set_history(record.session_id, history.to_text())
        self._shown.pop((user_id, place), None)
        if shown is not None:
            self._shown[user_id, place] = shown

    def _forget_branches(self, *session_ids: str) -> None:
        """Have places show their own sessions instead of these, which are deleted."""
        for key in [key for key, shown in self._shown.items() if shown in session_ids]:
            self._gone.add(self._shown.pop(key))

    def _branches_of(self, user_id: int) -> list[str]:
        """The branches that a person's places show."""
        return [shown for (user, _), shown in self._shown.items() if user == user_id]

    def _check_branch(self, session_id: str) -> None:
        """Raises: DeletedSince for a branch that was deleted while somebody waited for it."""
        if session_id in self._gone:
            raise DeletedSince

    def _own_id(self, user_id: int, place: str) -> str:
        return f"u{user_id}" if self._scope == "user" else f"u{user_id}-{place}"


def _line(record: SessionRecord) -> tuple[str, ...]:
    """The sessions that this one began from, the nearest first."""
    origin = UndoHistory.from_text(record.history).origin
    return () if origin is None else (origin.of, *origin.line)[:LONGEST_LINE]


def _branch(record: SessionRecord) -> Branch | None:
    origin = UndoHistory.from_text(record.history).origin
    if origin is None:
        return None
    return Branch(
        record.session_id, record.place, origin.name, origin.of, origin.place, origin.cell, origin.here
    )
