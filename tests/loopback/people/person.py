"""People at their Discord clients, who can do what a client lets them do, and nothing else.

message = await ada.say(channel, "hello", files=[("a.csv", b"1")])
interaction = await ada.slash(channel, "files get", id="abc")
await ada.click(answer, "Stop")
"""

import secrets
from collections.abc import Sequence
from typing import Any

from tests import sentences
from tests.loopback.errors import NotPossible
from tests.loopback.payloads import places as payloads
from tests.loopback.payloads.interactions import told
from tests.loopback.people.options import chosen, focused, resolved_user
from tests.loopback.people.submissions import filled
from tests.loopback.rest.routes import reactions, threads
from tests.loopback.world import permissions
from tests.loopback.world.commands import MESSAGE_COMMAND, SLASH, USER_COMMAND
from tests.loopback.world.interactions import (
    BOT_DM,
    GUILD_CONTEXT,
    PRIVATE_CHANNEL,
    Interaction,
    Json,
    Kind,
    Modal,
)
from tests.loopback.world.messages import LINK_STYLE, Message
from tests.loopback.world.state import DM, PUBLIC_THREAD, Channel, Typing, User
from tests.loopback.world.world import World

REPLY = 19
File = tuple[str, bytes]
LONGEST, MOST_FILES = 2000, 10


class Person:
    """Somebody with a client. Actions take effect at once; wait for their results on what they return.

    Raises:
        NotPossible: for any action here that a client would not let them do
    """

    def __init__(self, world: World, user: User) -> None:
        self._world = world
        self.user = user
        self.id = user.id
        self.mention = user.mention
        self.has_installed_bot = False  # whether they may use the bot where it is not a member

    def close_dms(self) -> None:
        """Accept no more direct messages."""
        self.user.dms_closed = True

    def dm(self) -> Channel:
        """Their direct messages with the bot."""
        return self._world.dm(self.user)

    def sees(self, channel: Channel) -> list[Message]:
        """What they see in a channel: ephemeral messages for them too."""
        return channel.seen_by(self.user)

    async def say(
        self,
        channel: Channel,
        text: str = "",
        *,
        files: Sequence[File] = (),
        reply_to: Message | None = None,
        ping: bool = True,
    ) -> Message:
        """Send a message; a reply notifies whom it answers unless `ping` is False."""
        self._must(channel, "send_messages_in_threads" if channel.is_thread else "send_messages")
        if not text.strip() and not files:
            raise NotPossible("an empty message")
        if len(text) > LONGEST or len(files) > MOST_FILES:
            raise NotPossible(f"{len(text)} characters, {len(files)} files")
        message = Message(self._world.ids.next(), channel, self.user, self._world.clock.now(), text.strip())
        message.attachments = [self._world.attachment(name, data) for name, data in files]
        sentences.written(text, list(files))
        if reply_to is not None:
            self._must_see(reply_to)
            if reply_to.channel is not channel or reply_to.ephemeral:
                raise NotPossible("a reply to a message that is not here")
            message.reference, message.kind = reply_to, REPLY
            if not ping:
                message.allowed_mentions = {"parse": ["users", "roles", "everyone"], "replied_user": False}
        if channel.locked and not permissions.may(channel, self.user, "manage_threads"):
            raise NotPossible(f"thread {channel.name!r} is locked")
        self._world.unarchive(channel)
        self._world.post(message)
        return message

    async def edit(self, message: Message, text: str) -> Message:
        """Change a message of their own."""
        self._must_see(message)
        if message.author is not self.user:
            raise NotPossible("somebody else's message")
        message.content = text
        sentences.written(text)
        self._world.edited(message)
        return message

    async def delete(self, message: Message) -> None:
        """Delete a message of their own, or somebody's where they may manage messages."""
        self._must_see(message)
        if message.author is not self.user and not message.ephemeral:
            self._must(message.channel, "manage_messages")
        self._world.remove(message)

    async def react(self, message: Message, emoji: str) -> None:
        """Put a reaction."""
        self._must(message.channel, "add_reactions", "read_message_history")
        self._must_see(message)
        by = message.reactions.setdefault(emoji, [])
        if self.id not in by:
            by.append(self.id)
            reactions.told(self._world, message, self.user, emoji, "ADD")

    async def type(self, channel: Channel) -> None:
        """Begin to type."""
        self._must(channel)
        now = self._world.clock.now()
        channel.typing.append(Typing(self.user, now))
        data: Json = {"channel_id": str(channel.id), "user_id": str(self.id), "timestamp": int(now)}
        if channel.guild is not None:
            data["guild_id"] = str(channel.guild.id)
            data["member"] = payloads.member(channel.guild.members[self.id])
        self._world.tell_channel(channel, "TYPING_START", data)

    async def open_thread(self, channel: Channel, name: str, *, message: Message | None = None) -> Channel:
        """Start a public thread, below a message or the channel."""
        self._must(channel, "create_public_threads")
        return threads.start(self._world, channel, self.user, name, PUBLIC_THREAD, message)

    async def slash(self, channel: Channel, name: str, /, **options: Any) -> Interaction:
        """Run a slash command ("files get" for a subcommand).

        Options by name: texts, numbers, a Person or User, a Channel, a Role, `(name, bytes)` for a file.
        """
        first, *path = name.split()
        command = self._command(channel, first, SLASH)
        return self._start(Kind.COMMAND, channel, chosen(self._world, command, path, options, channel))

    async def autocomplete(
        self, channel: Channel, name: str, focus: str, text: str = "", /, **options: Any
    ) -> Interaction:
        """Type `text` into the option `focus` of a slash command; others may be filled in already."""
        first, *path = name.split()
        command = self._command(channel, first, SLASH)
        data = focused(self._world, command, path, (focus, text), options, channel)
        return self._start(Kind.AUTOCOMPLETE, channel, data)

    async def context_menu(
        self, name: str, target: Message | User, *, channel: Channel | None = None
    ) -> Interaction:
        """Run a message command, or a user command: in `channel`, or their direct messages with the bot."""
        channel = target.channel if isinstance(target, Message) else channel or self.dm()
        kind = MESSAGE_COMMAND if isinstance(target, Message) else USER_COMMAND
        command = self._command(channel, name, kind)
        data: Json = {key: command[key] for key in ("id", "name", "type")}
        data |= {"target_id": str(target.id)}
        if isinstance(target, Message):
            self._must_see(target)
            data["resolved"] = {"messages": {str(target.id): self._world.message_told(target)}}
        else:
            data["resolved"] = resolved_user(target, channel)
        return self._start(Kind.COMMAND, channel, data)

    async def click(self, message: Message, button: str) -> Interaction:
        """Press a button by its label or custom_id."""
        self._must_see(message)
        fitting = [b for b in message.buttons if button in (b.label, b.custom_id)]
        if len(fitting) != 1:
            raise NotPossible(f"{len(fitting)} buttons {button!r} at: {message.line()}")
        if fitting[0].disabled or fitting[0].style == LINK_STYLE:
            raise NotPossible(f"button {button!r} is disabled or a link")
        data = {"custom_id": fitting[0].custom_id, "component_type": 2}
        return self._start(Kind.COMPONENT, message.channel, data, message=message)

    async def select(self, message: Message, *values: str, menu: str | None = None) -> Interaction:
        """Choose from a select menu, by value or label; of several, `menu` names its custom_id or text."""
        self._must_see(message)
        menus = [m for m in message.selects if menu in (None, m["custom_id"], m.get("placeholder"))]
        if len(menus) != 1 or menus[0].get("disabled"):
            raise NotPossible(f"{len(menus)} menus {menu!r} at: {message.line()}")
        named = {key: o["value"] for o in menus[0].get("options", []) for key in (o["label"], o["value"])}
        if menus[0]["type"] == 3 and not set(values) <= set(named):
            raise NotPossible(f"{values} are not all in {list(named)}")
        if not menus[0]["min_values"] <= len(values) <= menus[0]["max_values"]:
            raise NotPossible(f"{len(values)} values chosen")
        data = {
            "custom_id": menus[0]["custom_id"],
            "component_type": menus[0]["type"],
            "values": [named.get(value, value) for value in values],
        }
        return self._start(Kind.COMPONENT, message.channel, data, message=message)

    async def submit_modal(self, modal: Modal | Interaction, values: dict[str, str]) -> Interaction:
        """Send a form, with values by label or custom_id; other inputs keep what they were filled with."""
        if isinstance(modal, Interaction):
            if modal.modal is None:
                raise NotPossible("no modal is open")
            modal = modal.modal
        if modal.interaction.user is not self.user or modal.submitted:
            raise NotPossible("this modal is not open here")
        data = filled(modal, values)
        modal.submitted = True
        source = modal.interaction
        return self._start(Kind.MODAL, source.channel, data, message=source.message, source=source)

    def _must(self, channel: Channel, *needed: str) -> None:
        if channel.deleted or not permissions.may(channel, self.user, "view_channel", *needed):
            raise NotPossible(f"{self.user.name} may not {' '.join(needed) or 'look'} in #{channel.name}")

    def _must_see(self, message: Message) -> None:
        self._must(message.channel)
        if message.deleted or message.ephemeral_for not in (None, self.id):
            raise NotPossible(f"{self.user.name} does not see: {message.line()}")

    def _command(self, channel: Channel, name: str, kind: int) -> Json:
        guild_id = channel.guild.id if channel.guild else None
        command = self._world.commands.find(name, kind, guild_id)
        if command is None:
            raise NotPossible(f"no command {name!r}; there are {sorted(self._world.commands.names())}")
        context, user_installed = self._context(channel)
        contexts = command.get("contexts")
        if contexts is not None and context not in contexts:
            raise NotPossible(f"command {name!r} is not for here (context {context})")
        if contexts is None and channel.kind == DM and command.get("dm_permission") is False:
            raise NotPossible(f"command {name!r} is not for direct messages")
        if int(user_installed) not in command["integration_types"]:
            raise NotPossible(f"command {name!r} is not for this way of installing the bot")
        required = command["default_member_permissions"]
        if required is not None and channel.guild is not None:
            held = permissions.in_channel(channel, self.user)
            if held != permissions.ALL and (int(required) == 0 or held & int(required) != int(required)):
                raise NotPossible(f"{self.user.name} may not use {name!r}")
        return command

    def _context(self, channel: Channel) -> tuple[int, bool]:
        """Where an interaction comes from, and whether only its person has installed the bot there."""
        if channel.guild is None:
            return (BOT_DM, False) if self._world.bot in channel.recipients else (PRIVATE_CHANNEL, True)
        return GUILD_CONTEXT, not channel.guild.with_bot

    def _start(
        self,
        kind: Kind,
        channel: Channel,
        data: Json,
        *,
        message: Message | None = None,
        source: Interaction | None = None,
    ) -> Interaction:
        self._must(channel)
        sentences.written({key: value for key, value in data.items() if key != "resolved"})
        context, user_installed = self._context(channel)
        if user_installed and not self.has_installed_bot:
            raise NotPossible(f"{self.user.name} has not installed the bot, which is not here")
        interaction = Interaction(
            self._world.ids.next(),
            secrets.token_urlsafe(32),
            kind,
            self.user,
            channel,
            context,
            data,
            self._world.clock.now(),
            self._world.clock,
            self._world.limits,
            user_installed,
            message,
            source,
        )
        self._world.interactions.append(interaction)
        self._world.gateway.dispatch("INTERACTION_CREATE", told(self._world, interaction))
        self._world.watch.changed()
        return interaction
