"""All open sessions, and the four calls that give a program the whole bot without a front.

    result = await sessions.execute_code("x = 1", user_id=1)
    record = await sessions.upload("data.csv", data, user_id=1)
    loaded = await sessions.load_file(record.file_id, user_id=1)
    page = await sessions.list_user_files(user_id=1)

A session is opened when it is first needed. It stays the same object until the program ends, or until it has
been unused for so long that it is deleted.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Literal, Self

from bot.continuity.deletions import Deletions
from bot.continuity.earlier_answer import broken_off_reply
from bot.continuity.kernel_notes import note_swept, note_untold, note_used
from bot.continuity.left_states import LeftStates
from bot.continuity.losses import KernelNote
from bot.continuity.removal import remove_person, remove_session
from bot.continuity.resumed_turns import ResumedTurns, unfinished_sessions
from bot.continuity.undo.branches import BranchedSessions
from bot.errors import DeletedSince, NoModel, NotOpened
from bot.model.stopping import ModelTurn
from bot.model.turn import ModelAnswer, ask
from bot.model.usage import Ledger
from bot.reply import ExecutionResult, Front, NoFront, Tell, tell_nobody
from bot.request import Request
from bot.scheduling.concurrently import for_each
from bot.scheduling.jobs import Jobs
from bot.scheduling.locks import Locks
from bot.scheduling.periodic import sweep_often
from bot.session import Session, Unfinished
from bot.transcript import Transcript
from bot.turn import take_turn
from filestore.errors import BytesStay, FileStoreError, StoreUnavailable
from filestore.files import FileStore
from filestore.records import Cursor, FilePage, LoadedFile, SessionRecord, StoredFile
from filestore.spool import SpooledStore
from kernels.cell.events import Restarted
from kernels.concurrency.cancellation import to_the_end
from kernels.concurrency.slots import TimedSlots
from kernels.descriptors import need
from kernels.errors import KernelError
from kernels.interface import Kernels
from kernels.workspace.folder import scratch_id

if TYPE_CHECKING:  # it takes a second to import
    from bot.model.client import Model

__all__ = ["Sessions"]

log = logging.getLogger(__name__)

OPENING = 90.0  # seconds to open a session, including the start of a node
AT_ONCE = 4  # sessions opened at a time; 130 at a time delayed a neighbour's cell by half a second
TURN = 1.0  # seconds after which a slow opening no longer keeps the next from starting; it usually takes 0.01
REMOVING = 60.0  # seconds to remove one old session, whose kernel has to end
IDLE = 600.0  # seconds of disuse after which a session closes its connections, if its kernel lives on
LOOK = 30.0  # seconds between two looks for idle sessions and for news of those that were released
DESCRIPTORS = 16  # file descriptors that opening a session may need for a while


class Sessions(BranchedSessions):
    """The sessions of one program.

    `scope` is "user" for one kernel per person, "place" for one per person and place. A session that has not
    been used for `retention` loses its workspace; transcript and saved variables stay for `transcripts`.
    `model` answers what people ask (None: none is set up), and `ledger` records what that uses. With
    `restored` the data may be older than what people did last. Without `saved` variables are not saved, but
    there are `left_states` if they once were. `front` makes the front of these sessions. `opening` and `turn`
    are as the constants above.
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
        saved: bool = True,
        left_states: LeftStates | None = None,
        front: Callable[["Sessions"], Front] = lambda _: NoFront(),
        opening: float = OPENING,
        turn: float = TURN,
    ) -> None:
        super().__init__()
        self.store, self.files, self.pool = store, files, pool
        self.model, self.jobs, self.deletions = model, Jobs(), Deletions()
        self.ledger = ledger or Ledger(store.usage, clock)
        self._clock, self._scope = clock, scope
        self._retention, self._transcripts = retention, transcripts
        self._left_states = left_states or LeftStates()
        self._open: dict[str, Session] = {}
        self._resumed = ResumedTurns()
        self._all_resumed = False  # until then a cell may run in a session that is not open
        self._locks = Locks()  # keep a session from being opened while it is being removed
        self._openings, self._turn, self._opening = TimedSlots(AT_ONCE), turn, opening
        self._restored, self._saved = restored, saved
        self._seen: set[str] = set()  # sessions that this program has opened before
        self._released: dict[str, SessionRecord] = {}  # sessions whose kernels live on without us
        self.front = front(self)

    async def __aenter__(self) -> Self:
        await self.find_branches()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.release_all()
        finally:
            self.jobs.close()

    async def release_all(self) -> None:
        """Release all sessions.

        In a node their cells go on, and whoever waits for one gets GoesOn. Without a node the kernels end,
        and whoever waits for a cell gets its result, or KernelClosed.
        """
        self._resumed.leaving()
        closing = [session.close() for session in self._open.values()]
        self._open.clear()
        for failure in filter(None, await asyncio.gather(*closing, return_exceptions=True)):
            log.error("a session could not be released", exc_info=failure)
        await self._resumed.wait_all()

    async def session(self, user_id: int, place: str) -> Session:
        """The person's session for this place, opened if necessary.

        Raises: StoreUnavailable, KernelError, NotOpened; DeletedSince, see `Deletions`.
        """
        return await self._session(self.id_of(user_id, place), user_id, place)

    async def _session(self, session_id: str, user_id: int, place: str) -> Session:
        async with self._locks.one(user_id, session_id):
            self.deletions.check(user_id)
            self._check_branch(session_id)
            session = await self._get_or_open(session_id, user_id, place)
            session.last_used, session.idle_since = self._clock(), monotonic()
            await self._note_use(session, session.last_used)
            return session

    async def _note_use(self, session: Session, now: datetime) -> None:
        """Note for the next program when a session was used; one that is at work is used now."""
        used = now if session.busy else session.last_used
        session.record = await note_used(self.store.sessions, session.record, used)

    async def _get_or_open(self, session_id: str, user_id: int, place: str) -> Session:
        """The session, opened if necessary; the caller holds its lock.

        A failure concerns this person alone, and the next call tries again.
        Raises: StoreUnavailable, KernelError, NotOpened.
        """
        if (session := self._open.get(session_id)) is not None:
            return session
        try:
            async with asyncio.timeout(self._opening), self._openings.slot(self._turn):
                need(DESCRIPTORS)
                session, unfinished = await self._open_session(session_id, user_id, place)
        except BaseException as error:  # not even a cancellation may leave a half-open session
            with suppress(KernelError, OSError):
                await to_the_end(self.pool.release(session_id))
            if isinstance(error, OSError | MemoryError):  # TimeoutError is an OSError
                log.warning("session %s could not be opened: %r", session_id, error)
                raise NotOpened(error) from error
            raise
        self._open[session_id] = session
        self._released.pop(session_id, None)
        for begun in unfinished.running:
            self._resumed.begin(session, begun, self.front)
        for cell in unfinished.broken_off:
            self._resumed.tell(broken_off_reply(cell), partial(self.front.tell_resumed, session.record))
        return session

    async def _open_session(self, session_id: str, user_id: int, place: str) -> tuple[Session, Unfinished]:
        record = await self.store.sessions.get_or_create(session_id, user_id, place, self._clock())
        session = Session(
            record,
            self.store,
            self.files,
            self.pool,
            self._clock,
            partial(self.front.tell_late, record),
            self.jobs,
            saved=self._saved,
            left_states=self._left_states,
        )
        unfinished = await session.open(restored=self._restored and session_id not in self._seen)
        self._seen.add(session_id)
        return session, unfinished

    async def tell_again(self, session_id: str, lost: Restarted) -> None:
        """Tell this loss again with the session's next cell, because nobody was told."""
        if (session := self._open.get(session_id)) is not None:
            await session.notes.tell_again(lost)
        else:  # it was released
            await note_untold(self.store.sessions, session_id, lost)

    def opened(self, session_id: str) -> Session | None:
        """The session of this id, if it is open."""
        return self._open.get(session_id)

    async def resume(self) -> None:
        """Resume all cells that were running when the previous program ended; a front calls this when ready.

        Without it the cells of a session are resumed when its person next needs the session. A session that
        cannot be opened does not affect the others. Raises: FileStoreError, KernelError, once all were tried.
        """
        found = await unfinished_sessions(self.pool, self.store.sessions, self._clock())
        ours = [one for one in found if self.exists(one)]

        failures = await for_each(ours, self.of_record)
        for failure in failures:
            if isinstance(failure, FileStoreError | KernelError):
                raise failure
            if failure is not None and not isinstance(failure, DeletedSince):
                log.error("cells that were running could not be resumed", exc_info=failure)
        self._all_resumed = True

    async def execute_code(
        self,
        code: str,
        user_id: int,
        user_files: Sequence[str] = (),
        *,
        place: str = "terminal",
        author: str = "",
        can_answer: bool = False,
        tell: Tell = tell_nobody,
    ) -> ExecutionResult:
        """Run code in the person's kernel, with these stored files in its workspace. See `take_turn`."""
        session = await self.session(user_id, place)
        author, wanted = author or str(user_id), tuple(user_files)
        request = Request(user_id, author, place, code, user_files=wanted, can_answer=can_answer)
        return await take_turn(session, request, tell)

    async def ask(self, request: Request, tell: Tell, model_turn: ModelTurn | None = None) -> ModelAnswer:
        """Answer a person's words with the model, as `bot.model.turn.ask` does. Raises: NoModel."""
        if self.model is None:
            raise NoModel
        session = await self.session(request.user_id, request.place)
        return await ask(session, request, self.model, self.ledger, tell, model_turn)

    async def load_file(self, file_id: str, user_id: int) -> LoadedFile:
        """A stored file's record and bytes. Raises: NoSuchFile."""
        return await self.files.load_file(file_id, user_id)

    async def list_user_files(
        self, user_id: int, *, limit: int = 50, after: Cursor | None = None
    ) -> FilePage:
        """The person's uploaded and generated files, newest first."""
        return await self.files.list_user_files(user_id, limit=limit, after=after)

    async def upload(self, name: str, data: bytes, user_id: int, *, place: str = "terminal") -> StoredFile:
        """Store a person's file and put it into the workspace. Raises: as `FileStore.put`."""
        session = await self.session(user_id, place)
        return await session.upload(name, data)

    async def discard(self, user_id: int, place: str) -> None:
        """Delete a session with all it has. Raises: as `remove_session`; BytesStay once all was tried."""
        session_id = self.id_of(user_id, place)
        await self._end_turns(session_id)
        await self.front.end_answers([session_id])
        async with self._locks.one(user_id, session_id):
            left = await remove_session(self.store, self.files, session_id, user_id, self._remove)
            self._forget_branches(session_id)
        await self.store.sessions.erase_deleted()  # which may take seconds, while the person can begin anew
        if left:
            raise BytesStay("see the log")

    async def forget_person(self, user_id: int) -> None:
        """Delete everything of a person, with their usage. Raises: BytesStay once all was tried."""
        self.deletions.note(user_id)
        session_ids = [record.session_id for record in await self.store.sessions.of_user(user_id)]
        await asyncio.gather(*map(self._end_turns, session_ids))
        await self.front.end_answers(session_ids)
        async with self._locks.all_of(user_id):
            left = await remove_person(self.store, self.files, self.ledger, user_id, self._remove)
            self._forget_branches(*self._branches_of(user_id))
        await self.store.sessions.erase_deleted()
        if left:
            raise BytesStay("see the log")

    async def sweep(self, now: datetime) -> None:
        """Remove the workspaces of sessions unused for the retention time, and much later their records.

        If one cannot be removed, that is logged and the next sweep tries again; the others are removed.
        What an earlier program began is kept until `resume` has opened it.
        """
        begun = () if self._all_resumed else await self.pool.untold()
        for session in list(self._open.values()):
            await self._note_use(session, now)  # a cell may have run for long since it began
        for record in await self.store.sessions.idle_since(now - self._retention):
            await asyncio.sleep(0)  # there may be a hundred thousand sessions: let others run
            if record.session_id in begun and record.session_id not in self._open:
                continue
            if KernelNote.from_text(record.kernel).swept and record.last_used_at >= now - self._transcripts:
                continue  # its workspace is gone, and its transcript stays for now
            try:
                async with asyncio.timeout(REMOVING), self._locks.one(record.user_id, record.session_id):
                    await self._remove_if_unused(record.session_id, now)
            except StoreUnavailable:
                raise
            except Exception:  # whatever is wrong with this one, the others must be removed
                log.exception("session %s could not be removed", record.session_id)

    async def sweep_often(self, every: timedelta, due: datetime | None = None) -> None:
        """`sweep` from time to time, until cancelled; see `bot.scheduling.periodic`."""
        await sweep_often(self.sweep, every, self._clock, "old sessions could not be removed", due)

    async def release_idle(self, now: float) -> None:
        """Release sessions that nobody has used for IDLE seconds; `now` is monotonic.

        Their kernels live on. A released session is opened again once its kernel has news.
        """
        idle = [session.record for session in self._open.values() if self._unused(session, now)]
        failures = await for_each(idle, partial(self._release_one, now=now))
        if self._released:
            untold = [self._released[name] for name in await self.pool.untold() if name in self._released]
            failures += await for_each(untold, self._reopen)
        for failure in filter(None, failures):
            log.warning("the news of an idle session cannot be fetched now: %r", failure)

    async def _release_one(self, record: SessionRecord, now: float) -> None:
        session_id = record.session_id
        async with self._locks.one(record.user_id, session_id):
            session = self._open.get(session_id)
            if session is not None and self._unused(session, now):
                await self._note_use(session, self._clock())
                del self._open[session_id]
                self._released[session_id] = session.record
                await session.close()

    async def _reopen(self, record: SessionRecord) -> None:
        """Open a released session again, unless it is deleted by then, so that its news is told."""
        self.deletions.asked()  # so is this: a task of its own tells the news, perhaps after a deletion
        async with self._locks.one(record.user_id, record.session_id):
            if record.session_id in self._released:
                await self._get_or_open(record.session_id, record.user_id, record.place)

    def _unused(self, session: Session, now: float) -> bool:
        if session.busy or session.files.put_off or session.kernel.goes_on:  # only this object knows of these
            return False
        waits = self.store.transcripts.waiting(session.record.session_id)  # and will be told
        return now - session.idle_since > IDLE and waits is None

    async def release_idle_often(self) -> None:
        """Call `release_idle` regularly, until cancelled, if kernels live on without us."""
        while True:
            await asyncio.sleep(LOOK)  # sessions become idle as time passes
            if self.pool.outlived:
                try:
                    await self.release_idle(monotonic())
                except (KernelError, OSError) as error:
                    log.warning("the news of idle sessions cannot be fetched now: %r", error)

    async def _remove_if_unused(self, session_id: str, now: datetime) -> None:
        record, session = await self.store.sessions.get(session_id), self._open.get(session_id)
        if record is None or (session and session.busy):
            return
        last_used = session.last_used if session else record.last_used_at
        if last_used >= now - self._retention:
            return
        await self._remove(session_id, keep_state=last_used >= now - self._transcripts)
        if last_used < now - self._transcripts:
            await self.store.sessions.delete(session_id)
            self._forget_branches(session_id)
        else:
            transcript = Transcript(self.store.transcripts, session_id, self._clock)
            await note_swept(self.store.sessions, transcript, record, self._retention)

    async def _end_turns(self, session_id: str) -> None:
        """End a session's turns, so that after its deletion nothing of them is told or kept."""
        if (session := self._open.get(session_id)) is not None:
            await session.end_turns()

    async def _remove(self, session_id: str, *, keep_state: bool = False) -> None:
        """End the kernel, remove the workspace and forget the saved variables; the caller holds the lock."""
        await self._end_turns(session_id)  # those that have begun while the lock was waited for
        self._released.pop(session_id, None)
        log.info("the kernel and the workspace are removed", extra={"session": session_id})
        if (session := self._open.pop(session_id, None)) is not None:
            await session.close()
        await self.pool.remove(session_id, keep_state=keep_state)
        if not keep_state:
            await self._left_states.forget(session_id)
        await self.pool.remove(scratch_id(session_id))
