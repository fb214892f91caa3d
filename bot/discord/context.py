"""What the parts of the front share: sessions, settings, and the answers that are on Discord just now."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from nextcord.ui import View

from bot.discord.answers.pages import Pages
from bot.discord.answers.traffic import Traffic
from bot.discord.api.destinations import ChannelDestination, Destination
from bot.discord.format.answer import Draft
from bot.discord.format.attachments import MessageLimits
from bot.discord.rate_limit import RateLimit
from bot.scratch.drawing import Renderer
from bot.sessions import Sessions
from config.settings import Settings
from kernels.notebooks.packages import plotly_script

if TYPE_CHECKING:
    from bot.discord.answers.answer import LiveAnswer

__all__ = ["Context"]

log = logging.getLogger(__name__)

APART = (
    2.5  # paces between two edits in a channel that can wait: at most two of Discord's five in five seconds
)
LEAVING = 0.3  # seconds in which turns see that their kernels were let go
LAST_STATE = 5.0  # seconds for the last states of their answers, which Discord may let wait


class Context:
    """See the module's text. `clock` gives seconds, of any origin."""

    def __init__(self, sessions: Sessions, settings: Settings, clock: Callable[[], float]) -> None:
        self.sessions = sessions
        self.settings = settings
        self.clock = clock
        self.pages = Pages()
        self.renderer = Renderer(sessions.pool)
        self.rate = RateLimit(settings.rate, clock)
        self.limits = MessageLimits(
            files=settings.discord_files,
            request=settings.discord_max_request,
            file=settings.discord_max_file,
            messages=settings.discord_messages,
        )
        self.closing = False
        self.live_answers: dict[int, LiveAnswer] = {}  # by the id of their first message
        self.tasks: set[asyncio.Task[None]] = set()  # turns
        self.traffic = Traffic(APART * self.pace)
        self.forgets: list[Callable[[int], None]] = []  # called with the person of whom nothing may be kept
        self._ending: set[asyncio.Task[None]] = set()  # those of them that show their last state
        # Set by the client, which knows how to make them:
        self.buttons: Callable[[tuple[str, ...]], View | None] = lambda _: None
        self.show_again: Callable[[str, int, Collection[str]], None] = lambda *_: None  # see `updated`
        self.direct: Callable[[int], Destination]
        self.channel: Callable[[int, tuple[int, int] | None], Awaitable[ChannelDestination]]

    @property
    def pace(self) -> float:
        """Seconds between two edits of a message."""
        return self.settings.discord_pace.total_seconds()

    def draft(self, code: str | None = None) -> Draft:
        """The draft of an answer; `code` is what it repeats on top."""
        return Draft(code=code, plotly_script=partial(plotly_script, self.settings.kernel_python))

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Do this in a task of its own, which `drain` waits for; a failure is logged."""
        task = asyncio.create_task(_logged(work, name), name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(self._ending.discard)
        return task

    def ends(self) -> None:
        """The task that calls this shows its last state from now on, and is not told to do so."""
        self._ending |= {task for task in self.tasks if task is asyncio.current_task()}

    async def drain(self, grace: float) -> None:
        """Begin nothing new; let what runs go on for so many seconds, then let kernels go with their cells.

        Every answer then reaches its last state, within a second or two.
        """
        self.closing = True
        self.traffic.hurry()
        log.info("the bot ends, in %.0f s at most for the cells of %d turns", grace, len(self.tasks))
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=grace)
        await self.sessions.release_all()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=LEAVING)
        for task in self.tasks - self._ending:  # what waits for something else is told to end
            task.cancel()
        until = asyncio.get_running_loop().time() + LAST_STATE
        while self.tasks and (left := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self.tasks, timeout=left)  # the last state of one may begin another task
        for task in tuple(self.tasks):
            task.cancel()


async def _logged(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except Exception:  # one turn's failure is its own
        log.exception("%s failed", name)
