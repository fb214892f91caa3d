"""Brings saved variables into a fresh process: the newest save, or the one before if that one is damaged.

restore = Restore(state, exchange, router, times)
brought = await restore.bring_back(process)     # None: nothing is saved
restore.saved                                   # what is saved, as far as is known

Only what is damaged is given up for an older save. What cannot be read just now, because the disk refuses or
another program is writing, is tried again for a while.
"""

import asyncio
import logging
from time import monotonic
from typing import Any

from kernels.cell.router import Router
from kernels.concurrency.threads import in_thread
from kernels.state.asking import AskedProcess, asking
from kernels.state.errors import StateBusy, StateError
from kernels.state.exchange import Exchange, LoadErrand
from kernels.state.keeping.times import KeeperTimes
from kernels.state.manifest import Manifest, Meta
from kernels.state.restarts import BroughtBack, unsaved
from kernels.state.session_state import SessionState
from kernels.text.clipping import repair
from kernels.text.visible import one_line

__all__ = ["Restore", "reason_of"]

LONGEST = 200  # characters of a kernel's reason in the log

log = logging.getLogger(__name__)


class Restore:
    """See the module's text. `saved` is right if `certain`: otherwise not all that is there can be read.

    `known` is the cell of the newest save, as far as is known before that (0: it is not).
    """

    def __init__(
        self, state: SessionState, exchange: Exchange, router: Router, times: KeeperTimes, *, known: int = 0
    ) -> None:
        self.saved: Manifest | None = None
        self.certain = False
        self._state = state
        self._exchange = exchange
        self._router = router
        self._times = times
        self._known = known
        self._until = monotonic() + times.loading
        self._refused: float | None = None  # when it could not be read for the first time
        self._names: dict[str, None] = {}  # of all saves that were tried

    async def bring_back(self, process: AskedProcess) -> BroughtBack | None:
        """Bring the newest save back that can be; None if nothing is saved.

        If that fails (`BroughtBack.cell` is 0), the process has to be replaced: it may be in any state.
        """
        kept, tried = self._known, False
        try:
            number = None
            while (saved := await self._newest(number)) is not None and not saved.is_empty:
                self._names |= dict.fromkeys(saved.meta.names)
                kept, tried, load = saved.cell, True, LoadErrand(self._state, saved)
                reply = await self._load(process, load)
                if load.refused is not None and not process.exited.is_set():
                    await self._wait_after(load.refused)
                elif load.damaged and not process.exited.is_set():
                    kept, number = 0, saved.number
                elif not load.broken and reply is not None and reply.get("status") == "ok":
                    self.saved, self.certain = saved, True
                    told = Meta.from_json({"names": reply.get("back"), "lost": reply.get("missing")})
                    return BroughtBack(saved.cell, told.names, unsaved(told), values=saved.meta.values)
                else:
                    self._log("saved variables could not be brought back: %s", reason_of(reply))
                    return self._failed(0 if load.damaged else kept)
        except (StateError, OSError) as error:
            self._log("saved variables cannot be read: %s", error)
            return self._failed(kept)
        if tried:
            return self._failed(0)
        self.saved, self.certain = saved, True
        return None

    async def _load(self, process: AskedProcess, load: LoadErrand) -> dict[str, Any] | None:
        """The kernel's reply; None without one."""
        with asking(process, self._router, "load_request", {"ticket": load.ticket}) as asked:
            async with self._exchange.offered(load):
                await asked.answered(max(0.0, self._until - monotonic()))
            return asked.reply

    async def _newest(self, before: int | None) -> Manifest | None:
        """`SessionState.newest`, tried again where that may help."""
        while True:
            try:
                return await in_thread(self._state.newest, before)
            except (StateBusy, OSError) as error:
                await self._wait_after(error)

    async def _wait_after(self, error: Exception) -> None:
        """Wait until another try makes sense; raises the error if none does any more."""
        now = monotonic()
        self._refused = now if self._refused is None else self._refused
        busy = isinstance(error, StateBusy)  # another program saves: that may take as long as a restore
        if now >= (self._until if busy else min(self._until, self._refused + self._times.passing)):
            raise error
        await asyncio.sleep(self._times.again)  # no event tells that a disk works again

    def _failed(self, kept: int) -> BroughtBack:
        return BroughtBack(0, gone=tuple(self._names), kept=kept)

    def _log(self, text: str, why: object) -> None:
        log.warning(text, why, extra={"session": self._state.session_id})


def reason_of(reply: dict[str, Any] | None) -> str:
    """What a reply says of a failure, for the log; it may be anything."""
    if reply is None:
        return "the kernel did not answer, or died"
    said = (reply.get("status"), reply.get("why"))
    return ": ".join(one_line(repair(part[:LONGEST])) for part in said if isinstance(part, str))
