"""When a session's variables are saved, and how they come back: a keeper for each kernel.

    keeper = Keeper(session_id, states, router, slots, listing)
    restored = await keeper.restore(process)        # in a fresh process, before its first cell
    keeper.cell_ended(12)                           # its reply is out
    keeper.release(process)                         # all is done that follows a cell: a save begins soon
    await keeper.make_way()                         # a cell comes: a save that takes long is given up
    await keeper.save_now(process, seconds)         # the process is about to be ended
    await keeper.stop()                             # before it is

The kernel makes and reads the bytes, and the node keeps them (`kernels.state.exchange`). Cells and saves
share the kernel's main thread, so a save begins when the person has their answer, and gives way to the next
cell. After a save that took long, and more so after one that failed, which a kernel may do on purpose, the
next one begins later. Few saves run at a time, and of one person one.

Without `states` nothing of this happens.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import replace
from time import monotonic
from typing import Any

from kernels.cell.router import Router
from kernels.concurrency.cancellation import cancel, stop, to_the_end
from kernels.concurrency.threads import in_thread
from kernels.interface import State
from kernels.state.asking import Asked, AskedProcess, asking
from kernels.state.errors import StateError
from kernels.state.exchange import Exchange, SaveErrand
from kernels.state.keeping.restoring import Restore, reason_of
from kernels.state.keeping.slots import SaveSlots
from kernels.state.keeping.times import KeeperTimes
from kernels.state.manifest import Manifest
from kernels.state.past.history import SaveHistory
from kernels.state.restarts import BroughtBack, not_saved
from kernels.state.store import StateStore
from kernels.workspace.copies.listing import Listing
from kernels.workspace.folder import owner

__all__ = ["Keeper"]

REST = 0.5  # after a save, the next begins after this part of the time that it took
LATER = 2  # after a save that failed, the next begins after so many times the time that it took
MOST_SKIPPED = 64  # cells without a save after several saves that ended their kernel

log = logging.getLogger(__name__)


class Keeper:
    """See the module's text."""

    def __init__(
        self,
        session_id: str,
        states: StateStore | None,
        router: Router,
        slots: SaveSlots,
        listing: Listing,
        *,
        times: KeeperTimes | None = None,
    ) -> None:
        self.times = times or KeeperTimes()
        self.exchange = Exchange()
        self._state = states.session(session_id) if states is not None else None
        self.history = SaveHistory(self._state, listing) if self._state is not None else None
        self._session_id = session_id
        self._router = router
        self._slots = slots
        self._known = False  # whether we have looked what is saved
        self._newest: Manifest | None = None
        self._cell = 0  # the last one
        self._unsaved = 0  # cells since the last save
        self._saved_at: float | None = None  # monotonic, as is the next one
        self._since = monotonic()  # the last save, or the first cell
        self._expected = 0.0  # seconds that a save takes
        self._not_before = 0.0  # when the next save may begin, in monotonic seconds
        self._failed_at = 0  # the cell whose save failed, which is not tried again
        self._again_at = 0  # the cell whose save could not be stored just then, and was tried again
        self._told = ""  # the failure that was logged last
        self._skipped = self._skip = 0  # cells that go without a save, after a save that ended its kernel
        self._held = False  # whether a cell comes or runs
        self._ids = {"session": session_id}
        self._asked: Asked | None = None  # the save on which the kernel works
        self._stuck = False  # the kernel was told to give that up, and did not answer for long
        self._one = asyncio.Lock()  # held while there is a save, until nothing of it is written any more
        self._waiting: asyncio.Task[None] | None = None  # a save that has not asked the kernel yet
        self._tasks: set[asyncio.Task[None]] = set()
        self._clearing: asyncio.Task[bool] | None = None

    @property
    def unsavable(self) -> bool:
        """Whether there are variables without a save that are not to be saved, since that has failed."""
        return self._unsaved > 0 and (self._skip > 0 or self._failed_at == self._cell)

    @property
    def unsaved(self) -> bool:
        """Whether there was a cell since the last save."""
        return self._unsaved > 0

    @property
    def saved(self) -> int:
        """The cell of the newest save, as far as is known; 0 without one."""
        return self._newest.cell if self._newest is not None else 0

    async def newest(self) -> Manifest | None:
        """What is saved, as far as is known; None as well for a save with nothing in it."""
        saved = await self.newest_of_all()
        return None if saved is None or saved.is_empty else saved

    async def with_saved(self, state: State) -> State:
        """The state of the kernel, with what is saved of it."""
        if (saved := await self.newest()) is None:
            return state
        unsaved = not_saved(saved.meta, state.variables)
        return replace(state, saved=saved.cell, saved_size=saved.size, unsaved=unsaved)

    async def newest_of_all(self) -> Manifest | None:
        """As `newest`, also if it has nothing in it."""
        if not self._known and self._state is not None:
            try:
                newest = await in_thread(self._state.newest)
            except (StateError, OSError) as error:
                log.warning("it is not known what is saved: %s", error, extra=self._ids)
            else:
                if not self._known:  # otherwise something was saved meanwhile
                    self._newest, self._known = newest, True
        return self._newest

    def know(self, newest: Manifest) -> None:
        """Know that this is the newest save now: it comes back in the next process, whatever happens."""
        self._newest, self._known = newest, True

    async def forget(self) -> None:
        """Delete all that is saved, without a process."""
        if self._state is not None:
            try:
                await in_thread(self._state.forget)
            finally:  # whatever could not be deleted does not come back
                self._newest, self._known, self._unsaved = None, True, 0

    # Saving:

    def cell_ended(self, cell: int) -> None:
        """A cell is over; nothing is saved before `release`."""
        if self._state is None:
            return
        self._cell = cell or self._cell + 1  # who does not number cells gets numbers all the same
        self._unsaved += 1
        if self._saved_at is None and self._unsaved == 1:
            self._since = monotonic()
        self._skip = max(0, self._skip - 1)

    def release(self, process: AskedProcess) -> None:
        """No cell comes any more: save if there is something to save."""
        self._held = False
        if self._clearing is not None:
            cancel(self._clearing)
        waits = self._waiting is not None
        if self._unsaved and not self.unsavable and not waits and not process.exited.is_set():
            self._begin(self._save_soon(process))

    async def make_way(self) -> bool:
        """Have the kernel free for a cell. False: it does not stop saving, and has to be killed.

        A save that is given up is made up for after the cell. `release` ends the wait.
        """
        if not self._tasks:
            return True
        self._held = True
        self._wait_no_more()
        if self._asked is None:
            return True
        clearing = self._clearing = asyncio.create_task(self._clear(self._asked), name="end of a save")
        try:
            await asyncio.wait([clearing])
        finally:
            await to_the_end(stop(clearing))
            self._clearing = None
        return clearing.cancelled() or clearing.result()

    async def _clear(self, asked: Asked) -> bool:
        patience = self._patience()
        patience = patience - (monotonic() - asked.began) if self._expected < patience else 0.0
        if await asked.answered(max(0.0, patience)):
            return True
        asked.interrupt()
        if await asked.answered(self.times.stuck):
            return True
        self._count_deadly()
        return False

    def _patience(self) -> float:
        """How long a cell waits for a save, in seconds."""
        least = self.times.first if self._saved_at is None else self.times.short
        return max(least, self.times.share * (monotonic() - self._since))

    async def save_now(self, process: AskedProcess, seconds: float, *, insist: bool = False) -> None:
        """Save what has no save yet, within some seconds; a kernel that is busy or dead is left alone.

        A save that takes longer goes on until `stop` or `make_way`, also if this is cancelled. With `insist`,
        it is tried although it has just failed.
        """
        if not self._stuck:  # whoever waits for the end of this kernel must not wait for it
            self._wait_no_more()
            saving = self._begin(self._save_at_once(process, seconds, insist=insist))
            await asyncio.wait([saving], timeout=seconds)

    async def save_unless(self, process: AskedProcess, wanted: Coroutine[Any, Any, None]) -> None:
        """As `save_now`, before the process is ended; no longer than until `wanted` says that it is needed.

        A cell that needs it sees to the save by `make_way`.
        """
        saving = asyncio.create_task(self.save_now(process, self.times.ending))
        needed = asyncio.create_task(wanted)
        try:
            await asyncio.wait([saving, needed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await stop(saving)
            await stop(needed)

    async def stop(self) -> None:
        """Leave a save as it is: it does not count."""
        self._waiting = None
        for task in list(self._tasks):
            await stop(task)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            cancel(self._waiting)
            self._waiting = None

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._waiting = asyncio.create_task(work, name="save of variables")
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._waiting is task:
            self._waiting = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a save of variables failed on our side", exc_info=error, extra=self._ids)

    async def _save_soon(self, process: AskedProcess) -> None:
        due = monotonic() - self._since > self.times.every and self._expected < self._patience()
        in_a_row = self._unsaved > 1 and due
        # The pause itself is what is wanted: in it a cell that follows at once goes first.
        await asyncio.sleep(max(self._not_before - monotonic(), 0.0 if in_a_row else self.times.quiet))
        async with self._one, self._slots.entered(owner(self._session_id), self.times.slot):
            self._waiting = None
            if self._unsaved and not self._held and not process.exited.is_set():
                await self._save(process, self.times.saving)

    async def _save_at_once(self, process: AskedProcess, seconds: float, *, insist: bool) -> None:
        async with self._one:
            tried = self.unsavable and not insist
            if self._unsaved and not tried and not process.exited.is_set():
                async with self._slots.entered(owner(self._session_id), self.times.hurry, hurry=True):
                    self._waiting = None
                    await self._save(process, seconds, hurry=True)

    async def _save(self, process: AskedProcess, seconds: float, *, hurry: bool = False) -> None:
        if self._state is None or self.history is None or self._slots.closed:
            return
        save = SaveErrand(self._state, self._cell, files=self.history.files)
        cell, cells, counted = self._cell, self._unsaved, False
        content = {"ticket": save.ticket, "cell": cell, "hurry": hurry, "seconds": seconds, "cells": cells}
        with asking(process, self._router, "save_request", content) as asked:
            self._asked = asked
            try:
                async with self.exchange.offered(save):
                    if not await asked.answered(seconds + self.times.leeway):
                        asked.interrupt()
                        self._stuck = not await asked.answered(self.times.stuck)
                    elif save.manifest is not None:  # older saves are still being deleted
                        self._succeeded(save.manifest, monotonic() - asked.began, cells)
                        counted = True
                await asked.answered(None)  # until then no cell could run: `make_way` sees to it
            finally:
                self._asked, self._stuck = None, False
                if save.manifest is not None:
                    if not counted:
                        self._succeeded(save.manifest, monotonic() - asked.began, cells)
                elif asked.reply is not None or process.exited.is_set():
                    self._failed(asked, monotonic() - asked.began, save.refused, dead=process.exited.is_set())
        if save.refused is not None and self._again_at != self._cell and not self._held:
            self._again_at = self._cell  # once by itself; then with the next cell, or before the process ends
            self._begin(self._save_soon(process))

    def _succeeded(self, saved: Manifest, took: float, cells: int) -> None:
        self._newest, self._known = saved, True
        self._unsaved -= cells
        self._saved_at = self._since = monotonic()
        self._expected = took
        self._not_before = monotonic() + REST * took
        self._skipped, self._told = 0, ""

    def _failed(self, asked: Asked, took: float, refused: Exception | None, *, dead: bool) -> None:
        if dead:
            self._count_deadly()
        elif asked.interrupted and self._held:  # for a cell
            self._expected = max(self._expected, took)
        else:
            self._failed_at = self._cell if refused is None else 0
            self._not_before = monotonic() + max(LATER * took, 0.0 if refused is None else self.times.passing)
            why = reason_of(asked.reply) if refused is None else repr(refused)
            if why != self._told:
                log.info("variables are not saved (said once): %s", why, extra=self._ids)
            self._told = why

    def _count_deadly(self) -> None:
        """A save has ended its kernel: the next cells go without one, more of them each time."""
        self._skipped = min(MOST_SKIPPED, max(1, 2 * self._skipped))
        self._skip = self._skipped + 1  # the one that comes is counted too

    # Restoring:

    async def restore(self, process: AskedProcess) -> BroughtBack | None:
        """Bring what is saved back, in a fresh process before its first cell; None if nothing is saved.

        If that fails (`BroughtBack.cell` is 0), the process has to be replaced: it may be in any state.
        """
        self._unsaved, self._failed_at, self._expected, self._not_before = 0, 0, 0.0, 0.0
        if self._state is None or self.history is None:
            return None
        restore = Restore(self._state, self.exchange, self._router, self.times, known=self.saved)
        brought = await restore.bring_back(process)
        self._known = restore.certain
        if restore.certain:
            self._newest = restore.saved
            self._cell = self.saved or self._cell
            if restore.saved is None:
                await self._note_beginning(self.history)
            elif restore.saved.is_empty:
                self._cell = 0
        return brought

    async def _note_beginning(self, history: SaveHistory) -> None:
        try:
            await in_thread(history.note_beginning)
        except (StateError, OSError) as error:
            log.warning("nobody can go back to the files before the first cell: %s", error, extra=self._ids)
