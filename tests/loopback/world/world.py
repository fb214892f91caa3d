"""Everything there is, and how it changes: each change is sent to the bot and wakes whoever waits for it."""

import mimetypes
import re
import secrets
from typing import Any

from tests import sentences
from tests.loopback.clock import Clock, Snowflakes, Watch
from tests.loopback.gateway.sessions import Gateway
from tests.loopback.payloads import messages as message_payloads
from tests.loopback.payloads import places as payloads
from tests.loopback.rest.cdn import Cdn
from tests.loopback.rest.schema import Schema
from tests.loopback.settings import Limits
from tests.loopback.world import mentions, permissions
from tests.loopback.world.commands import Commands
from tests.loopback.world.interactions import Interaction
from tests.loopback.world.messages import Attachment, Message
from tests.loopback.world.state import DM, Channel, Guild, Membership, Role, User

Json = dict[str, Any]
ODD_IN_NAMES = re.compile(r"[^\w.\-]+")


class World:
    """The state of the loopback Discord; it knows no requests."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.watch = Watch()
        self.clock = Clock(self.watch)
        self.ids = Snowflakes(self.clock)
        self.token = secrets.token_urlsafe(24)
        self.bot = User(self.ids.next(), "kernelcord", bot=True)
        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.interactions: list[Interaction] = []
        self.violations: list[str] = []
        self.commands = Commands(self.bot.id, self.ids, limits)
        self.cdn = Cdn(self.clock, limits, self.channels)
        self.schema = Schema()
        self.gateway = Gateway(self.bot, self.token, self.watch, self.clock, limits, self._guilds_told)

    def add_user(self, name: str) -> User:
        """Add a person."""
        user = User(self.ids.next(), name)
        self.users[user.id] = user
        return user

    def add_guild(self, name: str, owner: User, *, with_bot: bool = True) -> Guild:
        """Add a guild with its owner, the bot if wanted, and everybody's role."""
        guild = Guild(self.ids.next(), name, owner.id, with_bot)
        guild.roles[guild.id] = Role(guild.id, "@everyone", permissions.MEMBERS)
        self.guilds[guild.id] = guild
        for user in [owner, *([self.bot] if with_bot else [])]:
            guild.members[user.id] = Membership(user, self.clock.now())
        if with_bot:
            self.gateway.dispatch("GUILD_CREATE", self._guild_told(guild))
        return guild

    def join(self, guild: Guild, user: User) -> Membership:
        """Add a user to a guild."""
        membership = Membership(user, self.clock.now())
        guild.members[user.id] = membership
        self.tell_guild(guild, "GUILD_MEMBER_ADD", payloads.member(membership))
        return membership

    def add_channel(
        self, kind: int, name: str, *, guild: Guild | None = None, parent: Channel | None = None
    ) -> Channel:
        """A channel or a thread, not yet announced to anybody."""
        channel = Channel(
            self.ids.next(), kind, name, self.watch, self.clock.now(), guild=guild, parent=parent
        )
        self.keep_channel(channel)
        return channel

    def keep_channel(self, channel: Channel) -> None:
        """Store a channel that was just made."""
        self.channels[channel.id] = channel
        if channel.guild is not None:
            channel.guild.channels[channel.id] = channel
        self.watch.changed()

    def dm(self, user: User) -> Channel:
        """The direct messages of a user and the bot, opened if necessary."""
        for channel in self.channels.values():
            if channel.kind == DM and user in channel.recipients:
                return channel
        channel = self.add_channel(DM, f"dm of {user.name}")
        channel.recipients += [user, self.bot]
        return channel

    def attachment(
        self, name: str, data: bytes, description: str | None = None, *, ephemeral: bool = False
    ) -> Attachment:
        """An uploaded file, under the name that Discord derives from its own."""
        name = ODD_IN_NAMES.sub("_", name.replace("\\", "/").rpartition("/")[2]) or "unknown"
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if kind.startswith("text/") or kind == "application/json":
            kind += "; charset=utf-8"
        return Attachment(self.ids.next(), name, data, kind, description, ephemeral)

    def upload(self, channel: Channel, name: str, data: bytes, resolved: Json) -> str:
        """Keep a command's file in an invisible message and add it to `resolved`; return its id."""
        attachment = self.attachment(name, data, ephemeral=True)
        sentences.written(name, data)
        holder = Message(self.ids.next(), channel, self.bot, self.clock.now(), ephemeral_for=0)
        holder.attachments = [attachment]
        channel.ever[holder.id] = holder
        told = message_payloads.attachment(attachment, channel, self.cdn)
        resolved.setdefault("attachments", {})[str(attachment.id)] = told
        return str(attachment.id)

    def ping(self, message: Message) -> None:
        """Notify whom a new message is for."""
        mentions.resolve(message, self.users, message.allowed_mentions)

    def post(self, message: Message) -> None:
        """Post a message."""
        self.ping(message)
        message.keep_state(message.created)
        channel = message.channel
        channel.ever[message.id] = message
        if channel.is_thread:
            channel.thread_members.setdefault(message.author.id, message.created)
        self._tell_message("MESSAGE_CREATE", message)

    def edited(self, message: Message, *, silently: bool = False) -> None:
        """Note that a message has changed; `silently` without the mark that it was edited."""
        if not silently:
            message.edited = self.clock.now()
            pinged = message.pinged
            self.ping(message)
            message.pinged = pinged  # an edit notifies nobody
        message.keep_state(self.clock.now())
        self._tell_message("MESSAGE_UPDATE", message)

    def remove(self, message: Message) -> None:
        """Delete a message."""
        message.deleted = True
        told = {"id": str(message.id), "channel_id": str(message.channel.id), **self._place(message.channel)}
        if not message.ephemeral:
            self.tell_channel(message.channel, "MESSAGE_DELETE", told)
        self.watch.changed()

    def unarchive(self, channel: Channel) -> None:
        """Whoever writes in an archived thread opens it again."""
        if channel.archived:
            channel.archived = False
            self.tell_channel(channel, "THREAD_UPDATE", payloads.channel(channel))

    def remove_channel(self, channel: Channel) -> None:
        """Delete a channel or a thread, and every message in it."""
        event = "THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE"
        told = payloads.channel(channel)
        self.tell_channel(channel, event, told)
        for gone in [*channel.threads, channel]:
            gone.deleted = True
            for message in gone.ever.values():
                message.deleted = True
        self.watch.changed()

    def message_told(self, message: Message) -> Json:
        """A message as the bot gets it."""
        return message_payloads.message(message, self.bot, self.cdn)

    def sees(self, channel: Channel) -> bool:
        """Whether the bot is where the channel is, and may look."""
        return permissions.may(channel, self.bot, "view_channel")

    def tell_channel(self, channel: Channel, event: str, data: Json) -> None:
        """Tell the bot of something in a channel, if it may know."""
        if self.sees(channel):
            self.gateway.dispatch(event, data)
        self.watch.changed()

    def tell_guild(self, guild: Guild, event: str, data: Json) -> None:
        """Tell the bot of something in a guild, if it is there."""
        if guild.with_bot:
            self.gateway.dispatch(event, {**data, "guild_id": str(guild.id)})
        self.watch.changed()

    def _tell_message(self, event: str, message: Message) -> None:
        told = self.message_told(message) | self._place(message.channel)
        guild = message.channel.guild
        if guild is not None and message.author.id in guild.members and message.interaction is None:
            told["member"] = payloads.member(guild.members[message.author.id], with_user=False)
        if message.ephemeral:
            self.watch.changed()
        else:
            self.tell_channel(message.channel, event, told)

    @staticmethod
    def _place(channel: Channel) -> Json:
        return {"guild_id": str(channel.guild.id)} if channel.guild else {}

    def _guild_told(self, guild: Guild) -> Json:
        visible = [c for c in guild.channels.values() if not c.deleted and self.sees(c)]
        return payloads.guild_create(guild, self.bot, guild.members[self.bot.id].joined, visible)

    def _guilds_told(self) -> list[Json]:
        return [self._guild_told(guild) for guild in self.guilds.values() if guild.with_bot]
