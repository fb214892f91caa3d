"""A sweep that is repeated for as long as the program lives.

await sweep_often(sessions.sweep, timedelta(hours=1), clock, "old sessions could not be removed")
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from filestore.clock_jumps import ClockJumps

__all__ = ["sweep_often"]

log = logging.getLogger(__name__)


async def sweep_often(
    sweep: Callable[[datetime], Awaitable[object]],
    every: timedelta,
    clock: Callable[[], datetime],
    failure: str,
    due: datetime | None = None,
) -> None:
    """Call `sweep` with the time, until cancelled; a failure is logged with this text and tried again.

    If the clock has jumped ahead since the last sweep, this one is left out; the next one trusts the clock.
    `due` is when the first sweep is due, as an earlier program noted it.
    """
    jumps = ClockJumps(due)
    while True:
        now = clock()
        try:
            if jumps.forward(now) is None:
                await sweep(now)
        except Exception:  # whatever fails, the next sweep must still come
            log.exception(failure)
        await asyncio.sleep(every.total_seconds())  # time has to pass before there is more to sweep
