"""The tasks of answers: each on its own, and all of them brought to their end with the bot."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

__all__ = ["Tasks"]

log = logging.getLogger(__name__)

LEAVING = 0.3  # seconds in which turns notice that their kernels were let go
FINAL_STATE = 5.0  # seconds for the final states of answers, which Discord may delay


class Tasks:
    """See the module's text."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._finishing: set[asyncio.Task[None]] = set()  # those that show a final state

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Do this in a task of its own; a failure is logged."""
        task = asyncio.create_task(_logged(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._finishing.discard)
        return task

    def finishing(self) -> None:
        """The calling task shows a final state from now on, so `end` does not interrupt it."""
        self._finishing |= {task for task in self._tasks if task is asyncio.current_task()}

    async def wait(self, seconds: float) -> None:
        """Wait for all of them, at most this long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def end(self) -> None:
        """Cancel the tasks that wait for something; the others have seconds to show their final state."""
        await self.wait(LEAVING)
        for task in self._tasks - self._finishing:
            task.cancel()
        until = asyncio.get_running_loop().time() + FINAL_STATE
        while self._tasks and (left := until - asyncio.get_running_loop().time()) > 0:
            await self.wait(left)  # the final state of one may begin another task
        for task in tuple(self._tasks):
            task.cancel()


async def _logged(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except Exception:  # one turn's failure is its own
        log.exception("%s failed", name)
