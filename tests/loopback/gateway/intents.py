"""Which events a session gets by its intents, and what is removed from messages if one is missing."""

from typing import Any

GUILDS, GUILD_MEMBERS, GUILD_MODERATION = 1 << 0, 1 << 1, 1 << 2
MESSAGE_CONTENT = 1 << 15
_IN_GUILD_AND_DM = {
    "MESSAGE_CREATE": (1 << 9, 1 << 12),
    "MESSAGE_UPDATE": (1 << 9, 1 << 12),
    "MESSAGE_DELETE": (1 << 9, 1 << 12),
    "MESSAGE_DELETE_BULK": (1 << 9, 1 << 12),
    "MESSAGE_REACTION_ADD": (1 << 10, 1 << 13),
    "MESSAGE_REACTION_REMOVE": (1 << 10, 1 << 13),
    "TYPING_START": (1 << 11, 1 << 14),
}
_OF_GUILDS = ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "GUILD_ROLE_", "CHANNEL_", "THREAD_")


def allowed(event: str, data: dict[str, Any], intents: int) -> bool:
    """Whether a session with these intents gets the event."""
    if event in _IN_GUILD_AND_DM:
        return bool(intents & _IN_GUILD_AND_DM[event]["guild_id" not in data])
    if event.startswith("GUILD_MEMBER_"):
        return bool(intents & GUILD_MEMBERS)
    if event.startswith("GUILD_BAN_"):
        return bool(intents & GUILD_MODERATION)
    return bool(intents & GUILDS) if event.startswith(_OF_GUILDS) else True


def stripped(event: str, data: dict[str, Any], intents: int, bot_id: str) -> dict[str, Any]:
    """The event. A message loses its content, unless the bot wrote it or is mentioned, or it is in a DM."""
    if event not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or intents & MESSAGE_CONTENT:
        return data
    mentioned = any(user["id"] == bot_id for user in data["mentions"])
    if "guild_id" not in data or data["author"]["id"] == bot_id or mentioned:
        return data
    return {**data, "content": "", "embeds": [], "attachments": [], "components": []}
