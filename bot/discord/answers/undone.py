"""Marks the messages of cells that are undone, and takes the marks away when they count again.

Nobody waits for these edits, and each gives way to the live answers of its channel (see `traffic`). So only
the messages of a few cells are marked; what a cell's message does not say, `/undo` has said itself.
"""

import logging
from collections.abc import Collection

from bot.continuity.undo.undone import Undone
from bot.discord.answers.history import messages_of
from bot.discord.api.retry import unless_refused
from bot.discord.buttons.view import buttons, finished
from bot.discord.context import Context
from bot.discord.format.attachments import Outgoing
from bot.discord.format.split import LONGEST, length
from bot.session import Session
from filestore.records import MessageCell

__all__ = ["MARK", "begin_marking"]

log = logging.getLogger(__name__)

MARK = "-# undone"
MOST_MARKED = 5  # cells, the newest ones, whose messages are edited


def begin_marking(context: Context, session: Session, told: Undone) -> None:
    """Show in the background which cells are undone now, and which count again."""
    if told.cells or told.again:
        name = f"marks of undone cells of {session.record.session_id}"
        context.tasks.spawn(_mark_all(context, session, told), name)


async def _mark_all(context: Context, session: Session, told: Undone) -> None:
    for cells, undone in ((told.cells, True), (told.again, False)):
        for seq in cells[-MOST_MARKED:]:
            noted = await messages_of(context, session.record.session_id, seq)
            if noted and noted[-1].channel_id and _is_of(noted[-1], cells):
                with unless_refused("message %d is not marked", noted[-1].message_id):
                    await _mark(context, session, noted[-1], undone=undone)


def _is_of(noted: MessageCell, cells: Collection[int]) -> bool:
    """Whether the message shows these cells alone; an answer of the model may have others, too."""
    return not noted.first or abs(noted.first) in cells


async def _mark(context: Context, session: Session, noted: MessageCell, *, undone: bool) -> None:
    """Raises: DiscordRefused."""
    async with context.traffic.edit(noted.channel_id):
        if not await context.destinations.may_write(session.record.user_id, noted.channel_id):
            return
        message = await context.destinations.message(noted.channel_id, noted.message_id)
        bare = message.content.removesuffix(f"\n{MARK}")
        text = f"{bare}\n{MARK}" if undone else bare
        if text == message.content or length(text) > LONGEST or noted.message_id in context.live_answers:
            return
        await message.edit(Outgoing(text), buttons(finished(context.settings)))
