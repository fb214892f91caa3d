"""When a session's variables are saved, and how they come back: a keeper for each kernel.

    keeper = Keeper(session_id, states, router, slots)
    restored = await keeper.restore(process)        # in a fresh process, before its first cell
    keeper.cell_ended(process, 12)                  # its reply is out: a save begins soon
    await keeper.make_way(process)                  # a cell comes: a save that takes long is given up
    await keeper.save_now(process, seconds)         # the process is about to be ended
    await keeper.stop()                             # before it is

The kernel makes and reads the bytes, the node keeps them (`kernels.state.exchange`). Cells and saves share the
kernel's main thread, so a save begins when the person has their answer, and gives way to the next cell. If
saves of a kernel fail or take long, the next ones begin later, since a kernel may do this on purpose; few
saves run at a time, and of one person not all of them.

Without `states` nothing of this happens.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

from kernels.cell.router import Router
from kernels.concurrency.cancellation import cancel, stop
from kernels.concurrency.slots import SlotQueue
from kernels.concurrency.threads import in_thread
from kernels.state.asking import Asked, AskedProcess, asking
from kernels.state.errors import StateError
from kernels.state.exchange import Exchange, Load, Save
from kernels.state.manifest import Manifest, Meta
from kernels.state.restarts import Restored, unsaved
from kernels.state.session_state import SessionState
from kernels.state.store import StateStore
from kernels.workspace.folder import owner

__all__ = ["Keeper", "save_slots"]

QUIET = 0.02  # seconds after a cell's end in which its result goes out; cells that follow at once come then
SHORT = 0.05  # seconds: a save that is expected to take less is finished although a cell waits
EVERY = 2.0  # seconds after which cells that follow each other at once have a short save in between
SAVING, LEEWAY = 25.0, 5.0  # seconds that the kernel has for a save, and more until it is interrupted
STUCK = 10.0  # seconds to stop a save; a large value in one piece, which cannot be stopped, may take some
LOADING = 60.0  # seconds for all of a restore
LATER = 2  # after a save that failed, the next begins after so many times the time that it took
MOST_SKIPPED = 64  # cells without a save after several saves that ended their kernel
SLOT = 5.0  # seconds after which a save lets others begin, however long it goes on
LONGEST = 200  # characters of a kernel's reason in the log

log = logging.getLogger(__name__)


def save_slots() -> SlotQueue:
    """For all kernels of a pool: two saves at a time, of one person one."""
    return SlotQueue(2, share=1)


class Keeper:
    """See the module's text."""

    def __init__(
        self, session_id: str, states: StateStore | None, router: Router, slots: SlotQueue
    ) -> None:
        self.exchange = Exchange()
        self._state = states.session(session_id) if states is not None else None
        self._session_id = session_id
        self._router = router
        self._slots = slots
        self._known = False  # whether we have looked what is saved
        self._newest: Manifest | None = None
        self._cell = 0  # the last one
        self._unsaved = 0  # cells since the last save
        self._saved_at = 0.0  # monotonic
        self._expected = 0.0  # seconds that a save takes
        self._pause = QUIET
        self._failed_at = 0  # the cell whose save failed
        self._told = ""  # the failure that was logged last
        self._skipped = self._skip = 0  # cells that go without a save, after a save that ended its kernel
        self._held = False  # whether a cell comes or runs
        self._ids = {"session": session_id}
        self._task: asyncio.Task[None] | None = None
        self._asked: Asked | None = None  # the save on which the kernel works

    @property
    def in_the_way(self) -> bool:
        """Whether `make_way` has something to do."""
        return self._task is not None and not self._task.done()

    async def newest(self) -> Manifest | None:
        """What is saved, as far as is known."""
        if not self._known and self._state is not None:
            try:
                self._newest, self._known = await in_thread(self._state.newest), True
            except (StateError, OSError) as error:
                log.warning("it is not known what is saved: %s", error, extra=self._ids)
        return self._newest

    async def forget(self) -> None:
        """Delete all that is saved, without a process."""
        if self._state is not None:
            await in_thread(self._state.forget)
            self._newest, self._known, self._unsaved = None, True, 0

    # Saving:

    def cell_ended(self, process: AskedProcess, cell: int) -> None:
        """A cell is over, and its result goes out."""
        self._cell = cell or self._cell + 1  # who does not number cells gets numbers all the same
        self._unsaved += 1
        self._skip = max(0, self._skip - 1)
        self.release(process)

    def release(self, process: AskedProcess) -> None:
        """No cell comes any more: save if there is something to save."""
        self._held = False
        if self._state is not None and self._unsaved and not self._skip and not process.exited.is_set():
            work = self._save_soon(process, self._task)
            self._task = asyncio.create_task(work, name="save of variables")

    async def make_way(self, process: AskedProcess) -> bool:
        """Have the kernel free for a cell. False: it does not stop saving, and has to be killed.

        A save that has been cut off is made up for after the cell.
        """
        self._held = True
        asked = self._asked
        if asked is None:
            if self._task is not None:
                cancel(self._task)  # it has asked for nothing yet, or there is nothing more to be got
            return True
        patience = SHORT - (monotonic() - asked.began) if self._expected < SHORT else 0.0
        if await asked.answered(max(0.0, patience)):
            return True
        asked.interrupt()
        if await asked.answered(STUCK):
            return True
        self._count_deadly()
        return False

    async def save_now(self, process: AskedProcess, seconds: float) -> None:
        """Save what has no save yet, within some seconds; a kernel that is busy or dead is left alone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._asked is not None and self._task is not None:
                    await asyncio.wait([self._task])
                else:
                    await stop(self._task)
                failed = self._failed_at == self._cell or self._skip
                if self._state is not None and self._unsaved and not failed and not process.exited.is_set():
                    async with self._slot():
                        await self._save(process, seconds, hurry=True)

    async def stop(self) -> None:
        """Leave a save as it is: it does not count."""
        await stop(self._task)

    async def _save_soon(self, process: AskedProcess, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await asyncio.wait([before])
        in_a_row = self._unsaved > 1 and self._expected < SHORT and monotonic() - self._saved_at > EVERY
        if self._pause > QUIET or not in_a_row:
            await asyncio.sleep(self._pause)
        async with self._slot():
            if self._unsaved and not self._held and not process.exited.is_set():
                await self._save(process, SAVING)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """A place among those who save; others may have it after a while."""
        async with self._slots.enter(owner(self._session_id)) as entry:
            async for _ in entry:
                pass
            leaving = asyncio.get_running_loop().call_later(SLOT, entry.leave)
            try:
                yield
            finally:
                leaving.cancel()

    async def _save(self, process: AskedProcess, seconds: float, *, hurry: bool = False) -> None:
        assert self._state is not None
        save, cell, cells = Save(self._state, self._cell), self._cell, self._unsaved
        content = {"ticket": save.ticket, "cell": cell, "hurry": hurry, "seconds": seconds, "cells": cells}
        with asking(process, self._router, "save_request", content) as asked:
            self._asked = asked
            try:
                async with self.exchange.offered(save):
                    if not await asked.answered(seconds + LEEWAY):
                        asked.interrupt()
                        await asked.answered(STUCK)
                await asked.answered(None)  # until then no cell could run: `make_way` sees to it
            finally:
                self._asked = None
                if save.manifest is not None:
                    self._succeeded(save.manifest, monotonic() - asked.began, cells)
                elif asked.reply is not None or process.exited.is_set():
                    self._failed(asked, monotonic() - asked.began, dead=process.exited.is_set())

    def _succeeded(self, saved: Manifest, took: float, cells: int) -> None:
        self._newest, self._known = saved, True
        self._unsaved -= cells
        self._saved_at, self._expected = monotonic(), took
        self._pause, self._skipped, self._told = QUIET, 0, ""

    def _failed(self, asked: Asked, took: float, *, dead: bool) -> None:
        if dead:
            self._count_deadly()
        elif asked.interrupted and self._held:  # for a cell
            self._expected = max(self._expected, took)
        else:
            self._failed_at, self._pause = self._cell, min(LATER * took, LATER * SAVING)
            said = asked.reply or {}
            why = f"{said.get('status')!r:.20}, {said.get('why')!r:.{LONGEST}}"
            if why != self._told:
                log.info("variables are not saved (said once): %s", why, extra=self._ids)
            self._told = why

    def _count_deadly(self) -> None:
        """A save has ended its kernel: the next cells go without one, more of them each time."""
        self._skipped = min(MOST_SKIPPED, max(1, 2 * self._skipped))
        self._skip = self._skipped + 1  # the one that comes is counted too

    # Restoring:

    async def restore(self, process: AskedProcess) -> Restored | None:
        """Bring what is saved back, in a fresh process before its first cell; None if nothing is saved.

        If that fails (`Restored.cell` is 0), the process has to be replaced: it may be in any state.
        """
        self._unsaved, self._expected, self._pause = 0, 0.0, QUIET
        if self._state is None:
            return None
        tried: list[Manifest] = []
        try:
            restored = await self._restore(process, self._state, tried)
        except (StateError, OSError) as error:
            log.warning("saved variables cannot be read: %s", error, extra=self._ids)
        else:
            if restored is not None or not tried:
                self._known = True
                return restored
        self._known = False  # not all that is there can be read
        return Restored(0, gone=tuple(dict.fromkeys(name for saved in tried for name in saved.meta.names)))

    async def _restore(
        self, process: AskedProcess, state: SessionState, tried: list[Manifest]
    ) -> Restored | None:
        """As `restore`; None as well if what is `tried`, newest first, does not come back."""
        until = monotonic() + LOADING
        number = None
        while (saved := await in_thread(state.newest, number)) is not None:
            tried.append(saved)
            load = Load(state, saved)
            with asking(process, self._router, "load_request", {"ticket": load.ticket}) as asked:
                async with self.exchange.offered(load):
                    await asked.answered(until - monotonic())
                reply = asked.reply or {}
            if reply.get("status") == "ok" and not load.damaged:
                self._newest, self._cell = saved, saved.cell
                told = Meta.from_json({"names": reply.get("back"), "lost": reply.get("missing")})
                return Restored(saved.cell, told.names, unsaved(told))
            if not load.damaged or process.exited.is_set():
                why = f"{reply.get('status')!r:.20}, {reply.get('why')!r:.{LONGEST}}"
                log.warning("saved variables could not be brought back: %s", why, extra=self._ids)
                return None
            number = saved.number
        self._newest = None
        return None
