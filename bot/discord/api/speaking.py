"""Whether a person may write in a server's channel: where they may not, the bot does not write for them.

Without an interaction we ask Discord for the member, at most once a minute: the intent that would tell us who
leaves is a privileged one.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import nextcord

from bot.discord.api.retry import ONCE, DiscordRefused, Refusal, attempt

__all__ = ["MAY_NOT", "Speakers", "may_speak"]

log = logging.getLogger(__name__)

MAY_NOT = (
    "You may not write in this channel, so I do not answer you in it. Write to me directly, or where you may"
    " write."
)
KNOWN = 60.0  # seconds for which an answer of Discord's counts
REMEMBERED = 1000  # members, of whom the ones asked for longest ago are forgotten


def may_speak(interaction: nextcord.Interaction[Any]) -> bool:
    """Whether who caused the interaction may write where that was."""
    return interaction.guild_id is None or _allowed(interaction.permissions, interaction.channel)


@dataclass(slots=True)
class _Known:
    """What Discord has said of a member: None if they are none."""

    member: nextcord.Member | None = None
    unsure: bool = False  # Discord has not said it
    until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Speakers:
    """See the module's text. `find_channel` raises DiscordRefused; an answer counts for `known` seconds."""

    def __init__(
        self,
        find_channel: Callable[[int], Awaitable[Any]],
        clock: Callable[[], float] = time.monotonic,
        *,
        known: float = KNOWN,
    ) -> None:
        self._find_channel = find_channel
        self._clock = clock
        self._counts = known
        self._known: dict[tuple[int, int], _Known] = {}  # by server and person

    async def may_write(self, user_id: int, channel_id: int) -> bool:
        """Whether the person may write there; True as well if that cannot be known."""
        try:
            channel = await self._find_channel(channel_id)
        except DiscordRefused:
            return True  # nor can anything be written there
        guild = getattr(channel, "guild", None)
        if not isinstance(guild, nextcord.Guild):  # a direct message, or a server that is in no cache
            return True
        known = await self._ask(guild, user_id)
        if known.member is None:
            return known.unsure
        try:
            return _allowed(channel.permissions_for(known.member), channel)
        except nextcord.ClientException:  # a thread whose channel is in no cache
            return True

    async def _ask(self, guild: nextcord.Guild, user_id: int) -> _Known:
        key = (guild.id, user_id)
        known = self._known.setdefault(key, _Known())
        async with known.lock:
            if self._clock() < known.until:
                return known
            known.unsure = False
            try:
                known.member = await attempt(lambda: guild.fetch_member(user_id), ONCE)
            except DiscordRefused as refused:
                known.member, known.unsure = None, refused.kind is not Refusal.NO_MEMBER
                log.info("member %d of %d: %s", user_id, guild.id, refused)
            known.until = self._clock() + self._counts
        self._known[key] = self._known.pop(key, known)
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return known


def _allowed(permissions: nextcord.Permissions, channel: object) -> bool:
    match channel:
        case nextcord.Thread():
            may = permissions.send_messages_in_threads
        case nextcord.PartialMessageable():  # in no cache: an archived thread, or in a server without the bot
            may = permissions.send_messages_in_threads or permissions.send_messages
        case _:
            may = permissions.send_messages
    return permissions.view_channel and may
