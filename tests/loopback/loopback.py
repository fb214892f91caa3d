"""A loopback Discord from start to end, and the guilds and people in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nextcord.http

from tests.loopback.clock import WAIT
from tests.loopback.payloads import places as payloads
from tests.loopback.people.person import Person
from tests.loopback.rest.server import API, Server
from tests.loopback.settings import Limits
from tests.loopback.world import permissions
from tests.loopback.world.state import TEXT, Channel, Guild, Overwrite, Role, User
from tests.loopback.world.world import World

Json = dict[str, Any]


class Place:
    """A guild as a test sees it: `channel("general")`, `member("ada")`."""

    def __init__(self, world: World, guild: Guild, people: dict[str, Person]) -> None:
        self._world = world
        self._people = people
        self.guild = guild
        self.id = guild.id

    def member(self, name: str) -> Person:
        """A member, who is created or joins if necessary."""
        if name not in self._people:
            self._people[name] = Person(self._world, self._world.add_user(name))
        person = self._people[name]
        if person.user.id not in self.guild.members:
            self._world.join(self.guild, person.user)
        return person

    def channel(self, name: str = "general") -> Channel:
        """A text channel, created if necessary."""
        for channel in self.guild.channels.values():
            if channel.name == name and channel.kind == TEXT and not channel.deleted:
                return channel
        channel = self._world.add_channel(TEXT, name, guild=self.guild)
        self._world.tell_channel(channel, "CHANNEL_CREATE", payloads.channel(channel))
        return channel

    def add_role(self, name: str, *allowed: str) -> Role:
        """A role with these permissions, given by name ("send_messages")."""
        role = Role(self._world.ids.next(), name, permissions.bits(*allowed), len(self.guild.roles))
        self.guild.roles[role.id] = role
        self._world.tell_guild(self.guild, "GUILD_ROLE_CREATE", {"role": payloads.role(role)})
        return role

    def give_role(self, user: User, role: Role) -> None:
        """Give a member a role."""
        membership = self.guild.members[user.id]
        membership.roles.add(role.id)
        self._world.tell_guild(self.guild, "GUILD_MEMBER_UPDATE", payloads.member(membership))

    def ban(self, user: User) -> None:
        """Ban a member; the bot gets the event if it has the intents for it."""
        del self.guild.members[user.id]
        gone = {"guild_id": str(self.id), "user": payloads.user(user)}
        for event in ("GUILD_MEMBER_REMOVE", "GUILD_BAN_ADD"):
            self._world.gateway.dispatch(event, gone)

    def overwrite(self, channel: Channel, who: User | Role, *, allow: str = "", deny: str = "") -> None:
        """Allow or deny permissions (names with spaces between) in a channel to a role or a member."""
        overwrite = channel.overwrites.setdefault(who.id, Overwrite(kind=int(isinstance(who, User))))
        allowed, denied = permissions.bits(*allow.split()), permissions.bits(*deny.split())
        overwrite.allow = overwrite.allow & ~denied | allowed
        overwrite.deny = overwrite.deny & ~allowed | denied
        self._world.gateway.dispatch("CHANNEL_UPDATE", payloads.channel(channel))

    def remove_channel(self, channel: Channel) -> None:
        """Delete a channel or a thread, as a person would."""
        self._world.remove_channel(channel)

    def remove_bot(self) -> None:
        """Remove the bot from the guild."""
        self.guild.with_bot = False
        del self.guild.members[self._world.bot.id]
        self._world.gateway.dispatch("GUILD_DELETE", {"id": str(self.id)})


class Discord:
    """The loopback Discord: a guild "home" with ada (its owner), bob, #general and #random, and the bot."""

    def __init__(self, limits: Limits) -> None:
        self.world = World(limits)
        self._server = Server(self.world)
        self._people: dict[str, Person] = {}
        self.clock = self.world.clock
        self.gateway = self.world.gateway
        self.commands = self.world.commands
        self.faults = self._server.faults
        self.requests = self._server.requests
        self.bot = self.world.bot
        self.token = self.world.token
        self.guild = self.add_guild("home")
        self.guild.member("bob")
        self.guild.channel("general")
        self.guild.channel("random")

    @property
    def address(self) -> str:
        """What `nextcord.http.Route.BASE` must be."""
        return self._server.address + API

    def person(self, name: str) -> Person:
        """A person, who need not be in a guild."""
        if name not in self._people:
            self._people[name] = Person(self.world, self.world.add_user(name))
        return self._people[name]

    def add_guild(self, name: str, *, owner: str = "ada", with_bot: bool = True) -> Place:
        """Another guild; without the bot, its people use the one that they have installed for themselves."""
        guild = self.world.add_guild(name, self.person(owner).user, with_bot=with_bot)
        return Place(self.world, guild, self._people)

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def stop(self) -> None:
        """Hang up."""
        await self._server.stop()

    async def ready(self, *commands: str, timeout: float = WAIT) -> None:
        """Wait until the bot is online and these commands are registered, globally or in the guild."""
        await self.gateway.wait_for_online(timeout)

        def registered() -> set[str]:
            return self.commands.names() | self.commands.names(self.guild.id)

        await self.world.watch.until(
            lambda: set(commands) <= registered(),
            f"the commands {', '.join(commands)}",
            lambda: f"  {sorted(registered())}\n{self.requests.told()}",
            timeout,
        )

    def violations(self) -> list[str]:
        """Violations of Discord's rules, each returned only once: a test that expects some takes them."""
        found = list(self.world.violations)
        self.world.violations.clear()
        return found


@asynccontextmanager
async def loopback(limits: Limits | None = None) -> AsyncIterator[Discord]:
    """A fresh loopback Discord, to which nextcord in this process connects; any violation fails at its end.

    Raises:
        AssertionError: the bot, or the loopback itself, has broken Discord's rules
    """
    discord = Discord(limits or Limits())
    await discord.start()
    real = nextcord.http.Route.BASE
    nextcord.http.Route.BASE = discord.address
    try:
        yield discord
    finally:
        nextcord.http.Route.BASE = real
        await discord.stop()
    wrong = discord.violations()
    assert not wrong, "against Discord's rules:\n" + "\n".join(wrong)
