"""What there is in the loopback Discord: people, guilds, channels and threads. It outlives the bot.

Channels are what tests hold and wait on:

    answer = await channel.wait_for(lambda message: message.author.bot)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.loopback.clock import WAIT, Watch

if TYPE_CHECKING:
    from tests.loopback.world.messages import Message

TEXT, DM, PUBLIC_THREAD, PRIVATE_THREAD = 0, 1, 11, 12


@dataclass(eq=False)
class User:
    """Somebody with an account; the bot is one too."""

    id: int
    name: str
    bot: bool = False
    dms_closed: bool = False  # whether they accept no direct messages

    def __repr__(self) -> str:
        return f"<User {self.name}>"

    @property
    def mention(self) -> str:
        """What one writes to mention them."""
        return f"<@{self.id}>"


@dataclass(eq=False)
class Role:
    """A role of a guild; the one with the guild's id is everybody's."""

    id: int
    name: str
    permissions: int
    position: int = 0


@dataclass(eq=False)
class Membership:
    """A user in a guild."""

    user: User
    joined: float
    roles: set[int] = field(default_factory=set)


@dataclass(eq=False)
class Overwrite:
    """What a channel allows and denies a role or a member."""

    kind: int  # 0 for a role, 1 for a member
    allow: int = 0
    deny: int = 0


@dataclass(eq=False)
class Guild:
    """A server; `with_bot` is False if people use the bot that they have installed themselves."""

    id: int
    name: str
    owner_id: int
    with_bot: bool = True
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Membership] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Guild {self.name}>"


@dataclass(eq=False)
class Typing:
    """Somebody typed."""

    user: User
    at: float


@dataclass(eq=False)
class Channel:
    """A text channel, a thread or a direct message, and all that was ever said there."""

    id: int
    kind: int
    name: str
    watch: Watch
    created: float
    guild: Guild | None = None
    parent: Channel | None = None
    owner_id: int = 0
    recipients: list[User] = field(default_factory=list)
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    thread_members: dict[int, float] = field(default_factory=dict)
    archived: bool = False
    locked: bool = False
    auto_archive: int = 1440  # minutes
    deleted: bool = False
    typing: list[Typing] = field(default_factory=list)
    ever: dict[int, Message] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Channel #{self.name}>"

    @property
    def is_thread(self) -> bool:
        """Whether it hangs below a channel."""
        return self.kind in (PUBLIC_THREAD, PRIVATE_THREAD)

    @property
    def messages(self) -> list[Message]:
        """What everybody there sees, oldest first: neither deleted nor ephemeral."""
        return [m for m in self.ever.values() if not m.deleted and not m.ephemeral]

    @property
    def threads(self) -> list[Channel]:
        """The threads below it."""
        if self.guild is None:
            return []
        return [c for c in self.guild.channels.values() if c.parent is self and not c.deleted]

    def seen_by(self, user: User) -> list[Message]:
        """What one person sees: their ephemeral messages too."""
        return [m for m in self.ever.values() if not m.deleted and m.ephemeral_for in (None, user.id)]

    def transcript(self) -> str:
        """A line for each message, for whoever reads a failed test."""
        return "\n".join(f"  {message.line()}" for message in self.ever.values())

    async def wait_for(
        self,
        predicate: Callable[[Message], object],
        timeout: float = WAIT,
        *,
        after: Message | None = None,
    ) -> Message:
        """The first visible message for which `predicate` holds, newer than `after`, once there is one."""

        def look() -> Message | None:
            fresh = (m for m in self.messages if after is None or m.id > after.id)
            return next((m for m in fresh if predicate(m)), None)

        return await self.watch.until(look, f"a message in #{self.name}", self.transcript, timeout)

    async def wait_for_thread(
        self, predicate: Callable[[Channel], object] = lambda _: True, timeout: float = WAIT
    ) -> Channel:
        """The first thread below for which `predicate` holds, once there is one."""
        return await self.watch.until(
            lambda: next((t for t in self.threads if predicate(t)), None),
            f"a thread below #{self.name}",
            lambda: "\n".join(f"  thread {t.name!r}" for t in self.threads),
            timeout,
        )

    async def wait_for_typing(self, timeout: float = WAIT) -> Typing:
        """The bot's first typing there, once it has."""
        return await self.watch.until(
            lambda: next((t for t in self.typing if t.user.bot), None),
            f"typing in #{self.name}",
            self.transcript,
            timeout,
        )
