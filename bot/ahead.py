"""A cell's events, the first of which can be asked for ahead: that is what sends the code to the kernel.

async with Ahead(losses.before(run)) as events:
    events.begin()                  # the kernel works from here on, and nothing is told
    cell = await ...                # until this is done
    async for event in events: ...
"""

import asyncio
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self

from kernels.events import Event
from kernels.finish import stop

__all__ = ["Ahead"]


class Ahead:
    """The events in their order, closed when the block is left. Without `begin` none is asked for ahead."""

    def __init__(self, events: AsyncGenerator[Event]) -> None:
        self._events = events
        self._first: asyncio.Task[Event | None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop(self._first)
        if self._first is not None and not self._first.cancelled():
            self._first.exception()  # whatever has ended the turn comes before it
        await self._events.aclose()

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
