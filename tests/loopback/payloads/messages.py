"""The JSON of a message, of its attachments and of the interaction that it answers."""

import struct
from typing import Any

from tests.loopback.clock import iso
from tests.loopback.payloads import places as payloads
from tests.loopback.rest.cdn import Cdn
from tests.loopback.world.interactions import Interaction, Kind
from tests.loopback.world.messages import Attachment, Message
from tests.loopback.world.state import Channel, User

Json = dict[str, Any]
PNG = b"\x89PNG\r\n\x1a\n"


def attachment(one: Attachment, channel: Channel, cdn: Cdn) -> Json:
    """An attachment, with an address that serves it for a day."""
    url = cdn.url(channel, one)
    told: Json = {
        "id": str(one.id),
        "filename": one.filename,
        "size": len(one.data),
        "url": url,
        "proxy_url": url,
        "content_type": one.content_type,
    }
    if one.description is not None:
        told["description"] = one.description
    if one.ephemeral:
        told["ephemeral"] = True
    if one.data.startswith(PNG) and len(one.data) >= 24:
        told["width"], told["height"] = struct.unpack(">II", one.data[16:24])
    return told


def metadata(one: Interaction) -> Json:
    """Which interaction a message answers."""
    told: Json = {
        "id": str(one.id),
        "type": int(one.kind),
        "user": payloads.user(one.user),
        "authorizing_integration_owners": owners(one),
    }
    if one.response is not None:
        told["original_response_message_id"] = str(one.response.id)
    if one.kind is Kind.COMPONENT and one.message is not None:
        told["interacted_message_id"] = str(one.message.id)
    if one.kind is Kind.MODAL and one.source is not None:
        told["triggering_interaction_metadata"] = metadata(one.source)
    return told


def owners(one: Interaction) -> Json:
    """Whose installation made an interaction possible: a guild's ("0") or a user's ("1")."""
    if one.user_installed:
        return {"1": str(one.user.id)}
    return {"0": str(one.channel.guild.id) if one.channel.guild else "0"}


def reactions(one: Message, viewer: User) -> list[Json]:
    """The reactions of a message, as one person sees them."""
    return [
        {
            "emoji": {"id": None, "name": emoji},
            "count": len(by),
            "count_details": {"burst": 0, "normal": len(by)},
            "burst_colors": [],
            "me_burst": False,
            "me": viewer.id in by,
        }
        for emoji, by in one.reactions.items()
        if by
    ]


def message(one: Message, bot: User, cdn: Cdn, *, nested: bool = False) -> Json:
    """A message as the bot gets it; a `nested` one, which was replied to, includes no further message."""
    told: Json = {
        "id": str(one.id),
        "channel_id": str(one.channel.id),
        "type": one.kind,
        "content": one.content,
        "author": payloads.user(one.author),
        "mentions": [payloads.user(each) for each in one.mentions],
        "mention_roles": [str(role) for role in one.mention_roles],
        "mention_everyone": one.mention_everyone,
        "attachments": [attachment(each, one.channel, cdn) for each in one.attachments],
        "embeds": one.embeds,
        "components": one.components,
        "timestamp": iso(one.created),
        "edited_timestamp": None if one.edited is None else iso(one.edited),
        "flags": one.flags,
        "pinned": False,
        "tts": one.tts,
    }
    if one.nonce is not None:
        told["nonce"] = one.nonce
    if one.reactions:
        told["reactions"] = reactions(one, bot)
    if one.thread is not None:
        told["thread"] = payloads.channel(one.thread)
    if one.interaction is not None:
        told |= {
            "application_id": str(bot.id),
            "webhook_id": str(bot.id),
            "interaction_metadata": metadata(one.interaction),
        }
    if one.reference is not None:
        told["message_reference"] = {
            "type": 0,
            "channel_id": str(one.reference.channel.id),
            "message_id": str(one.reference.id),
            **({"guild_id": str(one.channel.guild.id)} if one.channel.guild else {}),
        }
        if not nested:
            told["referenced_message"] = (
                None if one.reference.deleted else message(one.reference, bot, cdn, nested=True)
            )
    return told
