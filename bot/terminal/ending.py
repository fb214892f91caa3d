"""How the program ends when it is told to, just as the bot does.

    async with compose(settings) as sessions:
        return await until_told(front.serve(lines), sessions, settings.shutdown_grace, front.end)

SIGTERM tells it to, and SIGHUP unless nohup made it ignore that. Then nothing new is begun, running cells get
some time, and after that they go on in the node that their kernels are in. A program whose output
nobody reads any more ends in the same way.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from bot.sessions import Sessions
from kernels.concurrency.cancellation import stop

__all__ = ["ToldToEnd", "until_told"]

log = logging.getLogger(__name__)

LEAVING = 2.0  # seconds for turns to notice that their kernels were released


class ToldToEnd(Exception):
    """The program was told to end, by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


async def until_told[T](
    work: Coroutine[Any, Any, T],
    sessions: Sessions,
    grace: timedelta,
    end: Callable[[], bool],
    gone: asyncio.Future[OSError] | None = None,
) -> T:
    """Do `work` until it is done or the program is told to end.

    `end` makes it begin nothing new, and returns whether something runs, which may then go on for `grace`.
    After that the kernels are released with their cells. Once `gone` has an error, nobody learns any more
    what comes of them: in a node they are released at once, so that the next program tells it.

    Raises: ToldToEnd; the error of `gone`.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Future[int] = loop.create_future()
    gone = gone or loop.create_future()
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = [signal.SIGTERM, *([] if ignored else [signal.SIGHUP])]

    def tell(number: int) -> None:
        if not told.done():
            told.set_result(number)

    for number in numbers:
        loop.add_signal_handler(number, tell, number)
    task = asyncio.create_task(work, name="front")
    either: list[asyncio.Future[Any]] = [task, told, gone]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if told.done() and told.result() == signal.SIGHUP:
            _leave_terminal()
        if end():
            log.info("the program ends; what runs may go on for %.0f s", grace.total_seconds())
            until: set[asyncio.Future[Any]] = {task, gone} if sessions.pool.outlived else {task}
            await asyncio.wait(until, timeout=grace.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        await sessions.release_all()
        await asyncio.wait({task}, timeout=LEAVING)
        if not told.done():
            raise gone.result()
        raise ToldToEnd(told.result())
    finally:
        await stop(task)
        if not task.cancelled():
            task.exception()  # of a cell that goes on without us; asyncio would log it as overlooked
        for number in numbers:
            loop.remove_signal_handler(number)


def _leave_terminal() -> None:
    """Write no more to a terminal that is gone: a cell would end if its output could not be shown."""
    for stream in (sys.stdout, sys.stderr):
        if stream.isatty():
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
