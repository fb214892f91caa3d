"""Who may do what where: roles, then a channel's overwrites, combined as Discord does."""

from tests.loopback.world.state import Channel, Guild, User

BITS = {
    "add_reactions": 6,
    "administrator": 3,
    "attach_files": 15,
    "create_private_threads": 36,
    "create_public_threads": 35,
    "embed_links": 14,
    "manage_channels": 4,
    "manage_messages": 13,
    "manage_threads": 34,
    "mention_everyone": 17,
    "read_message_history": 16,
    "send_messages": 11,
    "send_messages_in_threads": 38,
    "use_application_commands": 31,
    "use_external_apps": 50,
    "view_channel": 10,
}
ALL = (1 << 53) - 1


def bits(*names: str) -> int:
    """The number that has these permissions."""
    return sum(1 << BITS[name] for name in set(names))


MEMBERS = bits(
    "add_reactions",
    "attach_files",
    "create_public_threads",
    "embed_links",
    "read_message_history",
    "send_messages",
    "send_messages_in_threads",
    "use_application_commands",
    "use_external_apps",
    "view_channel",
)


def in_guild(guild: Guild, user: User) -> int:
    """What a member may do by their roles."""
    membership = guild.members.get(user.id)
    if membership is None:
        return 0
    if guild.owner_id == user.id:
        return ALL
    roles = [guild.roles[guild.id], *(guild.roles[role] for role in membership.roles)]
    allowed = 0
    for role in roles:
        allowed |= role.permissions
    return ALL if allowed & bits("administrator") else allowed


def in_channel(channel: Channel, user: User) -> int:
    """What somebody may do in a channel; in a direct message its two people may do everything."""
    guild = channel.guild
    if guild is None:
        return ALL if user in channel.recipients else 0
    allowed = in_guild(guild, user)
    membership = guild.members.get(user.id)
    if allowed == ALL or membership is None:
        return allowed
    overwrites = (channel.parent or channel).overwrites
    deny = allow = 0
    if guild.id in overwrites:
        allowed = allowed & ~overwrites[guild.id].deny | overwrites[guild.id].allow
    for role in membership.roles:
        if role in overwrites:
            deny |= overwrites[role].deny
            allow |= overwrites[role].allow
    allowed = allowed & ~deny | allow
    if user.id in overwrites:
        allowed = allowed & ~overwrites[user.id].deny | overwrites[user.id].allow
    return allowed if allowed & bits("view_channel") else 0


def may(channel: Channel, user: User, *names: str) -> bool:
    """Whether somebody has all of these permissions in a channel."""
    wanted = bits(*names)
    return in_channel(channel, user) & wanted == wanted
