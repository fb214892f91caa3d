"""All open sessions, and the four calls that stand for the whole bot without a front.

    result = await sessions.execute_code("x = 1", user_id=1)
    record = await sessions.upload("data.csv", data, user_id=1)
    loaded = await sessions.load_file(record.file_id, user_id=1)
    page = await sessions.list_user_files(user_id=1)

A session is opened by the first thing that needs it, and is the same one until the program ends or it has not
been used for so long that it is deleted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from bot.continuity.earlier_answer import broken_off
from bot.continuity.kernel_notes import note_swept, note_untold
from bot.continuity.losses import Held
from bot.continuity.resumed_turns import Resumed, unknown
from bot.errors import NoModel, NotOpened
from bot.model.turn import Answer, ask
from bot.reply import ExecutionResult, Reply, Tell
from bot.request import Asking, Incoming
from bot.scheduling.concurrently import for_each
from bot.scheduling.jobs import Jobs
from bot.scheduling.locks import Locks
from bot.scheduling.periodic import sweep_often
from bot.session import Asked, Session, beside
from bot.spending.usage import Ledger
from bot.transcript import Transcript
from bot.turn import take_turn
from filestore.errors import FileStoreError, StoreUnavailable
from filestore.files import FileStore
from filestore.records import CellRecord, Cursor, FilePage, LoadedFile, SessionRecord, StoredFile
from filestore.spool import SpooledStore
from kernels.cell.events import Restarted
from kernels.concurrency.cancellation import to_the_end
from kernels.concurrency.slots import TimedSlots
from kernels.descriptors import need
from kernels.errors import KernelError
from kernels.interface import Cell, Kernels

if TYPE_CHECKING:  # it takes a second to import
    from bot.model.client import Model

__all__ = ["Sessions", "TellLate"]

log = logging.getLogger(__name__)

NOTED = timedelta(minutes=1)  # between notes that an open session is in use: each waits for the disk
LONGEST_AWAY = timedelta(days=1)  # after which nobody waits for a cell that was running
OPENING = 90.0  # seconds; a node that has to be started takes some of them
AT_ONCE = 4  # openings; 130 at once kept a neighbour's cell waiting for half a second
TURN = 1.0  # seconds for which one keeps others from theirs; as a rule it takes 0.01
REMOVING = 60.0  # seconds for one old session, whose kernel has to end
IDLE = 600.0  # seconds without use after which a session's connections go, where its kernel lives on
LOOK = 30.0  # seconds between looks for idle sessions, and for what the kernels of such ones tell
DESCRIPTORS = 16  # that an opening may need for a while

TellLate = Callable[[SessionRecord, Reply], object]
TellResumed = Callable[[SessionRecord, Reply], Awaitable[None]]
FailResumed = Callable[[SessionRecord, int, Exception], Awaitable[None]]


class Sessions:
    """The sessions of one program.

    A front sets `tell_late`, which is called with what comes after the end of a cell, and may set
    `tell_resumed`, which is awaited with what comes of a cell that a program before us began, be it broken
    off, and `fail_resumed`, which is awaited with its number and the error where it comes to no
    result. `scope` is "user" for one kernel a person, "place" for one a person and place. Sessions that were
    not used for `retention` lose their workspace; their transcript stays for `transcripts`. `model` answers
    what people ask, None where none is set up; `ledger` has what they take. `restored`: the data may be older
    than what people did last.
    """

    def __init__(
        self,
        store: SpooledStore,
        files: FileStore,
        pool: Kernels,
        *,
        clock: Callable[[], datetime],
        scope: Literal["user", "place"] = "user",
        retention: timedelta = timedelta(hours=48),
        transcripts: timedelta = timedelta(days=30),
        model: "Model | None" = None,
        ledger: Ledger | None = None,
        restored: bool = False,
    ) -> None:
        self.store = store
        self.files = files
        self.pool = pool
        self.model = model
        self.jobs = Jobs()
        self.ledger = ledger or Ledger(store.usage, clock)
        self._clock = clock
        self.tell_late: TellLate = _tell_nobody
        self.tell_resumed: TellResumed = self._tell_resumed_as_late
        self.fail_resumed: FailResumed = _fail_nobody
        self._scope = scope
        self._retention = retention
        self._transcripts = transcripts
        self._open: dict[str, Session] = {}
        self._resumed = Resumed()
        self._locks = Locks()  # no session is opened while it is removed
        self._openings = TimedSlots(AT_ONCE)
        self._restored = restored
        self._seen: set[str] = set()  # the sessions that this program has opened once
        self._let_go: dict[str, SessionRecord] = {}  # sessions whose kernels live on without us

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.let_go()
        self.jobs.close()

    async def let_go(self) -> None:
        """Let all sessions go: in a node their cells run on; whoever waits here for one gets KernelClosed."""
        closing = [session.close() for session in self._open.values()]
        self._open.clear()
        for failure in await asyncio.gather(*closing, return_exceptions=True):
            if failure is not None:
                log.error("a session could not be let go", exc_info=failure)
        await self._resumed.let_go()

    async def session(self, user_id: int, place: str) -> Session:
        """The person's session for this place, opened when it is not.

        Raises: StoreUnavailable, KernelError, NotOpened.
        """
        session_id = self.id_of(user_id, place)
        async with self._locks.one(user_id, session_id):
            now = self._clock()
            session = await self._have(session_id, user_id, place)
            session.last_used, session.idle_since = now, monotonic()
            if now - session.record.last_used_at >= NOTED:
                await self.store.sessions.touch(session_id, now)
                session.record = replace(session.record, last_used_at=now)
            return session

    async def _have(self, session_id: str, user_id: int, place: str) -> Session:
        """The session, opened when it is not; hold its lock.

        Whatever keeps it from being opened is this person's matter alone, and the next time is a new attempt.
        Raises: StoreUnavailable, KernelError, NotOpened.
        """
        if (session := self._open.get(session_id)) is not None:
            return session
        try:
            async with asyncio.timeout(OPENING), self._openings.slot(TURN):
                need(DESCRIPTORS)
                session = await self._opened(session_id, user_id, place)
        except BaseException as error:  # also a cancellation leaves no half of a session
            with suppress(KernelError, OSError):
                await to_the_end(self.pool.release(session_id))
            if isinstance(error, OSError | MemoryError):  # a time-out is an OSError too
                log.warning("session %s could not be opened: %r", session_id, error)
                raise NotOpened(error) from error
            raise
        self._open[session_id] = session
        self._let_go.pop(session_id, None)
        for cell, run in session.left_running:
            self._resume(session, cell, run)
        for cell in session.broken_off:
            self._resumed.tell(broken_off(cell), partial(self._tell_resumed, session.record))
        return session

    async def _opened(self, session_id: str, user_id: int, place: str) -> Session:
        record = await self.store.sessions.get_or_create(session_id, user_id, place, self._clock())
        late = self._late_of(record)
        session = Session(record, self.store, self.files, self.pool, self._clock, late, self.jobs)
        await session.open(restored=self._restored and session_id not in self._seen)
        self._seen.add(session_id)
        return session

    async def tell_again(self, session_id: str, lost: Restarted) -> None:
        """Tell with the session's next cell what was to be told and has reached nobody."""
        if (session := self._open.get(session_id)) is not None:
            await session.notes.tell_again(lost)
        else:  # it was let go
            await note_untold(self.store.sessions, session_id, lost)

    def opened(self, session_id: str) -> Session | None:
        """The session of this id, if it is open."""
        return self._open.get(session_id)

    async def resume(self) -> None:
        """Go on with all cells that were running when the program before us ended: a front can tell now.

        Without it a session's cells go on with the first thing that its person asks for. A session that
        cannot be opened keeps no other from it. Raises: FileStoreError, KernelError, once all were tried.
        """
        found = await self.store.sessions.unfinished(self._clock() - LONGEST_AWAY)
        found += await unknown(self.pool, self.store.sessions, {record.session_id for record in found})
        # Under the scope that is set now:
        ours = [one for one in found if self.id_of(one.user_id, one.place) == one.session_id]

        async def open_one(record: SessionRecord) -> None:
            await self.session(record.user_id, record.place)

        failures = await for_each(ours, open_one)
        for failure in failures:
            if isinstance(failure, FileStoreError | KernelError):
                raise failure
            if failure is not None:
                log.error("cells that were running are not resumed", exc_info=failure)

    async def execute_code(
        self,
        code: str,
        user_id: int,
        user_files: Sequence[str] = (),
        *,
        place: str = "terminal",
        author: str = "",
        can_answer: bool = False,
        tell: Tell | None = None,
    ) -> ExecutionResult:
        """Run code in the person's kernel, these stored files being in its workspace. See `take_turn`."""
        session = await self.session(user_id, place)
        message = Incoming(user_id, author or str(user_id), place, code, tuple(user_files), can_answer)
        return await take_turn(session, message, tell or _say_nothing)

    async def ask(self, asking: Asking, tell: Tell, asked: Asked | None = None) -> Answer:
        """Answer a person's words with the model, as `bot.model.turn.ask` does. Raises: NoModel."""
        if self.model is None:
            raise NoModel
        session = await self.session(asking.user_id, asking.place)
        return await ask(session, asking, self.model, self.ledger, tell, asked)

    async def load_file(self, file_id: str, user_id: int) -> LoadedFile:
        """A stored file's record and bytes. Raises: NoSuchFile."""
        return await self.files.load_file(file_id, user_id)

    async def list_user_files(
        self, user_id: int, *, limit: int = 50, after: Cursor | None = None
    ) -> FilePage:
        """The person's uploaded and generated files, newest first."""
        return await self.files.list_user_files(user_id, limit=limit, after=after)

    async def upload(self, name: str, data: bytes, user_id: int, *, place: str = "terminal") -> StoredFile:
        """Store a file of the person's and place it in the workspace. Raises: as `FileStore.put`."""
        session = await self.session(user_id, place)
        return await session.files.upload(name, data)

    async def discard(self, user_id: int, place: str) -> None:
        """Delete a session: its kernel, workspace, transcript and stored files."""
        session_id = self.id_of(user_id, place)
        await self._end(session_id)
        async with self._locks.one(user_id, session_id):
            await self._remove(session_id)
            await self.store.sessions.delete(session_id)
            await self.files.delete_all_of(session_id, user_id)

    async def forget(self, user_id: int) -> None:
        """Delete everything of a person: kernels, workspaces, files, transcripts, usage."""
        records = await self.store.sessions.of_user(user_id)
        await asyncio.gather(*(self._end(record.session_id) for record in records))
        async with self._locks.all_of(user_id):
            for record in await self.store.sessions.of_user(user_id):
                await self._remove(record.session_id)
            await self.files.forget_person(user_id)
            await self.ledger.forget(user_id)

    async def sweep(self, now: datetime) -> None:
        """Remove the workspaces of sessions unused for the retention time; much later, all of the session.

        One that cannot be removed is logged, and the next sweep tries again; the others are removed.
        """
        for record in await self.store.sessions.idle_since(now - self._retention):
            await asyncio.sleep(0)  # there may be a hundred thousand: others have their turn
            if Held.from_text(record.kernel).swept and record.last_used_at >= now - self._transcripts:
                continue  # there is nothing to remove yet
            try:
                async with asyncio.timeout(REMOVING), self._locks.one(record.user_id, record.session_id):
                    await self._remove_if_unused(record.session_id, now)
            except StoreUnavailable:
                raise
            except Exception:  # whatever is wrong with one, the others are removed
                log.exception("session %s could not be removed", record.session_id)

    async def sweep_often(self, every: timedelta) -> None:
        """`sweep` from time to time, until cancelled; see `bot.scheduling.periodic`."""
        await sweep_often(self.sweep, every, self._clock, "old sessions could not be removed")

    async def let_idle_go(self, now: float) -> None:
        """Let the connections go of sessions that nobody has used for IDLE seconds; `now` is monotonic.

        Their kernels live on, and what comes of them later is asked for by and by.
        """
        idle = [session.record for session in self._open.values() if self._unused(session, now)]
        failures = await for_each(idle, partial(self._let_one_go, now=now))
        if self._let_go:
            untold = [self._let_go[name] for name in await self.pool.untold() if name in self._let_go]
            failures += await for_each(untold, self._take_back)
        for failure in filter(None, failures):
            log.warning("what an idle session has to tell is not known now: %r", failure)

    async def _let_one_go(self, record: SessionRecord, now: float) -> None:
        session_id = record.session_id
        async with self._locks.one(record.user_id, session_id):
            session = self._open.get(session_id)
            if session is not None and self._unused(session, now):
                del self._open[session_id]
                self._let_go[session_id] = session.record
                await session.close()

    async def _take_back(self, record: SessionRecord) -> None:
        """Have a session again that was let go: it tells what it has to tell."""
        async with self._locks.one(record.user_id, record.session_id):
            await self._have(record.session_id, record.user_id, record.place)

    def _unused(self, session: Session, now: float) -> bool:
        if session.busy or session.files.put_off or session.kernel.goes_on:  # of which nobody else knows
            return False
        waits = self.store.transcripts.waiting(session.record.session_id)  # for the database: it will be told
        return now - session.idle_since > IDLE and waits is None

    async def let_idle_go_often(self) -> None:
        """`let_idle_go` from time to time, until cancelled, where kernels live on without us."""
        while True:
            await asyncio.sleep(LOOK)  # to be idle is a matter of time passing
            if self.pool.outlived:
                try:
                    await self.let_idle_go(monotonic())
                except (KernelError, OSError) as error:
                    log.warning("what idle sessions have to tell is not known now: %r", error)

    async def _remove_if_unused(self, session_id: str, now: datetime) -> None:
        record, session = await self.store.sessions.get(session_id), self._open.get(session_id)
        if record is None or (session and session.busy):
            return
        last_used = session.last_used if session else record.last_used_at
        if last_used >= now - self._retention:
            return
        await self._remove(session_id)
        if last_used < now - self._transcripts:
            await self.store.sessions.delete(session_id)
        else:
            transcript = Transcript(self.store.transcripts, session_id, self._clock)
            await note_swept(self.store.sessions, transcript, record, self._retention)

    async def _end(self, session_id: str) -> None:
        """End the turns of a session, so that nothing is told or kept of them after its deletion."""
        if (session := self._open.get(session_id)) is not None:
            await session.end()

    async def _remove(self, session_id: str) -> None:
        """End the session's kernel and remove its workspace."""
        self._let_go.pop(session_id, None)
        log.info("the kernel and the workspace are removed", extra={"session": session_id})
        if (session := self._open.pop(session_id, None)) is not None:
            await session.close()
        await self.pool.remove(session_id)
        await self.pool.remove(beside(session_id))

    def _resume(self, session: Session, cell: CellRecord, run: Cell) -> None:
        """Go on with a cell that a program before us began."""

        async def fail(error: Exception) -> None:
            await self.fail_resumed(session.record, cell.seq, error)

        self._resumed.begin(session, cell, run, partial(self._tell_resumed, session.record), fail)

    async def _tell_resumed(self, record: SessionRecord, reply: Reply) -> None:
        await self.tell_resumed(record, reply)

    async def _tell_resumed_as_late(self, record: SessionRecord, reply: Reply) -> None:
        self.tell_late(record, reply)

    def id_of(self, user_id: int, place: str) -> str:
        """The id of the session that a person has for this place, opened or not."""
        return f"u{user_id}" if self._scope == "user" else f"u{user_id}-{place}"

    def _late_of(self, record: SessionRecord) -> Tell:
        async def tell(reply: Reply) -> None:
            self.tell_late(record, reply)

        return tell


def _tell_nobody(record: SessionRecord, reply: Reply) -> None:
    """While there is no front."""


async def _fail_nobody(record: SessionRecord, cell: int, error: Exception) -> None:
    """For fronts that show only what comes of a cell."""


async def _say_nothing(reply: Reply) -> None:
    """For callers who only want the result."""
