"""A turn on Discord: what a person wants becomes an answer there, whatever happens on the way.

turn = begin(desk, wanted, outlets)     # at once; it goes on in a task of its own
await turn.stop()

A turn that is over holds nothing of what was wanted and shown but the ids of its messages.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.discord.answers.answer import Showing, closed_on_failure
from bot.discord.answers.delivery import take_away
from bot.discord.answers.ending import note_of
from bot.discord.api.destinations import Outlet, Post
from bot.discord.api.retry import Refused
from bot.discord.context import Desk
from bot.model.history import person
from bot.request import Asking, Incoming, Picture
from bot.session import ModelTurn
from bot.turn import take_turn

__all__ = ["Turn", "Wanted", "begin"]

log = logging.getLogger(__name__)

STOPPED = "Stopped."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants: `code` to be run as it is, or else an answer of the model to `words`.

    `user_id` is who asked, as Discord says. Without `can_answer` an `input()` fails at once. `shown` is
    whether the answer repeats the code, since nobody else has seen it.
    """

    user_id: int
    author: str
    place: str
    code: str | None = None
    words: str = ""
    cards: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    can_answer: bool = True
    shown: bool = False

    def with_code(self, code: str) -> "Wanted":
        """The same person in the same place, with other code."""
        return replace(self, code=code)


class Turn:
    """A turn that goes on, or is over."""

    def __init__(self, desk: Desk, wanted: Wanted, showing: Showing) -> None:
        self._desk = desk
        self._showing: Showing | None = showing  # until it is over
        self._posted: tuple[tuple[int, int], ...] = ()  # then: its messages, each with its channel
        self._task = desk.spawn(self._take(wanted, showing), f"turn of {wanted.user_id} in {wanted.place}")

    async def stop(self) -> None:
        """End it, if it still goes on, whatever that costs, and wait for its last state."""
        if self._showing is not None:
            await self._showing.stop(kill=True)
            await asyncio.wait([self._task])

    async def one_post(self) -> Post | None:
        """The first message of its answer, None where that is gone; the others are deleted."""
        posts = [await self._post(*posted) for posted in self._posted]
        for post in posts[1:]:
            if post is not None:
                await take_away(post)
        return posts[0] if posts else None

    async def _post(self, channel_id: int, message_id: int) -> Post | None:
        try:
            channel = await self._desk.channel(channel_id, None)
            return await channel.fetch(message_id)
        except Refused as refused:
            log.info("message %d is not found again: %s", message_id, refused)
            return None

    async def _take(self, wanted: Wanted, showing: Showing) -> None:
        try:
            with closed_on_failure(showing):
                await showing.open()
                note = await note_of(self._desk, showing, _have(self._desk, wanted, showing))
            await showing.finish(note)
        except Refused as refused:  # by `open` alone
            log.warning("a turn of %d has nowhere to be answered: %s", wanted.user_id, refused)
        finally:
            self._posted, self._showing = showing.posted, None


def begin(desk: Desk, wanted: Wanted, outlets: Sequence[Outlet], post: Post | None = None) -> Turn:
    """Take the turn in a task of its own; `post` is an answer of ours that is to be replaced."""
    session_id = desk.sessions.id_of(wanted.user_id, wanted.place)
    draft = desk.draft(wanted.code if wanted.shown else None)
    showing = Showing(
        desk,
        wanted.user_id,
        session_id,
        wanted.place,
        outlets,
        draft,
        post=post,
        asked=ModelTurn(wanted.place) if wanted.code is None else None,
    )
    return Turn(desk, wanted, showing)


async def _have(desk: Desk, wanted: Wanted, showing: Showing) -> str:
    """Take the turn, and return what is to be said of it below, which is little."""
    if wanted.code is None:
        asking = Asking(
            wanted.user_id,
            wanted.author,
            wanted.place,
            wanted.words,
            wanted.cards,
            wanted.pictures,
            wanted.can_answer,
        )
        if desk.sessions.model is not None:
            await desk.sessions.session(wanted.user_id, wanted.place)
            await showing.note()  # for the program after this one, if it should have to end the message
        answer = await desk.sessions.ask(asking, showing.tell, showing.asked)
        return STOPPED if answer.stopped and not answer.words and not answer.results else ""
    session = await desk.sessions.session(wanted.user_id, wanted.place)
    author = person(wanted.author)
    incoming = Incoming(wanted.user_id, author, wanted.place, wanted.code, can_answer=wanted.can_answer)
    await take_turn(session, incoming, showing.tell)
    return ""
