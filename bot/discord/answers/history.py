"""What the database knows of earlier answers: their messages, cells and files."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from nextcord.utils import time_snowflake

from bot.discord.api.destinations import Destination, SentMessage
from bot.discord.api.retry import unless_refused
from bot.discord.context import Context
from bot.reply import GeneratedFile
from bot.session import Session
from filestore.errors import FileStoreError, NoSuchFile
from filestore.records import CellRecord, MessageCell, SessionRecord

__all__ = ["LONGEST_AWAY", "cell_record", "destinations_of", "find_file", "messages_of"]

log = logging.getLogger(__name__)

LONGEST_AWAY = timedelta(days=1)  # after which nobody waits for an answer


async def cell_record(context: Context, session_id: str, cell: int) -> CellRecord | None:
    """The cell as the transcript has it. Raises: StoreUnavailable."""
    found = await context.sessions.store.transcripts.entries(session_id, after=cell - 1, limit=1, brief=True)
    match found:
        case [CellRecord() as record] if record.seq == cell:
            return record
    return None


async def find_file(context: Context, session: Session, file_id: str) -> GeneratedFile | None:
    """A file that a cell wrote, None if it is not there any more. Raises: FileStoreError."""
    user_id, session_id = session.record.user_id, session.record.session_id
    try:
        return session.files.generated(await context.sessions.files.find(file_id, user_id, session_id))
    except NoSuchFile:
        return None


async def messages_of(context: Context, session_id: str, cell: int, turn: str = "") -> Sequence[MessageCell]:
    """The messages of a cell as they were noted; none if the database cannot say.

    If none was noted, perhaps because the program was killed, those in which this `turn` of its goes on.
    """
    message_cells = context.sessions.store.message_cells
    try:
        noted = await message_cells.of_cell(session_id, cell)
        if noted or not turn:
            return noted
        found = await message_cells.going_on(time_snowflake(datetime.now(UTC) - LONGEST_AWAY))
    except FileStoreError:
        log.exception("the message of cell %d of %s is not known", cell, session_id)
        return []
    return [noted for noted in found if (noted.session_id, noted.turn) == (session_id, turn)]


async def destinations_of(
    context: Context, record: SessionRecord, noted: Sequence[MessageCell], *, reply: bool
) -> tuple[Sequence[Destination], SentMessage | None]:
    """Where to go on with an answer that has these messages, and the first of them to go on in.

    With `reply` a new message answers the first one instead. Where the person may not write any more, that
    goes to their direct messages.
    """
    direct = context.destinations.direct(record.user_id)
    if not noted or not noted[0].channel_id:
        return [direct], None
    channel_id, message_id = noted[0].channel_id, noted[0].message_id
    if not await context.destinations.may_write(record.user_id, channel_id):
        return [direct], None
    with unless_refused("the message of cell %d of %s", noted[0].seq, record.session_id):
        channel = await context.destinations.channel(channel_id, (channel_id, message_id) if reply else None)
        return [channel, direct], None if reply else await channel.fetch(message_id)
    return [direct], None
