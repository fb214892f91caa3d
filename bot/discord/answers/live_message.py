"""One message that changes while a turn runs: no faster than Discord allows, and always to the newest state.

Each message has a pace and a task of its own. An edit that fails is not repeated: the next one shows more.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

from bot.discord.api.destinations import Destination, SentMessage
from bot.discord.api.retry import ONCE, DiscordRefused, Refusal
from bot.discord.buttons.view import buttons
from bot.discord.format.attachments import Outgoing

__all__ = ["LiveMessage", "MessageLook"]

log = logging.getLogger(__name__)

REFRESH = 5.0  # seconds after which the look is asked for again even without news: it may show the time


class MessageLook(NamedTuple):
    """What a message shows: its text and the names of its buttons."""

    text: str
    buttons: tuple[str, ...] = ()


class LiveMessage:
    """See the module's text. `pace` is in seconds between two edits; `message` is one to take over."""

    def __init__(
        self,
        destination: Destination,
        look: Callable[[], Awaitable[MessageLook]],
        *,
        pace: float,
        message: SentMessage | None = None,
    ) -> None:
        self._destination = destination
        self._look = look
        self._pace = pace
        self._news = asyncio.Event()
        self._ending = asyncio.Event()
        self._shown: MessageLook | None = None
        self._next = 0.0  # when the next edit may be made
        self._task: asyncio.Task[None] | None = None
        self.message = message  # None until it is sent, and once it is gone

    async def open(self) -> None:
        """Send the message, or edit the one that is taken over. Raises: DiscordRefused."""
        look = await self._look()
        outgoing, view = Outgoing(look.text), buttons(look.buttons)
        if self.message is None:
            self.message = await self._destination.send(outgoing, view)
        else:
            await self.message.edit(outgoing, view, keep=())
        self._shown = look
        name = f"live message {self.message.message_id}"
        self._task = asyncio.create_task(self._edit_often(self.message), name=name)

    def touch(self) -> None:
        """Something may have changed."""
        self._news.set()

    def close(self) -> None:
        """Begin no further edit; one may still be under way."""
        self._ending.set()
        self._news.set()

    async def stop(self) -> None:
        """End the live edits, and wait until Discord may be asked for the final one."""
        self.close()
        if self._task is not None:
            await self._task
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))  # the final edit keeps the pace, too

    async def _edit_often(self, message: SentMessage) -> None:
        while not self._ending.is_set():
            await self._something_new()
            await self._until(self._next - time.monotonic())
            if self._ending.is_set():
                return
            try:
                look = await self._look()
            except Exception:  # whatever a stranger's output does to us, the final state still comes
                log.exception("message %d cannot be updated any more", message.message_id)
                return
            if look == self._shown or self._ending.is_set():
                continue
            try:
                await message.edit(Outgoing(look.text), buttons(look.buttons), patience=ONCE)
            except DiscordRefused as refused:
                if refused.kind is not Refusal.UNREACHABLE:
                    log.info("message %d is not updated any more: %s", message.message_id, refused)
                    self.message = None if refused.kind is Refusal.MESSAGE_GONE else message
                    return
                self._news.set()
                self._next = time.monotonic() + max(refused.wait, self._pace)
            else:
                self._shown = look
                self._next = time.monotonic() + self._pace

    async def _something_new(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), REFRESH)
        self._news.clear()

    async def _until(self, seconds: float) -> None:
        """Wait this long, or until the message ends."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), max(0.0, seconds))
