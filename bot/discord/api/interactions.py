"""Answers interactions, in the time and the ways that Discord allows.

An interaction's token lives for 15 minutes. After 14, or if it is refused, the answer goes on in the channel,
provided the bot can write there. If it cannot (a person installed the app, and the server does not have the
bot), there are only the interaction's own responses and five more messages.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import nextcord
from nextcord.abc import Messageable
from nextcord.ui import View

from bot.discord.api.destinations import (
    NO_MENTIONS,
    ChannelDestination,
    ChannelMessage,
    Names,
    SentMessage,
    changes,
    file_fields,
    only,
)
from bot.discord.api.retry import PATIENCE, DiscordRefused, Patience, Refusal, attempt, files_of
from bot.discord.format.attachments import Outgoing, Upload
from bot.discord.format.markdown import fenced, unfenced
from bot.discord.format.split import LONGEST, length

__all__ = [
    "Interaction",
    "InteractionDestination",
    "defer",
    "give_back",
    "place_of",
    "privately",
    "user_of",
]

log = logging.getLogger(__name__)

Interaction = nextcord.Interaction[nextcord.Client]

TOKEN_LIFE = 14 * 60  # seconds for which an interaction's token is used
FOLLOWUPS = 5  # messages if the bot is not in the server
UNWANTED = {Refusal.TOO_LARGE, Refusal.FORBIDDEN, Refusal.OTHER}  # a different text may be accepted
NOT_TAKEN = "Discord did not accept my answer: it may be too large."
AT_ONCE = Patience(tries=4, waiting=2.0, first=0.2)  # there are three seconds


async def defer(interaction: Interaction, *, message: bool = True, private: bool = False) -> bool:
    """Acknowledge the interaction, before any I/O: there are three seconds. Returns whether it can be used.

    With `message` this announces a new message, which only the person sees if it is `private`.
    """
    try:
        await attempt(lambda: interaction.response.defer(ephemeral=private, with_message=message), AT_ONCE)
    except DiscordRefused as refused:
        log.info("an interaction could not be acknowledged: %s", refused)
        return refused.kind is Refusal.ANSWERED  # a try succeeded but its answer was lost
    return True


async def privately(
    interaction: Interaction, text: str, *, view: View | None = None, uploads: Sequence[Upload] = ()
) -> Any:
    """Say something that only this person sees. If Discord does not accept it, say so in a short sentence.

    Returns the message, or None if it could not be sent, which is logged.
    """
    fields: dict[str, Any] = {"ephemeral": True, "allowed_mentions": NO_MENTIONS}
    if view is not None:
        fields["view"] = view

    async def call() -> object:
        if uploads:
            fields["files"] = files_of(uploads)
        return await interaction.send(text, **fields)

    try:
        return await attempt(call)
    except DiscordRefused as refused:
        log.warning("a private answer did not arrive: %s", refused)
        if refused.kind in UNWANTED and text != NOT_TAKEN:  # or it would say "thinking" forever
            await privately(interaction, NOT_TAKEN)
        return None


async def give_back(interaction: Interaction, reason: str, text: str) -> None:
    """Say privately why what a person typed was not used, and give it back so that they can send it again."""
    if not text.strip():
        await privately(interaction, reason)
        return
    told = f"{reason} You typed:\n{fenced(text)}"
    if length(told) <= LONGEST and unfenced(text) == text:
        await privately(interaction, told)
    else:
        file = Upload("typed.txt", text.encode("utf-8", "replace"))
        await privately(interaction, f"{reason} This is what you typed:", uploads=[file])


def user_of(interaction: Interaction) -> nextcord.User | nextcord.Member:
    """Who caused the interaction: only Discord's own pings, which nextcord answers, have nobody."""
    assert interaction.user is not None
    return interaction.user


def place_of(interaction: Interaction) -> str:
    """The interaction's place, as the transcript names it."""
    if interaction.guild_id is not None:
        return f"channel-{interaction.channel_id}"
    if interaction.context is nextcord.InteractionContextType.private_channel:
        return f"group-{interaction.channel_id}"
    return f"dm-{interaction.channel_id}"


class InteractionMessage:
    """A message that is changed by an interaction's token; later as an ordinary one, where we can write."""

    def __init__(
        self, destination: "InteractionDestination", message: nextcord.Message, *, original: bool
    ) -> None:
        self._destination = destination
        self._original = original
        self._attachments: Sequence[nextcord.Attachment] = message.attachments
        self._ordinary: ChannelMessage | None = None
        self.channel_id = destination.interaction.channel_id or 0
        self.message_id = message.id

    async def edit(
        self, outgoing: Outgoing, view: View | None, *, keep: Names = None, patience: Patience = PATIENCE
    ) -> None:
        """See `SentMessage`."""
        if self._ordinary is None:
            interaction = self._destination.interaction

            async def call() -> nextcord.Message:
                fields = changes(outgoing, view, self._attachments, keep)
                if self._original:
                    return await interaction.edit_original_message(**fields)
                return await interaction.followup.edit_message(self.message_id, **fields)

            if (edited := await self._destination.by_token(call, patience)) is not None:
                self._attachments = edited.attachments
                return
            self._ordinary = await self._destination.ordinary().fetch(self.message_id)
        await self._ordinary.edit(outgoing, view, keep=keep, patience=patience)

    async def delete(self) -> None:
        """See `SentMessage`."""
        if self._original and self._destination.alive:
            await attempt(self._destination.interaction.delete_original_message)
        else:
            await (self._ordinary or await self._destination.ordinary().fetch(self.message_id)).delete()


class InteractionDestination:
    """Answers an acknowledged interaction; `usable` is whether that succeeded.

    `deferred` is whether the acknowledgement announced a message, which the first one sent then becomes.
    """

    def __init__(
        self, interaction: Interaction, clock: Callable[[], float], *, deferred: bool, usable: bool
    ) -> None:
        self.interaction = interaction
        self._channel = _channel_of(interaction)
        self._clock = clock
        self._began = clock()
        self._first = deferred
        self._expired = not usable
        self._followups = 0

    @property
    def alive(self) -> bool:
        """Whether the token can still be used."""
        return not self._expired and (self._channel is None or self._clock() - self._began < TOKEN_LIFE)

    def ordinary(self) -> ChannelDestination:
        """The channel, for messages without the token. Raises: DiscordRefused."""
        if self._channel is None:
            raise DiscordRefused(Refusal.EXPIRED, TimeoutError("the interaction's time is over"))
        return ChannelDestination(self._channel)

    async def by_token[T](self, call: Callable[[], Awaitable[T]], patience: Patience = PATIENCE) -> T | None:
        """What the call returns; None if the token is over but there is a channel. Raises: DiscordRefused."""
        if not self.alive:
            return None
        try:
            return await attempt(call, patience)
        except DiscordRefused as refused:
            if refused.kind is not Refusal.EXPIRED or self._channel is None:
                raise
            self._expired = True
            return None

    async def send(
        self, outgoing: Outgoing, view: View | None = None, *, ping: int | None = None
    ) -> SentMessage:
        """See `Destination`."""
        original, self._first = self._first and self.alive, False
        if self.alive and not original:
            if self._channel is None and self._followups >= FOLLOWUPS:
                error = PermissionError("no more messages in a server without the bot")
                raise DiscordRefused(Refusal.FORBIDDEN, error)
            self._followups += 1

        async def call() -> nextcord.Message:
            if original:  # it becomes the message that was announced
                return await self.interaction.edit_original_message(**changes(outgoing, view, ()))
            fields = file_fields(outgoing)
            if view is not None:
                fields["view"] = view
            message: nextcord.Message = await self.interaction.followup.send(
                outgoing.content, allowed_mentions=only(ping), wait=True, **fields
            )
            return message

        if (sent := await self.by_token(call)) is not None:
            return InteractionMessage(self, sent, original=original)
        return await self.ordinary().send(outgoing, view, ping=ping)


def _channel_of(interaction: Interaction) -> Messageable | None:
    """The interaction's channel if the bot can write there by itself, otherwise None."""
    if interaction.guild_id is not None and interaction.guild is None:  # the server does not have the bot
        return None
    if interaction.context is nextcord.InteractionContextType.private_channel:
        return None
    return interaction.channel if isinstance(interaction.channel, Messageable) else None
