"""A kernel that goes back to what it was, and forward again, or begins anew.

    await kernel.saves()            # [SavedCell(1, 0, ...), SavedCell(2, 7, ...)]
    await kernel.go_to(1)           # Journey: what has changed, and the save with the state before
    await kernel.checkpoint("before the merge")

Each waits for the cells that stand in line before it; see `kernels.interface.PersonKernel`. What a state
consists of is kept by `kernels.state`; here the process is saved, ended and replaced by one with another.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from kernels.cell.router import Router
from kernels.concurrency.cancellation import to_the_end
from kernels.concurrency.slots import QueueEntry, SlotQueue
from kernels.concurrency.threads import in_thread
from kernels.errors import CheckpointRefused, KernelClosed, NoSuchSave, NotSaved
from kernels.process.kernel_process import KernelProcess
from kernels.state.errors import StateDamaged, StateError
from kernels.state.journey import ChangedFile, Journey, SavedCell
from kernels.state.keeper import Keeper
from kernels.state.manifest import UNKNOWN, Manifest, Portrait
from kernels.state.past.differences import changed_files, changed_variables
from kernels.state.past.history import SaveHistory
from kernels.state.restarts import BroughtBack, Restarts

__all__ = ["NOT_TAKEN", "SAVES_ON", "Traveling"]

SAVES_ON = "it did not stop saving your variables"
NOT_TAKEN = "the kernel could not be taken back"
SAVING = 30.0  # seconds to save what has no save yet

log = logging.getLogger(__name__)


class Traveling(ABC):
    """What `kernels.kernel.Kernel` inherits."""

    session_id: str
    queue: SlotQueue
    _keeper: Keeper
    _restarts: Restarts
    _router: Router
    _process: KernelProcess | None
    _slot: QueueEntry | None
    _ending: asyncio.Lock
    _journeys: asyncio.Lock
    _restored: BroughtBack | None
    _closed: bool

    @property
    @abstractmethod
    def dead(self) -> bool:
        """Whether its process has ended by itself, or is being killed."""

    @abstractmethod
    async def replace(self, reason: str) -> None:
        """Kill the process and wait; the next cell gets a fresh one."""

    @abstractmethod
    def ready(self) -> AsyncGenerator[int]:
        """Have a process, for which it may have to wait in line."""

    @abstractmethod
    async def _have_started(self) -> None:
        """Start a process, with the newest save."""

    @abstractmethod
    async def _end_process(self, *, now: bool) -> None:
        """End the process, and keep its slot."""

    @abstractmethod
    async def _end(self) -> None:
        """End the process."""

    async def restart(self) -> None:
        async with self.alone():
            log.info("the kernel is restarted", extra={"session": self.session_id})
            await self._end()
            self._router.forget_process()
            self._restarts.forget()
            await self._keeper.forget()

    async def saves(self) -> Sequence[SavedCell]:
        async with self._journeys:
            history = self._keeper.history
            return await _done(history.saves) if history is not None else ()

    async def go_to(self, number: int, *, keep: bool = False) -> Journey:
        async with self._journeys, self.alone():
            history = self._history(NoSuchSave())
            before = await self._keeper.newest_of_all() if await self._save_all() else None
            if keep and before is None:
                raise NotSaved
            target = await _done(history.find, number)
            number = await _done(history.original, before) if before is not None else 0
            was = {one.name: Portrait(one.type, one.detail, "") for one in self._router.variables}
            if before is not None:
                was = {name: before.meta.values.get(name, UNKNOWN) for name in before.meta.names}
            log.info("going back to save %d", target.number, extra={"session": self.session_id})
            self._keeper.know(await _done(history.repeat, target))
            restored = await self._begin_anew()
            if _has_failed(target, restored) and before is not None:
                self._keeper.know(await _done(history.repeat, before))
                restored = await self._begin_anew()
            now = await self._keeper.newest_of_all()
            files = await _strayed(history, now)
            back = restored if restored is not None else BroughtBack(0)
            expected = {save.cell for save in (target, before) if save is not None}
            if restored is not None and restored.cell not in expected:
                self._restarts.ended(NOT_TAKEN, (), in_cell=False, saved=None)
                self._restarts.started(back)
            are = {name: back.portrait(name) for name in back.back}
            return Journey(number, back.cell, changed_variables(was, are), back.unsaved, tuple(files))

    async def changed_files(self) -> Sequence[ChangedFile]:
        async with self._journeys:
            history = self._keeper.history
            return await _strayed(history, await self._keeper.newest_of_all()) if history is not None else ()

    async def checkpoint(self, name: str) -> SavedCell:
        async with self.alone():
            history = self._history(CheckpointRefused("unsaved"))
            await _done(history.check_name, name)
            saved = await self._keeper.newest_of_all() if await self._save_all() else None
            if saved is None:
                raise CheckpointRefused("unsaved")
            return await _done(history.checkpoint, name, saved)

    async def checkpoints(self) -> Mapping[str, SavedCell]:
        history = self._keeper.history
        return await _done(history.checkpoints) if history is not None else {}

    async def forget_checkpoint(self, name: str) -> None:
        if self._keeper.history is not None:
            await _done(self._keeper.history.forget_checkpoint, name)

    async def saved_now(self) -> Manifest | None:
        """The newest save, with what had none; to be called while no cell runs."""
        await self._save_all()
        return await self._keeper.newest()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """While entered, no cell runs, and none is waited for. Raises: KernelClosed."""
        async with self.queue.enter() as entry:
            async for _ in entry:
                pass
            if self._closed:
                raise KernelClosed
            try:
                yield
            finally:  # a save that was refused is tried again
                if self._process is not None and not self._closed:
                    self._keeper.release(self._process)

    async def _save_all(self) -> bool:
        """Save what has no save yet. Returns whether the next process would have what this one has."""
        if self._process is None or self.dead:
            return True
        if not await self._keeper.make_way():
            await self.replace(SAVES_ON)
            return not self._keeper.unsaved
        await self._keeper.save_now(self._process, SAVING, insist=True)
        if not await self._keeper.make_way():  # it has not ended in time
            await self.replace(SAVES_ON)
        await self._keeper.stop()  # it must not hold the saves, nor become the newest one later
        return not self._keeper.unsaved

    async def _begin_anew(self) -> BroughtBack | None:
        """Replace the process by a fresh one with the newest save, of which nobody is told."""
        await self._keeper.stop()
        self._router.forget_process()
        if self._process is None or self._slot is None:
            async for _ in self.ready():
                pass
        else:
            async with self._ending:
                await to_the_end(self._end_process(now=True))
            if self._closed:
                raise KernelClosed
            try:
                await self._have_started()
            finally:
                if self._process is None:
                    self._slot.leave()
        self._restarts.forget()
        return self._restored

    def _history(self, otherwise: Exception) -> SaveHistory:
        if self._keeper.history is None:
            raise otherwise
        return self._keeper.history


def _has_failed(target: Manifest, restored: BroughtBack | None) -> bool:
    return not target.is_empty and (restored is None or not restored.cell)


async def _strayed(history: SaveHistory, saved: Manifest | None) -> Sequence[ChangedFile]:
    """The files that are not as of a save."""
    return changed_files(saved, await in_thread(history.listing.now)) if saved is not None else ()


async def _done[**P, T](work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Work on the saves, in a thread. Raises: NoSuchSave, OSError."""
    try:
        return await in_thread(work, *args, **kwargs)
    except StateDamaged as error:
        raise NoSuchSave from error
    except StateError as error:
        raise OSError(str(error)) from error
