"""A cell's events, the first of which can be asked for ahead: that is what sends the code to the kernel.

async with Ahead(run, losses.missed) as events:
    events.begin()                  # the kernel works from here on, and nothing is told
    cell = await ...                # until this is done
    async for event in events: ...
"""

import asyncio
from collections.abc import AsyncIterable, Callable
from types import TracebackType
from typing import Self

from kernels.events import Event
from kernels.finish import stop, to_the_end

__all__ = ["Ahead"]


class Ahead:
    """The events in their order. Without `begin` none is asked for ahead.

    `missed` is called with one that was asked for, when the block ends before anybody has taken it.
    """

    def __init__(self, events: AsyncIterable[Event], missed: Callable[[Event], object]) -> None:
        self._events = aiter(events)
        self._missed = missed
        self._first: asyncio.Task[Event | None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._first is not None:  # nobody has taken it
            await to_the_end(stop(self._first))
            # Whatever has ended the block comes before a failure here.
            done = not self._first.cancelled() and self._first.exception() is None
            if done and (event := self._first.result()) is not None:
                self._missed(event)

    def begin(self) -> None:
        """Ask for the first event now; as far as that needs no waiting it is done when this returns."""
        loop = asyncio.get_running_loop()
        self._first = asyncio.Task(self._ask(), loop=loop, eager_start=True, name="first event of a cell")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        first, self._first = self._first, None
        if first is None:
            return await anext(self._events)
        if (event := await first) is None:
            raise StopAsyncIteration
        return event

    async def _ask(self) -> Event | None:
        return await anext(self._events, None)
