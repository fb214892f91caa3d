"""Updates the messages of earlier cells when a later cell has updated a display of theirs.

Nobody waits for these messages. So each person has one task, which edits one message at a time and gives way
to the live answers in the same channel: see `traffic`. What is updated in the meantime is merged, and a
message is made from its displays just before it is edited, so that their last state is always shown in the
end.

An answer of the model, or one of several messages, stays as it was: what its display became is in the answer
of the cell that updated it, and in the notebook.
"""

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Collection
from functools import partial

from bot.continuity.earlier_answer import reply_of
from bot.discord.answers.history import find_file
from bot.discord.answers.undone import MARK
from bot.discord.api.destinations import ChannelMessage
from bot.discord.api.retry import unless_refused
from bot.discord.buttons.view import buttons, finished
from bot.discord.context import Context
from bot.discord.format.attachments import Outgoing, plan
from bot.discord.format.entries import code_block
from bot.discord.format.final import Drawn
from bot.session import Session
from filestore.errors import FileStoreError
from filestore.records import CellRecord, MessageCell
from kernels.cell.display_updates import shown

__all__ = ["UpdatedMessages"]

log = logging.getLogger(__name__)

# The names that we give to files of what a cell shows, see `bot.discord.format.final` and
# `bot.discord.format.fitting`.
OURS = re.compile(
    r"(?:output|words|answer|picture|page|document|drawing|sound|more-files)(?:-\d+)?(?:-part)?(?:\.\w+){1,2}"
)
ONLY_THERE = (
    "-# not kept:",
    "Not recorded",
    "Recorded in short",
    MARK,
)  # what only the message says of its cell
MOST_NAMES = 200  # displays of a session that wait to be shown again; of more, the oldest are not


class _StaleDisplays:
    """The displays of a session that wait to be shown again, each with the number of its latest note."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.before = 0  # they belong to cells before this one
        self.notes = 0
        self.names: dict[str, int] = {}
        self.shown: dict[int, int] = {}  # by cell: the number of notes that its message takes into account
        self._tries = 0
        self._tried: dict[int, int] = {}  # by cell: the number of its latest try, even if that was in vain

    def note(self, cell: int, names: Collection[str]) -> None:
        self.before = max(self.before, cell)
        self.notes += 1
        for name in names:
            self.names.pop(name, None)
            self.names[name] = self.notes
        while len(self.names) > MOST_NAMES:
            del self.names[next(iter(self.names))]

    def next_of(self, records: Collection[CellRecord]) -> CellRecord:
        """The cell with the oldest try, so that one that cannot be shown yet does not hold up the others."""
        record = min(records, key=lambda record: self._tried.get(record.seq, 0))
        self._tries += 1
        self._tried[record.seq] = self._tries
        return record

    def is_stale(self, record: CellRecord) -> bool:
        """Whether the cell's message does not show what it should."""
        seen = self.shown.get(record.seq, 0)
        return any(self.names.get(name, 0) > seen for name in shown(record.outputs))

    def drop_shown(self, records: Collection[CellRecord], notes: int) -> bool:
        """Drop the displays of these cells, none of which is stale; returns whether others are left.

        If the cells have none of the displays, only those are left that were noted after the first `notes`
        notes: the cells were read for those.
        """
        done = {name for record in records for name in shown(record.outputs)} & self.names.keys()
        self.names = {
            name: note for name, note in self.names.items() if name not in done and (done or note > notes)
        }
        return bool(self.names)


class UpdatedMessages:
    """See the module's text. Its tasks are the context's, which waits for them when the bot ends."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stale: dict[int, OrderedDict[str, _StaleDisplays]] = {}  # by person and session
        self._tasks: dict[int, asyncio.Task[None]] = {}  # by person

    def note(self, session_id: str, cell: int, names: Collection[str]) -> None:
        """Update the messages of the cells before `cell` that have these displays, in the background."""
        known = (of[session_id].session for of in self._stale.values() if session_id in of)
        session = self._context.sessions.opened(session_id) or next(known, None)  # it may have been let go
        if session is None:
            return
        user_id = session.record.user_id
        of_person = self._stale.setdefault(user_id, OrderedDict())
        stale = of_person.setdefault(session_id, _StaleDisplays(session))
        stale.session = session
        stale.note(cell, names)
        if user_id not in self._tasks:
            name = f"displays that {user_id} has updated"
            self._tasks[user_id] = self._context.tasks.spawn(self._show_all(user_id), name)

    def forget_person(self, user_id: int) -> None:
        """Update nothing of this person's any more."""
        if user_id in self._tasks:
            self._stale.pop(user_id).clear()
            self._tasks.pop(user_id).cancel()

    async def _show_all(self, user_id: int) -> None:
        self._context.tasks.finishing()
        of_person = self._stale[user_id]
        try:
            while of_person:
                session_id, stale = next(iter(of_person.items()))
                of_person.move_to_end(session_id)  # its turn comes again after the others
                if not await self._show_one(stale) and of_person.get(session_id) is stale:
                    del of_person[session_id]
        except asyncio.CancelledError:
            for session_id in of_person:
                log.warning("not all that %s has updated is shown: its notebook has it", session_id)
            raise
        finally:
            if self._stale.get(user_id) is of_person:
                del self._stale[user_id], self._tasks[user_id]

    async def _show_one(self, stale: _StaleDisplays) -> bool:
        """Edit the message whose last try is longest ago; returns whether there is more to do."""
        notes = stale.notes
        try:
            records = await self._records(stale)
        except FileStoreError:
            log.exception("what %s has updated is not shown", stale.session.record.session_id)
            return stale.notes > notes
        waiting = [record for record in records if stale.is_stale(record)]
        if not waiting:
            return stale.drop_shown(records, notes)
        record = stale.next_of(waiting)
        try:
            notes = await self._show_again(stale, record)
        except Exception:  # whatever is wrong with one, the others are shown
            log.exception("cell %d of %s is not shown as it is now", record.seq, record.session_id)
        stale.shown[record.seq] = max(notes, stale.shown.get(record.seq, 0))
        return True

    async def _records(self, stale: _StaleDisplays) -> list[CellRecord]:
        """The cells whose messages may need an update, as they are now. Raises: FileStoreError."""
        return await stale.session.transcript.displaying(list(stale.names), before=stale.before)

    async def _show_again(self, stale: _StaleDisplays, record: CellRecord) -> int:
        """The number of notes that the message need not be edited for any more. Raises: FileStoreError."""
        context, notes = self._context, stale.notes
        noted = await self._message_of(record)
        if noted is not None:
            draft = context.draft()
            draft.add_reply(reply_of(record))
            drawn = await context.pages.draw(stale.session.record.user_id, draft)  # while others edit there
            with unless_refused("message %d is not updated", noted.message_id):
                async with context.traffic.edit(noted.channel_id):  # that may take a while: all is read again
                    return await self._edit(stale, record.seq, noted, drawn)
        await context.traffic.rest()  # looking for the message cost the database and Discord something, too
        return notes

    async def _message_of(self, record: CellRecord) -> MessageCell | None:
        """The cell's message, if it has just one that is no other cell's. Raises: FileStoreError."""
        noted = await self._context.sessions.store.message_cells.of_cell(record.session_id, record.seq)
        return noted[0] if len(noted) == 1 and not noted[0].first and noted[0].channel_id else None

    async def _edit(self, stale: _StaleDisplays, seq: int, noted: MessageCell, drawn: Drawn) -> int:
        """As `_show_again`, while no other message is edited. Raises: DiscordRefused, FileStoreError."""
        context, notes = self._context, stale.notes
        record = next((now for now in await self._records(stale) if now.seq == seq), None)
        if record is None or noted.message_id in context.live_answers:
            return 0
        if not await context.destinations.may_write(stale.session.record.user_id, noted.channel_id):
            return notes  # nobody speaks there for them: the notebook has it
        message = await context.destinations.message(noted.channel_id, noted.message_id)
        if any(words in message.content for words in ONLY_THERE):
            return notes
        outgoing, kept = await self._make(stale.session, record, message, drawn)
        if outgoing is None:
            return notes
        # Meanwhile the person may have edited their own message, so that this one has a new answer.
        if await self._message_of(record) != noted:
            return notes
        if noted.message_id in context.live_answers:
            return 0
        await message.edit(outgoing, buttons(finished(context.settings)), keep=kept)
        return notes

    async def _make(
        self, session: Session, record: CellRecord, message: ChannelMessage, drawn: Drawn
    ) -> tuple[Outgoing | None, Collection[str]]:
        """The message as it should be, None if one is not enough, and the names of the files that stay.

        Raises: FileStoreError.
        """
        context, user_id = self._context, session.record.user_id
        found = [await find_file(context, session, file_id) for file_id in record.file_ids]
        files = tuple(file for file in found if file is not None)
        code = record.code if message.content.startswith(code_block(record.code)) else None
        draft = context.draft(code)
        draft.add_reply(reply_of(record, files, code=""))
        page = await context.pages.final_page(user_id, draft, known=drawn)
        outgoings = await context.pages.make(user_id, partial(plan, page.parts, page.uploads, context.limits))
        theirs = {file.filename.rpartition("/")[2] for file in files}
        kept = [name for name in message.attached if name in theirs or not OURS.fullmatch(name)]
        return (outgoings[0] if len(outgoings) == 1 else None), kept
