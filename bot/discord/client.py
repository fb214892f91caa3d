"""The bot as Discord sees it: its events, its commands, its buttons.

    client = Client(context)
    await client.start(token)           # see `supervise`

Connections end and begin again, sometimes with a new session. What is done once in a life is guarded, because
Discord says `ready` again for each session; what must outlast a session is in `connections`.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import nextcord
from nextcord import ApplicationError, ApplicationInvokeError, InteractionType
from nextcord.abc import Messageable

from bot.discord.answers.resumed import ResumedAnswers
from bot.discord.answers.unfinished import end_unfinished, unfinished
from bot.discord.answers.updated import UpdatedMessages
from bot.discord.api.destinations import NO_MENTIONS, ChannelDestination, DirectDestination
from bot.discord.api.interactions import Interaction, privately
from bot.discord.api.retry import DiscordRefused, Refusal, attempt
from bot.discord.buttons.actions import EXPECTED, Controls
from bot.discord.buttons.expiring import ExpiredViews
from bot.discord.buttons.submitted import Submitted
from bot.discord.buttons.view import BROKEN, Buttons
from bot.discord.chat import Chat
from bot.discord.commands.personal import PersonalCommands
from bot.discord.commands.run import RunCommands
from bot.discord.connections import Pauses, outlast_ready
from bot.discord.context import Context
from bot.wording.error_messages import sentence
from filestore.errors import FileStoreError
from kernels.errors import KernelError

__all__ = ["Client", "intents"]

log = logging.getLogger(__name__)

NEEDED = {
    "READY",
    "RESUMED",
}  # events without which nothing works: what is wrong with them ends the connection
UNKNOWN = "I do not know this button any more. `/help` says what I can do."
REGISTER_AGAIN = 60.0  # seconds until commands that Discord did not take are offered again

Parser = Callable[[Any], None]


async def _ended() -> None:
    raise asyncio.CancelledError("the bot has ended")


class Client(nextcord.Client):
    """See the module's text."""

    def __init__(self, context: Context, **options: Any) -> None:
        super().__init__(intents=intents(), allowed_mentions=NO_MENTIONS, max_messages=None, **options)
        self._context = context
        self._chat = Chat(context, self)
        self._controls = Controls(context)
        self._submitted = Submitted(context)
        self._registered = self._resumed = False
        self._began = datetime.now(UTC)
        self._registering: asyncio.Task[Any] | None = None
        self._pauses = Pauses(time.monotonic)
        resumed = ResumedAnswers(context)
        self.tell_late = resumed.tell_late
        self.tell_resumed = resumed.tell_resumed
        self.fail_resumed = resumed.fail_resumed
        context.show_again = UpdatedMessages(context).note
        context.buttons = lambda names: Buttons(self._controls.verbs, names) if names else None
        context.direct = lambda user_id: DirectDestination(self, user_id)
        context.channel = self._channel
        _guard(self._connection.parsers)
        outlast_ready(self._connection)
        self.http._buckets = _Forgotten()
        self.http.ws_connect = self._pausing(self.http.ws_connect)  # type: ignore[assignment, method-assign]
        self.add_cog(RunCommands(context))
        self.add_cog(PersonalCommands(context))
        self.add_view(Buttons(self._controls.verbs))
        self.add_view(ExpiredViews())

    async def drain(self, grace: float) -> None:
        """Begin nothing new, and let what runs go on for `grace` seconds; see `Context.drain`."""
        await self._context.drain(grace)

    async def reopen(self) -> None:
        """Be ready to connect again, with commands and buttons as they are, after a connection failed.

        Requests to Discord that are under way go on.
        """
        if self.ws is not None and self.ws.open:
            await self.ws.close(code=1000)
        self._closed = False
        self._ready.clear()

    async def end(self) -> None:
        """Close for good. nextcord would open a session anew for whoever still asks for something then."""
        if self._registering is not None:
            self._registering.cancel()
        self.http.recreate = _ended  # type: ignore[method-assign]
        await self.close()
        await self.http.close()  # which `close` leaves open where the connection was closed for good before

    async def on_connect(self) -> None:
        """Register the commands, once; while Discord does not take them, try again from time to time."""
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
            log.error("the commands are not registered, again in %.0f s: %s", REGISTER_AGAIN, refused)
            await asyncio.sleep(REGISTER_AGAIN)  # an outage of Discord's passes with time
        else:
            self._registered = True

    async def on_disconnect(self) -> None:
        """The connection has ended; nextcord makes another one."""
        log.info("the connection to Discord has ended")

    async def on_resumed(self) -> None:
        """The session goes on over another connection, with all that was missed."""
        log.info("connected to Discord again, the session goes on")

    async def on_ready(self) -> None:
        """A session has begun. Go on with the cells of the program before us, once."""
        log.info("connected to Discord as %s", self.user)
        if self._resumed:
            return
        self._resumed = True
        try:
            left = await unfinished(self._context, self._began)
            await self._context.sessions.resume()
        except (FileStoreError, KernelError):
            self._resumed = False
            log.exception("cells that were running are not resumed")
        else:
            self._context.spawn(end_unfinished(self._context, left), "answers that were left in the middle")

    async def on_interaction(self, interaction: Interaction) -> None:
        """Somebody has used a command, sent a window, or clicked something that no view of ours knows."""
        if interaction.type is InteractionType.modal_submit:
            await self._submitted.take(interaction)
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
        """What fails in an event is ours, and is logged; nextcord calls this while it handles the error."""
        log.error("%s failed (%d arguments)", event_method, len(args) + len(kwargs), exc_info=sys.exception())

    async def on_application_command_error(
        self, interaction: Interaction, exception: ApplicationError
    ) -> None:
        """Tell the person what went wrong with their command."""
        error = exception.original if isinstance(exception, ApplicationInvokeError) else exception
        if isinstance(error, EXPECTED):
            await privately(interaction, sentence(error))
            return
        log.error("command %s failed", interaction.application_command, exc_info=error)
        await privately(interaction, BROKEN)

    def _has(self, interaction: Interaction) -> bool:
        """Whether one of our views has what was clicked."""
        clicked = interaction.data.get("custom_id") if interaction.data else None
        views = (*self.views(), *self.views(persistent=False))
        items = (item for view in views for item in view.children)
        return any(getattr(item, "custom_id", None) == clicked for item in items)

    def _pausing(self, connect: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """The same, after a pause when connections have ended soon after their beginning."""

        async def connect_later(*args: Any, **options: Any) -> Any:
            if wait := self._pauses.next():
                log.warning("connections to Discord end too soon: the next one in %.0f s", wait)
                await asyncio.sleep(wait)  # a back-off is a matter of time passing
            connection = await connect(*args, **options)
            self._pauses.begun()
            return connection

        return connect_later

    async def _channel(self, channel_id: int, reply_to: tuple[int, int] | None) -> ChannelDestination:
        """A channel that may be in no cache, such as a DM. Raises: DiscordRefused."""
        channel = self.get_channel(channel_id) or await attempt(lambda: self.fetch_channel(channel_id))
        if not isinstance(channel, Messageable):
            raise DiscordRefused(Refusal.CHANNEL_GONE, TypeError(f"channel {channel_id} takes no messages"))
        return ChannelDestination(channel, reply_to)


def intents() -> nextcord.Intents:
    """What the bot is told by Discord; the content of messages has to be allowed in the developer portal."""
    wanted = nextcord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = wanted.message_content = True
    return wanted


class _Forgotten(dict[str, Any]):
    """What nextcord knows of limits by their names alone, which is to be nothing.

    A limit has one name for all channels and counts for each apart: nextcord would let every channel wait for
    the one at its limit. What it knows by route and channel is enough.
    """

    def __setitem__(self, name: str, limit: Any) -> None:
        """Keep nothing."""


def _guard(parsers: "dict[str, Parser]") -> None:
    """Let no event that nextcord cannot read end the connection: it is logged and left out."""
    parsers |= {event: _guarded(event, parser) for event, parser in parsers.items() if event not in NEEDED}


def _guarded(event: str, parser: Parser) -> Parser:
    def parse(data: Mapping[str, Any]) -> None:
        try:
            parser(data)
        except Exception:  # whatever Discord has sent, the next event must be read
            log.exception("an event %s could not be read", event)

    return parse
