"""A person's kernel, workspace, files and transcript, as one thing to work with.

session = await Session.open(record, store, files, pool, clock, tell_late)
result = await take_turn(session, message, tell)
await session.stop()
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Self

from bot.continuity.kernel_notes import KernelNotes
from bot.continuity.late_ids import tell_recorded
from bot.errors import NothingRuns
from bot.files import Kept, PersonFiles
from bot.reply import Reply, Tell
from bot.request import new_turn
from bot.scheduling.jobs import Jobs
from bot.scratch.kernel import Apart
from bot.transcript import Transcript
from filestore.errors import StoreUnavailable
from filestore.files import FileStore
from filestore.records import CellRecord, SessionRecord
from filestore.spool import SpooledStore
from kernels.cell.result import Late
from kernels.concurrency.cancellation import stop
from kernels.concurrency.lasting import lasting
from kernels.errors import NoQuestion
from kernels.interface import Cell, Kernels, PersonKernel
from kernels.workspace.folder import scratch_id

__all__ = ["Asked", "Session", "beside"]

log = logging.getLogger(__name__)

ENDING = 30.0  # seconds that a deletion waits for turns to end, whose cells are killed long before


def beside(session_id: str) -> str:
    """The name of the kernel in which a session's files are looked into."""
    return scratch_id(session_id)


class Asked:
    """One turn of the model in one place, which can be stopped: its request, its cell, whatever it does."""

    def __init__(self, place: str) -> None:
        self.id = new_turn()
        self.place = place
        self.stopped = False
        self._request: asyncio.Task[None] | None = None
        self._run: Cell | None = None

    async def stop(self, *, kill: bool = False) -> None:
        """End the request or the cell that is under way; nothing of the turn may begin after it.

        A cell that does not stop is asked about; with `kill` its kernel is killed.
        """
        self.stopped = True
        if self._request is not None:
            self._request.cancel()
        if self._run is not None:
            await _end(self._run, kill=kill)

    async def begin(self, run: Cell) -> None:
        """Take note of the turn's own cell; of a turn that was stopped meanwhile it does not run."""
        self._run = run
        if self.stopped:
            await run.interrupt()

    async def carry_out(self, work: Coroutine[None, None, None]) -> None:
        """Do something that `stop` cancels; then it returns early, and `stopped` says so."""
        self._request = asyncio.create_task(work)
        if self.stopped:
            self._request.cancel()
        try:
            await asyncio.wait([self._request])
        finally:
            self._request.cancel()
            await asyncio.wait([self._request])
        if not (self._request.cancelled() and self.stopped):
            self._request.result()


class Session:
    """One open session; made by `Sessions`. `tell_late` is told what comes after the end of its cell."""

    def __init__(
        self,
        record: SessionRecord,
        store: SpooledStore,
        files: FileStore,
        pool: Kernels,
        clock: Callable[[], datetime],
        tell_late: Tell,
        jobs: Jobs,
    ) -> None:
        self.record = record
        self.last_used = record.last_used_at  # by the minute in the record
        self.idle_since = monotonic()
        self.files = PersonFiles(files, record, pool)
        turn = partial(jobs.looking.one, record.user_id)  # theirs alone, in however many places they are
        self.apart = Apart(pool, beside(record.session_id), turn)  # looks into what the person has sent
        self.jobs = jobs  # in which its notebooks are made
        self.transcript = Transcript(store.transcripts, record.session_id, clock)
        self.notes = KernelNotes(record, store.sessions, self.transcript, self.kernel)
        self._catch_up = store.catch_up
        self._listeners: tuple[asyncio.Task[None], ...] = ()
        self._tell_late = tell_late
        self.left_running: list[tuple[CellRecord, Cell]] = []
        self.resumed: list[asyncio.Task[None]] = []  # the turns that go on with them
        self.broken_off: list[CellRecord] = []
        self._runs: dict[Cell, str] = {}  # with their places, in the order in which they run
        self._asked: list[Asked] = []
        self._talks: dict[str, asyncio.Lock] = {}
        self._turns = 0
        self._over = asyncio.Event()  # no turn goes on
        self._over.set()
        self._pool = pool

    @property
    def python(self) -> Path:
        """The interpreter that the session's kernel runs on."""
        return self._pool.python

    @property
    def network(self) -> bool:
        """Whether cells may use the network of the machine that they run on."""
        return self._pool.limits.network

    @property
    def kernel(self) -> PersonKernel:
        """The session's kernel."""
        return self.files.kernel

    async def open(self, *, restored: bool = False) -> Self:
        """Take up where the session was left.

        Cells that go on in a node are in `left_running`, to be resumed; those in `broken_off` are noted as
        such, to be told, and their files are kept. What the session's kernel had and has no more is told with
        the next cell; with `restored` the data may be older than what the person did last.

        Raises: KernelError, StoreUnavailable.
        """
        left_running = await self.kernel.left_running()
        unfinished = await self._unfinished(needed=bool(left_running))
        for tag, run in left_running.items():
            if tag in unfinished:
                self.left_running.append((unfinished.pop(tag), run))
            elif await self._recorded(tag):  # its program ended before it could say so
                run.settle()
            else:
                self.left_running.append((await self._record(run), run))
        await self.notes.miss(broken_off=bool(unfinished), restored=restored)
        self.broken_off = list(unfinished.values())
        await self._note_broken_off(self.broken_off)
        name = self.record.session_id
        self._listeners = (
            lasting(self._listen, f"late output of {name}"),
            lasting(self._tell_recorded, f"files of {name}"),
        )
        return self

    async def close(self) -> None:
        """Let the kernel go: in a node it lives on; files and transcript stay."""
        for listener in self._listeners:
            await stop(listener)
        await self._pool.release(self.record.session_id)

    async def note(self) -> None:
        """Note what the kernel holds after a cell."""
        await self.notes.note(one.name for one in self.kernel.variables)

    @contextlib.asynccontextmanager
    async def at_work(self, run: Cell, place: str, asked: "Asked | None" = None) -> AsyncIterator[None]:
        """While entered, `stop` and `answer` mean this run, once those before it are over.

        With `asked` it is a cell of that turn's model.
        """
        self._runs[run] = place
        try:
            if asked is not None:
                await asked.begin(run)
            yield
        finally:
            del self._runs[run]

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """While entered, a turn goes on that `end` waits for, until all of it is recorded."""
        self._turns += 1
        self._over.clear()
        try:
            yield
        finally:
            self._turns -= 1
            self.idle_since = monotonic()
            if not self._turns:
                self._over.set()

    @contextlib.asynccontextmanager
    async def asked(self, turn: "Asked") -> AsyncIterator[None]:
        """While entered, the model answers in the turn's place; another turn there waits before it enters.

        One that is stopped waits no longer, and finds in `stopped` that nothing of it may begin.
        """
        talk, mine = self._talks.setdefault(turn.place, asyncio.Lock()), False

        async def wait() -> None:
            nonlocal mine
            mine = await talk.acquire()

        self._asked.append(turn)
        try:
            await turn.carry_out(wait())
            yield
        finally:
            self._asked.remove(turn)
            if mine:
                talk.release()

    @property
    def busy(self) -> bool:
        """Whether a turn goes on: a cell runs or waits, or the model answers."""
        return self._turns > 0

    async def stop(self, place: str | None = None, *, kill: bool = False) -> None:
        """Stop the running cell, and the model's answers, cells and all: in one place, or (None) in all.

        Where nothing goes on in `place`, it is the running cell. One that does not stop is asked about
        (`Unstopped`, `decide`); with `kill` its kernel is killed after two seconds. Raises: NothingRuns.
        """
        asked = [turn for turn in self._asked if place in (None, turn.place)]
        runs = [run for run, where in self._runs.items() if place in (None, where)]
        if not asked and not runs:
            runs = [self._running()]
        for turn in asked:
            await turn.stop(kill=kill)
        for run in runs[:1]:
            await _end(run, kill=kill)

    async def stop_cell(self, seq: int, *, kill: bool = False) -> None:
        """As `stop`, this cell, also while it waits for those before it. Raises: NothingRuns."""
        await _end(self._run_of(seq), kill=kill)

    def decide(self, seq: int | None = None, *, kill: bool) -> None:
        """Kill the kernel of the running cell, or of this one, which does not stop; or wait for its end.

        Raises: NothingRuns; NoQuestion where that is not asked, or not any more.
        """
        run = self._running() if seq is None else self._run_of(seq)
        run.decide(kill=kill)

    def extend(self, seq: int, limit: timedelta) -> None:
        """Let this cell take so long, from its start. Raises: NothingRuns."""
        self._run_of(seq).extend(limit)

    def answer(self, text: str) -> None:
        """Answer the `input()` of the running cell. Raises: NothingRuns, NoQuestion."""
        self._running().answer(text)

    def question_of(self, seq: int) -> int | None:
        """The number of the question that this cell waits with, also for the program after this one."""
        return next((run.question for run in self._runs if run.tag == seq), None)

    def answer_to(self, seq: int, question: int, text: str) -> None:
        """Answer this question of this cell, and no other. Raises: NothingRuns, NoQuestion, TooLarge."""
        run = self._run_of(seq)
        if run.question != question:
            raise NoQuestion
        run.answer(text)

    async def reset(self) -> None:
        """End the kernel, with its variables, and a running cell first; files and transcript stay."""
        await self._stop_all()
        await self.kernel.restart()
        await self.notes.note(())

    async def end(self) -> None:
        """Stop every turn, and wait until what came of them is recorded; then the session may be deleted."""
        await self._stop_all()
        try:
            await asyncio.wait_for(self._over.wait(), ENDING)
        except TimeoutError:
            log.warning("a turn of session %s does not end", self.record.session_id)

    async def _stop_all(self) -> None:
        for turn in list(self._asked):
            await turn.stop(kill=True)
        for run in list(self._runs):
            await run.interrupt()

    def _run_of(self, seq: int) -> Cell:
        for run in self._runs:
            if run.tag == seq:
                return run
        raise NothingRuns

    def _running(self) -> Cell:
        for run in self._runs:
            return run
        raise NothingRuns

    async def _unfinished(self, *, needed: bool) -> dict[int, CellRecord]:
        """The cells that a program before us began.

        Where none goes on, a database that is away is no hindrance: they are noted by the next program.
        """
        try:
            return {cell.seq: cell for cell in await self.transcript.unfinished()}
        except StoreUnavailable:
            if needed:
                raise
            log.warning("what session %s left unfinished is not known now", self.record.session_id)
            return {}

    async def _recorded(self, seq: int) -> bool:
        """Whether the database knows this cell."""
        return any(entry.seq == seq for entry in await self.transcript.next_after(seq - 1))

    async def _record(self, run: Cell) -> CellRecord:
        """Note a cell that runs, and that the database does not know.

        The program before us was killed before the cell was recorded, or the database was restored from a
        copy. Where the cell was sent is not known: it belongs to no place's conversation.
        """
        log.warning("cell %d of session %s was not recorded", run.tag, self.record.session_id)
        cell = await self.transcript.adopt(run.tag, "", run.code)
        run.tag = cell.seq
        return cell

    async def _note_broken_off(self, cells: Sequence[CellRecord]) -> None:
        await self.transcript.broken_off(cells)
        ran = cells[0] if cells else None  # the others stood in line
        async with self.kernel.catch_up(ran.started_at.timestamp() if ran else None) as scan:
            if ran is not None:
                await self._keep_late(ran.seq, await self.files.keep(scan.captured, scan.skipped, ran.seq))

    async def _tell_recorded(self) -> None:
        await tell_recorded(self._catch_up.recorded(self.record.session_id), self.files, self._tell_late)

    async def _listen(self) -> None:
        async for late in self.kernel.late():
            try:
                await self._take_late(late)
            except Exception:  # one piece that cannot be told must not end the telling of those after it
                log.exception("late output of session %s is lost", self.record.session_id)

    async def _take_late(self, late: Late) -> None:
        if late.scan is not None:
            kept = await self.files.keep(late.scan.captured, late.scan.skipped, late.tag)
            await self._keep_late(late.tag, kept)
        else:
            await self.transcript.add_late(late.tag, late.event, Kept())
            await self._tell_late(Reply(late.tag, late.event, late=True))

    async def _keep_late(self, cell: int, kept: Kept) -> None:
        if kept.files or kept.skipped:
            await self.transcript.add_late(cell, None, kept)
            await self._tell_late(Reply(cell, files=kept.files, skipped=kept.skipped, late=True))


async def _end(run: Cell, *, kill: bool) -> None:
    """End a cell; unless its kernel is to be killed where it does not end, somebody is asked about it."""
    await (run.interrupt() if kill else run.stop())
