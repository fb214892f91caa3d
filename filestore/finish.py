"""Finish what must not stay half done, even when whoever waits for it is cancelled.

await to_the_end(write())       # then the cancellation goes on
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

__all__ = ["to_the_end"]


async def to_the_end[T](work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T:
    """The result of `work`, which begins at once; a cancellation waits until it is done."""
    if isinstance(work, asyncio.Future):
        task = work
    else:
        task = asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
    if task.done():  # most work never has to wait
        return task.result()
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):  # another cancellation: it still has to end
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # whoever was cancelled does not ask for it
        raise
