"""Who owns an answer, also after a restart, and whether somebody may use its buttons."""

import logging
from dataclasses import dataclass

from bot.discord.answers.answer import LiveAnswer
from bot.discord.api.interactions import Interaction, give_back, privately, user_of
from bot.discord.context import Context
from bot.session import Session
from bot.wording.error_messages import sentence
from filestore.errors import FileStoreError

__all__ = ["OwnAnswer", "cell_of", "claimed", "session_of"]

log = logging.getLogger(__name__)

FOREIGN = "Only the person whose cell this is can use these buttons. Send me code, and you get your own."
FORGOTTEN = "I do not know this cell any more."


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """A person's own answer: its session, its cell (0 if none has begun), and the answer while it is live."""

    user_id: int
    session_id: str
    place: str
    seq: int
    answer: LiveAnswer | None = None


async def claimed(context: Context, interaction: Interaction, typed: str = "") -> OwnAnswer | None:
    """The answer whose button was clicked, if it is this person's; otherwise they are told that it is not.

    `typed` is what they typed into a form; they get it back if the answer cannot be found.
    """
    message = interaction.message
    if message is None:
        return None
    try:
        cell = await cell_of(context, message.id)
    except FileStoreError as error:
        log.exception("the owner of message %d is not known", message.id)
        await give_back(interaction, sentence(error), typed)
        return None
    if cell is None:
        await give_back(interaction, FORGOTTEN, typed)
        return None
    if cell.user_id != user_of(interaction).id:
        await privately(interaction, FOREIGN)
        return None
    return cell


async def session_of(context: Context, cell: OwnAnswer) -> Session:
    """The answer's session, even if its place shows another one now. Raises: as `Sessions.session`."""
    record = await context.sessions.store.sessions.get(cell.session_id)
    if record is None:  # it was deleted
        return await context.sessions.session(cell.user_id, cell.place)
    return await context.sessions.of_record(record)


async def cell_of(context: Context, message_id: int) -> OwnAnswer | None:
    """Whose a message is, and its cell; None if that is not known. Raises: StoreUnavailable."""
    answer: LiveAnswer | None = context.live_answers.get(message_id)
    if answer is not None:
        return OwnAnswer(answer.user_id, answer.session_id, answer.place, answer.cell, answer)
    noted = await context.sessions.store.message_cells.get(message_id)
    record = await context.sessions.store.sessions.get(noted.session_id) if noted else None
    if noted is None or record is None:
        return None
    return OwnAnswer(record.user_id, record.session_id, record.place, noted.seq)
