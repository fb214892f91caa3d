"""Going back to a save of a session's variables and files, and forward again.

The kernel's state is the truth, and the marks of cells follow it: a journey is noted before it begins, and
`settle` finishes what a program did not come to. Until that is done, no other journey begins.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace

from msgspec import structs

from bot.continuity.losses import BROKEN_OFF, COMPLETED
from bot.continuity.undo.files_back import put_back
from bot.continuity.undo.history import Kind, UndoHistory, UndoStep, numbers, ranges
from bot.continuity.undo.traveler import Traveler
from bot.continuity.undo.undone import NewCheckpoint, Undone
from bot.errors import BotError, UndoRefused
from bot.transcript import has_begun
from filestore.errors import FileStoreError, StoreUnavailable
from filestore.files import FileStore
from filestore.records import CellRecord
from filestore.spool import SpooledSessions
from kernels.cell.events import Restarted
from kernels.concurrency.cancellation import to_the_end
from kernels.errors import CheckpointRefused, KernelError, NoSuchSave, NotSaved
from kernels.state.journey import Journey, SavedCell

__all__ = ["Travels"]

log = logging.getLogger(__name__)

ENDING = 30.0  # seconds that cells have to end; they are killed long before that
NOT_GONE = -1  # what such a journey is as of


@dataclass(frozen=True, slots=True)
class _Plan:
    """A journey to the save `number`, which is as of `as_of`: see `UndoStep` and `Undone`."""

    number: int
    as_of: int
    cell: int
    top: int
    undone: tuple[int, ...] = ()
    again: tuple[int, ...] = ()
    unkept: tuple[int, ...] = ()


class Travels:
    """The journeys of one session. With `saved` false variables are not saved here, so there are none."""

    def __init__(
        self, session: Traveler, sessions: SpooledSessions, files: FileStore, *, saved: bool
    ) -> None:
        self._session = session
        self._sessions = sessions
        self._files = files
        self._saved = saved
        self._one = asyncio.Lock()  # held while the history is changed, and so for all of a journey
        # A journey may be noted that is not settled: a record without notes may stand in for the real one.
        record = session.record
        self._unsettled = record.history is not None or record.kernel is None
        self._found: int | None = None  # as of which cell the variables were when that could not be settled

    async def undo(self, cells: int, *, of: Collection[int] | None = None) -> Undone:
        """See `Session.undo`."""

        async def plan(history: UndoHistory) -> _Plan:
            return await self._to_before(cells, of, history.fresh)

        return await self._travel("undo", plan, stop=of is None)

    async def redo(self) -> Undone:
        """See `Session.redo`."""
        return await self._travel("redo", self._to_last)

    async def restore(self, name: str) -> Undone:
        """See `Session.restore`."""

        async def plan(history: UndoHistory) -> _Plan:
            saved = (await self._session.kernel.checkpoints()).get(name)
            if saved is None:
                raise UndoRefused("no checkpoint", name=name)
            return await self._to_checkpoint(saved, history, name)

        return replace(await self._travel("restore", plan), name=name)

    async def checkpoint(self, name: str) -> NewCheckpoint:
        """See `Session.checkpoint`."""
        self._check()
        with self._session.turn():
            async with self._alone(stop=False), self._one:
                return await self._checkpoint(name)

    async def _checkpoint(self, name: str) -> NewCheckpoint:
        history = await self._settled()
        if name in history.lines:  # which is of another save: if we are ended now, it must not be of this one
            await self._note(history.with_line(name, None))
        try:
            saved = await self._session.kernel.checkpoint(name)
        except CheckpointRefused:
            await self._note(history)
            raise
        undone = [cell.seq async for cell in self._cells() if cell.undone and cell.seq <= saved.cell]
        await self._note(history.with_line(name, undone))
        unsaved = (await self._session.kernel.state()).unsaved
        return NewCheckpoint(saved, tuple(one for one in unsaved if one.what))

    async def checkpoints(self) -> Mapping[str, SavedCell]:
        """See `Session.checkpoints`."""
        self._check()
        return await self._session.kernel.checkpoints()

    async def forget_checkpoint(self, name: str) -> None:
        """See `Session.forget_checkpoint`."""
        self._check()
        if name not in await self._session.kernel.checkpoints():
            raise UndoRefused("no checkpoint", name=name)
        async with self._one:
            await self._session.kernel.forget_checkpoint(name)
            await self._note((await self._read()).with_line(name, None))

    async def settle(self) -> None:
        """Finish a journey that was broken off, if there may be one; to be called before a cell begins.

        If that is not possible now, a later call tries again, and goes by what was there before any cell.
        """
        if not self._unsettled:
            return
        async with self._one:
            try:
                if self._unsettled:
                    await self._settled()
            except (BotError, FileStoreError, KernelError, OSError) as error:
                ids = {"session": self._session.record.session_id}
                log.warning("it is not settled whether a journey was broken off: %r", error, extra=ids)
                with suppress(KernelError, OSError):
                    if self._found is None:
                        self._found = (await self._session.kernel.state()).saved

    async def forget(self) -> None:
        """The person gives up variables and saves: nothing can be redone, and there are no checkpoints."""
        try:
            async with self._one:
                history, fresh = await self._read(), 0
                async with aclosing(self._cells()) as cells:
                    async for last in cells:
                        fresh = last.seq
                        break
                if (forgotten := UndoHistory(origin=history.origin, fresh=fresh)) != history:
                    await self._note(forgotten)
        except FileStoreError as error:  # no save of theirs is found any more
            log.warning("the steps of session %s stay noted: %s", self._session.record.session_id, error)

    async def _travel(
        self, kind: Kind, plan: Callable[[UndoHistory], Awaitable[_Plan]], *, stop: bool = True
    ) -> Undone:
        """Make a journey; everything that can refuse it is asked before anything is stopped or changed."""
        self._check()
        with self._session.turn():
            async with self._one:  # a journey that is under way is none that was broken off
                await plan(await self._settled())
            async with self._alone(stop=stop), self._one:
                history = await self._settled()
                going = await plan(history)
                step = UndoStep(
                    kind,
                    0,
                    going.cell,
                    going.as_of,
                    going.top,
                    ranges(going.undone),
                    ranges(going.again),
                )
                return await to_the_end(self._go(going, step, history))

    async def _go(self, going: _Plan, step: UndoStep, history: UndoHistory) -> Undone:
        session = self._session
        self._unsettled = True
        await self._note(history.going(step))
        try:
            async with self._settled_if_it_fails():
                journey = await session.kernel.go_to(going.number, keep=bool(going.unkept))
        except NoSuchSave as error:
            if not going.number:  # not even the beginning is kept: it is a node that saves nothing
                await self._note(history.gone(None))
                raise UndoRefused("off") from error
            journey = Journey(0, NOT_GONE)
        except NotSaved as error:
            await self._note(history.gone(None))
            raise UndoRefused("unsaved", cell=min(going.unkept)) from error
        if journey.as_of == NOT_GONE:
            await self._note(history.gone(None))
            raise UndoRefused("unread", cell=going.as_of)
        before = {save.number: save.cell for save in await session.kernel.saves()}.get(journey.before)
        if journey.as_of != going.as_of:  # everything is as it was, if that was saved and could be read
            await self._note(history.gone(None))
            raise UndoRefused("unread" if journey.as_of == before else "lost", cell=going.as_of)
        back, left = await put_back(session.files, self._files, journey.files, session.record)
        async with self._settled_if_it_fails():
            again = await self._read_again(step.as_of) if back else journey
        await session.notes.moved(one.name for one in session.kernel.variables)
        step = structs.replace(step, save=journey.before, cell=before) if before is not None else step
        await self._mark(step)
        await self._note(history.gone(step if before is not None else structs.replace(step, save=0)))
        log.info("%s to cell %d", step.kind, step.as_of, extra={"session": session.record.session_id})
        if again.as_of != step.as_of:  # they do not come back with the files that they were saved with
            raise UndoRefused("lost", cell=step.as_of)
        return Undone(
            step.kind,
            step.as_of,
            going.undone,
            going.again,
            going.unkept,
            journey.changed,
            again.unsaved,
            back,
            left,
            for_good=step.kind != "redo" and before is None,
        )

    async def _read_again(self, as_of: int) -> Journey:
        """Have the kernel begin once more, with the files that are back: modules were read from others."""
        found = [save.number for save in await self._session.kernel.saves() if save.cell == as_of]
        return await self._session.kernel.go_to(found[-1]) if as_of and found else Journey(0, as_of)

    @asynccontextmanager
    async def _settled_if_it_fails(self) -> AsyncIterator[None]:
        """While entered, the kernel is on its way; if that fails, nobody knows how far it came."""
        try:
            yield
        except (NoSuchSave, NotSaved):
            raise
        except (KernelError, OSError):
            with suppress(FileStoreError, KernelError, OSError):
                await self._settled()
            raise

    async def _settled(self) -> UndoHistory:
        """The history, once a journey that was broken off is seen to its end. Raises: StoreUnavailable."""
        history = await self._read()
        step = history.pending
        if step is None:
            self._unsettled, self._found = False, None
            return history
        saves = await self._session.kernel.saves()  # first: a node may still be on the way
        saved = (await self._session.kernel.state()).saved
        late = self._found is not None and saved != self._found  # cells have run since
        there = (saved if self._found is None else self._found) == step.as_of
        before = [save.number for save in saves if save.cell == step.cell]
        if there and before:
            told = COMPLETED if not late and await self._put_rest_back(step.as_of) else BROKEN_OFF
            await self._mark(step)
            history = history.gone(structs.replace(step, save=before[-1]))
        else:  # of what had no save nobody knows whether it was left
            told, history = BROKEN_OFF, history.gone(None)
        if there and not late:
            await self._session.notes.tell_again(Restarted(told, ("files",), (), as_of=step.as_of))
        await self._note(history)
        return history

    async def _put_rest_back(self, as_of: int) -> bool:
        """Put back what a journey that broke off did not come to; returns whether that is all there was."""
        session = self._session
        try:
            changed = await session.kernel.changed_files()
            _, left = await put_back(session.files, self._files, changed, session.record)
            kernel = await session.kernel.state()
            if kernel.busy:  # a cell goes on from there, whatever it has read
                return False
            return (not kernel.alive or (await self._read_again(as_of)).as_of == as_of) and not left
        except (KernelError, OSError) as error:  # the cells have to be marked all the same
            log.warning("files of session %s are not put back: %r", session.record.session_id, error)
            return False

    async def _mark(self, step: UndoStep) -> None:
        if step.undone:
            await self._session.transcript.mark(numbers(step.undone), undone=True)
        if step.again:
            await self._session.transcript.mark(numbers(step.again), undone=False)

    async def _to_before(self, count: int, of: Collection[int] | None, fresh: int) -> _Plan:
        """To the newest save of a cell that is before the last `count` ones that count.

        Before the first one after `fresh` is a fresh kernel.
        """
        saves = {saved.cell: saved.number for saved in await self._session.kernel.saves()}
        doomed, unkept = list[int](), list[int]()
        top, number, as_of = 0, 0, 0
        async with aclosing(self._cells()) as cells:
            async for cell in cells:
                top = max(top, cell.seq)
                if cell.seq <= fresh:
                    break
                if cell.undone:
                    continue
                if len(doomed) < count:
                    doomed.append(cell.seq)
                elif cell.seq in saves:
                    number, as_of = saves[cell.seq], cell.seq
                    break
                else:
                    unkept.append(cell.seq)
                    if cell.seq < min(filter(None, saves), default=0):
                        break
        if not doomed:
            raise UndoRefused("nothing")
        if of is not None and not set(doomed) <= set(of):
            raise UndoRefused("not yours")
        if unkept and not number:  # the state before is not a fresh kernel's, and would be lost
            raise UndoRefused("too far", cell=min((cell for cell in doomed[1:] if cell in saves), default=0))
        number = number or saves.get(0, 0)
        return _Plan(number, as_of, doomed[0], top, tuple(doomed[::-1]), unkept=tuple(unkept[::-1]))

    async def _to_last(self, history: UndoHistory) -> _Plan:
        """To the state before the last step."""
        step = history.steps[-1] if history.steps else None
        top = cell = 0
        async with aclosing(self._cells()) as cells:
            async for one in cells:
                top = max(top, one.seq)
                if not one.undone:
                    cell = one.seq
                    break
        if step is None or top > step.top:
            raise UndoRefused("nothing")
        saves = await self._session.kernel.saves()
        found = [save.number for save in saves if save.cell == step.cell]
        if not found:
            raise UndoRefused("unread", cell=step.cell)
        number = step.save if step.save in found else found[-1]
        return _Plan(number, step.cell, cell, top, numbers(step.again), numbers(step.undone))

    async def _to_checkpoint(self, saved: SavedCell, history: UndoHistory, name: str) -> _Plan:
        """To a checkpoint: the cells that count then are those that counted when it was made."""
        line = history.lines.get(name)
        then = set(numbers(line)) if line is not None else None
        undone, again = list[int](), list[int]()
        top = last = 0
        async for cell in self._cells():
            top = max(top, cell.seq)
            if not cell.undone:
                last = max(last, cell.seq)
            counts = cell.seq <= saved.cell and (not cell.undone if then is None else cell.seq not in then)
            if counts and cell.undone:
                again.append(cell.seq)
            elif not counts and not cell.undone:
                undone.append(cell.seq)
        return _Plan(saved.number, saved.cell, last, top, tuple(undone[::-1]), tuple(again[::-1]))

    async def _cells(self) -> AsyncGenerator[CellRecord]:
        """The cells that have run, undone ones among them, the newest first. Raises: StoreUnavailable."""
        async with aclosing(self._session.transcript.newest()) as pages:
            async for page in pages:
                for entry in page:
                    if isinstance(entry, CellRecord) and has_begun(entry):
                        yield entry

    @asynccontextmanager
    async def _alone(self, *, stop: bool) -> AsyncIterator[None]:
        """While entered, no cell of the session runs or begins. Raises: UndoRefused if one does not end."""
        async with self._session.alone(stop=stop) as alone:
            if not alone:
                raise UndoRefused("running")
            yield

    def _check(self) -> None:
        """Raises: UndoRefused where variables are not saved."""
        if not self._saved:
            raise UndoRefused("off")

    async def _read(self) -> UndoHistory:
        """The history as recorded. Raises: StoreUnavailable, also while writes wait for the database."""
        if self._session.transcript.waits:
            raise StoreUnavailable("writes of the session wait")
        record = await self._sessions.get(self._session.record.session_id)
        return UndoHistory.from_text(record.history if record is not None else None)

    async def _note(self, history: UndoHistory) -> None:
        await self._sessions.set_history(self._session.record.session_id, history.to_text())
        if history.pending is None:
            self._unsettled, self._found = False, None
