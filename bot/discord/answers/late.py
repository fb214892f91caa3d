"""Shows what a cell prints or writes after its end, in messages that reply to the cell's own message.

Such a message is finished when nothing more has come for a while. Where the person may not write any more,
nothing is shown: the output is in their notebook alone.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from bot.discord.answers.answer import LiveAnswer, closed_on_failure
from bot.discord.answers.ending import uncancelled
from bot.discord.answers.history import destinations_of, messages_of
from bot.discord.context import Context
from bot.reply import Reply
from filestore.records import MessageCell, SessionRecord
from kernels.cell.events import Display

__all__ = ["LateAnswers"]

QUIET = 3.0  # seconds without late output after which its message is finished
REMEMBERED = 1000  # cells whose messages are counted


_Cell = tuple[int, str, int]  # its person, session and number


class _Coming:
    """What comes of one cell, for the message that shows it."""

    def __init__(self) -> None:
        self.replies: asyncio.Queue[Reply] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None  # that shows it
        self.unwanted = False  # its person has had everything deleted

    async def next(self) -> Reply | None:
        """The next reply, or None if there is none for a while."""
        with suppress(TimeoutError):
            return await asyncio.wait_for(self.replies.get(), QUIET)
        return None


class LateAnswers:
    """See the module's text."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._coming: dict[_Cell, _Coming] = {}
        self._sent: dict[_Cell, int] = {}  # messages

    def tell(self, record: SessionRecord, reply: Reply) -> None:
        """Show this in a late message of the cell; an updated display changes its old message, too."""
        match reply.event:
            case Display(update=True, display_id=str(name)):
                self._context.updates.note(record.session_id, reply.cell + 1, {name})
        key = (record.user_id, record.session_id, reply.cell)
        if key not in self._coming:
            most = self._context.bounds.late_messages
            if self._sent.get(key, 0) >= most or self._context.closing:
                return
            self._sent[key] = self._sent.pop(key, 0) + 1
            while len(self._sent) > REMEMBERED:
                del self._sent[next(iter(self._sent))]
            coming = self._coming[key] = _Coming()
            name = f"late output of {record.session_id}"
            coming.task = self._context.tasks.spawn(self._show(record, reply.cell, coming), name)
        self._coming[key].replies.put_nowait(reply)

    def forget_person(self, user_id: int) -> None:
        """Show nothing more of this person's; messages that are there get their final state."""
        for key in [key for key in self._coming if key[0] == user_id]:
            coming = self._coming.pop(key)
            coming.unwanted = True
            if coming.task is not None:
                coming.task.cancel()
        for key in [key for key in self._sent if key[0] == user_id]:
            del self._sent[key]

    async def _show(self, record: SessionRecord, cell: int, coming: "_Coming") -> None:
        key = (record.user_id, record.session_id, cell)
        try:
            noted = await messages_of(self._context, record.session_id, cell)
            if not await self._may_show(record, noted):
                return
            destinations, _ = await destinations_of(self._context, record, noted, reply=True)
            answer = LiveAnswer(
                self._context,
                record.user_id,
                record.place,
                destinations,
                self._context.draft(),
                late=True,
                session_id=record.session_id,
            )
            with closed_on_failure(answer):
                await answer.open()
                try:
                    while (reply := await coming.next()) is not None:
                        if not await self._may_show(record, noted):
                            answer.close()
                            return
                        await answer.tell(reply)
                except asyncio.CancelledError:
                    if not (self._context.closing or coming.unwanted):
                        raise
                    uncancelled()
        finally:
            if self._coming.get(key) is coming:
                del self._coming[key]
        await answer.finish()

    async def _may_show(self, record: SessionRecord, noted: Sequence[MessageCell]) -> bool:
        """Whether the person may still write in the channel of these messages."""
        channel_id = noted[0].channel_id if noted else 0
        return not channel_id or await self._context.destinations.may_write(record.user_id, channel_id)
