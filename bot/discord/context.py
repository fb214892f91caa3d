"""What the parts of the bot on Discord share: sessions, settings, and the answers that are live just now."""

import logging
import math
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Protocol

from bot.discord.answers.pages import Pages
from bot.discord.answers.traffic import Traffic
from bot.discord.api.destinations import Destinations
from bot.discord.bounds import Bounds
from bot.discord.format.answer import Draft
from bot.discord.format.attachments import MessageLimits
from bot.discord.picture_room import PictureRoom
from bot.discord.rate_limit import RateLimit
from bot.discord.tasks import Tasks
from bot.scheduling.slots import Slots
from bot.scratch.drawing import Renderer
from bot.sessions import Sessions
from config.settings import Settings
from kernels.notebooks.packages import plotly_script

__all__ = ["CLOSING", "Context", "DisplayUpdates"]

log = logging.getLogger(__name__)

RECEIVED = 3  # people whose files are received at a time: each file is in memory until it is stored
SENT = 4  # people to whom large files are sent at a time: those of an answer are in memory until all are sent
MOST_LIVE = 50  # answers of one person that go on or wait: each is a task, and its message is edited
FEWER = "Wait for some of the answers, stop some, or end your kernel with `/reset`."
CLOSING = "I am being restarted. Please send this again in a moment."


class DisplayUpdates(Protocol):
    """See `bot.discord.answers.updated.UpdatedMessages`, whose module needs this one."""

    def note(self, session_id: str, cell: int, names: Collection[str]) -> None:
        """Show the messages of the cells before `cell` that have these displays again."""

    def forget_person(self, user_id: int) -> None:
        """Show nothing of this person again."""


class Context:
    """See the module's text. `clock` returns seconds; `updates` makes the display updates.

    `bounds` are the usual ones unless they are given.
    """

    def __init__(
        self,
        sessions: Sessions,
        settings: Settings,
        clock: Callable[[], float],
        destinations: Destinations,
        updates: "Callable[[Context], DisplayUpdates]",
        bounds: Bounds | None = None,
    ) -> None:
        self.sessions = sessions
        self.settings = settings
        self.clock = clock
        self.bounds = bounds or Bounds()
        self.destinations = destinations
        self.rate = RateLimit(settings.rate, clock)
        self.refusals = RateLimit(1, clock)  # told in a channel, where many would delay what others wait for
        self.limits = MessageLimits(
            files=settings.discord_files,
            request=settings.discord_max_request,
            file=settings.discord_max_file,
            messages=settings.discord_messages,
        )
        self.pages = Pages(Renderer(sessions.pool), self.limits.file)
        self.receiving = Slots(RECEIVED, each=1)
        self.sending = Slots(SENT, each=1)
        self.picture_room = PictureRoom()
        self.pace = settings.discord_pace.total_seconds()  # between two edits of a message
        self.traffic = Traffic(self.bounds.apart * self.pace, longest=self.bounds.edit_waits)
        self.tasks = Tasks()
        # `LiveAnswer`s, whose module needs this one, by the id of their first message:
        self.live_answers: dict[int, Any] = {}
        self.closing = False
        self.updates = updates(self)

    def draft(self, code: str | None = None) -> Draft:
        """An empty draft of an answer; `code` is what it repeats on top."""
        return Draft(code=code, plotly_script=partial(plotly_script, self.settings.kernel_python))

    def refusal(self, user_id: int, *, ends: bool = False) -> str | None:
        """Why nothing can be begun for this person now; None if it can, and then it counts as a turn.

        What only `ends` cells, such as `/reset`, may begin however many answers go on: late output has no
        button that stops it.
        """
        if self.closing:
            return CLOSING
        going_on = sum(answer.user_id == user_id for answer in self.live_answers.values())
        if going_on >= MOST_LIVE and not ends:
            return f"{going_on} of your messages are still being answered. {FEWER}"
        wait = self.rate.take_turn(user_id)
        if not wait:
            return None
        return f"That was a lot in one minute. I can take your next one in {math.ceil(wait)} s."

    async def let_run(self, grace: float) -> None:
        """Begin nothing new, and let what runs go on for at most `grace` seconds."""
        self.closing = True
        self.traffic.hurry()
        log.info("the bot ends; the cells of %d turns have %.0f s", len(self.tasks), grace)
        await self.tasks.wait(grace)
