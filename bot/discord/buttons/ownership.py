"""Whose a message of ours is, also after a restart, and whether somebody may use its buttons.

cell = await claimed(context, interaction)     # None, and the person has been told why
"""

import logging
from dataclasses import dataclass

from bot.discord.answers.answer import LiveAnswer
from bot.discord.api.interactions import Interaction, give_back, privately
from bot.discord.context import Context
from bot.wording.error_messages import sentence
from filestore.errors import FileStoreError
from filestore.records import CellRecord

__all__ = ["Claimed", "cell_of", "claimed", "record_of"]

log = logging.getLogger(__name__)

FOREIGN = "These buttons are for the person whose cell this is. Send me code of your own, and you get yours."
FORGOTTEN = "I do not know this cell any more."


@dataclass(frozen=True, slots=True)
class Claimed:
    """A person's own answer: its session, its cell (0: none has begun), and the answer while it is live."""

    user_id: int
    session_id: str
    place: str
    seq: int
    live_answer: LiveAnswer | None = None


async def claimed(context: Context, interaction: Interaction, typed: str = "") -> Claimed | None:
    """What the buttons of the clicked message mean, if they are this person's; else they are told so.

    `typed` is what they have typed into a window, and get back where their cell cannot be found.
    """
    message, user = interaction.message, interaction.user
    if message is None or user is None:
        return None
    try:
        cell = await cell_of(context, message.id)
    except FileStoreError as error:
        log.exception("nobody knows whose message %d is", message.id)
        await give_back(interaction, sentence(error), typed)
        return None
    if cell is None:
        await give_back(interaction, FORGOTTEN, typed)
        return None
    if cell.user_id != user.id:
        await privately(interaction, FOREIGN)
        return None
    return cell


async def cell_of(context: Context, message_id: int) -> Claimed | None:
    """Whose a message is, and its cell; None where nobody knows. Raises: StoreUnavailable."""
    live_answer = context.live_answers.get(message_id)
    if live_answer is not None:
        return Claimed(
            live_answer.user_id, live_answer.session_id, live_answer.place, live_answer.cell, live_answer
        )
    noted = await context.sessions.store.message_cells.get(message_id)
    record = await context.sessions.store.sessions.get(noted.session_id) if noted else None
    if noted is None or record is None:
        return None
    return Claimed(record.user_id, record.session_id, record.place, noted.seq)


async def record_of(context: Context, cell: Claimed) -> CellRecord | None:
    """The cell as the transcript has it. Raises: StoreUnavailable."""
    found = await context.sessions.store.transcripts.entries(
        cell.session_id, after=cell.seq - 1, limit=1, brief=True
    )
    match found:
        case [CellRecord() as record] if record.seq == cell.seq:
            return record
    return None
