"""Messages of earlier cells, shown again when a later cell has updated a display of theirs.

    await show_updated(desk, session_id, cell, names)       # the ids of the displays that `cell` has updated

An answer of the model, or one of several messages, stays as it was: what its display became is in the answer
of the cell that updated it, and in the notebook.
"""

import logging
import re
from collections.abc import Collection
from functools import partial

from bot.delivery import plan
from bot.earlier import told
from bot.front.calls import Refused
from bot.front.desk import Desk
from bot.front.outlets import ChannelPost
from bot.session import Session
from bot.written import code_block
from filestore.errors import FileStoreError, NoSuchFile
from filestore.records import CellRecord

__all__ = ["show_updated"]

log = logging.getLogger(__name__)

# The names that we give to what a cell shows, see `bot.settled` and `bot.fitting`.
OURS = re.compile(
    r"(?:output|words|answer|picture|page|document|drawing|sound|more-files)(?:-\d+)?(?:-part)?(?:\.\w+){1,2}"
)
ONCE = ("-# not kept:", "Not recorded", "Recorded in short")  # what a message alone says of its cell


async def show_updated(
    desk: Desk, session_id: str, cell: int, names: Collection[str], buttons: tuple[str, ...]
) -> None:
    """Edit the messages of the cells before `cell` that have these displays. Raises nothing."""
    session = desk.sessions.opened(session_id)
    if session is None:
        return
    # One after the other, and read in its turn: else what an earlier update has read could be shown last.
    async with desk.updating.one(session.record.user_id, session_id):
        try:
            records = await session.transcript.displaying(names, before=cell)
        except FileStoreError:
            log.exception("what cell %d of %s has updated is not shown", cell, session_id)
            return
        for record in records:
            try:
                await _show_again(desk, session, record, buttons)
            except Exception:  # whatever is wrong with one, the others are shown
                log.exception("cell %d of %s is not shown as it is now", record.seq, session_id)


async def _show_again(desk: Desk, session: Session, record: CellRecord, buttons: tuple[str, ...]) -> None:
    noted = await desk.sessions.store.message_cells.of_cell(record.session_id, record.seq)
    if len(noted) != 1 or noted[0].first or not noted[0].channel_id or noted[0].message_id in desk.showings:
        return
    try:
        channel = await desk.channel(noted[0].channel_id, None)
        post = await channel.fetch(noted[0].message_id)
        if not any(words in post.content for words in ONCE):
            await _edit(desk, session, record, buttons, post)
    except Refused as refused:
        log.info("message %d is not shown again: %s", noted[0].message_id, refused)


async def _edit(
    desk: Desk, session: Session, record: CellRecord, buttons: tuple[str, ...], post: ChannelPost
) -> None:
    """Raises: Refused, FileStoreError."""
    user_id, made = session.record.user_id, desk.pages.made
    files = []
    for file_id in record.file_ids:
        try:
            found = await desk.sessions.files.find(file_id, session.record.user_id, record.session_id)
        except NoSuchFile:
            continue
        files.append(session.files.generated(found))
    code = record.code if post.content.startswith(code_block(record.code)) else None
    draft = desk.draft(code)
    draft.add(told(record, tuple(files), code=""))
    wanted = await made(user_id, draft.drawings())
    drawn = await desk.studio.draw(wanted, user_id) if wanted else {}
    page = await made(user_id, draft.last(drawn, largest=desk.limits.file))
    outgoings = await made(user_id, partial(plan, page.parts, page.uploads, desk.limits))
    if len(outgoings) == 1:
        theirs = {file.filename.rpartition("/")[2] for file in files}
        kept = [name for name in post.attached if name in theirs or not OURS.fullmatch(name)]
        await post.edit_anew(outgoings[0], desk.buttons(buttons), kept)
