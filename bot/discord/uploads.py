"""Files that come with a message: read at once, since their links expire, then stored and described."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import nextcord

from bot.discord.api.destinations import Destination
from bot.discord.api.retry import DiscordRefused, attempt, unless_refused
from bot.discord.context import Context
from bot.discord.failures import EXPECTED
from bot.discord.format.attachments import plan
from bot.discord.format.markdown import code_name, fenced, plain
from bot.discord.format.split import split
from bot.errors import BotError
from bot.request import Picture, Request
from bot.scratch.file_cards import file_cards
from bot.session import Session
from bot.wording.error_messages import clause
from filestore.errors import FileStoreError
from filestore.records import StoredFile
from kernels.errors import KernelError
from kernels.text.clipping import human_size
from kernels.workspace.names import FreeNames

__all__ = ["Received", "read", "receive"]

log = logging.getLogger(__name__)

VISIBLE = {"image/png", "image/jpeg", "image/gif", "image/webp"}  # what a model can look at
LARGEST = 5 * 1024 * 1024  # bytes of a picture for the model
UNSEEN = "too many pictures wait for the model: it does not see this one"


@dataclass(frozen=True, slots=True)
class Received:
    """A card for each stored file, the pictures for the model, and notes on what went wrong."""

    cards: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()

    def request(
        self, user: nextcord.User | nextcord.Member, place: str, code: str | None, words: str
    ) -> Request:
        """What came with the files: `code` to run, or else `words` for the model, which is told of them."""
        return Request(
            user.id,
            user.display_name,
            place,
            code or "",
            words if code is None else None,
            self.cards,
            self.pictures if code is None else (),  # or they would wait with the code, for nobody
        )


async def receive(
    context: Context,
    user_id: int,
    place: str,
    attachments: Sequence[nextcord.Attachment],
    destination: Destination,
) -> Received:
    """Store each file, put it into the workspace, and tell of it at the destination. Raises nothing."""
    if not attachments:
        return Received()
    received = await _store(context, user_id, place, attachments)
    text = "\n".join([*map(fenced, received.cards), *received.notes])
    for outgoing in plan(split(text), (), context.limits) if text else ():
        with unless_refused("the cards of files were not shown"):
            await destination.send(outgoing)
    return received


async def _store(
    context: Context, user_id: int, place: str, attachments: Sequence[nextcord.Attachment]
) -> Received:
    try:
        session = await context.sessions.session(user_id, place)
    except Exception as error:  # whatever fails about the files, the message is answered
        if not isinstance(error, EXPECTED):
            log.exception("no session could be opened for files")
        return Received(notes=(f"Your files are not stored: {plain(clause(error))}.",))
    names = FreeNames()
    stored: list[StoredFile] = []
    pictures: list[Picture] = []
    notes: list[str] = []
    for number, attachment in enumerate(attachments, 1):
        name = names.free(attachment.filename, "-2")
        try:
            # One by one, those of several messages too: together they may be gigabytes.
            async with context.receiving.one(user_id):
                one = await _store_one(context, session, attachment, name)
        except KernelError as error:  # every other file would wait for the same kernel
            more = len(attachments) - number
            these = f"{code_name(name)} and {more} more are" if more else f"{code_name(name)} is"
            notes.append(f"{these} not stored: {plain(clause(error))}.")
            break
        except (BotError, FileStoreError) as error:
            notes.append(f"{code_name(name)}: {plain(clause(error))}.")
        except Exception as error:  # see above
            log.exception("an upload could not be stored")
            notes.append(f"{code_name(name)} could not be stored: {plain(clause(error))}.")
        else:
            stored += one.stored
            pictures += one.pictures
            notes += one.notes
    cards = await file_cards(session.files, session.scratch, stored)
    return Received(tuple(cards[file.file_id] for file in stored), tuple(pictures), tuple(notes))


class _KeptFile(NamedTuple):
    """What became of one file."""

    stored: tuple[StoredFile, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()


async def _store_one(
    context: Context, session: Session, attachment: nextcord.Attachment, name: str
) -> _KeptFile:
    """Read a file and store it. Raises: as `Session.upload`."""
    data = await read(context, attachment)
    if isinstance(data, str):
        return _KeptFile(notes=(data,))
    stored = await session.upload(name, data)
    picture = Picture((attachment.content_type or "").partition(";")[0], data)
    if picture.mime not in VISIBLE or len(data) > LARGEST:
        return _KeptFile((stored,))
    if not context.picture_room.take(session.record.user_id, picture):
        return _KeptFile((stored,), notes=(f"{code_name(name)} is stored, but {UNSEEN}.",))
    return _KeptFile((stored,), (picture,))


async def read(context: Context, attachment: nextcord.Attachment) -> bytes | str:
    """The file's bytes, or a sentence that says why they cannot be had."""
    limit = context.sessions.files.max_file
    if attachment.size > limit:
        name = code_name(attachment.filename)
        return f"{name} is not stored: over the {human_size(limit)} limit for one file."
    try:
        return await attempt(attachment.read)
    except DiscordRefused as refused:
        log.warning("an attachment could not be read: %s", refused)
        return f"{code_name(attachment.filename)} could not be read from Discord: send it again."
