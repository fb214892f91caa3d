"""What a message of the chat is: whether it is for the bot, and where it was written."""

import re

import nextcord

__all__ = ["addressed", "is_a_persons", "place_in", "said", "title"]

TYPES = {nextcord.MessageType.default, nextcord.MessageType.reply}
TITLE = 80  # characters of a thread's name


def is_a_persons(message: nextcord.Message) -> bool:
    """Whether a person wrote it, and not a bot, a webhook or Discord itself."""
    return not message.author.bot and message.webhook_id is None and message.type in TYPES


def addressed(message: nextcord.Message, me: nextcord.ClientUser) -> bool:
    """Whether it is for the bot: a DM, a mention, a reply to the bot, or in a thread that the bot opened."""
    if message.guild is None or any(user.id == me.id for user in message.mentions):
        return True
    if isinstance(message.channel, nextcord.Thread) and message.channel.owner_id == me.id:
        return True
    replied = message.reference.resolved if message.reference else None
    return isinstance(replied, nextcord.Message) and replied.author.id == me.id


def place_in(message: nextcord.Message) -> str:
    """The message's place as the transcript names it; a thread is a place of its own."""
    return f"dm-{message.channel.id}" if message.guild is None else f"channel-{message.channel.id}"


def said(content: str, me: nextcord.ClientUser) -> str:
    """The message's text without mentions of the bot."""
    return re.sub(rf"<@!?{me.id}>", "", content).strip()


def title(text: str) -> str:
    """A name for a thread, from the text that it begins with."""
    plain = " ".join(re.sub(r"[`*_~|<>#@]", " ", text).split())
    return plain[:TITLE].strip() or "Kernelcord"
