"""Whom a message mentions, and who of them gets a notification given `allowed_mentions`."""

import re
from typing import Any

from tests.loopback.world import permissions
from tests.loopback.world.messages import Message
from tests.loopback.world.state import User

USER = re.compile(r"<@!?(\d+)>")
ROLE = re.compile(r"<@&(\d+)>")
EVERYONE = re.compile(r"@(everyone|here)\b")


def resolve(message: Message, users: dict[int, User], allowed: dict[str, Any] | None) -> None:
    """Fill in what `message` mentions and whom it pings; for messages that people wrote, pass None."""
    guild = message.channel.guild
    named = [users[i] for i in dict.fromkeys(map(int, USER.findall(message.content))) if i in users]
    roles = [i for i in dict.fromkeys(map(int, ROLE.findall(message.content))) if guild and i in guild.roles]
    parse = {"users", "roles", "everyone"} if allowed is None else set(allowed.get("parse") or ())
    listed_users = {int(i) for i in (allowed or {}).get("users") or ()}
    listed_roles = {int(i) for i in (allowed or {}).get("roles") or ()}
    message.allowed_mentions = allowed
    message.mentions = [u for u in named if "users" in parse or u.id in listed_users]
    message.mention_roles = [r for r in roles if "roles" in parse or r in listed_roles]
    message.mention_everyone = bool(
        EVERYONE.search(message.content)
        and "everyone" in parse
        and permissions.may(message.channel, message.author, "mention_everyone")
    )
    answered = message.reference.author if message.reference else None
    if answered and (allowed is None or allowed.get("replied_user")) and answered not in message.mentions:
        message.mentions.append(answered)
    message.pinged = {user.id for user in message.mentions}
    if guild is not None:
        for membership in guild.members.values():
            if message.mention_everyone or membership.roles & set(message.mention_roles):
                message.pinged.add(membership.user.id)
    message.pinged.discard(message.author.id)
