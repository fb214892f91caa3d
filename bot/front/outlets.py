"""Where an answer goes: a channel, an interaction, or (when both are gone) the person's direct messages.

    outlet = ChannelOutlet(channel, reply_to=message)
    outlet = InteractionOutlet(interaction, channel, clock)
    post = await outlet.send(outgoing, view)         # Raises: Refused
    await post.edit(outgoing, view)                  # Raises: Refused

An interaction's token lives for 15 minutes: after 14, or when it is refused, the answer goes on in the channel,
where the bot can write there. Where it cannot (an app that a person installed, in a server without the bot), only
the interaction's own responses are left, and five more messages.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import nextcord
from nextcord.abc import Messageable
from nextcord.ui import View

from bot.delivery import Outgoing
from bot.front.calls import PATIENCE, Patience, Refusal, Refused, attempt, files_of

__all__ = ["ChannelOutlet", "InteractionOutlet", "NO_MENTIONS", "Outlet", "Post", "channel_of", "fetched"]

NO_MENTIONS = nextcord.AllowedMentions.none()
TOKEN_LIFE = 14 * 60  # seconds that an interaction's token is used
FOLLOWUPS = 5  # where the bot is not in the server


class Post(Protocol):
    """A message of ours."""

    channel_id: int
    message_id: int

    async def edit(
        self, outgoing: Outgoing, view: View | None, *, keep: bool = True, patience: Patience = PATIENCE
    ) -> None:
        """Show this instead; attachments that are there stay, unless not `keep`. Raises: Refused."""


class Outlet(Protocol):
    """A place that takes messages."""

    async def send(self, outgoing: Outgoing, view: View | None = None, *, ping: int | None = None) -> Post:
        """A new message; only the person `ping` may be mentioned by it. Raises: Refused."""


class ChannelPost:
    """A message in a channel where the bot can write."""

    def __init__(self, message: nextcord.Message) -> None:
        self._message = message
        self.channel_id = message.channel.id
        self.message_id = message.id

    async def edit(
        self, outgoing: Outgoing, view: View | None, *, keep: bool = True, patience: Patience = PATIENCE
    ) -> None:
        """See `Post`."""
        kept: list[nextcord.Attachment] = self._message.attachments if keep else []

        async def call() -> nextcord.Message:
            if outgoing.uploads or not keep:  # without `attachments`, files that are sent replace those there
                return await self._message.edit(
                    content=outgoing.content,
                    view=view,
                    files=files_of(outgoing.uploads),
                    attachments=kept,
                    allowed_mentions=NO_MENTIONS,
                )
            return await self._message.edit(content=outgoing.content, view=view, allowed_mentions=NO_MENTIONS)

        self._message = await attempt(call, patience)


class ChannelOutlet:
    """A channel, a thread or a DM. The first message answers `reply_to`."""

    def __init__(self, channel: Messageable, reply_to: tuple[int, int] | None = None) -> None:
        self._channel = channel
        self._reply_to = reply_to  # (channel, message)

    async def send(
        self, outgoing: Outgoing, view: View | None = None, *, ping: int | None = None
    ) -> ChannelPost:
        """See `Outlet`."""
        reference = None
        if self._reply_to is not None:
            channel_id, message_id = self._reply_to
            reference = nextcord.MessageReference(
                message_id=message_id, channel_id=channel_id, fail_if_not_exists=False
            )

        async def call() -> nextcord.Message:
            message: nextcord.Message = await self._channel.send(
                outgoing.content or None,
                files=files_of(outgoing.uploads) or None,
                view=view,
                reference=reference,
                allowed_mentions=_only(ping),
            )
            return message

        post = ChannelPost(await attempt(call))
        self._reply_to = None
        return post


class InteractionPost:
    """A message that an interaction's token may change; later an ordinary one, where we can write."""

    def __init__(self, outlet: "InteractionOutlet", message: nextcord.Message, *, original: bool) -> None:
        self._outlet = outlet
        self._original = original
        self._attachments: Sequence[nextcord.Attachment] = message.attachments
        self._ordinary: ChannelPost | None = None
        self.channel_id = outlet.interaction.channel_id or 0
        self.message_id = message.id

    async def edit(
        self, outgoing: Outgoing, view: View | None, *, keep: bool = True, patience: Patience = PATIENCE
    ) -> None:
        """See `Post`."""
        if self._ordinary is None and self._outlet.alive:
            try:
                await self._edit_by_token(outgoing, view, keep, patience)
            except Refused as refused:
                if refused.kind is not Refusal.EXPIRED or self._outlet.channel is None:
                    raise
                self._outlet.expire()
            else:
                return
        if self._ordinary is None:
            self._ordinary = await self._outlet.as_ordinary(self.message_id)
        await self._ordinary.edit(outgoing, view, keep=keep, patience=patience)

    async def _edit_by_token(
        self, outgoing: Outgoing, view: View | None, keep: bool, patience: Patience
    ) -> None:
        interaction = self._outlet.interaction
        kept = list(self._attachments) if keep else []

        async def call() -> nextcord.Message:
            changes = {"content": outgoing.content, "view": view, "allowed_mentions": NO_MENTIONS}
            if outgoing.uploads or not keep:
                changes |= {"files": files_of(outgoing.uploads), "attachments": kept}
            if self._original:
                return await interaction.edit_original_message(**changes)  # type: ignore[arg-type]
            return await interaction.followup.edit_message(self.message_id, **changes)  # type: ignore[arg-type]

        self._attachments = (await attempt(call, patience)).attachments


class InteractionOutlet:
    """What answers an interaction that was deferred. `channel` is None where the bot cannot write there."""

    def __init__(
        self,
        interaction: "nextcord.Interaction[nextcord.Client]",
        channel: Messageable | None,
        clock: Callable[[], float],
        *,
        ephemeral: bool = False,
    ) -> None:
        self.interaction = interaction
        self.channel = None if ephemeral else channel
        self._clock = clock
        self._began = clock()
        self._ephemeral = ephemeral
        self._first = True
        self._expired = False
        self._followups = 0

    @property
    def alive(self) -> bool:
        """Whether the token can still be used."""
        return not self._expired and (self.channel is None or self._clock() - self._began < TOKEN_LIFE)

    def expire(self) -> None:
        """The token was refused."""
        self._expired = True

    async def as_ordinary(self, message_id: int) -> ChannelPost:
        """A message of the interaction as one of the channel. Raises: Refused."""
        if self.channel is None:
            raise Refused(Refusal.EXPIRED, TimeoutError("the interaction's time is over"))
        return await fetched(self.channel, message_id)

    async def send(self, outgoing: Outgoing, view: View | None = None, *, ping: int | None = None) -> Post:
        """See `Outlet`."""
        if self.alive:
            try:
                return await self._send_by_token(outgoing, view, ping)
            except Refused as refused:
                if refused.kind is not Refusal.EXPIRED or self.channel is None:
                    raise
                self.expire()
        if self.channel is None:
            raise Refused(Refusal.EXPIRED, TimeoutError("the interaction's time is over"))
        return await ChannelOutlet(self.channel).send(outgoing, view, ping=ping)

    async def _send_by_token(self, outgoing: Outgoing, view: View | None, ping: int | None) -> Post:
        if self._first:
            self._first = False
            return await self._send_original(outgoing, view)
        if self.channel is None and self._followups >= FOLLOWUPS:
            raise Refused(Refusal.FORBIDDEN, PermissionError("no more messages in a server without the bot"))
        self._followups += 1

        async def call() -> nextcord.Message:
            options = {"view": view} if view is not None else {}
            return await self.interaction.followup.send(
                outgoing.content,
                files=files_of(outgoing.uploads),
                ephemeral=self._ephemeral,
                allowed_mentions=_only(ping),
                wait=True,
                **options,
            )

        return InteractionPost(self, await attempt(call), original=False)

    async def _send_original(self, outgoing: Outgoing, view: View | None) -> Post:
        """What was deferred becomes the message."""

        async def call() -> nextcord.Message:
            return await self.interaction.edit_original_message(
                content=outgoing.content,
                files=files_of(outgoing.uploads),
                view=view,
                allowed_mentions=NO_MENTIONS,
            )

        return InteractionPost(self, await attempt(call), original=True)


def channel_of(interaction: "nextcord.Interaction[nextcord.Client]") -> Messageable | None:
    """The channel of an interaction where the bot can write by itself, else None."""
    in_server = interaction.guild_id is not None
    if in_server and interaction.guild is None:  # installed by a person, in a server without the bot
        return None
    if interaction.context is nextcord.InteractionContextType.private_channel:
        return None
    channel = interaction.channel
    return channel if isinstance(channel, Messageable) else None


async def fetched(channel: Messageable, message_id: int) -> ChannelPost:
    """A message of ours in a channel. Raises: Refused."""
    return ChannelPost(await attempt(lambda: channel.fetch_message(message_id)))


def _only(user_id: int | None) -> nextcord.AllowedMentions:
    """Nobody is mentioned, or this person."""
    if user_id is None:
        return NO_MENTIONS
    return nextcord.AllowedMentions(
        everyone=False, roles=False, replied_user=False, users=[nextcord.Object(user_id)]
    )
