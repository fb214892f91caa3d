"""Goes on with the answers to cells that an earlier program began.

An answer goes on where its messages are or, if they are gone, in the person's direct messages.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.continuity.earlier_answer import entries_before, reply_of
from bot.discord.answers.answer import LiveAnswer, closed_on_failure
from bot.discord.answers.delivery import delete_message
from bot.discord.answers.ending import restarting
from bot.discord.answers.history import cell_record, destinations_of, find_file, messages_of
from bot.discord.api.retry import DiscordRefused, unless_refused
from bot.discord.context import Context
from bot.discord.format.answer import Draft
from bot.reply import GeneratedFile, Reply
from bot.request import new_turn
from bot.session import Session
from bot.wording.error_messages import sentence
from filestore.errors import FileStoreError
from filestore.records import CellRecord, MessageCell, Said, SessionRecord

__all__ = ["ResumedAnswers"]

log = logging.getLogger(__name__)

NO_MORE = "I was restarted meanwhile: what was to follow this cell was not done. Ask again."


class ResumedAnswers:
    """See the module's text."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # By session and cell, each with the other messages in which it was shown before:
        self._answers: dict[tuple[str, int], tuple[LiveAnswer, Sequence[MessageCell]]] = {}

    async def tell(self, record: SessionRecord, reply: Reply) -> None:
        """Go on with the answer to a cell that an earlier program began. Raises nothing."""
        key = (record.session_id, reply.cell)
        if key not in self._answers:
            self._answers[key] = await self._take_over(record, reply.cell, reply.turn)
        answer, others = self._answers[key]
        with closed_on_failure(answer):
            await answer.tell(reply)
        if reply.result is not None:
            del self._answers[key]
            self._finish(answer, others, NO_MORE if answer.several else "")

    async def show(self, session: Session, cell: CellRecord) -> None:
        """Show the end of a cell from its record: no program has shown it. Raises: FileStoreError."""
        whole = await session.transcript.whole(cell)
        await self.tell(session.record, reply_of(whole, await self._files(session, whole), code=""))

    async def fail(self, record: SessionRecord, cell: int, error: Exception) -> None:
        """Say what went wrong with such a cell, from which nothing more comes. Raises nothing."""
        answer, _ = self._answers.pop((record.session_id, cell), (None, ()))
        if answer is not None:  # its other messages stay: they alone have what was shown before
            self._finish(answer, (), f"{sentence(error)} {NO_MORE if answer.several else ''}".strip())

    def close(self) -> None:
        """Finish all of them with the sentence that the bot is being restarted."""
        for answer, others in self._answers.values():
            self._finish(answer, others, restarting(self._context, answer))
        self._answers.clear()

    def _finish(self, answer: LiveAnswer, others: Sequence[MessageCell], note: str) -> None:
        work = self._replace_all(answer, others, note)
        self._context.tasks.spawn(work, f"the end of cell {answer.cell} of {answer.session_id}")

    async def _replace_all(self, answer: LiveAnswer, others: Sequence[MessageCell], note: str) -> None:
        """Show the whole answer, then delete the messages in which parts of it were shown before."""
        if not await answer.finish(note):
            return
        for other in others:
            with unless_refused("message %d stays", other.message_id):
                await delete_message(
                    await self._context.destinations.message(other.channel_id, other.message_id)
                )

    async def _take_over(
        self, record: SessionRecord, cell: int, turn: str
    ) -> tuple[LiveAnswer, Sequence[MessageCell]]:
        """The answer as the earlier program left it, and its messages after the first.

        If it is not known how it was left, its messages stay as they are and a new one replies to them.
        """
        noted = await messages_of(self._context, record.session_id, cell, turn)
        first = noted[0].first if noted else 0
        draft = self._context.draft()
        begun = await self._fill(draft, record, cell, first)
        destinations, message = await destinations_of(self._context, record, noted, reply=begun is None)
        answer = LiveAnswer(
            self._context,
            record.user_id,
            record.place,
            destinations,
            draft,
            turn=turn or new_turn(),
            message=message,
            cell=cell,
            several=first > 0,
            first=first,
            session_id=record.session_id,
        )
        try:
            with closed_on_failure(answer):
                await answer.open()
        except DiscordRefused as refused:
            log.error("cell %d of %s can be shown nowhere: %s", cell, record.session_id, refused)
        except asyncio.CancelledError:
            if self._context.closing and message is not None:  # it may have been made live just now
                self._finish(answer, noted[1:], restarting(self._context, answer))
            raise
        if begun is None:
            return answer, ()
        answer.began(datetime.now(UTC) - begun.started_at)
        return answer, noted[1:]

    async def _fill(self, draft: Draft, record: SessionRecord, cell: int, first: int) -> CellRecord | None:
        """Add to the draft what the answer has said and run, and this cell's code; returns the cell's record.

        If not all of that is known, nothing is added, and there is no record.
        """
        session = self._context.sessions.opened(record.session_id)
        try:
            begun = await cell_record(self._context, record.session_id, cell)
            if begun is None or session is None:
                return None
            before = await self._before(session, begun, first) if first else []
        except FileStoreError:
            log.exception("what was shown before cell %d of %s is not known", cell, record.session_id)
            return None
        for entry in before:
            draft.add_reply(reply_of(entry, await self._files(session, entry)))
        draft.add_reply(Reply(cell, code=begun.code))
        return begun

    async def _before(self, session: Session, cell: CellRecord, first: int) -> list[Said | CellRecord]:
        """What the answer showed before this cell. A cell with a message of its own is another answer's."""
        of_cell = self._context.sessions.store.message_cells.of_cell
        entries = await entries_before(session.transcript, cell, first)
        return [entry for entry in entries if not await of_cell(cell.session_id, entry.seq)]

    async def _files(self, session: Session, entry: Said | CellRecord) -> tuple[GeneratedFile, ...]:
        """The files that a cell wrote, as far as they can be found."""
        files = []
        for file_id in entry.file_ids if isinstance(entry, CellRecord) else ():
            try:
                files.append(await find_file(self._context, session, file_id))
            except FileStoreError:
                log.exception("file %s of cell %d is not shown again", file_id, entry.seq)
        return tuple(file for file in files if file is not None)
