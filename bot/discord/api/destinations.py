"""Where an answer goes: a channel, or where that is gone the person's direct messages.

    destination = ChannelDestination(channel, reply_to=(channel_id, message_id))
    message = await destination.send(outgoing, view)         # Raises: DiscordRefused
    await message.edit(outgoing, view)                  # Raises: DiscordRefused

`interactions.py` has the destination of an interaction.
"""

import logging
from collections.abc import Collection, Sequence
from typing import Any, Protocol

import nextcord
from nextcord.abc import Messageable
from nextcord.ui import View

from bot.discord.api.retry import PATIENCE, DiscordRefused, Patience, Refusal, attempt, files_of
from bot.discord.format.attachments import Outgoing

__all__ = [
    "NO_MENTIONS",
    "ChannelDestination",
    "ChannelMessage",
    "Destination",
    "DirectDestination",
    "SentMessage",
    "changed",
    "only",
]

log = logging.getLogger(__name__)

MOVING = {"kernelcord:stop", "kernelcord:kill"}  # the custom ids of buttons that end a cell, see `buttons`
NO_MENTIONS = nextcord.AllowedMentions.none()


class SentMessage(Protocol):
    """A message of ours."""

    channel_id: int
    message_id: int

    async def edit(
        self, outgoing: Outgoing, view: View | None, *, keep: bool = True, patience: Patience = PATIENCE
    ) -> None:
        """Show this instead; attachments that are there stay, unless not `keep`. Raises: DiscordRefused."""

    async def delete(self) -> None:
        """Take the message away. Raises: DiscordRefused."""


class Destination(Protocol):
    """A place that takes messages."""

    async def send(
        self, outgoing: Outgoing, view: View | None = None, *, ping: int | None = None
    ) -> SentMessage:
        """A new message; only the person `ping` may be mentioned by it. Raises: DiscordRefused."""


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
    def moves(self) -> bool:
        """Whether it looks as if more were coming: it has a button that stops that."""
        rows = (getattr(row, "children", ()) for row in self._message.components)
        return any(getattr(item, "custom_id", "") in MOVING for row in rows for item in row)

    async def edit(
        self, outgoing: Outgoing, view: View | None, *, keep: bool = True, patience: Patience = PATIENCE
    ) -> None:
        """See `SentMessage`."""
        kept: list[nextcord.Attachment] = self._message.attachments if keep else []

        async def call() -> nextcord.Message:
            return await self._message.edit(
                content=outgoing.content,
                view=view,
                allowed_mentions=NO_MENTIONS,
                **changed(outgoing, kept, keep),
            )

        self._message = await attempt(call, patience)

    @property
    def attached(self) -> tuple[str, ...]:
        """The names of its files."""
        return tuple(one.filename for one in self._message.attachments)

    async def edit_anew(self, outgoing: Outgoing, view: View | None, keep: Collection[str]) -> None:
        """Show this instead, with those files of before that have these names. Raises: DiscordRefused."""
        kept = [one for one in self._message.attachments if one.filename in keep]

        async def call() -> nextcord.Message:
            return await self._message.edit(
                content=outgoing.content,
                view=view,
                allowed_mentions=NO_MENTIONS,
                **changed(outgoing, kept, keep=False),
            )

        self._message = await attempt(call)

    async def delete(self) -> None:
        """See `SentMessage`."""
        await attempt(self._message.delete)


class ChannelDestination:
    """A channel, a thread or a DM. The first message answers `reply_to`."""

    def __init__(self, channel: Messageable, reply_to: tuple[int, int] | None = None) -> None:
        self._channel = channel
        self._reply_to = reply_to  # (channel, message)

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
                log.info("a message is no reply: %s", refused)  # for which the history has to be readable
        return await self._send(outgoing, view, ping)

    async def _send(
        self, outgoing: Outgoing, view: View | None, ping: int | None, reply_to: tuple[int, int] | None = None
    ) -> ChannelMessage:
        reference = None
        if reply_to is not None:
            channel_id, message_id = reply_to
            reference = nextcord.MessageReference(
                message_id=message_id, channel_id=channel_id, fail_if_not_exists=False
            )

        async def call() -> nextcord.Message:
            fields: dict[str, Any] = {"files": files_of(outgoing.uploads)} if outgoing.uploads else {}
            return await self._channel.send(
                outgoing.content, view=view, reference=reference, allowed_mentions=only(ping), **fields
            )

        return ChannelMessage(await attempt(call))

    async def fetch(self, message_id: int) -> ChannelMessage:
        """A message of ours that is there. Raises: DiscordRefused."""
        return ChannelMessage(await attempt(lambda: self._channel.fetch_message(message_id)))


class DirectDestination:
    """The direct messages of a person."""

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
        channel = await attempt(user.create_dm)
        return await ChannelDestination(channel).send(outgoing, view, ping=ping)


def changed(outgoing: Outgoing, kept: Sequence[nextcord.Attachment], keep: bool) -> dict[str, Any]:
    """What an edit says of attachments: without those that are `kept`, files that are sent replace them."""
    fields: dict[str, Any] = {}
    if outgoing.uploads or not keep:
        fields["attachments"] = list(kept)
    if outgoing.uploads:
        fields["files"] = files_of(outgoing.uploads)
    return fields


def only(user_id: int | None) -> nextcord.AllowedMentions:
    """Nobody is mentioned, or this person."""
    if user_id is None:
        return NO_MENTIONS
    return nextcord.AllowedMentions(
        everyone=False, roles=False, replied_user=False, users=[nextcord.Object(user_id)]
    )
