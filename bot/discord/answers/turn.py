"""A turn on Discord: what a person wants becomes an answer there, whatever happens on the way.

turn = begin(context, request, destinations)     # at once; it goes on in a task of its own
await turn.stop()

A turn that is over holds nothing of what was wanted and shown but the ids of its messages.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from bot.discord.answers.answer import LiveAnswer, closed_on_failure
from bot.discord.answers.delivery import delete_message
from bot.discord.answers.ending import note_of
from bot.discord.api.destinations import Destination, SentMessage
from bot.discord.api.retry import DiscordRefused
from bot.discord.context import Context
from bot.request import Request, person
from bot.session import ModelTurn
from bot.turn import take_turn

__all__ = ["DiscordTurn", "begin"]

log = logging.getLogger(__name__)

STOPPED = "Stopped."


class DiscordTurn:
    """A turn that goes on, or is over."""

    def __init__(self, context: Context, request: Request, live_answer: LiveAnswer) -> None:
        self._context = context
        self._live_answer: LiveAnswer | None = live_answer  # until it is over
        self._message_ids: tuple[tuple[int, int], ...] = ()  # then: its messages, each with its channel
        self._task = context.spawn(
            self._take(request, live_answer), f"turn of {request.user_id} in {request.place}"
        )

    async def stop(self) -> None:
        """End it, if it still goes on, whatever that costs, and wait for its last state."""
        if self._live_answer is not None:
            await self._live_answer.stop(kill=True)
            await asyncio.wait([self._task])

    async def first_message(self) -> SentMessage | None:
        """The first message of its answer, None where that is gone; the others are deleted."""
        messages = [await self._fetch(*message_ids) for message_ids in self._message_ids]
        for message in messages[1:]:
            if message is not None:
                await delete_message(message)
        return messages[0] if messages else None

    async def _fetch(self, channel_id: int, message_id: int) -> SentMessage | None:
        try:
            channel = await self._context.channel(channel_id, None)
            return await channel.fetch(message_id)
        except DiscordRefused as refused:
            log.info("message %d is not found again: %s", message_id, refused)
            return None

    async def _take(self, request: Request, live_answer: LiveAnswer) -> None:
        try:
            with closed_on_failure(live_answer):
                await live_answer.open()
                note = await note_of(self._context, live_answer, _have(self._context, request, live_answer))
            await live_answer.finish(note)
        except DiscordRefused as refused:  # by `open` alone
            log.warning("a turn of %d has nowhere to be answered: %s", request.user_id, refused)
        finally:
            self._message_ids, self._live_answer = live_answer.message_ids, None


def begin(
    context: Context,
    request: Request,
    destinations: Sequence[Destination],
    message: SentMessage | None = None,
    *,
    show_code: bool = False,
) -> DiscordTurn:
    """Take the turn in a task of its own; `message` is an answer of ours that is to be replaced.

    With `show_code` the answer repeats the code, which nobody else has seen.
    """
    session_id = context.sessions.id_of(request.user_id, request.place)
    asks_model = request.words is not None
    draft = context.draft(request.code if show_code and not asks_model else None)
    live_answer = LiveAnswer(
        context,
        request.user_id,
        session_id,
        request.place,
        destinations,
        draft,
        message=message,
        asked=ModelTurn(request.place) if asks_model else None,
    )
    return DiscordTurn(context, request, live_answer)


async def _have(context: Context, request: Request, live_answer: LiveAnswer) -> str:
    """Take the turn, and return what is to be said of it below, which is little."""
    if request.words is not None:
        if context.sessions.model is not None:
            await context.sessions.session(request.user_id, request.place)
            await live_answer.note()  # for the program after this one, if it should have to end the message
        answer = await context.sessions.ask(request, live_answer.tell, live_answer.asked)
        return STOPPED if answer.stopped and not answer.words and not answer.results else ""
    session = await context.sessions.session(request.user_id, request.place)
    await take_turn(session, replace(request, author=person(request.author)), live_answer.tell)
    return ""
