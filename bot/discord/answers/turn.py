"""A turn on Discord: a person's request becomes an answer there, whatever happens in between.

A finished turn holds nothing but the ids of its messages.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bot.discord.answers.answer import LiveAnswer
from bot.discord.answers.delivery import delete_message
from bot.discord.answers.ending import show_work
from bot.discord.api.destinations import Destination, SentMessage
from bot.discord.api.retry import unless_refused
from bot.discord.context import Context
from bot.model.stopping import ModelTurn
from bot.request import Request, person
from bot.turn import take_turn

__all__ = ["DiscordTurn", "begin"]

STOPPED = "Stopped."


class DiscordTurn:
    """A turn that goes on, or is over."""

    def __init__(self, context: Context, request: Request, answer: LiveAnswer) -> None:
        self._context = context
        self._answer: LiveAnswer | None = answer  # until it is over
        self._message_ids: tuple[tuple[int, int], ...] = ()  # then: those of its channels and messages
        name = f"turn of {request.user_id} in {request.place}"
        self._task = context.tasks.spawn(self._show(request, answer), name)

    async def stop(self) -> None:
        """End it if it still goes on, killing its kernel if need be, and wait for its final state."""
        if self._answer is not None:
            await self._answer.stop(kill=True)
            await asyncio.wait([self._task])

    async def first_message(self) -> SentMessage | None:
        """The first message of its answer, None if that is gone; the others are deleted."""
        messages = [await self._find(*ids) for ids in self._message_ids]
        for message in messages[1:]:
            if message is not None:
                await delete_message(message)
        return messages[0] if messages else None

    async def _find(self, channel_id: int, message_id: int) -> SentMessage | None:
        with unless_refused("message %d is not found again", message_id):
            return await self._context.destinations.message(channel_id, message_id)
        return None

    async def _show(self, request: Request, answer: LiveAnswer) -> None:
        try:
            await show_work(self._context, answer, partial(_carry_out, self._context, request, answer))
        finally:
            self._message_ids, self._answer = answer.message_ids, None


def begin(
    context: Context,
    request: Request,
    destinations: Sequence[Destination],
    message: SentMessage | None = None,
    *,
    show_code: bool = False,
) -> DiscordTurn:
    """Take the turn in a task of its own; `message` is an earlier answer of ours, to be replaced.

    With `show_code` the answer repeats the code, which nobody else has seen.
    """
    asks_model = request.words is not None
    answer = LiveAnswer(
        context,
        request.user_id,
        request.place,
        destinations,
        context.draft(request.code if show_code and not asks_model else None),
        turn=request.turn,
        message=message,
        asked=ModelTurn(request.place) if asks_model else None,
    )
    return DiscordTurn(context, request, answer)


async def _carry_out(context: Context, request: Request, answer: LiveAnswer) -> str:
    """Take the turn; returns the note at the end of its answer, which is mostly empty."""
    if request.words is not None:
        told = await context.sessions.ask(request, answer.tell, answer.asked)
        return STOPPED if told.stopped and not told.words and not told.results else ""
    session = await context.sessions.session(request.user_id, request.place)
    await take_turn(session, replace(request, author=person(request.author)), answer.tell)
    return ""
