"""The bot as Discord sees it: its events, its commands, its buttons.

    client = Client(desk)
    await client.start(token)           # see `supervise`

What is done once in a life is guarded, because Discord says `ready` again after a session that it has ended.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import nextcord
from nextcord import ApplicationError, ApplicationInvokeError
from nextcord.abc import Messageable

from bot.failures import sentence
from bot.front.afterwards import Afterwards
from bot.front.buttons import BROKEN, Buttons
from bot.front.calls import Refusal, Refused, attempt
from bot.front.chat import Chat
from bot.front.commands import Running
from bot.front.controls import EXPECTED, Controls
from bot.front.desk import Desk
from bot.front.ending import capital
from bot.front.interaction import Interaction, privately
from bot.front.outlets import NO_MENTIONS, ChannelOutlet, DirectOutlet
from bot.front.tools import Tools
from filestore.errors import FileStoreError
from kernels.errors import KernelError

__all__ = ["Client", "intents"]

log = logging.getLogger(__name__)

NEEDED = {
    "READY",
    "RESUMED",
}  # events without which nothing works: what is wrong with them ends the connection

Parser = Callable[[Any], None]


async def _ended() -> None:
    raise asyncio.CancelledError("the bot has ended")


class Client(nextcord.Client):
    """See the module's text."""

    def __init__(self, desk: Desk, **options: Any) -> None:
        super().__init__(intents=intents(), allowed_mentions=NO_MENTIONS, max_messages=1000, **options)
        self._desk = desk
        self._chat = Chat(desk, self)
        self._controls = Controls(desk)
        self._registered = self._resumed = False
        afterwards = Afterwards(desk)
        desk.sessions.tell_late = afterwards.tell_late
        desk.sessions.tell_resumed = afterwards.tell_resumed
        desk.sessions.fail_resumed = afterwards.fail_resumed
        desk.buttons = lambda names: Buttons(self._controls.verbs, names) if names else None
        desk.direct = lambda user_id: DirectOutlet(self, user_id)
        desk.channel = self._channel
        _guard(self._connection.parsers)
        self.http._buckets = _Forgotten()
        self.add_cog(Running(desk))
        self.add_cog(Tools(desk))
        self.add_view(Buttons(self._controls.verbs))

    async def reopen(self) -> None:
        """Be ready to connect again after the connection was closed for good."""
        await self.clear()
        self._registered = False
        self.add_view(Buttons(self._controls.verbs))

    async def end(self) -> None:
        """Close for good. nextcord would open a session anew for whoever still asks for something then."""
        self.http.recreate = _ended  # type: ignore[method-assign]
        await self.close()

    async def on_connect(self) -> None:
        """Register the commands, once."""
        if self._registered:
            return
        self._registered = True
        try:
            await attempt(super().on_connect)
        except Refused as refused:
            self._registered = False
            log.error("the commands are not registered: %s", refused)

    async def on_ready(self) -> None:
        """Go on with the cells of the program before us, once."""
        if self._resumed:
            return
        self._resumed = True
        log.info("connected as %s", self.user)
        try:
            await self._desk.sessions.resume()
        except (FileStoreError, KernelError):
            self._resumed = False
            log.exception("cells that were running are not resumed")

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
            await privately(interaction, capital(sentence(error)))
            return
        log.error("command %s failed", interaction.application_command, exc_info=error)
        await privately(interaction, BROKEN)

    async def _channel(self, channel_id: int, reply_to: tuple[int, int] | None) -> ChannelOutlet:
        """A channel that may be in no cache, such as a DM. Raises: Refused."""
        channel = self.get_channel(channel_id) or await attempt(lambda: self.fetch_channel(channel_id))
        if not isinstance(channel, Messageable):
            raise Refused(Refusal.CHANNEL_GONE, TypeError(f"channel {channel_id} takes no messages"))
        return ChannelOutlet(channel, reply_to)


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
