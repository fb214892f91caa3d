"""Pages of answers, made in threads: a stranger's output must not keep the event loop from everybody else.

One person's pages are made one at a time, and only a few in all: threads share the processor that the loop
needs.
"""

import asyncio
import errno
from collections.abc import Callable
from types import MappingProxyType
from weakref import WeakValueDictionary

from bot.discord.format.answer import AnswerPage, Draft
from bot.discord.format.final import Drawn
from bot.scheduling.slots import Slots
from bot.scratch.drawing import Renderer
from kernels.concurrency.cancellation import to_the_end
from kernels.concurrency.threads import in_thread

__all__ = ["Pages"]

NOTHING: Drawn = MappingProxyType({})
AT_ONCE = 2  # pages; one more may be made while these take long
MUCH = 2.0  # seconds of work in the recent past that make a person one whose pages take long


class Pages:
    """See the module's text. Files of up to `largest` bytes go along with a page."""

    def __init__(self, renderer: Renderer, largest: int, *, at_once: int = AT_ONCE) -> None:
        self._renderer = renderer
        self._largest = largest
        self._slots = Slots(at_once, much=MUCH)
        self._own: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()  # while they are in use

    async def make[T](self, user_id: int, work: Callable[[], T]) -> T:
        """What `work` returns or raises; a cancellation waits until it has ended."""
        own = self._own.setdefault(user_id, asyncio.Lock())
        async with own, self._slots.one(user_id):
            return await _in_thread(work)

    async def draw(self, user_id: int, draft: Draft, known: Drawn = NOTHING) -> Drawn:
        """Pictures of what has to be drawn in the draft and is not `known`, together with those that are."""
        to_draw = {(one.kind, one.source): one for one in await self.make(user_id, draft.drawings())}
        missing = {place: one for place, one in to_draw.items() if place not in known}
        drawn = await self._renderer.draw([*missing.values()], user_id)
        return {**known, **{place: drawn.get(one.key) for place, one in missing.items()}}

    async def final_page(
        self, user_id: int, draft: Draft, note: str = "", known: Drawn = NOTHING
    ) -> AnswerPage:
        """The draft's final page; what is not `known` is drawn first. `note` is as in `Draft.final_page`."""
        drawn = await self.draw(user_id, draft, known)
        return await self.make(user_id, draft.final_page(drawn, note=note, largest=self._largest))

    async def clean(self) -> None:
        """As `Renderer.clean`."""
        await self._renderer.clean()


async def _in_thread[T](work: Callable[[], T]) -> T:
    try:
        return await to_the_end(in_thread(work))
    except OSError as error:
        if error.errno != errno.EAGAIN:
            raise
        return work()  # the system has no thread left; the answer is shown all the same
