"""One message that changes while a turn runs, no faster than Discord likes, and always with the newest state.

    live = LiveMessage(destination, show, pace=1.2)   # `await show()` returns a MessageLook: what to show now
    await live.open()                           # send the message. Raises: DiscordRefused
    live.touch()                                # something changed
    await live.stop()                           # no edit is on its way any more
    live.message                                   # the message, None where it is gone

Each message has a pace and a task of its own. An edit that fails is not repeated: the next one shows more.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from nextcord.ui import View

from bot.discord.api.destinations import Destination, SentMessage
from bot.discord.api.retry import ONCE, DiscordRefused, Refusal
from bot.discord.format.attachments import Outgoing

__all__ = ["LiveMessage", "MessageLook"]

log = logging.getLogger(__name__)

REFRESH = 5.0  # seconds after which a message is looked at again though nothing was told: time passes in it


class MessageLook(NamedTuple):
    """What a message shows: its text, and the names of its buttons."""

    text: str
    buttons: tuple[str, ...] = ()


class LiveMessage:
    """See the module's text. `pace` is in seconds between two edits; `buttons` makes a view of names."""

    def __init__(
        self,
        destination: Destination,
        show: Callable[[], Awaitable[MessageLook]],
        buttons: Callable[[tuple[str, ...]], View | None],
        *,
        pace: float,
        message: SentMessage | None = None,
    ) -> None:
        self._destination = destination
        self._show = show
        self._buttons = buttons
        self._pace = pace
        self._news = asyncio.Event()
        self._ending = asyncio.Event()
        self._shown: MessageLook | None = None
        self._next = 0.0  # when an edit may be made
        self._task: asyncio.Task[None] | None = None
        self.message = message

    async def open(self) -> None:
        """Send the message, or take over the one that is there. Raises: DiscordRefused."""
        look = await self._show()
        outgoing, view = Outgoing(look.text), self._buttons(look.buttons)
        if self.message is None:
            self.message = await self._destination.send(outgoing, view)
        else:
            await self.message.edit(outgoing, view, keep=False)
        self._shown = look
        self._task = asyncio.create_task(
            self._edit_often(self.message), name=f"live {self.message.message_id}"
        )

    def touch(self) -> None:
        """Something may be new."""
        self._news.set()

    def close(self) -> None:
        """Edit no more; one edit may still be on its way."""
        self._ending.set()

    async def stop(self) -> None:
        """End the live edits, and wait until Discord may be asked for the last one."""
        self.close()
        if self._task is not None:
            await self._task
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))  # the pace, for the last state too

    async def _edit_often(self, message: SentMessage) -> None:
        while not self._ending.is_set():
            await self._something_new()
            await self._until(self._next - time.monotonic())
            if self._ending.is_set():
                return
            try:
                look = await self._show()
            except Exception:  # whatever a stranger's output does to us, there is a last state to come
                log.exception("message %d cannot be shown while it moves", message.message_id)
                return
            if look == self._shown or self._ending.is_set():
                continue
            try:
                await message.edit(Outgoing(look.text), self._buttons(look.buttons), patience=ONCE)
            except DiscordRefused as refused:
                if refused.kind is not Refusal.UNREACHABLE:
                    log.info("message %d is not edited any more: %s", message.message_id, refused)
                    self.message = None if refused.kind is Refusal.MESSAGE_GONE else message
                    return
                self._news.set()
                self._next = time.monotonic() + max(refused.wait, self._pace)
            else:
                self._shown = look
                self._next = time.monotonic() + self._pace

    async def _something_new(self) -> None:
        news = asyncio.create_task(self._news.wait())
        ending = asyncio.create_task(self._ending.wait())
        await asyncio.wait({news, ending}, timeout=REFRESH, return_when=asyncio.FIRST_COMPLETED)
        for task in (news, ending):
            task.cancel()
        self._news.clear()

    async def _until(self, seconds: float) -> None:
        """So many seconds, or the end."""
        try:
            await asyncio.wait_for(self._ending.wait(), max(0.0, seconds))
        except TimeoutError:
            return
