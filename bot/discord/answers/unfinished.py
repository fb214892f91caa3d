"""Ends answers of the model that an earlier program left unfinished.

    left = await unfinished(context, began)         # before cells are resumed: they end their own answers
    await end_unfinished(context, left)

What such an answer had said is in its message alone. It stays there, with a sentence below it.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from nextcord.utils import time_snowflake

from bot.discord.answers.history import cell_record
from bot.discord.api.retry import DiscordRefused, Refusal
from bot.discord.buttons.view import FINISHED, buttons
from bot.discord.context import Context
from bot.discord.format.attachments import Outgoing
from bot.discord.format.progress import end_live_text
from filestore.errors import FileStoreError
from filestore.records import MessageCell

__all__ = ["end_unfinished", "unfinished"]

log = logging.getLogger(__name__)

LONGEST_AWAY = timedelta(days=1)  # after which nobody waits for an answer
FOR_GOOD = {Refusal.MESSAGE_GONE, Refusal.CHANNEL_GONE, Refusal.FORBIDDEN}
NOTE = "I was restarted before this answer was finished. Ask again."


async def unfinished(context: Context, began: datetime) -> Sequence[MessageCell]:
    """The messages of such answers, newest first, except those whose cell still runs or waits.

    `began` is when this program began: it has sent none of them. Raises: FileStoreError.
    """
    since, until = time_snowflake(began - LONGEST_AWAY), time_snowflake(began)
    found = await context.sessions.store.message_cells.going_on(since)
    earlier = [noted for noted in reversed(found) if noted.message_id < until]
    return [noted for noted in earlier if not await _runs(context, noted)]


async def end_unfinished(context: Context, left: Sequence[MessageCell]) -> None:
    """Show each in a final state, unless it has one. Raises nothing of Discord's or the database's."""
    for noted in left:
        if noted.message_id in context.live_answers:
            continue
        try:
            message = await context.destinations.message(noted.channel_id, noted.message_id)
            if message.is_live:
                view = buttons(FINISHED if noted.seq else ())
                await message.edit(Outgoing(end_live_text(message.content, NOTE)), view)
        except DiscordRefused as refused:
            log.info("message %d is left as it is: %s", noted.message_id, refused)
            if refused.kind not in FOR_GOOD:  # the next start tries again
                continue
        try:
            if await context.sessions.store.message_cells.get(noted.message_id) == noted:
                over = replace(noted, first=-noted.first if noted.seq else 0)
                await context.sessions.store.message_cells.set(over)
        except FileStoreError as error:
            log.warning("message %d is looked at again next time: %s", noted.message_id, error)


async def _runs(context: Context, noted: MessageCell) -> bool:
    if not noted.seq:
        return False
    record = await cell_record(context, noted.session_id, noted.seq)
    return record is not None and record.status == "running"
