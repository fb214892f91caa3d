"""Tasks that must live as long as the program: whatever ends one is logged, and it is begun again.

    task = lasting(sweep_often, "kernel pool")      # cancel it, and it ends for good
    await stop(task)

A loop that catches the errors that its author thought of ends for ever, without a word, at the first one that
nobody thought of.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from kernels.concurrency.cancellation import stop

__all__ = ["lasting"]

log = logging.getLogger(__name__)

FIRST_PAUSE = 1.0  # seconds before it is begun again; doubles up to LAST_PAUSE
LAST_PAUSE = 60.0
WELL = 300.0  # seconds of life after which the pauses begin anew


def lasting(
    work: Callable[[], Coroutine[Any, Any, object]], name: str, *, over: Callable[[], bool] = lambda: False
) -> asyncio.Task[None]:
    """A task that does `work()`, again and again if it ends, until the task is cancelled or it is `over`."""
    return asyncio.create_task(_last(work, name, over), name=f"{name}, watched")


async def _last(work: Callable[[], Coroutine[Any, Any, object]], name: str, over: Callable[[], bool]) -> None:
    pause = FIRST_PAUSE
    while True:
        began = monotonic()
        # A task of its own: a cancellation that comes out of its depths is a failure, not an order to us.
        task = asyncio.create_task(work(), name=name)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            await stop(task)
            raise
        error = None if task.cancelled() else task.exception()
        if over():
            return
        if monotonic() - began > WELL:
            pause = FIRST_PAUSE
        log.error("%s has ended, and is begun again in %.0f s", name, pause, exc_info=error)
        await asyncio.sleep(pause)  # what made it fail may pass
        pause = min(2 * pause, LAST_PAUSE)
