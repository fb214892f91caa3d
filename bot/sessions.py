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
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from bot.ask import Answer, ask
from bot.errors import NoModel
from bot.jobs import Jobs
from bot.message import Asking, Incoming
from bot.reply import ExecutionResult, Reply, Tell
from bot.session import Asked, Session, beside
from bot.turn import resume_turn, take_turn
from bot.usage import Ledger
from filestore.files import FileStore
from filestore.jumps import Jumps
from filestore.records import CellRecord, Cursor, LoadedFile, Page, SessionRecord, StoredFile
from filestore.spool import SpooledStore
from kernels.errors import KernelError
from kernels.protocols import Cell, Kernels

if TYPE_CHECKING:  # it takes a second to import
    from bot.model import Model

__all__ = ["Sessions", "TellLate"]

log = logging.getLogger(__name__)

NOTED = timedelta(minutes=1)  # between notes that an open session is in use: each waits for the disk
LETTING_GO = 2.0  # seconds that a resumed turn has to end by itself
LONGEST_AWAY = timedelta(days=1)  # after which nobody waits for a cell that was running
ALL_TIME = datetime(9999, 1, 1, tzinfo=UTC)

TellLate = Callable[[SessionRecord, Reply], object]
TellResumed = Callable[[SessionRecord, Reply], Awaitable[None]]
FailResumed = Callable[[SessionRecord, int, Exception], Awaitable[None]]


class Sessions:
    """The sessions of one program.

    A front sets `tell_late`, which is called with what comes after the end of a cell, and may set
    `tell_resumed`, which is awaited with what comes of a cell that a program before us began, and
    `fail_resumed`, which is awaited with its number and the error where it comes to no result. `scope` is
    "user" for one kernel a person, "place" for one a person and place. Sessions that were not used for
    `retention` lose their workspace; their transcript stays for `transcripts`. `model` answers what people
    ask, None where none is set up; `ledger` has what they take.
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
        self._resumed: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()  # no session is opened while an old one is removed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.let_go()
        self.jobs.close()

    async def let_go(self) -> None:
        """Let all sessions go: in a node their cells run on; whoever waits here for one gets KernelClosed."""
        await asyncio.gather(*(session.close() for session in self._open.values()))
        self._open.clear()
        # The turn of a cell that goes on without us ends as cancelled, which is no end of ours. One that
        # tells its front, which may wait for minutes, is not waited for.
        if self._resumed:
            _, slow = await asyncio.wait(self._resumed, timeout=LETTING_GO)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    async def session(self, user_id: int, place: str) -> Session:
        """The person's session for this place, opened when it is not. Raises: StoreUnavailable."""
        session_id = self.id_of(user_id, place)
        async with self._changing:
            now = self._clock()
            if session_id not in self._open:
                record = await self.store.sessions.get_or_create(session_id, user_id, place, now)
                late = self._late_of(record)
                session = Session(record, self.store, self.files, self.pool, self._clock, late, self.jobs)
                self._open[session_id] = await session.open()
                for cell, run in session.left_running:
                    self._resume(session, cell, run)
            session = self._open[session_id]
            session.last_used = now
            if now - session.record.last_used_at >= NOTED:
                await self.store.sessions.touch(session_id, now)
                session.record = replace(session.record, last_used_at=now)
            return session

    def opened(self, session_id: str) -> Session | None:
        """The session of this id, if it is open."""
        return self._open.get(session_id)

    async def resume(self) -> None:
        """Go on with all cells that were running when the program before us ended: a front can tell now.

        Without it a session's cells go on with the first thing that its person asks for.
        """
        now = self._clock()
        for record in await self.store.sessions.idle_since(ALL_TIME):  # a clock may have been ahead
            session_id = record.session_id
            recent = record.last_used_at > now - LONGEST_AWAY
            ours = self.id_of(record.user_id, record.place) == session_id  # under the scope that is set now
            if recent and ours and await self.store.transcripts.unfinished(session_id):
                await self.session(record.user_id, record.place)

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
        """Answer a person's words with the model. See `bot.ask.ask`. Raises: NoModel where there is none."""
        if self.model is None:
            raise NoModel
        session = await self.session(asking.user_id, asking.place)
        return await ask(session, asking, self.model, self.ledger, tell, asked)

    async def load_file(self, file_id: str, user_id: int) -> LoadedFile:
        """A stored file's record and bytes. Raises: NoSuchFile."""
        return await self.files.load_file(file_id, user_id)

    async def list_user_files(self, user_id: int, *, limit: int = 50, after: Cursor | None = None) -> Page:
        """The person's uploaded and generated files, newest first."""
        return await self.files.list_user_files(user_id, limit=limit, after=after)

    async def upload(self, name: str, data: bytes, user_id: int, *, place: str = "terminal") -> StoredFile:
        """Store a file of the person's and place it in the workspace. Raises: as `FileStore.put`."""
        session = await self.session(user_id, place)
        return await session.files.upload(name, data)

    async def discard(self, user_id: int, place: str) -> None:
        """Delete a session: its kernel, workspace and transcript. The person's stored files stay."""
        session_id = self.id_of(user_id, place)
        await self._end(session_id)
        async with self._changing:
            await self._remove(session_id)
            await self.store.sessions.delete(session_id)

    async def forget(self, user_id: int) -> None:
        """Delete everything of a person: kernels, workspaces, files, transcripts, usage."""
        for record in await self.store.sessions.of_user(user_id):
            await self._end(record.session_id)
        async with self._changing:
            for record in await self.store.sessions.of_user(user_id):
                await self._remove(record.session_id)
            await self.files.forget(user_id)
            await self.ledger.forget(user_id)

    async def sweep(self, now: datetime) -> None:
        """Remove the workspaces of sessions unused for the retention time; much later, all of the session."""
        for record in await self.store.sessions.idle_since(now - self._retention):
            async with self._changing:
                await self._remove_if_unused(record.session_id, now)

    async def sweep_often(self, every: timedelta) -> None:
        """`sweep` from time to time, until cancelled; a failure is logged and tried again.

        If the clock has jumped ahead since the last sweep, this one is left out; the next believes the clock.
        """
        jumps = Jumps()
        while True:
            now = self._clock()
            try:
                if jumps.forward(now) is None:
                    await self.sweep(now)
            except Exception:  # whatever fails this time, the next sweep must come
                log.exception("old sessions could not be removed")
            await asyncio.sleep(every.total_seconds())  # retention is a matter of time passing

    async def _remove_if_unused(self, session_id: str, now: datetime) -> None:
        record = await self.store.sessions.get(session_id)
        session = self._open.get(session_id)
        if record is None or (session and session.busy):
            return
        last_used = session.last_used if session else record.last_used_at
        if last_used >= now - self._retention:
            return
        await self._remove(session_id)
        if last_used < now - self._transcripts:
            await self.store.sessions.delete(session_id)

    async def _end(self, session_id: str) -> None:
        """End the turns of a session, so that nothing is told or kept of them after its deletion."""
        session = self._open.get(session_id)
        if session is not None:
            await session.end()

    async def _remove(self, session_id: str) -> None:
        """End the session's kernel and remove its workspace."""
        session = self._open.pop(session_id, None)
        if session is not None:
            await session.close()
        await self.pool.remove(session_id)
        await self.pool.remove(beside(session_id))

    def _resume(self, session: Session, cell: CellRecord, run: Cell) -> None:
        """Go on with a cell that a program before us began."""

        async def tell(reply: Reply) -> None:
            await self.tell_resumed(session.record, reply)

        async def fail(error: Exception) -> None:
            if not run.goes_on:  # else we end, and the next program resumes it
                await self.fail_resumed(session.record, cell.seq, error)

        async def resume() -> None:
            try:
                await resume_turn(session, cell, run, tell)
            except KernelError as error:
                log.info("cell %d of session %s: %s", cell.seq, session.record.session_id, error)
                await fail(error)
            except Exception as error:  # a front that fails must not end the telling of other cells
                log.exception("cell %d of session %s", cell.seq, session.record.session_id)
                await fail(error)

        # Begun here and now: what a person answers or stops is this cell, not one that they send next.
        loop = asyncio.get_running_loop()
        task = asyncio.Task(resume(), loop=loop, eager_start=True, name=f"resumed cell {cell.seq}")
        self._resumed.add(task)
        session.resumed.append(task)
        task.add_done_callback(self._resumed.discard)

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
