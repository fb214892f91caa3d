"""Makes `asyncio.run(main())` work in a cell as in a script, although the kernel's own event loop is running.

    nested_asyncio.allow(lambda: loop)      # the kernel's loop

So do `asyncio.Runner` and `run_until_complete`, both of a new loop and of `asyncio.get_event_loop()`, for
which a new loop is used. Only the kernel's loop steps aside; it is blocked meanwhile, as by any cell that
awaits nothing. Within a loop of the person's own such a call is an error, as it is everywhere.
"""

import asyncio
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["allow"]


def allow(kernels: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Let other loops run while the loop that `kernels` returns is running."""

    def aside[**P, T](run: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(run)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            running = asyncio._get_running_loop()
            if running is None or running is not kernels():
                return run(*args, **kwargs)
            if args and args[0] is running:  # it cannot run within itself
                if len(args) == 2 and asyncio.iscoroutine(args[1]):
                    result: T = asyncio.run(args[1])
                    return result
                return run(*args, **kwargs)
            with _stepped_aside(running):
                return run(*args, **kwargs)

        return call

    asyncio.run = asyncio.runners.run = aside(asyncio.run)
    asyncio.Runner.run = aside(asyncio.Runner.run)  # type: ignore[method-assign]
    loop: Any = asyncio.BaseEventLoop
    loop.run_until_complete, loop.run_forever = aside(loop.run_until_complete), aside(loop.run_forever)


@contextmanager
def _stepped_aside(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """While entered, asyncio sees no running loop and no current task."""
    task: asyncio.Task[Any] | None = asyncio.current_task(loop)
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
        asyncio.set_event_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)
