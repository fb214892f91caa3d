"""Edits that can wait, in each channel: one at a time, with a pause after each, and after live answers.

Discord accepts five edits in five seconds for all messages of a channel together, so each edit of an old
message there is one less for the answers that people wait for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

__all__ = ["Traffic"]

LONGEST = 30.0  # seconds that an edit waits for live answers; then it goes between their edits


class _ChannelEdits:
    def __init__(self) -> None:
        self.live = 0  # live answers
        self.asking = 0  # edits that wait or are under way
        self.quiet = asyncio.Event()
        self.quiet.set()
        self.lane = asyncio.Lock()


class Traffic:
    """See the module's text. Channels where nothing happens take no memory.

    `pause` is in seconds, and `longest` those that an edit waits for live answers.
    """

    def __init__(self, pause: float, *, longest: float = LONGEST) -> None:
        self._pause = pause
        self._longest = longest
        self._channels: dict[int, _ChannelEdits] = {}
        self._hurried = asyncio.Event()

    def begin(self, channel_id: int) -> None:
        """An answer in the channel is live from now on, until `end`."""
        channel = self._channels.setdefault(channel_id, _ChannelEdits())
        channel.live += 1
        channel.quiet.clear()

    def end(self, channel_id: int) -> None:
        """One of the live answers is in its final state."""
        channel = self._channels[channel_id]
        channel.live -= 1
        if not channel.live:
            channel.quiet.set()
        self._let_go(channel_id)

    def hurry(self) -> None:
        """Leave out the pauses from now on; live answers still go first."""
        self._hurried.set()

    @asynccontextmanager
    async def edit(self, channel_id: int) -> AsyncIterator[None]:
        """While entered, no other message that can wait is edited in the channel; leaving takes the pause.

        It is entered when no answer in the channel is live, or after the longest wait for those that are.
        What to show should be read in here, because what was read before may be old by now. If an error
        leaves it, there is no pause.
        """
        channel = self._channels.setdefault(channel_id, _ChannelEdits())
        channel.asking += 1
        try:
            async with channel.lane:
                with suppress(TimeoutError):
                    await asyncio.wait_for(channel.quiet.wait(), self._longest)
                yield
                await self.rest()
        finally:
            channel.asking -= 1
            self._let_go(channel_id)

    async def rest(self) -> None:
        """One pause."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurried.wait(), self._pause)

    def _let_go(self, channel_id: int) -> None:
        channel = self._channels[channel_id]
        if not channel.live and not channel.asking:
            del self._channels[channel_id]
