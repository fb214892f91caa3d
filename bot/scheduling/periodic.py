"""A sweep that is done from time to time, for as long as the program lives.

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
) -> None:
    """Call `sweep` with the time, until cancelled; a failure is logged in these words and tried again.

    If the clock has jumped ahead since the last sweep, this one is left out; the next believes the clock.
    """
    jumps = ClockJumps()
    while True:
        now = clock()
        try:
            if jumps.forward(now) is None:
                await sweep(now)
        except Exception:  # whatever fails this time, the next sweep must come
            log.exception(failure)
        await asyncio.sleep(every.total_seconds())  # what is swept is over when its time has passed
