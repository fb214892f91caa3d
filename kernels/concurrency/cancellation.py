"""Finish what must not stay half done, even when whoever waits for it is cancelled.

await to_the_end(process.end())     # then the cancellation goes on
"""

import asyncio
import weakref
from collections.abc import Coroutine
from typing import Any

__all__ = ["cancel", "stop", "to_the_end"]

_told: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()  # to end


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


def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel `task`, once: one that cleans up is not cancelled again by who stops it too.

    Whether it is `cancelling` says nothing of that: `asyncio.timeout` cancels the task that it is entered in,
    for a moment, and a task that was not told to end because of that would go on for good.
    """
    if task not in _told:
        _told.add(task)
        task.cancel()


async def stop(task: asyncio.Task[Any] | None) -> None:
    """`cancel` a task, and wait until it is over; None and one that is over are no error."""
    if task is not None and not task.done():
        cancel(task)
        await asyncio.wait([task])
