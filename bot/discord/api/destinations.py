"""Where an answer goes: to a channel or, if that is gone, to the person's direct messages.

`interactions.py` has the destination of an interaction.
"""

import logging
from collections.abc import Collection, Iterable
from typing import Any, Protocol

import nextcord
from nextcord.abc import Messageable
from nextcord.ui import View

from bot.discord.api.retry import ONCE, PATIENCE, DiscordRefused, Patience, Refusal, attempt, files_of
from bot.discord.api.speaking import KNOWN, Speakers
from bot.discord.format.attachments import Outgoing

__all__ = [
    "NO_MENTIONS",
    "ChannelDestination",
    "ChannelMessage",
    "Destination",
    "Destinations",
    "DirectDestination",
    "Names",
    "SentMessage",
    "changes",
    "file_fields",
    "only",
]

log = logging.getLogger(__name__)

LIVE = {"kernelcord:stop", "kernelcord:kill"}  # the custom ids of buttons that end a cell, see `buttons`
FETCHED = 1000  # channels that are remembered
NO_MENTIONS = nextcord.AllowedMentions.none()


Names = Collection[str] | None  # of attachments; None: all


class SentMessage(Protocol):
    """A message that we sent."""

    channel_id: int
    message_id: int

    async def edit(
        self, outgoing: Outgoing, view: View | None, *, keep: Names = None, patience: Patience = PATIENCE
    ) -> None:
        """Show this instead. Of the attachments those in `keep` stay. Raises: DiscordRefused."""

    async def delete(self) -> None:
        """Delete the message. Raises: DiscordRefused."""


class Destination(Protocol):
    """Where messages can be sent."""

    async def send(
        self, outgoing: Outgoing, view: View | None = None, *, ping: int | None = None
    ) -> SentMessage:
        """Send a message; it mentions nobody but the person `ping`. Raises: DiscordRefused."""


class ChannelMessage:
    """A message in a channel where the bot can write."""

    def __init__(self, message: nextcord.Message) -> None:
        self._message = message
        self.channel_id = message.channel.id
        self.message_id = message.id

    @property
    def content(self) -> str:
        """Its text."""
        return self._message.content

    @property
    def is_live(self) -> bool:
        """Whether it looks as if its cell still ran: it has a button that ends the cell."""
        rows = (getattr(row, "children", ()) for row in self._message.components)
        return any(getattr(item, "custom_id", "") in LIVE for row in rows for item in row)

    @property
    def has_buttons(self) -> bool:
        """Whether it has any: the last message of a cell's answer has some, whatever its state."""
        return bool(self._message.components)

    @property
    def attached(self) -> tuple[str, ...]:
        """The names of its files."""
        return tuple(one.filename for one in self._message.attachments)

    async def edit(
        self, outgoing: Outgoing, view: View | None, *, keep: Names = None, patience: Patience = PATIENCE
    ) -> None:
        """See `SentMessage`."""

        async def call() -> nextcord.Message:
            return await self._message.edit(**changes(outgoing, view, self._message.attachments, keep))

        self._message = await attempt(call, patience)

    async def delete(self) -> None:
        """See `SentMessage`."""
        await attempt(self._message.delete)


class ChannelDestination:
    """A channel, a thread or a DM. The first message is a reply to `reply_to`: ids of channel and message."""

    def __init__(self, channel: Messageable, reply_to: tuple[int, int] | None = None) -> None:
        self._channel = channel
        self._reply_to: nextcord.MessageReference | None = None
        if reply_to is not None:
            channel_id, message_id = reply_to
            self._reply_to = nextcord.MessageReference(
                message_id=message_id, channel_id=channel_id, fail_if_not_exists=False
            )

    async def send(
        self, outgoing: Outgoing, view: View | None = None, *, ping: int | None = None
    ) -> ChannelMessage:
        """See `Destination`."""
        reply_to, self._reply_to = self._reply_to, None
        if reply_to is not None:
            try:
                return await self._send(outgoing, view, ping, reply_to)
            except DiscordRefused as refused:
                if refused.kind is not Refusal.FORBIDDEN:
                    raise
                log.info("a message cannot be sent as a reply: %s", refused)  # that needs the history
        return await self._send(outgoing, view, ping)

    async def _send(
        self,
        outgoing: Outgoing,
        view: View | None,
        ping: int | None,
        reply_to: nextcord.MessageReference | None = None,
    ) -> ChannelMessage:
        async def call() -> nextcord.Message:
            files = file_fields(outgoing)
            return await self._channel.send(
                outgoing.content, view=view, reference=reply_to, allowed_mentions=only(ping), **files
            )

        return ChannelMessage(await attempt(call))

    async def fetch(self, message_id: int) -> ChannelMessage:
        """A message that we sent here before. Raises: DiscordRefused."""
        return ChannelMessage(await attempt(lambda: self._channel.fetch_message(message_id)))


class DirectDestination:
    """A person's direct messages."""

    def __init__(self, client: nextcord.Client, user_id: int) -> None:
        self._client = client
        self._user_id = user_id

    async def send(
        self, outgoing: Outgoing, view: View | None = None, *, ping: int | None = None
    ) -> ChannelMessage:
        """See `Destination`."""
        user = self._client.get_user(self._user_id)
        if user is None:
            user = await attempt(lambda: self._client.fetch_user(self._user_id))
        return await ChannelDestination(user).send(outgoing, view, ping=ping)


class Destinations:
    """Finds destinations by their ids alone, for answers whose messages came in earlier.

    `member_known` is the seconds for which an answer of Discord's about a member counts.
    """

    def __init__(self, client: nextcord.Client, *, member_known: float = KNOWN) -> None:
        self._client = client
        self._fetched: dict[int, Any] = {}  # channels that are in no cache, such as DMs
        self.may_write = Speakers(self._find, known=member_known).may_write

    def direct(self, user_id: int) -> Destination:
        """A person's direct messages."""
        return DirectDestination(self._client, user_id)

    async def channel(self, channel_id: int, reply_to: tuple[int, int] | None = None) -> ChannelDestination:
        """A channel, also one that is in no cache, such as a DM. Raises: DiscordRefused."""
        client = self._client
        channel = client.get_channel(channel_id) or await attempt(lambda: client.fetch_channel(channel_id))
        if not isinstance(channel, Messageable):
            raise DiscordRefused(
                Refusal.CHANNEL_GONE, TypeError(f"channel {channel_id} cannot hold messages")
            )
        return ChannelDestination(channel, reply_to)

    async def _find(self, channel_id: int) -> Any:
        """A channel of any kind, to see who may write there. Raises: DiscordRefused."""
        if (cached := self._client.get_channel(channel_id)) is not None:
            return cached
        if channel_id not in self._fetched:
            found = await attempt(lambda: self._client.fetch_channel(channel_id), ONCE)
            while len(self._fetched) >= FETCHED:
                del self._fetched[next(iter(self._fetched))]
            self._fetched[channel_id] = found
        return self._fetched[channel_id]

    async def message(self, channel_id: int, message_id: int) -> ChannelMessage:
        """A message that we sent before. Raises: DiscordRefused."""
        return await (await self.channel(channel_id)).fetch(message_id)


def changes(
    outgoing: Outgoing, view: View | None, attached: Iterable[nextcord.Attachment], keep: Names = None
) -> dict[str, Any]:
    """The fields of an edit, good for one try. New files replace what is `attached` and not in `keep`."""
    fields: dict[str, Any] = {"content": outgoing.content, "view": view, "allowed_mentions": NO_MENTIONS}
    if outgoing.uploads or keep is not None:
        fields["attachments"] = [one for one in attached if keep is None or one.filename in keep]
    return fields | file_fields(outgoing)


def file_fields(outgoing: Outgoing) -> dict[str, Any]:
    """The field for the files of a message or an edit, good for one try."""
    return {"files": files_of(outgoing.uploads)} if outgoing.uploads else {}


def only(user_id: int | None) -> nextcord.AllowedMentions:
    """Allows mentions of this person alone, or of nobody."""
    if user_id is None:
        return NO_MENTIONS
    return nextcord.AllowedMentions(
        everyone=False, roles=False, replied_user=False, users=[nextcord.Object(user_id)]
    )
