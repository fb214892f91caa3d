"""The bot as Discord sees it: its events, its commands, its buttons.

Connections end and begin again, sometimes with a new session, and Discord sends `ready` for each session. So
what may happen only once is guarded; what must survive a session is in `connections`.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Any

import nextcord
from nextcord import ApplicationError, ApplicationInvokeError, InteractionType

from bot.continuity.deletions import Deletions
from bot.discord.answers.deleted import end_before_deletion
from bot.discord.answers.late import LateAnswers
from bot.discord.answers.resumed import ResumedAnswers
from bot.discord.answers.unfinished import end_unfinished, unfinished
from bot.discord.answers.updated import UpdatedMessages
from bot.discord.api.destinations import NO_MENTIONS, Destinations
from bot.discord.api.interactions import Interaction, privately
from bot.discord.api.retry import DiscordRefused, Refusal, attempt
from bot.discord.bounds import Bounds
from bot.discord.buttons.actions import ButtonActions
from bot.discord.buttons.expiring import ExpiredViews
from bot.discord.buttons.submitted import submit
from bot.discord.buttons.view import AnswerButtons
from bot.discord.chat import Chat
from bot.discord.commands.personal import PersonalCommands
from bot.discord.commands.run import RunCommands
from bot.discord.commands.undoing import UndoCommands
from bot.discord.connections import Pauses, outlast_ready
from bot.discord.context import Context
from bot.discord.failures import tell_failure
from bot.reply import Reply
from bot.sessions import Sessions
from config.settings import Settings
from filestore.errors import FileStoreError
from filestore.records import SessionRecord
from kernels.errors import KernelError

__all__ = ["Client", "intents"]

log = logging.getLogger(__name__)

# Events without which nothing works: if one of them cannot be read, the connection ends.
NEEDED = {"READY", "RESUMED"}
UNKNOWN = "I do not know this button any more. `/help` says what I can do."

Parser = Callable[[Any], None]


async def _ended() -> None:
    raise DiscordRefused(Refusal.UNREACHABLE, ConnectionError("the bot has ended"))


class Client(nextcord.Client):
    """See the module's text. `clock` returns seconds since any moment; `options` are nextcord's."""

    def __init__(
        self,
        sessions: Sessions,
        settings: Settings,
        clock: Callable[[], float],
        *,
        bounds: Bounds | None = None,
        **options: Any,
    ) -> None:
        super().__init__(intents=intents(), allowed_mentions=NO_MENTIONS, max_messages=None, **options)
        bounds = bounds or Bounds()
        destinations = Destinations(self, member_known=bounds.member_known)
        context = Context(sessions, settings, clock, destinations, UpdatedMessages, bounds)
        self._context = context
        self._chat = Chat(context, self)
        self._resumed = ResumedAnswers(context)
        self._late = LateAnswers(context)
        self._registered = self._has_resumed = False
        self._began = datetime.now(UTC)
        self._registering: asyncio.Task[Any] | None = None
        self._pauses = Pauses(time.monotonic)
        parsers = self._connection.parsers
        parsers |= {
            event: _guarded(event, parse, sessions.deletions)
            for event, parse in parsers.items()
            if event not in NEEDED
        }
        outlast_ready(self._connection)
        self.http._buckets = _Forgotten()
        self.http.ws_connect = self._pausing(self.http.ws_connect)  # type: ignore[assignment, method-assign]
        self.add_cog(RunCommands(context))
        self.add_cog(UndoCommands(context))
        self.add_cog(PersonalCommands(context, self.forget_person))
        self.add_view(AnswerButtons(ButtonActions(context).by_name))
        self.add_view(ExpiredViews())

    async def tell_late(self, record: SessionRecord, reply: Reply) -> None:
        """See `bot.reply.Front`."""
        self._late.tell(record, reply)

    async def tell_resumed(self, record: SessionRecord, reply: Reply) -> None:
        """See `bot.reply.Front`."""
        await self._resumed.tell(record, reply)

    async def fail_resumed(self, record: SessionRecord, cell: int, error: Exception) -> None:
        """See `bot.reply.Front`."""
        await self._resumed.fail(record, cell, error)

    async def end_answers(self, session_ids: Collection[str]) -> None:
        """See `bot.reply.Front`."""
        await end_before_deletion(self._context, session_ids)

    async def forget_person(self, user_id: int) -> None:
        """Delete everything of a person. Raises: KernelError, FileStoreError, OSError."""
        try:
            await self._context.sessions.forget_person(user_id)
        finally:  # whatever stays, nothing of theirs is run or shown again by itself
            self._chat.forget_person(user_id)
            self._late.forget_person(user_id)
            self._context.updates.forget_person(user_id)
        await self._context.pages.clean()

    async def drain(self, grace: float) -> None:
        """Begin nothing new, let what runs go on for `grace` seconds, then let kernels go with their cells.

        Every answer then reaches its final state, within a second or two.
        """
        await self._context.let_run(grace)
        try:
            await self._context.sessions.release_all()
        finally:
            self._resumed.close()
            await self._context.tasks.end()

    async def reopen(self) -> None:
        """Be ready to connect again after a connection failed, with commands and buttons as they are.

        Requests to Discord that are under way go on.
        """
        if self.ws is not None and self.ws.open:
            await self.ws.close(code=1000)
        self._closed = False
        self._ready.clear()

    async def end(self) -> None:
        """Close for good. nextcord would open a new session for any request made after that."""
        if self._registering is not None:
            self._registering.cancel()
        self.http.recreate = _ended  # type: ignore[method-assign]
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.http.close)  # `close` leaves it open after some failed connections
            stack.push_async_callback(self.close)

    async def on_connect(self) -> None:
        """Register the commands, once; until Discord accepts them, try again from time to time."""
        if self._registered or self._registering is not None:
            return
        self._registering = asyncio.current_task()
        try:
            while not self._registered:
                await self._register()
        finally:
            self._registering = None

    async def _register(self) -> None:
        try:
            await attempt(super().on_connect)
        except DiscordRefused as refused:
            wait = self._context.bounds.register_again
            log.error("the commands are not registered; next try in %.0f s: %s", wait, refused)
            await asyncio.sleep(wait)  # an outage of Discord's passes with time
        else:
            self._registered = True

    async def on_disconnect(self) -> None:
        """The connection has ended; nextcord opens another one."""
        log.info("the connection to Discord has ended")

    async def on_resumed(self) -> None:
        """The session goes on over another connection, with everything that was missed."""
        log.info("connected to Discord again, the session goes on")

    async def on_ready(self) -> None:
        """A session has begun. Go on with the cells of an earlier program, once."""
        log.info("connected to Discord as %s", self.user)
        if self._has_resumed:
            return
        self._has_resumed = True
        self._context.sessions.deletions.asked()  # what is found now may be deleted until it is told
        try:
            left = await unfinished(self._context, self._began)
            await self._context.sessions.resume()
        except (FileStoreError, KernelError):
            self._has_resumed = False
            log.exception("cells that were running could not be resumed")
        else:
            self._context.tasks.spawn(
                end_unfinished(self._context, self._resumed, left), "answers left unfinished"
            )

    async def on_interaction(self, interaction: Interaction) -> None:
        """Somebody has used a command, submitted a form, or clicked something that no view of ours knows."""
        if interaction.type is InteractionType.modal_submit:
            await submit(self._context, interaction)
        elif interaction.type is not InteractionType.component:
            await super().on_interaction(interaction)
        elif not interaction.response.is_done() and not self._has(interaction):
            await privately(interaction, UNKNOWN)

    async def on_message(self, message: nextcord.Message) -> None:
        """Somebody has written something."""
        await self._chat.on_message(message)

    async def on_raw_message_edit(self, payload: nextcord.RawMessageUpdateEvent) -> None:
        """Somebody has changed a message, or Discord has added something to it."""
        content = payload.data.get("content")
        if isinstance(content, str):
            await self._chat.on_edit(payload.message_id, content)

    async def on_error(self, event_method: str, *args: Any, **kwargs: Any) -> None:
        """A failure in an event is our fault: log it. nextcord calls this while it handles the error."""
        log.error("%s failed (%d arguments)", event_method, len(args) + len(kwargs), exc_info=sys.exception())

    async def on_application_command_error(
        self, interaction: Interaction, exception: ApplicationError
    ) -> None:
        """Tell the person what went wrong with their command."""
        error = exception.original if isinstance(exception, ApplicationInvokeError) else exception
        await tell_failure(interaction, error, interaction.application_command)

    def _has(self, interaction: Interaction) -> bool:
        """Whether one of our views has what was clicked."""
        clicked = interaction.data.get("custom_id") if interaction.data else None
        views = (*self.views(), *self.views(persistent=False))
        items = (item for view in views for item in view.children)
        return any(getattr(item, "custom_id", None) == clicked for item in items)

    def _pausing(self, connect: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """The same, after a pause if connections have ended soon after they began."""

        async def connect_later(*args: Any, **options: Any) -> Any:
            if wait := self._pauses.next():
                log.warning("connections to Discord end too soon; the next one in %.0f s", wait)
                await asyncio.sleep(wait)  # a back-off is a matter of time passing
            connection = await connect(*args, **options)
            self._pauses.begun()
            return connection

        return connect_later


def intents() -> nextcord.Intents:
    """The events that Discord sends us; the content of messages must be enabled in the developer portal."""
    wanted = nextcord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = wanted.message_content = True
    return wanted


class _Forgotten(dict[str, Any]):
    """Keeps nextcord from knowing rate limits by their names alone.

    A limit has one name for all channels but counts for each separately: nextcord would make all channels
    wait for the one that is at its limit. What it knows by route and channel is enough.
    """

    def __setitem__(self, name: str, limit: Any) -> None:
        """Keep nothing."""


def _guarded(event: str, parser: Parser, deletions: Deletions) -> Parser:
    """Logs and skips an event that nextcord cannot read, so that it does not end the connection.

    Each event is read in a context of its own, which all that it begins inherits, as asked at that moment.
    """

    def parse_now(data: Mapping[str, Any]) -> None:
        deletions.asked()
        parser(data)

    def parse(data: Mapping[str, Any]) -> None:
        try:
            copy_context().run(parse_now, data)
        except Exception:  # whatever Discord sent, the next event must be read
            log.exception("an event %s could not be read", event)

    return parse
