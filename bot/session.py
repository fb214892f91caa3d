"""A person's kernel, workspace, files and transcript as one object.

session = Session(record, store, files, pool, clock, tell_late, jobs)
unfinished = await session.open()
result = await take_turn(session, request, tell)
await session.stop()
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from bot.continuity.kernel_notes import KernelNotes
from bot.continuity.late_ids import tell_recorded
from bot.continuity.left_states import LeftStates
from bot.continuity.turns import Turns
from bot.continuity.undo.history import UndoHistory
from bot.continuity.undo.travels import Travels
from bot.continuity.undo.undoable import Undoable
from bot.errors import NothingRuns
from bot.files import KeptFiles, PersonFiles
from bot.model.stopping import ModelTurn, end_cell
from bot.reply import Reply, Tell
from bot.scheduling.jobs import Jobs
from bot.scheduling.series import AllSeries
from bot.scratch.kernel import ScratchKernel
from bot.transcript import Transcript
from filestore.errors import StoreUnavailable
from filestore.files import FileStore
from filestore.records import CellRecord, SessionRecord, StoredFile
from filestore.spool import SpooledStore
from kernels.cell.result import Late
from kernels.concurrency.cancellation import stop
from kernels.concurrency.lasting import lasting
from kernels.errors import NoQuestion
from kernels.interface import Cell, Kernels, PersonKernel
from kernels.workspace.folder import scratch_id

__all__ = ["BegunCell", "Session", "StoppedWork", "Unfinished"]

log = logging.getLogger(__name__)

ENDING = 30.0  # seconds that a deletion waits for turns to end; their cells are killed long before that


class BegunCell(NamedTuple):
    """A cell that an earlier program began and that goes on: its record, and the cell itself."""

    record: CellRecord
    run: Cell


class Unfinished(NamedTuple):
    """A session's cells that earlier programs began: those that run in a node, and those that broke off."""

    running: tuple[BegunCell, ...]
    broken_off: tuple[CellRecord, ...]


class StoppedWork(NamedTuple):
    """What was stopped: turns of the model or none, and the code and place of a cell, if any.

    Neither: a notebook that is run again, between two of its cells.
    """

    model: bool
    code: str | None = None
    place: str = ""


class Session(Undoable):
    """One open session, made by `Sessions`. `tell_late` gets what comes after the end of a cell.

    With `saved` false variables are not saved here, so that nothing can be undone; `left_states` are those
    from when they were.
    """

    def __init__(
        self,
        record: SessionRecord,
        store: SpooledStore,
        files: FileStore,
        pool: Kernels,
        clock: Callable[[], datetime],
        tell_late: Tell,
        jobs: Jobs,
        *,
        saved: bool = True,
        left_states: LeftStates | None = None,
    ) -> None:
        self.record = record
        self.last_used, self.idle_since = record.last_used_at, monotonic()  # the record has it to the minute
        self._clock = clock
        self.files = PersonFiles(files, record, pool)
        turn = partial(jobs.looking.one, record.user_id)  # one for the person, whatever their places
        self.scratch = ScratchKernel(pool, scratch_id(record.session_id), turn)
        self.jobs = jobs  # make its notebooks
        self.transcript = Transcript(store.transcripts, record.session_id, clock)
        self.notes = KernelNotes(record, store.sessions, self.transcript, self.kernel)
        self._catch_up = store.catch_up
        self._listeners: tuple[asyncio.Task[None], ...] = ()
        self._tell_late = tell_late
        self.resumed: list[asyncio.Task[None]] = []  # the turns that resume its cells
        self._runs: dict[Cell, str] = {}  # the cells and their places, in the order in which they run
        self._asked: list[ModelTurn] = []
        self._talks: dict[str, asyncio.Lock] = {}
        self.series = AllSeries()
        self.turns = Turns()
        self.saved = saved
        self._left_states = left_states or LeftStates()
        self._travels = Travels(self, store.sessions, files, saved=saved)
        self._pool = pool

    @property
    def python(self) -> Path:
        """The interpreter that the session's kernel runs on."""
        return self._pool.python

    @property
    def network(self) -> bool:
        """Whether cells may use the network of their machine."""
        return self._pool.limits.network

    def heard(self, place: str) -> tuple[str, ...]:
        """The places whose talk the model may know in this one: in a branch, that of where it is from."""
        origin = UndoHistory.from_text(self.record.history).origin
        return (place,) if origin is None or not origin.heard else (place, origin.place)

    @property
    def kernel(self) -> PersonKernel:
        """The session's kernel."""
        return self.files.kernel

    async def open(self, *, restored: bool = False) -> Unfinished:
        """Continue where the session was left; returns the cells that earlier programs did not finish.

        Those that were broken off are recorded as such, and their files are kept. Variables that the
        session's kernel has lost are told with the next cell. With `restored` the data may be older than what
        the person did last.

        Raises: KernelError, StoreUnavailable.
        """
        left_running, running = await self.kernel.left_running(), list[BegunCell]()
        unfinished = await self._unfinished(needed=bool(left_running))
        for tag, run in left_running.items():
            if tag in unfinished:
                running.append(BegunCell(unfinished.pop(tag), run))
            elif await self._recorded(tag):  # its program ended before it could acknowledge this
                run.settle()
            else:
                running.append(BegunCell(await self._record(run), run))
        await self.notes.find_losses(broken_off=next(iter(unfinished), 0), restored=restored)
        await self._travels.settle()
        broken_off = tuple(unfinished.values())
        await self._note_broken_off(broken_off)
        name = self.record.session_id
        self._listeners = (
            lasting(self._listen, f"late output of {name}"),
            lasting(self._tell_recorded, f"files of {name}"),
        )
        return Unfinished(tuple(running), broken_off)

    async def close(self) -> None:
        """Release the kernel: in a node it lives on. Files and transcript stay."""
        self.turns.close()
        try:
            for listener in self._listeners:
                await stop(listener)
        finally:
            await self._pool.release(self.record.session_id)

    async def note_variables(self) -> None:
        """Note the variables that the kernel holds after a cell."""
        await self.notes.note(one.name for one in self.kernel.variables)

    @contextlib.asynccontextmanager
    async def at_work(
        self, run: Cell, place: str, model_turn: ModelTurn | None = None
    ) -> AsyncIterator[None]:
        """While entered, `stop` and `answer` apply to this cell once those before it are over.

        With `model_turn` the cell belongs to that turn.
        """
        self._runs[run] = place
        try:
            if model_turn is not None:
                await model_turn.begin_cell(run)
            yield
        finally:
            del self._runs[run]

    @contextlib.contextmanager
    def turn(self, run: Cell | None = None) -> Iterator[None]:
        """While entered, a turn is in progress, with this cell; `end_turns` waits until it is recorded."""
        try:
            with self.turns.one(run):
                yield
        finally:
            self.last_used, self.idle_since = self._clock(), monotonic()

    @contextlib.asynccontextmanager
    async def asked(self, turn: ModelTurn) -> AsyncIterator[None]:
        """While entered, the model answers in the turn's place; the next turn there has to wait.

        A turn that is stopped while it waits enters at once, and must begin nothing: `stopped` is true.
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

    async def may_begin(self) -> None:
        """Wait until a cell may begin; if it may, nothing else runs in between."""
        await self._travels.settle()  # a cell's save would hide how far a journey came that was broken off
        await self.turns.may_begin()

    async def upload(self, name: str, data: bytes) -> StoredFile:
        """As `PersonFiles.upload`. Raises: KernelClosed, too, if the session is being deleted."""
        with self.turn():
            self.turns.go_on()
            return await self.files.upload(name, data)

    def takes(self, turn: str) -> bool:
        """Whether a cell of the turn with this id runs or waits."""
        return any(run.turn == turn for run in self._runs)

    @property
    def busy(self) -> bool:
        """Whether a turn is in progress: a cell runs or waits, or the model answers."""
        return self.turns.any

    async def stop(self, place: str | None = None, *, kill: bool = False) -> StoppedWork:
        """Stop the running cell and the model's turns, in one place or (None) in all; returns what that was.

        A cell that waits is not stopped in place of the one that it waits for: unless the model has a turn in
        `place`, the running cell is stopped wherever it was sent. If a cell does not stop, the person is
        asked about it (`Unstopped`, `decide`); with `kill` its kernel dies after 2 s. Raises: NothingRuns.
        """
        asked = [turn for turn in self._asked if place in (None, turn.place)]
        running = next(iter(self._runs.items()), None)
        if asked and running is not None and place not in (None, running[1]):
            running = None
        if not asked and running is None:
            if not self.series.stop(place):
                raise NothingRuns
            return StoppedWork(model=False)
        for turn in asked:
            await turn.stop(kill=kill)
        if running is None:
            return StoppedWork(bool(asked))
        run, where = running
        await end_cell(run, kill=kill)
        return StoppedWork(bool(asked), run.code, where)

    async def stop_cell(self, seq: int, *, kill: bool = False) -> None:
        """Stop this cell, as `stop` does, even while it waits for others. Raises: NothingRuns."""
        await end_cell(self._run_of(seq), kill=kill)

    def decide(self, seq: int | None = None, *, kill: bool) -> None:
        """Decide about a cell that does not stop: kill its kernel, or wait for its end.

        `seq` None is the running cell. Raises: NothingRuns; NoQuestion if there is nothing to decide.
        """
        self._run_of(seq).decide(kill=kill)

    def extend(self, seq: int, limit: timedelta) -> None:
        """Give this cell a new time limit, counted from its start. Raises: NothingRuns."""
        self._run_of(seq).extend(limit)

    def answer(self, text: str) -> None:
        """Answer the `input()` of the running cell. Raises: NothingRuns, NoQuestion."""
        self._run_of(None).answer(text)

    def question_of(self, seq: int) -> int | None:
        """The number of the question that this cell is asking; the next program sees the same number."""
        return next((run.question for run in self._runs if run.tag == seq), None)

    def answer_to(self, seq: int, question: int, text: str) -> None:
        """Answer this question of this cell, but no other. Raises: NothingRuns, NoQuestion, TooLarge."""
        run = self._run_of(seq)
        if run.question != question:
            raise NoQuestion
        run.answer(text)

    async def reset(self) -> None:
        """End the kernel after a running cell; its variables go, saved or not; files and transcript stay."""
        async with self.alone(stop=True):  # nor in the middle of an undo, which would note what is gone
            await self.kernel.restart()
            await self._left_states.forget(self.record.session_id)
            await self.notes.forget()
            await self._travels.forget()

    @contextlib.asynccontextmanager
    async def alone(self, *, stop: bool) -> AsyncIterator[bool]:
        """While entered, no cell begins; gives whether none is in progress. With `stop` they are stopped."""
        async with self.turns.alone(self._stop_all if stop else None, ENDING) as alone:
            yield alone

    async def end_turns(self) -> None:
        """Stop every turn and wait until all are recorded, so that the session may be deleted."""
        if not await self.turns.end(self._stop_all, ENDING):
            log.warning("a turn of session %s does not end", self.record.session_id)

    async def _stop_all(self) -> None:
        for turn in list(self._asked):
            await turn.stop(kill=True)
        for run in list(self._runs):
            await run.interrupt()

    def _run_of(self, seq: int | None) -> Cell:
        """The cell of this number that runs or waits, or (None) the running cell. Raises: NothingRuns."""
        for run in self._runs:
            if seq in (None, run.tag):
                return run
        raise NothingRuns

    async def _unfinished(self, *, needed: bool) -> dict[int, CellRecord]:
        """The cells that earlier programs began and did not finish.

        Unless they are `needed`, because some still run, it is no error if the database cannot be reached:
        the next program will record how they ended.
        """
        try:
            return {cell.seq: cell for cell in await self.transcript.unfinished()}
        except StoreUnavailable:
            if needed:
                raise
            log.warning("the unfinished cells of session %s are not known now", self.record.session_id)
            return {}

    async def _recorded(self, seq: int) -> bool:
        """Whether the cell is in the database."""
        return any(entry.seq == seq for entry in await self.transcript.next_after(seq - 1))

    async def _record(self, run: Cell) -> CellRecord:
        """Record a running cell that is not in the database.

        The previous program was killed before it recorded the cell, or the database was restored from a
        backup. Nobody knows in which place the cell was sent, so it belongs to no place's conversation.
        """
        log.warning("cell %d of session %s was not recorded", run.tag, self.record.session_id)
        cell = await self.transcript.adopt(run.tag, run.code)
        run.tag = cell.seq
        return cell

    async def _note_broken_off(self, cells: Sequence[CellRecord]) -> None:
        await self.transcript.note_broken_off(cells)
        ran = cells[0] if cells else None  # the others were still waiting
        async with self.kernel.catch_up(ran.started_at.timestamp() if ran else None) as scan:
            if ran is not None:
                await self._keep_late(ran.seq, await self.files.keep(scan.captured, scan.skipped, ran.seq))

    async def _tell_recorded(self) -> None:
        await tell_recorded(self._catch_up.recorded(self.record.session_id), self.files, self._tell_late)

    async def _listen(self) -> None:
        async for late in self.kernel.late():
            try:
                await self._take_late(late)
            except Exception:  # one piece that cannot be told must not keep the next ones from being told
                log.exception("late output of session %s is lost", self.record.session_id)

    async def _take_late(self, late: Late) -> None:
        await self.turns.recorded(late.tag)
        if late.scan is not None:
            kept = await self.files.keep(late.scan.captured, late.scan.skipped, late.tag)
            await self._keep_late(late.tag, kept)
        else:
            await self.transcript.add_late(late.tag, late.event, KeptFiles())
            await self._tell_late(Reply(late.tag, late.event, late=True))

    async def _keep_late(self, cell: int, kept: KeptFiles) -> None:
        if kept.files or kept.skipped:
            await self.transcript.add_late(cell, None, kept)
            await self._tell_late(Reply(cell, files=kept.files, skipped=kept.skipped, late=True))
