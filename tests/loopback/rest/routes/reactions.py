"""The bot's reactions to messages."""

from typing import Any
from urllib.parse import unquote

from tests.loopback.errors import Refusal
from tests.loopback.rest.routes.table import Call, Reply, route
from tests.loopback.world import permissions
from tests.loopback.world.messages import Message
from tests.loopback.world.state import User
from tests.loopback.world.world import World

EMOJI = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}"
DIFFERENT = 20


def told(world: World, message: Message, user: User, emoji: str, change: str) -> None:
    """Tell the bot that somebody has added a reaction (`change` "ADD") or removed it ("REMOVE")."""
    data: dict[str, Any] = {
        "user_id": str(user.id),
        "channel_id": str(message.channel.id),
        "message_id": str(message.id),
        "emoji": {"id": None, "name": emoji},
        "burst": False,
        "type": 0,
    }
    if message.channel.guild is not None:
        data["guild_id"] = str(message.channel.guild.id)
    world.tell_channel(message.channel, f"MESSAGE_REACTION_{change}", data)


@route("PUT", EMOJI + "/@me")
async def add_reaction(call: Call) -> Reply:
    """Add a reaction; only Unicode emoji work."""
    channel = call.channel("read_message_history")
    message, emoji = call.message(channel), unquote(call.parameters["emoji_name"])
    if emoji.isascii():
        raise Refusal(10014)
    if emoji not in message.reactions and not permissions.may(channel, call.world.bot, "add_reactions"):
        raise Refusal(50013)
    if emoji not in message.reactions and len(message.reactions) >= DIFFERENT:
        raise Refusal(30010, message="Maximum number of reactions reached (20)")
    by = message.reactions.setdefault(emoji, [])
    if call.world.bot.id not in by:
        by.append(call.world.bot.id)
        told(call.world, message, call.world.bot, emoji, "ADD")
    return Reply()


def _take_back(call: Call, user: User) -> Reply:
    message, emoji = call.message(call.channel()), unquote(call.parameters["emoji_name"])
    if user.id in message.reactions.get(emoji, []):
        message.reactions[emoji].remove(user.id)
        if not message.reactions[emoji]:
            del message.reactions[emoji]
        told(call.world, message, user, emoji, "REMOVE")
    return Reply()


@route("DELETE", EMOJI + "/@me")
async def remove_own_reaction(call: Call) -> Reply:
    """Remove the bot's own reaction."""
    return _take_back(call, call.world.bot)


@route("DELETE", EMOJI + "/{user_id}")
async def remove_reaction(call: Call) -> Reply:
    """Remove somebody's reaction."""
    call.channel("manage_messages")
    return _take_back(call, call.user())
