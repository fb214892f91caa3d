"""Finish what must not stay half done, even when whoever waits for it is cancelled.

await to_the_end(process.end())     # then the cancellation goes on
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["stop", "to_the_end"]


async def to_the_end[T](work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T:
    """The result of `work`, which must be bounded in time: a cancellation waits until it is done."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from (None if task.cancelled() else task.exception())
    return task.result()


async def stop(task: asyncio.Task[Any] | None) -> None:
    """Cancel `task`, once, and wait until it is over; None and one that is over are no error."""
    if task is not None and not task.done():
        if not task.cancelling():
            task.cancel()
        await asyncio.wait([task])
