"""Finish what must not stay half done, even when whoever waits for it is cancelled."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

__all__ = ["to_its_end"]


async def to_its_end[T](work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which a cancellation does not stop, and which begins at once."""
    task = asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
    if task.done():  # as most work is that does not have to wait
        return task.result()
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):  # once more; it is on its way
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # whoever was cancelled does not ask for it
        raise
