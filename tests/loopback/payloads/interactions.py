"""The JSON of an interaction as the gateway carries it to the bot."""

from typing import Any

from tests.loopback.payloads import messages as message_payloads
from tests.loopback.payloads import places as payloads
from tests.loopback.world import permissions
from tests.loopback.world.interactions import Interaction
from tests.loopback.world.world import World

Json = dict[str, Any]


def told(world: World, one: Interaction) -> Json:
    """An interaction."""
    channel, guild = one.channel, one.channel.guild
    person = permissions.in_channel(channel, one.user)
    data: Json = {
        "id": str(one.id),
        "application_id": str(world.bot.id),
        "type": int(one.kind),
        "token": one.token,
        "version": 1,
        "data": one.data,
        "channel_id": str(channel.id),
        "channel": payloads.channel(channel) | {"permissions": str(person)},
        "locale": "en-US",
        "entitlements": [],
        "authorizing_integration_owners": message_payloads.owners(one),
        "context": one.context,
        "attachment_size_limit": world.limits.file,
        "app_permissions": str(
            permissions.MEMBERS if one.user_installed else permissions.in_channel(channel, world.bot)
        ),
    }
    if guild is None:
        data["user"] = payloads.user(one.user)
    else:
        data |= {
            "guild_id": str(guild.id),
            "guild": {"id": str(guild.id), "locale": "en-US", "features": []},
            "guild_locale": "en-US",
            "member": payloads.member(guild.members[one.user.id]) | {"permissions": str(person)},
        }
    if one.message is not None:
        data["message"] = world.message_told(one.message)
    return data
