"""Messages of earlier cells, shown again when a later cell has updated a display of theirs.

    updated = UpdatedMessages(context)
    updated.note(session_id, cell, names)       # the ids of displays of cells before `cell`, at once
    updated.forget(user_id)                     # nothing of this person's is shown again

Nobody waits for these messages. So each person has one task that edits one of them at a time and gives way
to the answers that move in the same channel: see `traffic`. What is updated meanwhile is merged, and each
message is made from its displays just before it is edited, so that its last state always comes.

An answer of the model, or one of several messages, stays as it was: what its display became is in the answer
of the cell that updated it, and in the notebook.
"""

import asyncio
import logging
import re
from collections.abc import Collection
from functools import partial

from bot.continuity.earlier_answer import reply_of
from bot.discord.answers.answer import FINISHED
from bot.discord.api.destinations import ChannelMessage
from bot.discord.api.retry import DiscordRefused
from bot.discord.context import Context
from bot.discord.format.attachments import Outgoing, plan
from bot.discord.format.entries import code_block
from bot.session import Session
from filestore.errors import FileStoreError, NoSuchFile
from filestore.records import CellRecord, MessageCell
from kernels.cell.display_updates import shown, shows

__all__ = ["UpdatedMessages"]

log = logging.getLogger(__name__)

# The names that we give to what a cell shows, see `bot.discord.format.final` and
# `bot.discord.format.fitting`.
OURS = re.compile(
    r"(?:output|words|answer|picture|page|document|drawing|sound|more-files)(?:-\d+)?(?:-part)?(?:\.\w+){1,2}"
)
ONCE = ("-# not kept:", "Not recorded", "Recorded in short")  # what a message alone says of its cell
MOST_NAMES = 200  # displays of a session that wait to be shown again; beyond them the oldest are not


class _StaleDisplays:
    """What of a session waits to be shown: displays, each with the number of the note that named it last."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.before = 0  # cells before this one have them
        self.notes = 0
        self.names: dict[str, int] = {}
        self.shown: dict[int, int] = {}  # cells, each with the number of notes that its message has seen
        self._tries = 0
        self._tried: dict[int, int] = {}  # cells, each with the number of its last try, also of one in vain

    def note(self, cell: int, names: Collection[str]) -> None:
        self.before = max(self.before, cell)
        self.notes += 1
        for name in names:
            self.names.pop(name, None)
            self.names[name] = self.notes
        while len(self.names) > MOST_NAMES:
            del self.names[next(iter(self.names))]

    def next_of(self, records: Collection[CellRecord]) -> CellRecord:
        """The one whose last try is longest ago: one that cannot be shown yet keeps no other waiting."""
        record = min(records, key=lambda record: self._tried.get(record.seq, 0))
        self._tries += 1
        self._tried[record.seq] = self._tries
        return record

    def stale(self, record: CellRecord) -> bool:
        """Whether its message does not show what it should."""
        seen = self.shown.get(record.seq, 0)
        return shows(record.outputs, {name for name, note in self.names.items() if note > seen})

    def settle(self, records: Collection[CellRecord], notes: int) -> bool:
        """Forget the displays that these cells have, of which none is stale; whether others are left.

        Where none has any, only those are left that came after the first `notes`, for which they were read.
        """
        shown_now = {name for record in records for name in shown(record.outputs)} & self.names.keys()
        self.names = {
            name: note
            for name, note in self.names.items()
            if name not in shown_now and (shown_now or note > notes)
        }
        return bool(self.names)


class UpdatedMessages:
    """See the module's text. Its tasks are the context's, which waits for them when the bot ends."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: dict[int, dict[str, _StaleDisplays]] = {}  # by person and session
        self._tasks: dict[int, asyncio.Task[None]] = {}
        context.forgets.append(self.forget)

    def note(self, session_id: str, cell: int, names: Collection[str]) -> None:
        """Show the messages of the cells before `cell` that have these displays again, by and by."""
        user_id = self._add(session_id, cell, names)
        if user_id is not None and user_id not in self._tasks:
            name = f"displays that {user_id} has updated"
            self._tasks[user_id] = self._context.spawn(self._show_all(user_id), name)

    def forget(self, user_id: int) -> None:
        """Show nothing of this person again."""
        self._waiting.pop(user_id, {}).clear()
        if user_id in self._tasks:
            self._tasks.pop(user_id).cancel()

    def _add(self, session_id: str, cell: int, names: Collection[str]) -> int | None:
        """Merge these displays with what waits. Returns whose they are, None where that is not known."""
        session = self._context.sessions.opened(session_id)
        if session is None:  # let go, as all are when the bot ends
            found = [of[session_id].session for of in self._waiting.values() if session_id in of]
            if not found:
                return None
            session = found[0]
        user_id = session.record.user_id
        of_person = self._waiting.setdefault(user_id, {})
        waiting = of_person.setdefault(session_id, _StaleDisplays(session))
        waiting.session = session
        waiting.note(cell, names)
        return user_id

    async def _show_all(self, user_id: int) -> None:
        self._context.ends()
        of_person = self._waiting[user_id]
        try:
            while of_person:
                session_id, waiting = next(iter(of_person.items()))
                del of_person[session_id]
                of_person[session_id] = waiting  # its turn comes again after the others
                if not await self._show_one(waiting) and of_person.get(session_id) is waiting:
                    del of_person[session_id]
        except asyncio.CancelledError:
            for session_id in of_person:
                log.warning("not all that %s has updated is shown: its notebook has it", session_id)
            raise
        finally:
            if self._waiting.get(user_id) is of_person:
                del self._waiting[user_id], self._tasks[user_id]

    async def _show_one(self, waiting: _StaleDisplays) -> bool:
        """Edit one message, that of which the last try is longest ago; whether there is more to be done."""
        notes = waiting.notes
        try:
            records = await self._records(waiting)
        except FileStoreError:
            log.exception("what %s has updated is not shown", waiting.session.record.session_id)
            return waiting.notes > notes
        stale = [record for record in records if waiting.stale(record)]
        if not stale:
            return waiting.settle(records, notes)
        record = waiting.next_of(stale)
        try:
            notes = await self._show_again(waiting, record)
        except Exception:  # whatever is wrong with one, the others are shown
            log.exception("cell %d of %s is not shown as it is now", record.seq, record.session_id)
        waiting.shown[record.seq] = max(notes, waiting.shown.get(record.seq, 0))
        return True

    async def _records(self, waiting: _StaleDisplays) -> list[CellRecord]:
        """The cells whose messages may have to be shown again, as they are now. Raises: FileStoreError."""
        return await waiting.session.transcript.displaying(list(waiting.names), before=waiting.before)

    async def _show_again(self, waiting: _StaleDisplays, record: CellRecord) -> int:
        """The number of notes up to which the message needs to be shown no more. Raises: FileStoreError."""
        context, notes = self._context, waiting.notes
        noted = await self._message_of(record)
        if noted is not None:
            try:
                async with context.traffic.edit(noted.channel_id):  # which may have waited: all is read again
                    return await self._edit(waiting, record.seq, noted)
            except DiscordRefused as refused:
                log.info("message %d is not shown again: %s", noted.message_id, refused)
        await context.traffic.rest()  # looking for it has cost the database and Discord something, too
        return notes

    async def _message_of(self, record: CellRecord) -> MessageCell | None:
        """The message of this cell, where it has one and that is of no other cell. Raises: FileStoreError."""
        noted = await self._context.sessions.store.message_cells.of_cell(record.session_id, record.seq)
        return noted[0] if len(noted) == 1 and not noted[0].first and noted[0].channel_id else None

    async def _edit(self, waiting: _StaleDisplays, seq: int, noted: MessageCell) -> int:
        """As `_show_again`, in whose lane this happens. Raises: DiscordRefused, FileStoreError."""
        context, notes = self._context, waiting.notes
        record = next((now for now in await self._records(waiting) if now.seq == seq), None)
        if record is None or noted.message_id in context.live_answers:
            return 0
        channel = await context.channel(noted.channel_id, None)
        message = await channel.fetch(noted.message_id)
        if any(words in message.content for words in ONCE):
            return notes
        outgoing, kept = await self._made(waiting.session, record, message)
        if outgoing is None:
            return notes
        # Meanwhile the person may have edited their own message: then this one has a new answer.
        if await self._message_of(record) != noted:
            return notes
        if noted.message_id in context.live_answers:
            return 0
        await message.edit_anew(outgoing, context.buttons(FINISHED), kept)
        return notes

    async def _made(
        self, session: Session, record: CellRecord, message: ChannelMessage
    ) -> tuple[Outgoing | None, Collection[str]]:
        """The message as it should be, None where one is not enough, and the names of the files that stay.

        Raises: FileStoreError.
        """
        context, user_id = self._context, session.record.user_id
        made = context.pages.made
        files = []
        for file_id in record.file_ids:
            try:
                found = await context.sessions.files.find(file_id, user_id, record.session_id)
            except NoSuchFile:
                continue
            files.append(session.files.generated(found))
        code = record.code if message.content.startswith(code_block(record.code)) else None
        draft = context.draft(code)
        draft.add_reply(reply_of(record, tuple(files), code=""))
        wanted = await made(user_id, draft.drawings())
        drawn = await context.renderer.draw(wanted, user_id) if wanted else {}
        page = await made(user_id, draft.final_page(drawn, largest=context.limits.file))
        outgoings = await made(user_id, partial(plan, page.parts, page.uploads, context.limits))
        theirs = {file.filename.rpartition("/")[2] for file in files}
        kept = [name for name in message.attached if name in theirs or not OURS.fullmatch(name)]
        return (outgoings[0] if len(outgoings) == 1 else None), kept
