"""A cell's events, the first of which can be asked for ahead: that is what sends the code to the kernel.

What is told before the code is sent (places in line, a kernel that was started again) is asked for ahead too,
however much it is: the code does not wait until somebody has taken it. A node then has it acknowledged
before it is told: if this program is killed in that moment, whoever resumes the cell finds in its result what
was lost.

async with EarlyEvents(run, losses.missed) as events:
    events.begin()                  # the kernel works from here on, and nothing is told
    cell = await ...                # until this is done
    async for event in events: ...
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable
from types import TracebackType
from typing import Self

from kernels.cell.events import Event, Queued, Restarted
from kernels.concurrency.cancellation import stop, to_the_end

__all__ = ["EarlyEvents"]


class EarlyEvents:
    """The events in their order. Without `begin` none is asked for ahead.

    `missed` is called with each that was asked for, when the block ends before anybody has taken it.
    """

    def __init__(self, events: AsyncIterable[Event], missed: Callable[[Event], object]) -> None:
        self._events = aiter(events)
        self._missed = missed
        self._asked: deque[asyncio.Task[Event | None]] = deque()  # of which the last one may not be done

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._asked:  # nobody has taken these; the last one may ask for another until it is stopped
            first = self._asked.popleft()
            await to_the_end(stop(first))
            # Whatever has ended the block comes before a failure here.
            done = not first.cancelled() and first.exception() is None
            if done and (event := first.result()) is not None:
                self._missed(event)

    def begin(self) -> None:
        """Ask for the first event now; as far as that needs no waiting it is done when this returns."""
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
        event = await self._asked[0]  # which stays, where this fails: it may be done, and then it is missed
        self._asked.popleft()
        if event is None:
            raise StopAsyncIteration
        return event

    async def _ask(self) -> Event | None:
        return await anext(self._events, None)

    def _go_on(self, asked: "asyncio.Task[Event | None]") -> None:
        """Ask for the next one, where the code was not sent yet."""
        done = self._asked and not asked.cancelled() and asked.exception() is None
        if done and isinstance(asked.result(), Queued | Restarted):
            self.begin()
