"""Ends answers that an earlier program left unfinished, because it was killed.

    left = await unfinished(context, began)         # before cells are resumed: they end their own answers
    await end_unfinished(context, resumed, left)    # afterwards

A cell that had ended is shown from its record. Code that never began is not run now, since its person may
have gone on without it: they are told. What an answer of the model had said is in its message alone. It stays
there, with a sentence below it.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from nextcord.utils import snowflake_time, time_snowflake

from bot.discord.answers.history import LONGEST_AWAY, cell_record, messages_of
from bot.discord.answers.resumed import ResumedAnswers
from bot.discord.api.retry import DiscordRefused, Refusal
from bot.discord.buttons.view import buttons, finished
from bot.discord.context import Context
from bot.discord.failures import EXPECTED
from bot.discord.format.attachments import Outgoing
from bot.discord.format.progress import end_live_text
from bot.wording.cell_messages import NOT_RUN, PERHAPS_RUN
from filestore.records import CellRecord, MessageCell

__all__ = ["end_unfinished", "unfinished"]

log = logging.getLogger(__name__)

FOR_GOOD = {Refusal.MESSAGE_GONE, Refusal.CHANNEL_GONE, Refusal.FORBIDDEN}
NOTE = "I was restarted before this answer was finished. Ask again."
ELSEWHERE = "I was restarted before this answer was finished. The rest is in a direct message."
APART = timedelta(seconds=10)  # by which Discord's clock, which dates messages, and ours may differ
NEWEST = 20  # entries of a transcript that are searched for a cell that was broken off


async def unfinished(context: Context, began: datetime) -> Sequence[MessageCell]:
    """The messages of such answers, newest first, except those whose cell still runs or waits.

    `began` is when this program began: it has sent none of them, unless the clocks differ, and then they are
    its live answers, which `end_unfinished` leaves alone. Raises: FileStoreError.
    """
    since, until = time_snowflake(began - LONGEST_AWAY), time_snowflake(began + APART)
    found = await context.sessions.store.message_cells.going_on(since)
    earlier = [noted for noted in reversed(found) if noted.message_id < until]
    return [noted for noted in earlier if not await _runs(context, noted)]


async def end_unfinished(context: Context, resumed: ResumedAnswers, left: Sequence[MessageCell]) -> None:
    """Show each in a final state, unless it has one. Raises nothing."""
    for noted in left:
        try:
            if await _is_left(context, noted):
                await _end(context, resumed, noted)
        except EXPECTED as error:
            log.warning("message %d is looked at again next time: %s", noted.message_id, error)
        except Exception:  # whatever is wrong with this one, the others must not look live for good
            log.exception("message %d is looked at again next time", noted.message_id)


async def _is_left(context: Context, noted: MessageCell) -> bool:
    """Whether nobody has taken the message up meanwhile, or is about to."""
    session = context.sessions.opened(noted.session_id)
    if noted.message_id in context.live_answers or (session and noted.turn and session.takes(noted.turn)):
        return False
    return await context.sessions.store.message_cells.get(noted.message_id) == noted


async def _end(context: Context, resumed: ResumedAnswers, noted: MessageCell) -> None:
    """Raises: FileStoreError, KernelError, NotOpened."""
    try:
        message = await context.destinations.message(noted.channel_id, noted.message_id)
        ended = noted.seq and not noted.first
        cell = await cell_record(context, noted.session_id, noted.seq) if ended else None
        unshown = message.is_live or not message.has_buttons
        shown = cell is not None and unshown
        if cell is not None and unshown and not await _is_elsewhere(context, noted):
            shown = await _show(context, resumed, cell)
        if noted.message_id in context.live_answers:  # it is shown there, and noted as over then
            return
        if message.is_live:
            note = ELSEWHERE if shown else NOTE if cell or noted.first else await _of_code(context, noted)
            view = buttons(finished(context.settings) if noted.seq else ())
            await message.edit(Outgoing(end_live_text(message.content, note)), view)
    except DiscordRefused as refused:
        log.info("message %d is left as it is: %s", noted.message_id, refused)
        if refused.kind not in FOR_GOOD:  # the next start tries again
            return
    over = replace(noted, first=-noted.first if noted.seq else 0, turn="")  # also where it is gone for good
    await context.sessions.store.message_cells.set(over)


async def _is_elsewhere(context: Context, noted: MessageCell) -> bool:
    """Whether the end of the cell was shown in another message, since its person may not write here."""
    messages = await messages_of(context, noted.session_id, noted.seq)
    return any(other.message_id != noted.message_id and not other.turn for other in messages)


async def _show(context: Context, resumed: ResumedAnswers, cell: CellRecord) -> bool:
    """Show what came of the cell, in its message or, where its person may not write any more, directly.

    Returns False, having shown nothing, if its session does not exist under the present scope.
    """
    record = await context.sessions.store.sessions.get(cell.session_id)
    if record is None or not context.sessions.exists(record):
        return False
    await resumed.show(await context.sessions.of_record(record), cell)
    return True


async def _of_code(context: Context, noted: MessageCell) -> str:
    """What is said of code of which there is no cell that has ended."""
    return PERHAPS_RUN if noted.seq or await _may_have_run(context, noted) else NOT_RUN


async def _may_have_run(context: Context, noted: MessageCell) -> bool:
    """Whether a cell of the session that began after this message was broken off: it may be this one's."""
    since = snowflake_time(noted.message_id) - APART
    newest = await context.sessions.store.transcripts.newest(noted.session_id, limit=NEWEST)
    cells = [entry for entry in newest if isinstance(entry, CellRecord) and entry.started_at >= since]
    return any(cell.status == "died" for cell in cells)


async def _runs(context: Context, noted: MessageCell) -> bool:
    if not noted.seq:
        return False
    record = await cell_record(context, noted.session_id, noted.seq)
    return record is not None and record.status == "running"
