"""The live message by itself, with a destination that only records what it is sent."""

import asyncio

from nextcord.ui import View

from bot.discord.answers.live_message import LiveMessage, MessageLook
from bot.discord.api.destinations import Names
from bot.discord.api.retry import PATIENCE, Patience
from bot.discord.format.answer import Draft
from bot.discord.format.attachments import Outgoing
from bot.reply import Reply
from kernels.cell.events import Queued


class Noted:
    """A message, and the destination that it went to."""

    channel_id = message_id = 1

    def __init__(self) -> None:
        self.edits: list[str] = []

    async def send(self, outgoing: Outgoing, view: View | None = None, *, ping: int | None = None) -> "Noted":
        """The one message."""
        return self

    async def edit(
        self, outgoing: Outgoing, view: View | None, *, keep: Names = None, patience: Patience = PATIENCE
    ) -> None:
        """Shown."""
        self.edits.append(outgoing.content)

    async def delete(self) -> None:
        """Gone."""


async def test_what_cannot_be_shown_leaves_the_message_to_its_last_state() -> None:
    """If rendering fails, live edits end; `stop` raises nothing, and the message can still be edited."""
    failing = asyncio.Event()
    looked = asyncio.Event()

    async def show() -> MessageLook:
        if failing.is_set():
            looked.set()
            raise ValueError("hostile")
        return MessageLook("well")

    noted = Noted()
    live = LiveMessage(noted, show, pace=0.0)
    await live.open()
    failing.set()
    live.touch()
    await looked.wait()
    await live.stop()
    assert live.message is noted


async def test_forty_people_who_wait_make_one_request_each() -> None:
    """Each cell that ends moves all of them up; each message is edited only once, and again at its turn."""
    people = 40
    drafts = [Draft() for _ in range(people)]
    messages = [Noted() for _ in drafts]
    lives = []
    for draft, message in zip(drafts, messages, strict=True):

        async def show(draft: Draft = draft) -> MessageLook:
            return MessageLook(draft.live_page(now=asyncio.get_running_loop().time())().parts[0])

        live = LiveMessage(message, show, pace=0.0)
        await live.open()
        lives.append(live)
    for ended in range(people):
        for place in range(people):
            if place >= ended:
                drafts[place].add_reply(Reply(1, Queued(place - ended)))
                lives[place].touch()
        for _ in range(20):  # iterations of the event loop, enough for every message to be edited many times
            await asyncio.sleep(0)
    for live in lives:
        await live.stop()
    waiting = [edit for message in messages for edit in message.edits if "Waiting" in edit]
    assert len(waiting) == people - 1  # nobody is ahead of the first
    assert len([edit for message in messages for edit in message.edits]) <= 2 * people
