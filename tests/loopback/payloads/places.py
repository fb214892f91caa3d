"""The JSON of people, guilds, channels and roles, as REST answers and gateway events carry it."""

from typing import Any

from tests.loopback.clock import iso
from tests.loopback.world.state import DM, Channel, Guild, Membership, Role, User

Json = dict[str, Any]


def user(one: User) -> Json:
    """A user."""
    return {
        "id": str(one.id),
        "username": one.name,
        "discriminator": "0",
        "global_name": None if one.bot else one.name.title(),
        "avatar": None,
        "public_flags": 0,
        "flags": 0,
        "bot": one.bot,
        "primary_guild": None,
    }


def own_user(one: User) -> Json:
    """The bot, as it sees itself."""
    return {**user(one), "mfa_enabled": False, "locale": "en-US", "verified": True, "email": None}


def member(one: Membership, *, with_user: bool = True) -> Json:
    """A member of a guild."""
    told = {
        "avatar": None,
        "banner": None,
        "communication_disabled_until": None,
        "flags": 0,
        "joined_at": iso(one.joined),
        "nick": None,
        "pending": False,
        "premium_since": None,
        "roles": [str(role) for role in one.roles],
        "mute": False,
        "deaf": False,
    }
    return {**told, "user": user(one.user)} if with_user else told


def role(one: Role) -> Json:
    """A role."""
    return {
        "id": str(one.id),
        "name": one.name,
        "permissions": str(one.permissions),
        "position": one.position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def channel(one: Channel) -> Json:
    """A channel of any kind."""
    last = next(reversed(one.ever), None)
    told: Json = {
        "id": str(one.id),
        "type": one.kind,
        "flags": 0,
        "last_message_id": None if last is None else str(last),
    }
    if one.kind == DM:
        return {**told, "recipients": [user(other) for other in one.recipients if not other.bot]}
    assert one.guild is not None
    told |= {
        "guild_id": str(one.guild.id),
        "name": one.name,
        "parent_id": str(one.parent.id) if one.parent else None,
        "rate_limit_per_user": 0,
    }
    return told | (_of_thread(one) if one.is_thread else _of_text(one))


def _of_text(one: Channel) -> Json:
    return {
        "topic": None,
        "position": 0,
        "nsfw": False,
        "permission_overwrites": [
            {"id": str(who), "type": o.kind, "allow": str(o.allow), "deny": str(o.deny)}
            for who, o in one.overwrites.items()
        ],
    }


def _of_thread(one: Channel) -> Json:
    return {
        "owner_id": str(one.owner_id),
        "thread_metadata": {
            "archived": one.archived,
            "archive_timestamp": iso(one.created),
            "auto_archive_duration": one.auto_archive,
            "locked": one.locked,
            "create_timestamp": iso(one.created),
        },
        "message_count": min(len(one.ever), 50),
        "member_count": min(len(one.thread_members), 50),
        "total_message_sent": len(one.ever),
    }


def thread_member(one: Channel, user_id: int) -> Json:
    """Somebody in a thread."""
    return {
        "id": str(one.id),
        "user_id": str(user_id),
        "join_timestamp": iso(one.thread_members[user_id]),
        "flags": 0,
    }


def guild(one: Guild, application_id: int) -> Json:
    """A guild, without the fields that only the gateway sends."""
    return {
        "id": str(one.id),
        "name": one.name,
        "icon": None,
        "description": None,
        "home_header": None,
        "splash": None,
        "discovery_splash": None,
        "features": [],
        "banner": None,
        "owner_id": str(one.owner_id),
        "application_id": None,
        "region": "deprecated",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "widget_enabled": False,
        "widget_channel_id": None,
        "verification_level": 0,
        "roles": [role(each) for each in one.roles.values()],
        "default_message_notifications": 1,
        "mfa_level": 0,
        "explicit_content_filter": 0,
        "max_presences": None,
        "max_members": 500000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "vanity_url_code": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": "en-US",
        "rules_channel_id": None,
        "safety_alerts_channel_id": None,
        "public_updates_channel_id": None,
        "premium_progress_bar_enabled": False,
        "nsfw": False,
        "nsfw_level": 0,
        "emojis": [],
        "stickers": [],
        "incidents_data": None,
    }


def guild_create(one: Guild, bot: User, joined: float, channels: list[Channel]) -> Json:
    """A guild as the gateway sends it when the bot arrives: with members, channels and threads."""
    return {
        **guild(one, bot.id),
        "joined_at": iso(joined),
        "large": False,
        "unavailable": False,
        "member_count": len(one.members),
        "members": [member(each) for each in one.members.values()],
        "channels": [channel(each) for each in channels if not each.is_thread],
        "threads": [
            channel(each) | ({"member": thread_member(each, bot.id)} if bot.id in each.thread_members else {})
            for each in channels
            if each.is_thread and not each.archived
        ],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }
