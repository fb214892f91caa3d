"""The last state of an answer: sent, and where Discord refuses, sent otherwise. Nothing is lost on the way.

    posts, is_whole = await Delivery(destinations, limits, made).put(parts, uploads, view, post)

A message that is gone is sent anew. One that cannot be changed is replaced and deleted. Files that are too
large together go one by one; a file that is too large by itself becomes a sentence that says how to get it.
Where the bot may not write, the answer goes to the next destination: the direct messages of its person. Text
that Discord does not accept is replaced by a sentence. What reaches nobody is in the transcript, and logged.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from nextcord.ui import View

from bot.discord.api.destinations import Destination, Post
from bot.discord.api.retry import Refusal, Refused
from bot.discord.format.attachments import Limits, Outgoing, Upload, plan, without_uploads

__all__ = ["Delivery", "take_away"]

log = logging.getLogger(__name__)

UNWANTED = "Discord does not take what belongs here. `/notebook` has it."
_Outgoings = tuple[Outgoing, ...]
_Made = Callable[[Callable[[], _Outgoings]], Awaitable[_Outgoings]]
ELSEWHERE = {Refusal.CHANNEL_GONE, Refusal.FORBIDDEN, Refusal.EXPIRED, Refusal.ARCHIVED}


class Delivery:
    """Puts answers out by the first of the destinations that takes them.

    `made` does in a thread what takes long, such as packing files: see `bot.discord.answers.pages`.
    """

    def __init__(self, destinations: Sequence[Destination], limits: Limits, made: _Made) -> None:
        self._destinations = list(destinations)
        self._limits = limits
        self._made = made
        self._posts: list[Post] = []

    async def put(
        self, parts: Sequence[str], uploads: Sequence[Upload], view: View | None, post: Post | None = None
    ) -> tuple[list[Post], bool]:
        """Send the answer, in place of what `post` shows. Raises nothing.

        Returns the messages that it got, and whether all of its text is in them.
        """
        outgoings = await self._made(partial(plan, parts, uploads, self._limits))
        is_whole = True
        for outgoing in outgoings:
            last = outgoing is outgoings[-1]
            try:
                is_whole &= await self._one_or_a_sentence(outgoing, view if last else None, post)
            except Refused as refused:
                log.error("an answer reached nobody, it is in the transcript: %s", refused)
                return self._posts, False
            post = None
        return self._posts, is_whole

    async def _one_or_a_sentence(self, outgoing: Outgoing, view: View | None, post: Post | None) -> bool:
        """Whether it is the former. Raises: Refused."""
        try:
            await self._one(outgoing, view, post)
        except Refused as refused:
            if refused.kind is not Refusal.OTHER:
                raise
            log.warning("Discord does not take what is in a message: %s", refused)
            await self._one(Outgoing(UNWANTED), view, post)
            return False
        return True

    async def _one(self, outgoing: Outgoing, view: View | None, post: Post | None) -> None:
        try:
            if post is not None:
                await post.edit(outgoing, view)
                self._posts.append(post)
            else:
                self._posts.append(await self._destinations[0].send(outgoing, view))
        except Refused as refused:
            await self._otherwise(outgoing, view, post, refused)

    async def _otherwise(
        self, outgoing: Outgoing, view: View | None, post: Post | None, refused: Refused
    ) -> None:
        """Send what was refused in the way that is left. Raises: Refused, when there is none."""
        log.info("Discord refused a message: %s", refused)
        if refused.kind is Refusal.TOO_LARGE and outgoing.uploads:
            await self._smaller(outgoing, view, post)
        elif refused.kind is Refusal.FORBIDDEN and outgoing.uploads:
            why = "files may not be attached here"
            await self._without(outgoing, view, post, why)
        elif post is not None and refused.kind is not Refusal.CHANNEL_GONE:
            await self._one(outgoing, view, None)
            if refused.kind is not Refusal.MESSAGE_GONE:
                await take_away(post)  # or it would look as if its cell still ran
        elif refused.kind in ELSEWHERE and len(self._destinations) > 1:
            del self._destinations[0]
            await self._one(outgoing, view, None)
        else:
            raise refused

    async def _smaller(self, outgoing: Outgoing, view: View | None, post: Post | None) -> None:
        if len(outgoing.uploads) == 1:
            await self._without(outgoing, view, post, "it is too large for Discord")
            return
        if outgoing.content:
            await self._one(Outgoing(outgoing.content), None, post)
            post = None
        for upload in outgoing.uploads:
            await self._one(Outgoing("", (upload,)), view if upload is outgoing.uploads[-1] else None, post)
            post = None

    async def _without(self, outgoing: Outgoing, view: View | None, post: Post | None, why: str) -> None:
        content = [outgoing.content] if outgoing.content else []
        left = without_uploads(content, outgoing.uploads, why, self._limits)
        for one in left:
            await self._one(one, view if one is left[-1] else None, post)
            post = None


async def take_away(post: Post) -> None:
    """Delete a message of ours; it is logged where that cannot be."""
    try:
        await post.delete()
    except Refused as refused:
        log.info("message %d stays: %s", post.message_id, refused)
