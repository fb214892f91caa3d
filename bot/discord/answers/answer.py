"""One answer on Discord, from its first message to its last state, whatever is told meanwhile.

    live_answer = LiveAnswer(context, user_id, destinations, draft)
    await live_answer.open()
    await live_answer.tell(reply)                   # every Reply of the turn
    await live_answer.finish(note)                  # pictures are drawn, files sent, buttons set
    with closed_on_failure(live_answer): ...        # around all before `finish`

The cell's message is noted as soon as its cell is known, so that buttons work after a restart and a bot that
comes back finds where to tell the rest.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from bot.continuity.losses import merge_losses
from bot.discord.answers.delivery import Delivery
from bot.discord.answers.live_message import LiveMessage, MessageLook
from bot.discord.api.destinations import Destination, SentMessage
from bot.discord.api.retry import DiscordRefused
from bot.discord.context import Context
from bot.discord.format.answer import AnswerPage, Draft
from bot.discord.format.attachments import Outgoing, Upload
from bot.errors import NothingRuns
from bot.reply import ExecutionResult, GeneratedFile, Reply
from bot.session import ModelTurn
from filestore.errors import FileStoreError
from filestore.records import MessageCell
from kernels.cell.display_updates import updated_ids
from kernels.cell.events import Queued, Restarted

__all__ = ["FINISHED", "LiveAnswer", "closed_on_failure"]

log = logging.getLogger(__name__)

UNSHOWABLE = "This answer could not be shown, which is our fault. Your notebook has all of it."
NONE_YET = 1  # instead of its first cell's number, of an answer that has none
FINISHED = ("rerun", "edit", "notebook", "files")


class LiveAnswer:
    """See the module's text. The destinations are tried in order; `message` is one of ours to take over.

    With `late` all that is told comes after its cell's end, and there is nothing to stop. With `several` more
    may follow a cell, as in every turn of the model; `first` is the first of its cells that there was.
    """

    def __init__(
        self,
        context: Context,
        user_id: int,
        session_id: str,
        place: str,
        destinations: Sequence[Destination],
        draft: Draft,
        *,
        message: SentMessage | None = None,
        cell: int = 0,
        asked: ModelTurn | None = None,
        late: bool = False,
        several: bool = False,
        first: int = 0,
    ) -> None:
        self.user_id = user_id
        self.session_id = session_id
        self.place = place
        self.draft = draft
        self.cell = cell  # the one told last
        self.runs = cell > 0  # it has no result yet
        self.asked = asked  # the turn of the model, if it is one
        self.several = several or asked is not None
        self._first = first
        self._late = late
        self._stopped: bool | None = None  # before a cell was known that could be: whether with `kill`
        self.kept = False  # one of its cells runs on, because the person wanted it
        self._context = context
        self._destinations = list(destinations)
        self._message = message
        self._messages: list[SentMessage] = []
        self._moves_in: int | None = None  # the channel, while it is not in its last state
        self._live: LiveMessage | None = None
        self._updated: set[str] = set()  # displays of which cells before `_before` have shown something else
        self._before = 0
        self._asks_to_keep = False
        self._bell: asyncio.TimerHandle | None = None
        self._lost: Restarted | None = None  # what it tells of kernels that are gone

    async def open(self) -> None:
        """Send the first message, to the first destination that takes it. Raises: DiscordRefused."""
        while True:
            self._hold()  # before the message that is taken over changes: nobody else edits it from here on
            live = LiveMessage(
                self._destinations[0],
                self._look,
                self._context.buttons,
                pace=self._context.pace,
                message=self._message,
            )
            try:
                await live.open()
            except DiscordRefused as refused:
                log.info("an answer begins elsewhere: %s", refused)
                self._let_go()
                if self._message is not None:
                    self._message = None
                elif len(self._destinations) > 1:
                    del self._destinations[0]
                else:
                    raise
            else:
                break
        self._live = live
        self._message = live.message
        self._hold()
        await self.note()

    def _hold(self) -> None:
        """The message is this answer's, and moves, until `_let_go`."""
        if self._message is not None and self._moves_in is None:
            self._context.live_answers[self._message.message_id] = self
            self._moves_in = self._message.channel_id
            self._context.traffic.begin(self._moves_in)

    def _let_go(self) -> None:
        if self._message is not None and self._context.live_answers.get(self._message.message_id) is self:
            del self._context.live_answers[self._message.message_id]
        if self._moves_in is not None:
            self._context.traffic.end(self._moves_in)
            self._moves_in = None

    def close(self) -> None:
        """Leave the message as it is; others may edit it from now on."""
        self._silence()
        if self._live is not None:
            self._live.close()
        self._let_go()

    async def tell(self, reply: Reply) -> None:
        """Take in what is told of the turn."""
        if reply.cell and reply.cell != self.cell and not reply.late:
            self.cell, self.runs = reply.cell, True
            self._first = self._first or reply.cell
            self._set_bell()
            await self.note()
            if self._stopped is not None:
                await self.stop(kill=self._stopped)
        match reply:
            case Reply(event=Restarted() as restarted):
                self._lost = merge_losses(self._lost, restarted)
            case Reply(event=Queued(position=0)):
                self._set_bell()
            case Reply(event=Queued()):
                self._silence()
            case Reply(result=ExecutionResult() as result):
                self.runs = False
                self._silence()
                self._note_updated(updated_ids(result.outputs), reply.cell)
        self.draft.add_reply(reply)
        self.touch()

    def _note_updated(self, names: set[str], before: int) -> None:
        self._updated |= names
        self._before = max(self._before, before)

    def touch(self) -> None:
        """Something is to be seen."""
        if self._live is not None:
            self._live.touch()

    async def finish(self, note: str = "") -> bool:
        """Show the last state, in as many messages as it takes. Raises nothing.

        Returns whether all of it is there.
        """
        self._silence()
        self._context.ends()
        try:
            last = await self._last(note)
            page = last or AnswerPage((UNSHOWABLE,))
            uploads = [*page.uploads, *await self._read(page.files)]
            message = await self._stop()
            view = self._context.buttons(FINISHED) if self.cell else None
            delivery = Delivery(self._destinations, self._context.limits, self._made)
            self._messages, is_whole = await delivery.put(page.parts, uploads, view, message)
            await self._note(self._messages, is_over=not self.runs)
            await self._ping()
            if self._updated:
                self._context.show_again(self.session_id, self._before, self._updated)
            is_whole &= last is not None
            if not is_whole and self._lost is not None:
                await self._context.sessions.tell_again(self.session_id, self._lost)
            return is_whole
        finally:
            self.close()

    async def note(self) -> None:
        """Note whose the message is, and that the answer goes on, once its session is known."""
        await self._note([self._message])

    async def _last(self, note: str) -> AnswerPage | None:
        try:
            to_draw = await self._made(self.draft.drawings())
            drawn = await self._context.renderer.draw(to_draw, self.user_id) if to_draw else {}
            return await self._made(
                self.draft.final_page(drawn, note=note, largest=self._context.limits.file)
            )
        except Exception:  # whatever a stranger's output does to us, the message gets a last state
            log.exception("the answer of cell %d of %s cannot be shown", self.cell, self.session_id)
            return None

    async def stop(self, *, kill: bool = False) -> None:
        """Stop the turn; nothing happens when it is over. Raises: StoreUnavailable, KernelError.

        A cell that does not stop is asked about; with `kill` its kernel is killed.
        """
        if self.asked is not None:
            await self.asked.stop(kill=kill)
            return
        self._stopped = None if self.cell else kill or bool(self._stopped)  # a kill stays one
        session = self._context.sessions.opened(self.session_id)
        try:
            if session is not None:
                await session.stop_cell(self.cell, kill=kill)
        except NothingRuns:
            return

    @property
    def message_ids(self) -> tuple[tuple[int, int], ...]:
        """The messages of the finished answer, in order: each its channel's id, and its own."""
        return tuple((message.channel_id, message.message_id) for message in self._messages)

    def began(self, ago: timedelta) -> None:
        """The cell began so long ago, in a program before us."""
        self._set_bell(ago)

    def keep_running(self) -> None:
        """The person wants the cell to go on."""
        self.kept, self._asks_to_keep = True, False
        self.touch()

    def decided(self) -> None:
        """The person has said what is to be done about a cell that does not stop."""
        self.draft.decided()
        self.touch()

    async def _made[T](self, work: Callable[[], T]) -> T:
        """The page, or another piece of an answer, made where it holds up nobody."""
        return await self._context.pages.made(self.user_id, work)

    async def _look(self) -> MessageLook:
        buttons = [] if self._late else ["stop"]
        if self.draft.unstopped is not None:
            buttons = ["wait", "kill"]
        if self.draft.question is not None:
            buttons.append("answer")
        if self._asks_to_keep:
            buttons.append("keep")
        page = await self._made(self.draft.live_page(now=self._context.clock()))
        return MessageLook(page.parts[0], tuple(buttons))

    async def _stop(self) -> SentMessage | None:
        if self._live is None:
            return self._message
        await self._live.stop()
        return self._live.message

    async def _read(self, files: Iterable[GeneratedFile]) -> list[Upload]:
        """The files that may be sent along; the text names the rest with their ids."""
        uploads: list[Upload] = []
        room = self._context.limits.request * self._context.limits.messages
        for file in files:
            if file.size > min(self._context.limits.file, room):
                continue
            try:
                data = await file.data()
            except FileStoreError as error:  # deleted or expired just now
                log.info("file %s is not sent: %s", file.file_id, error)
                continue
            room -= len(data)
            uploads.append(Upload(file.filename, data, file_id=file.file_id))
        return uploads

    async def _note(self, messages: Sequence[SentMessage | None], *, is_over: bool = False) -> None:
        forgotten = self._context.sessions.opened(self.session_id) is None and not self._context.closing
        if not (self.cell or self.asked) or forgotten:
            return
        first = (self._first or NONE_YET) if self.several else 0
        if is_over:
            first = -first if self.cell else 0
        for message in messages:
            if message is None:
                continue
            noted = MessageCell(message.message_id, self.session_id, self.cell, message.channel_id, first)
            try:
                await self._context.sessions.store.message_cells.set(noted)
            except FileStoreError:
                log.exception("the buttons of message %d will not find their cell", message.message_id)

    async def _ping(self) -> None:
        """Tell the person who kept a cell running that it has ended."""
        if not self.kept:
            return
        text = Outgoing(f"<@{self.user_id}> the cell that you kept running has ended.")
        try:
            await self._destinations[0].send(text, ping=self.user_id)
        except DiscordRefused as refused:
            log.info("nobody was pinged: %s", refused)

    def _set_bell(self, worked: timedelta = timedelta()) -> None:
        self._silence()
        limit = self._context.settings.cell_timeout
        if limit is None:
            return
        ahead = (limit - self._context.settings.keep_running - worked).total_seconds()
        self._bell = asyncio.get_running_loop().call_later(max(0.0, ahead), self._ring)

    def _ring(self) -> None:
        self._asks_to_keep = True
        self.touch()

    def _silence(self) -> None:
        self._asks_to_keep = False
        if self._bell is not None:
            self._bell.cancel()
            self._bell = None


@contextmanager
def closed_on_failure(live_answer: LiveAnswer) -> Iterator[None]:
    """Close the answer where this fails or is cancelled, since no last state of it will come."""
    try:
        yield
    except BaseException:  # a cancellation as well: it goes on to whoever waits for it
        live_answer.close()
        raise
