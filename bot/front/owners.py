"""Whose a message of ours is, also after a restart, and whether somebody may use its buttons.

cell = await claimed(desk, interaction)     # None, and the person has been told why
"""

import logging
from dataclasses import dataclass

from bot.front.desk import Desk
from bot.front.interaction import Interaction, privately
from bot.front.showing import Showing
from filestore.errors import FileStoreError
from filestore.records import CellRecord, SessionRecord

__all__ = ["Claimed", "claimed", "record_of"]

log = logging.getLogger(__name__)

FOREIGN = "These buttons are for the person whose cell this is. Send me code of your own, and you get yours."
FORGOTTEN = "I do not know this cell any more."
NO_DATABASE = "The database cannot be reached just now; try again in a moment."


@dataclass(frozen=True, slots=True)
class Claimed:
    """A person's own answer: its session, its cell (0: none has begun), and the showing while it goes on."""

    user_id: int
    session_id: str
    place: str
    seq: int
    showing: Showing | None = None


async def claimed(desk: Desk, interaction: Interaction) -> Claimed | None:
    """What the buttons of the clicked message mean, if they are this person's; else they are told so."""
    message, user = interaction.message, interaction.user
    if message is None or user is None:
        return None
    showing = desk.showings.get(message.id)
    if showing is not None:
        if showing.user_id == user.id:
            return Claimed(user.id, showing.session_id, showing.place, showing.cell, showing)
        await privately(interaction, FOREIGN)
        return None
    try:
        record, seq = await _noted(desk, message.id)
    except FileStoreError:
        log.exception("nobody knows whose message %d is", message.id)
        await privately(interaction, NO_DATABASE)
        return None
    if record is None:
        await privately(interaction, FORGOTTEN)
        return None
    if record.user_id != user.id:
        await privately(interaction, FOREIGN)
        return None
    return Claimed(user.id, record.session_id, record.place, seq)


async def record_of(desk: Desk, cell: Claimed) -> CellRecord | None:
    """The cell as the transcript has it. Raises: StoreUnavailable."""
    found = await desk.sessions.store.transcripts.entries(cell.session_id, after=cell.seq - 1, limit=1)
    match found:
        case [CellRecord() as record] if record.seq == cell.seq:
            return record
    return None


async def _noted(desk: Desk, message_id: int) -> tuple[SessionRecord | None, int]:
    noted = await desk.sessions.store.message_cells.get(message_id)
    if noted is None:
        return None, 0
    return await desk.sessions.store.sessions.get(noted.session_id), noted.seq
