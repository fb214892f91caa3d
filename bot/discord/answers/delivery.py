"""The last state of an answer: sent, and where Discord refuses, sent otherwise. Nothing is lost on the way.

    messages, is_whole = await Delivery(destinations, limits, made).put(parts, uploads, view, message)

A message that is gone is sent anew. One that cannot be changed is replaced and deleted. Files that are too
large together go one by one; a file that is too large by itself becomes a sentence that says how to get it.
Where the bot may not write, the answer goes to the next destination: the direct messages of its person. Text
that Discord does not accept is replaced by a sentence. What reaches nobody is in the transcript, and logged.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from nextcord.ui import View

from bot.discord.api.destinations import Destination, SentMessage
from bot.discord.api.retry import DiscordRefused, Refusal
from bot.discord.format.attachments import MessageLimits, Outgoing, Upload, plan, without_uploads

__all__ = ["Delivery", "delete_message"]

log = logging.getLogger(__name__)

UNWANTED = "Discord does not take what belongs here. `/notebook` has it."
_Outgoings = tuple[Outgoing, ...]
_Made = Callable[[Callable[[], _Outgoings]], Awaitable[_Outgoings]]
ELSEWHERE = {Refusal.CHANNEL_GONE, Refusal.FORBIDDEN, Refusal.EXPIRED, Refusal.ARCHIVED}


class Delivery:
    """Puts answers out by the first of the destinations that takes them.

    `made` does in a thread what takes long, such as packing files: see `bot.discord.answers.pages`.
    """

    def __init__(self, destinations: Sequence[Destination], limits: MessageLimits, made: _Made) -> None:
        self._destinations = list(destinations)
        self._limits = limits
        self._made = made
        self._messages: list[SentMessage] = []

    async def put(
        self,
        parts: Sequence[str],
        uploads: Sequence[Upload],
        view: View | None,
        message: SentMessage | None = None,
    ) -> tuple[list[SentMessage], bool]:
        """Send the answer, in place of what `message` shows. Raises nothing.

        Returns the messages that it got, and whether all of its text is in them.
        """
        outgoings = await self._made(partial(plan, parts, uploads, self._limits))
        is_whole = True
        for outgoing in outgoings:
            last = outgoing is outgoings[-1]
            try:
                is_whole &= await self._one_or_a_sentence(outgoing, view if last else None, message)
            except DiscordRefused as refused:
                log.error("an answer reached nobody, it is in the transcript: %s", refused)
                return self._messages, False
            message = None
        return self._messages, is_whole

    async def _one_or_a_sentence(
        self, outgoing: Outgoing, view: View | None, message: SentMessage | None
    ) -> bool:
        """Whether it is the former. Raises: DiscordRefused."""
        try:
            await self._one(outgoing, view, message)
        except DiscordRefused as refused:
            if refused.kind is not Refusal.OTHER:
                raise
            log.warning("Discord does not take what is in a message: %s", refused)
            await self._one(Outgoing(UNWANTED), view, message)
            return False
        return True

    async def _one(self, outgoing: Outgoing, view: View | None, message: SentMessage | None) -> None:
        try:
            if message is not None:
                await message.edit(outgoing, view)
                self._messages.append(message)
            else:
                self._messages.append(await self._destinations[0].send(outgoing, view))
        except DiscordRefused as refused:
            await self._otherwise(outgoing, view, message, refused)

    async def _otherwise(
        self, outgoing: Outgoing, view: View | None, message: SentMessage | None, refused: DiscordRefused
    ) -> None:
        """Send what was refused in the way that is left. Raises: DiscordRefused, when there is none."""
        log.info("Discord refused a message: %s", refused)
        if refused.kind is Refusal.TOO_LARGE and outgoing.uploads:
            await self._smaller(outgoing, view, message)
        elif refused.kind is Refusal.FORBIDDEN and outgoing.uploads:
            why = "files may not be attached here"
            await self._without(outgoing, view, message, why)
        elif message is not None and refused.kind is not Refusal.CHANNEL_GONE:
            await self._one(outgoing, view, None)
            if refused.kind is not Refusal.MESSAGE_GONE:
                await delete_message(message)  # or it would look as if its cell still ran
        elif refused.kind in ELSEWHERE and len(self._destinations) > 1:
            del self._destinations[0]
            await self._one(outgoing, view, None)
        else:
            raise refused

    async def _smaller(self, outgoing: Outgoing, view: View | None, message: SentMessage | None) -> None:
        if len(outgoing.uploads) == 1:
            await self._without(outgoing, view, message, "it is too large for Discord")
            return
        if outgoing.content:
            await self._one(Outgoing(outgoing.content), None, message)
            message = None
        for upload in outgoing.uploads:
            await self._one(
                Outgoing("", (upload,)), view if upload is outgoing.uploads[-1] else None, message
            )
            message = None

    async def _without(
        self, outgoing: Outgoing, view: View | None, message: SentMessage | None, why: str
    ) -> None:
        content = [outgoing.content] if outgoing.content else []
        left = without_uploads(content, outgoing.uploads, why, self._limits)
        for one in left:
            await self._one(one, view if one is left[-1] else None, message)
            message = None


async def delete_message(message: SentMessage) -> None:
    """Delete a message of ours; it is logged where that cannot be."""
    try:
        await message.delete()
    except DiscordRefused as refused:
        log.info("message %d stays: %s", message.message_id, refused)
