"""A cell's events, of which the first can be requested early: that is what sends the code to the kernel.

The events before that (positions in the queue, a restarted kernel) are requested early too, however many
they are, so that the code does not wait for somebody to read them. A node then considers them acknowledged
before they are told. If this program is killed at that moment, whoever resumes the cell finds the loss in its
result.

async with EarlyEvents(run, losses.missed) as events:
    events.begin()                  # from here on the kernel works, but nothing is told
    cell = await ...                # until this is done
    async for event in events: ...
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable
from typing import Self

from kernels.cell.events import Event, Queued, Restarted
from kernels.concurrency.cancellation import stop, to_the_end

__all__ = ["EarlyEvents"]


class EarlyEvents:
    """The events in order. Without `begin` none is requested early.

    When the block ends, `missed` is called with each event that was requested and that nobody has read.
    """

    def __init__(self, events: AsyncIterable[Event], missed: Callable[[Event], object]) -> None:
        self._events = aiter(events)
        self._missed = missed
        self._asked: deque[asyncio.Task[Event | None]] = deque()  # the last one may not be done

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._asked:  # nobody has read these; the last one may request another until stopped
            first = self._asked.popleft()
            await to_the_end(stop(first))
            # The reason why the block ended matters more than a failure here.
            done = not first.cancelled() and first.exception() is None
            if done and (event := first.result()) is not None:
                self._missed(event)

    def begin(self) -> None:
        """Request the first event now; what needs no waiting is done when this returns."""
        loop = asyncio.get_running_loop()
        asking = asyncio.Task(self._ask(), loop=loop, eager_start=True, name="first events of a cell")
        self._asked.append(asking)
        if asking.done():
            self._go_on(asking)
        else:
            asking.add_done_callback(self._go_on)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if not self._asked:
            return await anext(self._events)
        event = await self._asked[0]  # it stays there if this fails, to be `missed` if it is done
        self._asked.popleft()
        if event is None:
            raise StopAsyncIteration
        return event

    async def _ask(self) -> Event | None:
        return await anext(self._events, None)

    def _go_on(self, asked: "asyncio.Task[Event | None]") -> None:
        """Request the next event if the code was not sent yet."""
        done = self._asked and not asked.cancelled() and asked.exception() is None
        if done and isinstance(asked.result(), Queued | Restarted):
            self.begin()
