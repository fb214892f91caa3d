"""Files that came with a message: read at once (their links expire), then stored, placed and looked into.

received = await receive(desk, user_id, place, attachments)
received.cards, received.pictures, received.notes
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import nextcord

from bot.discord.api.destinations import Outlet
from bot.discord.api.retry import Refused, attempt
from bot.discord.context import Desk
from bot.discord.format.attachments import Limits, plan
from bot.discord.format.markdown import code_name, fenced
from bot.discord.format.split import split
from bot.request import Picture
from bot.scratch.file_cards import profile
from bot.wording.error_messages import clause
from filestore.errors import FileStoreError
from filestore.records import StoredFile
from kernels.text.clipping import human_size
from kernels.workspace.names import FreeNames

__all__ = ["Received", "read", "receive", "tell_of"]

log = logging.getLogger(__name__)

SEEN = {"image/png", "image/jpeg", "image/gif", "image/webp"}  # what a model can look at
SEEN_AT_MOST = 5 * 1024 * 1024  # bytes of a picture


@dataclass(frozen=True, slots=True)
class Received:
    """What became of the files: a card for each that is stored, pictures for the model, what went wrong."""

    files: tuple[StoredFile, ...] = ()
    cards: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()


async def receive(
    desk: Desk, user_id: int, place: str, attachments: Sequence[nextcord.Attachment]
) -> Received:
    """Store and place each of the files; two of one name get two. Raises: KernelError, StoreUnavailable."""
    if not attachments:
        return Received()
    session = await desk.sessions.session(user_id, place)
    names = FreeNames()
    stored: list[StoredFile] = []
    pictures: list[Picture] = []
    notes: list[str] = []
    for attachment in attachments:
        data = await read(desk, attachment)  # one after the other: together they may be half a gigabyte
        if isinstance(data, str):
            notes.append(data)
            continue
        name = names.free(attachment.filename, "-2")
        try:
            stored.append(await session.files.upload(name, data))
        except FileStoreError as error:
            notes.append(f"{code_name(name)}: {clause(error)}.")
            continue
        mime = (attachment.content_type or "").partition(";")[0]
        if mime in SEEN and len(data) <= SEEN_AT_MOST:
            pictures.append(Picture(mime, data))
    cards = await profile(session, stored)
    return Received(
        tuple(stored), tuple(cards[file.file_id] for file in stored), tuple(pictures), tuple(notes)
    )


async def tell_of(received: Received, outlet: Outlet, limits: Limits) -> None:
    """Say what the files are, and which were not taken. Raises nothing."""
    text = "\n".join([*map(fenced, received.cards), *received.notes])
    for outgoing in plan(split(text), (), limits) if text else ():
        try:
            await outlet.send(outgoing)
        except Refused as refused:
            log.info("cards of files were not told: %s", refused)


async def read(desk: Desk, attachment: nextcord.Attachment) -> bytes | str:
    """The bytes, or a sentence that says why there are none."""
    limit = desk.sessions.files.max_file
    if attachment.size > limit:
        return f"`{_plain(attachment)}` is not stored: over the {human_size(limit)} limit for one file."
    try:
        return await attempt(attachment.read)
    except Refused as refused:
        log.warning("an attachment could not be read: %s", refused)
        return f"`{_plain(attachment)}` could not be read from Discord: send it again."


def _plain(attachment: nextcord.Attachment) -> str:
    return attachment.filename.replace("`", "'")
