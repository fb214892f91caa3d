"""The live message by itself, with an outlet that only notes what it is told."""

import asyncio

from nextcord.ui import View

from bot.delivery import Outgoing
from bot.front.calls import PATIENCE, Patience
from bot.front.live import Live, Look


class Noted:
    """A message, and the outlet that it went to."""

    channel_id = message_id = 1

    async def send(self, outgoing: Outgoing, view: View | None = None, *, ping: int | None = None) -> "Noted":
        """The one message."""
        return self

    async def edit(
        self, outgoing: Outgoing, view: View | None, *, keep: bool = True, patience: Patience = PATIENCE
    ) -> None:
        """Shown."""

    async def delete(self) -> None:
        """Gone."""


async def test_what_cannot_be_shown_leaves_the_message_to_its_last_state() -> None:
    """A look that fails ends the live edits; `stop` raises nothing, and the message is there to be edited."""
    failing = asyncio.Event()
    looked = asyncio.Event()

    def show() -> Look:
        if failing.is_set():
            looked.set()
            raise ValueError("hostile")
        return Look("well")

    noted = Noted()
    live = Live(noted, show, lambda _: None, pace=0.0)
    await live.open()
    failing.set()
    live.touch()
    await looked.wait()
    await live.stop()
    assert live.post is noted
