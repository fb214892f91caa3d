"""Builds messages from a body and its files, in the same way for channels, callbacks, followups and edits."""

from typing import Any

from tests.loopback.errors import Refusal, invalid
from tests.loopback.world.messages import SUPPRESS_EMBEDS, Attachment, Message
from tests.loopback.world.world import World

Json = dict[str, Any]
COMPONENTS_V2 = 1 << 15
MAY_BE_SET = SUPPRESS_EMBEDS | COMPONENTS_V2 | 1 << 12  # the last flag: without a notification
Files = dict[int, tuple[str, bytes]]


def fill(world: World, message: Message, body: Json, files: Files) -> None:
    """Give a new message what was sent.

    Raises:
        Refusal: it would be empty
    """
    message.allowed_mentions = body.get("allowed_mentions")
    message.tts = bool(body.get("tts"))
    message.nonce = body.get("nonce")
    _set(message, body)
    message.attachments = _uploaded(world, message, body.get("attachments"), files)
    _refuse_empty(message)


def change(world: World, message: Message, body: Json, files: Files) -> None:
    """Change a message: omitted fields stay, but of the attachments only those listed stay.

    Raises:
        Refusal: it would be empty, or keep a file that it does not have
    """
    listed = body.get("attachments")
    kept = message.attachments
    if listed is not None:
        named = {int(entry["id"]): entry for entry in listed if int(entry["id"]) not in files}
        by_id = {attachment.id: attachment for attachment in message.attachments}
        if missing := set(named) - set(by_id):
            raise invalid("attachments", "INVALID", f"no such attachment: {missing}")
        kept = [by_id[name] for name in named]
        files = {n: file for n, file in files.items() if n in {int(entry["id"]) for entry in listed}}
    before = message.content, message.embeds, message.components, message.attachments
    _set(message, body)
    message.attachments = kept + _uploaded(world, message, listed, files)
    try:
        _refuse_empty(message)
    except Refusal:
        message.content, message.embeds, message.components, message.attachments = before
        raise


def _set(message: Message, body: Json) -> None:
    if "content" in body:
        message.content = (body["content"] or "").strip()
    if "embeds" in body:
        message.embeds = [_embed(each) for each in body["embeds"] or []]
    if "components" in body:
        message.components = _numbered(body["components"] or [])
    if body.get("flags") is not None:
        message.flags = message.flags & ~MAY_BE_SET | body["flags"] & MAY_BE_SET


def _uploaded(world: World, message: Message, listed: list[Json] | None, files: Files) -> list[Attachment]:
    told = {int(entry["id"]): entry for entry in listed or []}
    return [
        world.attachment(
            told.get(number, {}).get("filename") or name,
            data,
            told.get(number, {}).get("description"),
            ephemeral=message.ephemeral,
        )
        for number, (name, data) in files.items()
    ]


def _embed(body: Json) -> Json:
    """An embed as Discord returns it."""
    told = {key: value for key, value in body.items() if value is not None}
    told["type"] = "rich"
    for picture in ("image", "thumbnail"):
        if picture in told:
            told[picture] = {"proxy_url": told[picture]["url"], **told[picture]}
    if "fields" in told:
        told["fields"] = [{"inline": False, **each} for each in told["fields"]]
    return told


def _numbered(rows: list[Json]) -> list[Json]:
    """Components as Discord returns them: each with an id, and with defaults for settings left out."""
    count = 0

    def number(part: Json) -> Json:
        nonlocal count
        count += 1
        told: Json = {"id": part.get("id") or count}
        told |= {key: value for key, value in part.items() if value is not None and key != "id"}
        if "options" in told or part["type"] in (5, 6, 7, 8):
            told = {"min_values": 1, "max_values": 1, **told}
        if "components" in told:
            told["components"] = [number(inner) for inner in told["components"]]
        for key in ("accessory", "component"):
            if key in told:
                told[key] = number(told[key])
        return told

    return [number(row) for row in rows]


def _refuse_empty(message: Message) -> None:
    if message.flags & COMPONENTS_V2 and message.components:
        return
    if not (message.content or message.embeds or message.attachments):
        raise Refusal(50006)
