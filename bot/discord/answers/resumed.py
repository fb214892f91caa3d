"""What comes of a cell without its turn: after a restart of the bot, and after the cell's end.

    resumed = ResumedAnswers(context)

Both go where the cell's message is; where that is gone, to the person's direct messages. Late output comes
as a message of its own, which ends when nothing more has come for a while.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.continuity.earlier_answer import entries_before, reply_of
from bot.discord.answers.answer import LiveAnswer, closed_on_failure
from bot.discord.answers.delivery import delete_message
from bot.discord.answers.ending import uncancelled
from bot.discord.api.destinations import Destination, SentMessage
from bot.discord.api.retry import DiscordRefused
from bot.discord.buttons.ownership import Claimed, record_of
from bot.discord.context import Context
from bot.discord.format.answer import Draft
from bot.reply import GeneratedFile, Reply
from bot.session import Session
from bot.wording.error_messages import sentence
from filestore.errors import FileStoreError, NoSuchFile
from filestore.records import CellRecord, MessageCell, Said, SessionRecord
from kernels.cell.events import Display

__all__ = ["ResumedAnswers"]

log = logging.getLogger(__name__)

NO_MORE = "I was restarted meanwhile: what was to follow this cell was not done. Ask again."
QUIET = 3.0  # seconds without late output, after which its message is finished
LATE_MESSAGES = 5  # of one cell; what comes later is in its record only
REMEMBERED = 1000  # cells whose late messages are counted


class ResumedAnswers:
    """See the module's text."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._resumed: dict[tuple[str, int], tuple[LiveAnswer, Sequence[MessageCell]]] = {}
        self._late: dict[tuple[str, int], asyncio.Queue[Reply]] = {}
        self._told: dict[tuple[str, int], int] = {}

    async def tell_resumed(self, record: SessionRecord, reply: Reply) -> None:
        """Go on with the answer to a cell that the program before us began. Raises nothing."""
        key = (record.session_id, reply.cell)
        if key not in self._resumed:
            self._resumed[key] = await self._again(record, reply.cell)
        live_answer, others = self._resumed[key]
        with closed_on_failure(live_answer):
            await live_answer.tell(reply)
        if reply.result is not None:
            del self._resumed[key]
            end = self._end(live_answer, others)
            self._context.spawn(end, f"the end of cell {reply.cell} of {record.session_id}")

    async def fail_resumed(self, record: SessionRecord, cell: int, error: Exception) -> None:
        """Say what went wrong with such a cell, of which no more comes. Raises nothing."""
        live_answer, _ = self._resumed.pop((record.session_id, cell), (None, ()))
        if live_answer is not None:  # its other messages stay: they alone have what was told before
            end = self._end(live_answer, (), sentence(error))
            self._context.spawn(end, f"the end of cell {cell} of {record.session_id}")

    def tell_late(self, record: SessionRecord, reply: Reply) -> None:
        """Tell what a thread printed or wrote after its cell's end."""
        match reply.event:
            case Display(update=True, display_id=str(name)):
                self._context.show_again(record.session_id, reply.cell + 1, {name})
        key = (record.session_id, reply.cell)
        if key not in self._late:
            if self._told.get(key, 0) >= LATE_MESSAGES or self._context.closing:
                return
            self._told[key] = self._told.pop(key, 0) + 1
            while len(self._told) > REMEMBERED:
                del self._told[next(iter(self._told))]
            self._late[key] = asyncio.Queue()
            self._context.spawn(self._tell_late(record, reply.cell), f"late output of {record.session_id}")
        self._late[key].put_nowait(reply)

    async def _end(self, live_answer: LiveAnswer, others: Sequence[MessageCell], failed: str = "") -> None:
        """Show all of the answer, and then take away the messages in which parts of it were told before."""
        note = f"{failed} {NO_MORE if live_answer.several else ''}".strip()
        if not await live_answer.finish(note):
            return
        for other in others:
            try:
                channel = await self._context.channel(other.channel_id, None)
                await delete_message(await channel.fetch(other.message_id))
            except DiscordRefused as refused:
                log.info("message %d stays: %s", other.message_id, refused)

    async def _again(self, record: SessionRecord, cell: int) -> tuple[LiveAnswer, Sequence[MessageCell]]:
        """The answer as the program before us left it, to go on with, and its messages but for the first.

        Where it is not known how it was left its messages stay as they are, and another one answers them.
        """
        noted = await self._noted(record, cell)
        first = noted[0].first if noted else 0
        draft = self._context.draft()
        begun = await self._take_up(record, cell, first, draft)
        destinations, message = await self._where(record, noted, answering=begun is None)
        live_answer = LiveAnswer(
            self._context,
            record.user_id,
            record.session_id,
            record.place,
            destinations,
            draft,
            message=message,
            cell=cell,
            several=first > 0,
            first=first,
        )
        try:
            with closed_on_failure(live_answer):
                await live_answer.open()
        except DiscordRefused as refused:
            log.error("cell %d of %s is told nowhere: %s", cell, record.session_id, refused)
        if begun is None:
            return live_answer, ()
        live_answer.began(datetime.now(UTC) - begun.started_at)
        return live_answer, noted[1:]

    async def _take_up(self, record: SessionRecord, cell: int, first: int, draft: Draft) -> CellRecord | None:
        """Put into the draft what the answer has said and run, and this cell's code; the cell's record.

        Where not all of that is known nothing is put there, and there is no record.
        """
        session = self._context.sessions.opened(record.session_id)
        claimed = Claimed(record.user_id, record.session_id, record.place, cell)
        try:
            begun = await record_of(self._context, claimed)
            if begun is None or session is None:
                return None
            before = await self._before(session, begun, first) if first else []
        except FileStoreError:
            log.exception("what was told before cell %d of %s is not known", cell, record.session_id)
            return None
        for entry in before:
            draft.add_reply(reply_of(entry, await self._files(session, entry)))
        draft.add_reply(Reply(cell, code=begun.code))
        return begun

    async def _before(self, session: Session, cell: CellRecord, first: int) -> list[Said | CellRecord]:
        """What the answer has told before this cell; a cell with a message of its own is of another one."""
        of_cell = self._context.sessions.store.message_cells.of_cell
        entries = await entries_before(session.transcript, cell, first)
        return [entry for entry in entries if not await of_cell(cell.session_id, entry.seq)]

    async def _files(self, session: Session, entry: Said | CellRecord) -> tuple[GeneratedFile, ...]:
        """What a cell wrote, as far as it is to be found."""
        files = []
        for file_id in entry.file_ids if isinstance(entry, CellRecord) else ():
            try:
                stored = await self._context.sessions.files.find(
                    file_id, session.record.user_id, session.record.session_id
                )
            except NoSuchFile:
                continue
            except FileStoreError:
                log.exception("file %s of cell %d is not shown again", file_id, entry.seq)
                continue
            files.append(session.files.generated(stored))
        return tuple(files)

    async def _tell_late(self, record: SessionRecord, cell: int) -> None:
        key = (record.session_id, cell)
        try:
            destinations, _ = await self._where(record, await self._noted(record, cell), answering=True)
            live_answer = LiveAnswer(
                self._context,
                record.user_id,
                record.session_id,
                record.place,
                destinations,
                self._context.draft(),
                late=True,
            )
            with closed_on_failure(live_answer):
                await live_answer.open()
                try:
                    while (reply := await self._next(key)) is not None:
                        await live_answer.tell(reply)
                except asyncio.CancelledError:
                    if not self._context.closing:
                        raise
                    uncancelled()
        finally:
            del self._late[key]
        await live_answer.finish()

    async def _next(self, key: tuple[str, int]) -> Reply | None:
        try:
            return await asyncio.wait_for(self._late[key].get(), QUIET)
        except TimeoutError:
            return None

    async def _noted(self, record: SessionRecord, cell: int) -> Sequence[MessageCell]:
        """The cell's messages, as they were noted."""
        try:
            return await self._context.sessions.store.message_cells.of_cell(record.session_id, cell)
        except FileStoreError:
            log.exception("the message of cell %d of %s is not known", cell, record.session_id)
            return []

    async def _where(
        self, record: SessionRecord, noted: Sequence[MessageCell], *, answering: bool
    ) -> tuple[Sequence[Destination], SentMessage | None]:
        """Where the noted messages are, and the first of them."""
        direct = self._context.direct(record.user_id)
        if not noted or not noted[0].channel_id:
            return [direct], None
        first = noted[0]
        try:
            reply_to = (first.channel_id, first.message_id)
            channel = await self._context.channel(first.channel_id, reply_to if answering else None)
            message = None if answering else await channel.fetch(first.message_id)
        except DiscordRefused as refused:
            log.info("the message of cell %d of %s: %s", first.seq, record.session_id, refused)
            return [direct], None
        return [channel, direct], message
