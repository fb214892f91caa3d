"""Edits that can wait, in each channel: one at a time, a pause after each, and answers that move go first.

    traffic.begin(channel_id)                       # an answer there moves
    traffic.end(channel_id)                         # it is in its last state
    async with traffic.edit(channel_id): ...        # one edit of a message that can wait

Discord takes five edits in five seconds of all the messages of a channel together, so whoever edits old
messages there takes from the answers that people wait for.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

__all__ = ["Traffic"]

LONGEST = (
    30.0  # seconds that an edit waits for answers: in a channel where one always moves it goes between them
)


class _ChannelEdits:
    def __init__(self) -> None:
        self.live = 0  # answers that move
        self.asking = 0  # who waits, or edits
        self.quiet = asyncio.Event()
        self.quiet.set()
        self.lane = asyncio.Lock()


class Traffic:
    """See the module's text; `pause` is in seconds. Channels where nothing goes on take no memory."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._channels: dict[int, _ChannelEdits] = {}
        self._hurried = asyncio.Event()

    def begin(self, channel_id: int) -> None:
        """An answer in the channel moves from now on, until `end`."""
        channel = self._channels.setdefault(channel_id, _ChannelEdits())
        channel.live += 1
        channel.quiet.clear()

    def end(self, channel_id: int) -> None:
        """One of the answers that moved is in its last state."""
        channel = self._channels[channel_id]
        channel.live -= 1
        if not channel.live:
            channel.quiet.set()
        self._let_go(channel_id)

    def hurry(self) -> None:
        """From now on nothing pauses; answers that move still go first."""
        self._hurried.set()

    @asynccontextmanager
    async def edit(self, channel_id: int) -> AsyncIterator[None]:
        """While entered, nothing else that can wait is edited in the channel; leaving takes the pause.

        It is entered when no answer in the channel moves, or after the longest wait for those that do. What
        is to be shown should be made in here: what was made before may be old by now. Whoever fails in it is
        not made to pause.
        """
        with self._asking(channel_id) as channel:
            async with channel.lane:
                with suppress(TimeoutError):
                    await asyncio.wait_for(channel.quiet.wait(), LONGEST)
                yield
                await self.rest()

    async def rest(self) -> None:
        """One pause."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurried.wait(), self._pause)

    @contextmanager
    def _asking(self, channel_id: int) -> Iterator[_ChannelEdits]:
        channel = self._channels.setdefault(channel_id, _ChannelEdits())
        channel.asking += 1
        try:
            yield channel
        finally:
            channel.asking -= 1
            self._let_go(channel_id)

    def _let_go(self, channel_id: int) -> None:
        channel = self._channels[channel_id]
        if not channel.live and not channel.asking:
            del self._channels[channel_id]
