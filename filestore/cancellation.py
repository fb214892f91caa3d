"""Finish what must not stay half done, even if its caller is cancelled.

await to_the_end(write())       # a cancellation is raised after that
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

__all__ = ["to_the_end"]


async def to_the_end[T](work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T:
    """The result of `work`, which begins at once; a cancellation is raised only when it is done."""
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
            with suppress(asyncio.CancelledError):  # cancelled again: the work must end all the same
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # retrieved, since the cancelled caller never asks for it
        raise
