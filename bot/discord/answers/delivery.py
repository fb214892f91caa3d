"""Sends the final state of an answer, and whatever Discord refuses in another way, so that nothing is lost.

A message that is gone is sent anew. One that cannot be changed is replaced and deleted. Files that are too
large together go one by one; a file that is too large by itself becomes a sentence that says how to get it.
Where the bot may not write, the answer goes to the next destination: the direct messages of its person. Text
that Discord does not accept is replaced by a sentence. What reaches nobody is in the transcript, and logged.
"""

import logging
from collections.abc import Sequence
from functools import partial

from nextcord.ui import View

from bot.discord.answers.pages import Pages
from bot.discord.api.destinations import Destination, SentMessage
from bot.discord.api.retry import DiscordRefused, Refusal, unless_refused
from bot.discord.format.attachments import MessageLimits, Outgoing, Upload, plan, without_uploads

__all__ = ["Delivery", "delete_message"]

log = logging.getLogger(__name__)

UNWANTED = "Discord does not accept what belongs here. `/notebook` has it."
ELSEWHERE = {Refusal.CHANNEL_GONE, Refusal.FORBIDDEN, Refusal.EXPIRED, Refusal.ARCHIVED}
WITHOUT_FILES = {
    Refusal.FORBIDDEN: "files may not be attached here",
    Refusal.TOO_LARGE: "it is too large for Discord",
}


class Delivery:
    """Delivers one person's answer to the first of the destinations that takes it."""

    def __init__(
        self, destinations: Sequence[Destination], limits: MessageLimits, pages: Pages, user_id: int
    ) -> None:
        self._destinations = list(destinations)
        self._limits = limits
        self._pages = pages
        self._user_id = user_id
        self._messages: list[SentMessage] = []

    async def deliver(
        self,
        parts: Sequence[str],
        uploads: Sequence[Upload],
        view: View | None,
        message: SentMessage | None = None,
    ) -> tuple[list[SentMessage], bool]:
        """Send the answer, replacing what `message` shows. Raises nothing.

        Returns the messages that it became, and whether they hold all of its text.
        """
        outgoings = await self._pages.make(self._user_id, partial(plan, parts, uploads, self._limits))
        is_whole = True
        for outgoing in outgoings:
            last = outgoing is outgoings[-1]
            try:
                is_whole &= await self._send_or_apologise(outgoing, view if last else None, message)
            except DiscordRefused as refused:
                log.error("an answer reached nobody; it is in the transcript: %s", refused)
                return self._messages, False
            message = None
        return self._messages, is_whole

    async def _send_or_apologise(
        self, outgoing: Outgoing, view: View | None, message: SentMessage | None
    ) -> bool:
        """Send it, or a sentence instead; returns whether it was sent itself. Raises: DiscordRefused."""
        try:
            await self._send(outgoing, view, message)
        except DiscordRefused as refused:
            if refused.kind is not Refusal.OTHER:
                raise
            log.warning("Discord does not accept the content of a message: %s", refused)
            await self._send(Outgoing(UNWANTED), view, message)
            return False
        return True

    async def _send(self, outgoing: Outgoing, view: View | None, message: SentMessage | None) -> None:
        try:
            if message is not None:
                await message.edit(outgoing, view)
                self._messages.append(message)
            else:
                self._messages.append(await self._destinations[0].send(outgoing, view))
        except DiscordRefused as refused:
            await self._send_otherwise(outgoing, view, message, refused)

    async def _send_otherwise(
        self, outgoing: Outgoing, view: View | None, message: SentMessage | None, refused: DiscordRefused
    ) -> None:
        """Send what was refused in a way that is left. Raises: DiscordRefused if none is."""
        log.info("Discord refused a message: %s", refused)
        content, uploads = outgoing.content, outgoing.uploads
        if refused.kind is Refusal.TOO_LARGE and len(uploads) > 1:
            pieces = [Outgoing("", (upload,)) for upload in uploads]
            await self._send_all([Outgoing(content), *pieces] if content else pieces, view, message)
        elif refused.kind in WITHOUT_FILES and uploads:
            why = WITHOUT_FILES[refused.kind]
            await self._send_all(without_uploads([content], uploads, why, self._limits), view, message)
        elif message is not None and refused.kind is not Refusal.CHANNEL_GONE:
            await self._send(outgoing, view, None)
            if refused.kind is not Refusal.MESSAGE_GONE:
                await delete_message(message)  # or it would look as if its cell still ran
        elif refused.kind in ELSEWHERE and len(self._destinations) > 1:
            del self._destinations[0]
            await self._send(outgoing, view, None)
        else:
            raise refused

    async def _send_all(
        self, outgoings: Sequence[Outgoing], view: View | None, message: SentMessage | None
    ) -> None:
        for outgoing in outgoings:
            await self._send(outgoing, view if outgoing is outgoings[-1] else None, message)
            message = None


async def delete_message(message: SentMessage) -> None:
    """Delete a message of ours; log it if that is not possible."""
    with unless_refused("message %d stays", message.message_id):
        await message.delete()
