"""When a session's variables are saved, and how they come back: a keeper for each kernel.

    keeper = Keeper(session_id, states, router, slots, listing)
    restored = await keeper.restore(process)        # in a fresh process, before its first cell
    keeper.cell_ended(process, 12)                  # its reply is out: a save begins soon
    await keeper.make_way(process)                  # a cell comes: a save that takes long is given up
    await keeper.save_now(process, seconds)         # the process is about to be ended
    await keeper.stop()                             # before it is

The kernel makes and reads the bytes, and the node keeps them (`kernels.state.exchange`). Cells and saves
share the kernel's main thread, so a save begins when the person has their answer, and gives way to the next
cell. After a save that failed, the next one begins later, since a kernel may fail on purpose. Few saves run
at a time, and of one person one.

Without `states` nothing of this happens.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from time import monotonic
from typing import Any

from kernels.cell.router import Router
from kernels.concurrency.cancellation import cancel, stop, to_the_end
from kernels.concurrency.slots import SlotQueue
from kernels.concurrency.threads import in_thread
from kernels.interface import State
from kernels.state.asking import Asked, AskedProcess, asking
from kernels.state.errors import StateBusy, StateError
from kernels.state.exchange import Exchange, LoadErrand, SaveErrand
from kernels.state.manifest import Manifest, Meta
from kernels.state.past.history import SaveHistory
from kernels.state.restarts import BroughtBack, not_saved, unsaved
from kernels.state.session_state import SessionState
from kernels.state.store import StateStore
from kernels.text.clipping import repair
from kernels.text.visible import one_line
from kernels.workspace.copies.listing import Listing
from kernels.workspace.folder import owner

__all__ = ["Keeper", "SaveSlots"]

QUIET = 0.02  # seconds after a cell's end in which its result goes out; cells that follow at once come then
# Seconds that a cell waits for a save that is expected to take no more; FIRST without a save to compare with,
# and SHARE of the time since the last one, if that is more: the more there is to lose, the longer.
SHORT, FIRST, SHARE = 0.05, 1.0, 0.02
EVERY = 2.0  # seconds after which cells that follow each other at once have such a save in between
SAVING, LEEWAY = 25.0, 5.0  # seconds that the kernel has for a save, and more until it is interrupted
STUCK = 10.0  # seconds to stop a save; a large value in one piece, which cannot be stopped, may take some
LOADING = 60.0  # seconds for all of a restore
LATER = 2  # after a save that failed, the next begins after so many times the time that it took
MOST_SKIPPED = 64  # cells without a save after several saves that ended their kernel
SLOT = 5.0  # seconds after which a save lets others begin, however long it goes on
LONGEST = 200  # characters of a kernel's reason in the log

log = logging.getLogger(__name__)


class SaveSlots(SlotQueue):
    """For all kernels of a pool: two saves at a time, of one person one. Once `closed`, none begins."""

    closed = False

    def __init__(self) -> None:
        super().__init__(2, share=1)


class Keeper:
    """See the module's text."""

    def __init__(
        self,
        session_id: str,
        states: StateStore | None,
        router: Router,
        slots: SaveSlots,
        listing: Listing,
    ) -> None:
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
        self._pause = QUIET
        self._failed_at = 0  # the cell whose save failed, which is not tried again
        self._told = ""  # the failure that was logged last
        self._skipped = self._skip = 0  # cells that go without a save, after a save that ended its kernel
        self._held = False  # whether a cell comes or runs
        self._ids = {"session": session_id}
        self._asked: Asked | None = None  # the save on which the kernel works
        self._stuck = False  # the kernel was told to give that up, and did not answer for long
        self._one = asyncio.Lock()  # held while there is a save, until nothing of it is written any more
        self._waiting: asyncio.Task[None] | None = None  # has not asked the kernel yet
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

    async def forget(self) -> None:
        """Delete all that is saved, without a process."""
        if self._state is not None:
            try:
                await in_thread(self._state.forget)
            finally:  # whatever could not be deleted does not come back
                self._newest, self._known, self._unsaved = None, True, 0

    # Saving:

    def cell_ended(self, process: AskedProcess, cell: int) -> None:
        """A cell is over, and its result goes out."""
        if self._state is None:
            return
        self._cell = cell or self._cell + 1  # who does not number cells gets numbers all the same
        self._unsaved += 1
        if self._saved_at is None and self._unsaved == 1:
            self._since = monotonic()
        self._skip = max(0, self._skip - 1)
        self.release(process)

    def release(self, process: AskedProcess) -> None:
        """No cell comes any more: save if there is something to save."""
        self._held = False
        if self._clearing is not None:
            cancel(self._clearing)
        waits = self._waiting is not None
        if self._unsaved and not self.unsavable and not waits and not process.exited.is_set():
            task = self._waiting = asyncio.create_task(self._save_soon(process), name="save of variables")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

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
        if await asked.answered(STUCK):
            return True
        self._count_deadly()
        return False

    def _patience(self) -> float:
        """How long a cell waits for a save, in seconds."""
        least = FIRST if self._saved_at is None else SHORT
        return max(least, SHARE * (monotonic() - self._since))

    async def save_now(self, process: AskedProcess, seconds: float, *, insist: bool = False) -> None:
        """Save what has no save yet, within some seconds; a kernel that is busy or dead is left alone.

        With `insist`, it is tried although it has just failed.
        """
        if self._stuck:  # whoever waits for the end of this kernel must not wait for it
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                self._wait_no_more()
                async with self._one:
                    tried = self.unsavable and not insist
                    if self._unsaved and not tried and not process.exited.is_set():
                        async with self._slot():
                            await self._save(process, seconds, hurry=True)

    async def stop(self) -> None:
        """Leave a save as it is: it does not count."""
        self._waiting = None
        for task in list(self._tasks):
            await stop(task)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            cancel(self._waiting)
            self._waiting = None

    async def _save_soon(self, process: AskedProcess) -> None:
        due = monotonic() - self._since > EVERY and self._expected < self._patience()
        in_a_row = self._unsaved > 1 and due
        if self._pause > QUIET or not in_a_row:
            await asyncio.sleep(self._pause)  # a cell that follows at once goes first, and failures pause
        async with self._one, self._slot():
            self._waiting = None
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
        if self._state is None or self.history is None or self._slots.closed:
            return
        save = SaveErrand(self._state, self._cell, files=self.history.files)
        cell, cells, counted = self._cell, self._unsaved, False
        content = {"ticket": save.ticket, "cell": cell, "hurry": hurry, "seconds": seconds, "cells": cells}
        with asking(process, self._router, "save_request", content) as asked:
            self._asked = asked
            try:
                async with self.exchange.offered(save):
                    if not await asked.answered(seconds + LEEWAY):
                        asked.interrupt()
                        self._stuck = not await asked.answered(STUCK)
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
                    self._failed(asked, monotonic() - asked.began, dead=process.exited.is_set())

    def _succeeded(self, saved: Manifest, took: float, cells: int) -> None:
        self._newest, self._known = saved, True
        self._unsaved -= cells
        self._saved_at = self._since = monotonic()
        self._expected = took
        self._pause, self._skipped, self._told = QUIET, 0, ""

    def _failed(self, asked: Asked, took: float, *, dead: bool) -> None:
        if dead:
            self._count_deadly()
        elif asked.interrupted and self._held:  # for a cell
            self._expected = max(self._expected, took)
        else:
            self._failed_at, self._pause = self._cell, max(QUIET, LATER * took)
            why = _reason(asked.reply)
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
        self._unsaved, self._failed_at, self._expected, self._pause = 0, 0, 0.0, QUIET
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
        return BroughtBack(0, gone=tuple(dict.fromkeys(name for saved in tried for name in saved.meta.names)))

    async def _restore(
        self, process: AskedProcess, state: SessionState, tried: list[Manifest]
    ) -> BroughtBack | None:
        """As `restore`; None as well if what is `tried`, newest first, does not come back."""
        until = monotonic() + LOADING
        number = None
        while (saved := await _newest(state, number, until)) is not None:
            if saved.is_empty:
                self._newest, self._cell = saved, 0
                return None
            tried.append(saved)
            load = LoadErrand(state, saved)
            with asking(process, self._router, "load_request", {"ticket": load.ticket}) as asked:
                async with self.exchange.offered(load):
                    await asked.answered(until - monotonic())
                reply = asked.reply or {}
            if reply.get("status") == "ok" and not load.damaged:
                self._newest, self._cell = saved, saved.cell
                told = Meta.from_json({"names": reply.get("back"), "lost": reply.get("missing")})
                return BroughtBack(saved.cell, told.names, unsaved(told), values=saved.meta.values)
            if not load.damaged or process.exited.is_set():
                why = _reason(asked.reply)
                log.warning("saved variables could not be brought back: %s", why, extra=self._ids)
                return None
            number = saved.number
        if not tried and self.history is not None:
            await in_thread(self.history.note_beginning)
        self._newest = None
        return None


async def _newest(state: SessionState, before: int | None, until: float) -> Manifest | None:
    """`SessionState.newest`; another program that is writing a save just now is waited for."""
    while True:
        try:
            return await in_thread(state.newest, before)
        except StateBusy:  # after some seconds
            if monotonic() >= until:
                raise


def _reason(reply: dict[str, Any] | None) -> str:
    """What a reply says of a failure, for the log; it may be anything."""
    if reply is None:
        return "the kernel did not answer, or died"
    said = (reply.get("status"), reply.get("why"))
    return ": ".join(one_line(repair(part[:LONGEST])) for part in said if isinstance(part, str))
