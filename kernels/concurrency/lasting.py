"""Tasks that must live as long as the program: if one fails, that is logged, and it is begun again.

    task = lasting(sweep_often, "kernel pool")
    await stop(task)        # a cancellation ends it for good

A loop that catches only the errors that its author expected would end silently at the first unexpected one.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from kernels.concurrency.cancellation import stop

__all__ = ["lasting"]

log = logging.getLogger(__name__)

FIRST_PAUSE = 1.0  # seconds before it is begun again; doubled each time, up to LAST_PAUSE
LAST_PAUSE = 60.0
WELL = 300.0  # seconds that it has to live for the next pause to be the first again


def lasting(
    work: Callable[[], Coroutine[Any, Any, object]], name: str, *, first_pause: float = FIRST_PAUSE
) -> asyncio.Task[None]:
    """A task that does `work()`, again whenever that ends, until the task is cancelled.

    `first_pause` is how many seconds pass before it is begun again for the first time.
    """
    return asyncio.create_task(_last(work, name, first_pause), name=f"{name}, watched")


async def _last(work: Callable[[], Coroutine[Any, Any, object]], name: str, first_pause: float) -> None:
    pause = first_pause
    while True:
        began = monotonic()
        # In a task of its own: a CancelledError that arises within it is a failure, not our cancellation.
        task = asyncio.create_task(work(), name=name)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            await stop(task)
            raise
        error = None if task.cancelled() else task.exception()
        if monotonic() - began > WELL:
            pause = first_pause
        log.error("%s has ended unexpectedly, and is begun again in %.0f s", name, pause, exc_info=error)
        await asyncio.sleep(pause)  # what made it fail may be temporary
        pause = min(2 * pause, LAST_PAUSE)
