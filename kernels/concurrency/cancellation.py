"""Finish what must not stay half done, even when the task that waits for it is cancelled.

await to_the_end(process.end())     # a cancellation is raised after that
"""

import asyncio
import weakref
from collections.abc import Coroutine
from typing import Any

__all__ = ["cancel", "stop", "to_the_end"]

_cancelled: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()  # by `cancel`


async def to_the_end[T](work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T:
    """The result of `work`, which must be bounded in time: a cancellation is raised when it is done."""
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
    """Cancel `task`, but only once: a second caller does not interrupt its cleaning up.

    `Task.cancelling` cannot be used to tell: `asyncio.timeout` cancels the task that it is entered in for a
    moment, and a task that was then not cancelled here would go on for good.
    """
    if task not in _cancelled:
        _cancelled.add(task)
        task.cancel()


async def stop(task: asyncio.Task[Any] | None) -> None:
    """`cancel` a task and wait for its end; None, and a task that has ended, are no error."""
    if task is not None and not task.done():
        cancel(task)
        await asyncio.wait([task])
