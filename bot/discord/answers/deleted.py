"""Ends the answers of sessions that are about to be deleted, while it is still noted where they are.

    await end_before_deletion(context, session_ids)

If the bot were killed after the deletion, nobody would know of a message that looks as if its cell still ran.
"""

import asyncio
import logging
from collections.abc import Collection
from datetime import UTC, datetime

from nextcord.utils import time_snowflake

from bot.discord.answers.history import LONGEST_AWAY
from bot.discord.api.retry import unless_refused
from bot.discord.buttons.view import buttons
from bot.discord.context import Context
from bot.discord.format.attachments import Outgoing
from bot.discord.format.progress import end_live_text
from filestore.errors import FileStoreError
from filestore.records import MessageCell

__all__ = ["end_before_deletion"]

log = logging.getLogger(__name__)

LONGEST = 5.0  # seconds for which a deletion waits for live answers, and then for those that were left
NOTE = "This answer was not finished: its cell is deleted, with everything else."


async def end_before_deletion(context: Context, session_ids: Collection[str]) -> None:
    """Wait for the final states of these sessions' answers, whose turns have ended. Raises nothing.

    A message that an earlier program has left, and that nobody shows now, gets one as well.
    """
    for step in (_all_over, _end_left):  # an answer that does not end takes no time from the messages left
        try:
            async with asyncio.timeout(LONGEST):
                await step(context, session_ids)
        except TimeoutError:
            log.warning("answers of deleted sessions have no final state yet")
        except FileStoreError as error:  # then the deletion fails, too
            log.warning("the answers of sessions that are to be deleted are not known: %s", error)
        except Exception:  # whatever Discord has there, the deletion goes on
            log.exception("answers of deleted sessions may look as if their cells ran")


async def _all_over(context: Context, session_ids: Collection[str]) -> None:
    for answer in [one for one in context.live_answers.values() if one.session_id in session_ids]:
        if not answer.late:  # such a one has no button that ends a cell, and goes on as long as its kernel
            await answer.over.wait()


async def _end_left(context: Context, session_ids: Collection[str]) -> None:
    """Raises: FileStoreError."""
    for noted in await _left(context, session_ids):
        with unless_refused("message %d looks as if its cell ran", noted.message_id):
            await _end(context, noted)


async def _left(context: Context, session_ids: Collection[str]) -> list[MessageCell]:
    since = time_snowflake(datetime.now(UTC) - LONGEST_AWAY)
    found = await context.sessions.store.message_cells.going_on(since)
    live = context.live_answers
    return [one for one in found if one.session_id in session_ids and one.message_id not in live]


async def _end(context: Context, noted: MessageCell) -> None:
    """Raises: DiscordRefused."""
    message = await context.destinations.message(noted.channel_id, noted.message_id)
    if message.is_live:
        await message.edit(Outgoing(end_live_text(message.content, NOTE)), buttons(()))
