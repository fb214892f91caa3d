"""One answer on Discord, from its first message to its final state, whatever happens in between.

    answer = LiveAnswer(context, user_id, place, destinations, draft)
    await answer.open()
    await answer.tell(reply)                    # every Reply of the turn
    await answer.finish(note)                   # pictures are drawn, files sent, buttons set
    with closed_on_failure(answer): ...         # around everything before `finish`

The message is noted in the database with its turn as soon as it is there, again once its cell is known, and
as ended after its last edit. That way buttons work after a restart, and a bot that comes back knows where to
show the rest, and which answers the bot before it did not end (`unfinished.py`).
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta

from bot.continuity.losses import merge_losses
from bot.discord.answers.delivery import Delivery
from bot.discord.answers.live_message import LiveMessage, MessageLook
from bot.discord.api.destinations import Destination, SentMessage
from bot.discord.api.retry import DiscordRefused, unless_refused
from bot.discord.buttons.view import buttons, finished
from bot.discord.context import Context
from bot.discord.format.answer import AnswerPage, Draft
from bot.discord.format.attachments import Outgoing, Upload
from bot.errors import DeletedSince, NothingRuns
from bot.model.stopping import ModelTurn
from bot.reply import ExecutionResult, GeneratedFile, Reply
from bot.session import Session
from filestore.errors import FileStoreError
from filestore.records import MessageCell
from kernels.cell.display_updates import updated_ids
from kernels.cell.events import Queued, Restarted

__all__ = ["LiveAnswer", "closed_on_failure"]

log = logging.getLogger(__name__)

UNSHOWABLE = "This answer could not be shown, which is our fault. Your notebook has all of it."
LARGE = 2 << 20  # bytes of files, together, from which on few such answers are sent at a time
NONE_YET = 1  # noted in place of the number of the first cell while there is none


class LiveAnswer:
    """See the module's text. Destinations are tried in order; `message` is a message of ours to take over.

    `turn` is the id of the turn that it shows: the next program ends the answer if this one is killed. `cell`
    is the cell that runs already, 0 if none does. `asked` is the turn of the model, if it is one. With
    `late`, everything told comes after the cell's end, and there is nothing to stop. With `several`, more may
    follow each cell, as in every turn of the model; `first` is then the answer's first cell, if it had one.
    `session_id` is needed where it may not be that of the session which the place shows now.
    """

    def __init__(
        self,
        context: Context,
        user_id: int,
        place: str,
        destinations: Sequence[Destination],
        draft: Draft,
        *,
        turn: str = "",
        message: SentMessage | None = None,
        cell: int = 0,
        asked: ModelTurn | None = None,
        late: bool = False,
        several: bool = False,
        first: int = 0,
        session_id: str = "",
    ) -> None:
        self.user_id = user_id
        self.session_id = session_id or context.sessions.id_of(user_id, place)
        self.place = place
        self.draft = draft
        self.turn = turn
        self.cell = cell  # the one told last
        self.runs = cell > 0  # it has no result yet
        self.asked = asked
        self.several = several or asked is not None
        self.kept = False  # the person wanted one of its cells to go on
        self.over = asyncio.Event()  # nothing more will be done with its messages
        self._first = first
        self.late = late
        self._stopped: bool | None = None  # stopped before a cell was known; whether with `kill`
        self._context = context
        self._destinations = list(destinations)
        self._message = message
        self._took_over = message is not None  # its message belonged to another cell before
        self._messages: list[SentMessage] = []
        self._session: Session | None = None  # that of its cells, once there is one
        self._live_in: int | None = None  # the channel, until the answer is in its final state
        self._live: LiveMessage | None = None
        self._updated: set[str] = set()  # displays that cells before `_before` show and this answer changed
        self._before = 0
        self._offers_time = False
        self._offer: asyncio.TimerHandle | None = None
        self._lost: Restarted | None = None  # what it tells about kernels that are gone
        self._page: AnswerPage | None = None  # its end, while that waits for its turn to be sent

    async def open(self) -> None:
        """Send the first message, to the first destination that takes it. Raises: DiscordRefused."""
        while True:
            self._hold()  # before a message that is taken over changes: nobody else may edit it from here on
            if self._message is not None:
                await self._note([self._message], self.turn)
            live = LiveMessage(
                self._destinations[0], self._look, pace=self._context.pace, message=self._message
            )
            try:
                await live.open()
            except DiscordRefused as refused:
                log.info("an answer goes somewhere else: %s", refused)
                self._let_go()
                if self._message is not None:
                    self._message, self._took_over = None, False
                elif len(self._destinations) > 1:
                    del self._destinations[0]
                else:
                    raise
            else:
                break
        self._live = live
        self._message = live.message
        self._hold()
        if not self._took_over:
            await self._note([self._message], self.turn)

    def _hold(self) -> None:
        """From now on, until `_let_go`, the message belongs to this answer and is live."""
        if self._message is not None and self._live_in is None:
            self._context.live_answers[self._message.message_id] = self
            self._live_in = self._message.channel_id
            self._context.traffic.begin(self._live_in)

    def _let_go(self) -> None:
        if self._message is not None and self._context.live_answers.get(self._message.message_id) is self:
            del self._context.live_answers[self._message.message_id]
        if self._live_in is not None:
            self._context.traffic.end(self._live_in)
            self._live_in = None

    def close(self) -> None:
        """Leave the message as it is; others may edit it from now on."""
        self._withdraw_offer()
        if self._live is not None:
            self._live.close()
        self._let_go()
        self.over.set()

    async def tell(self, reply: Reply) -> None:
        """Add one step of the turn."""
        if reply.cell and reply.cell != self.cell and not reply.late:
            self.cell, self.runs = reply.cell, True
            self._session = self._session or self._context.sessions.opened(self.session_id)
            self._first = self._first or reply.cell
            self.began()
            if not self._forgotten:
                await self._note([self._message], self.turn)
            if self._stopped is not None:
                await self.stop(kill=self._stopped)
        match reply:
            case Reply(event=Restarted() as restarted):
                self._lost = merge_losses(self._lost, restarted)
            case Reply(event=Queued(position=0)):
                self.began()
            case Reply(event=Queued()):
                self._withdraw_offer()
            case Reply(result=ExecutionResult() as result):
                self.runs = False
                self._withdraw_offer()
                self._updated |= updated_ids(result.outputs)
                self._before = max(self._before, reply.cell)
        self.draft.add_reply(reply)
        self.touch()

    def touch(self) -> None:
        """Something has changed that the message shows."""
        if self._live is not None:
            self._live.touch()

    async def finish(self, note: str = "") -> bool:
        """Show the final state, in as many messages as it takes. Raises nothing.

        Returns whether everything is shown.
        """
        self._withdraw_offer()
        self._context.tasks.finishing()
        try:
            final = await self._final_page(note)
            page = final or AnswerPage((UNSHOWABLE,))
            is_whole = await self._deliver(page)
            if not self._forgotten or await self._is_noted():
                await self._note(self._messages, is_over=not self.runs)
            await self._ping()
            if self._updated:
                self._context.updates.note(self.session_id, self._before, self._updated)
            is_whole &= final is not None
            if not is_whole and self._lost is not None:
                await self._context.sessions.tell_again(self.session_id, self._lost)
            return is_whole
        finally:
            self.close()

    async def stop(self, *, kill: bool = False) -> None:
        """Stop the turn; does nothing if it is over. Raises: StoreUnavailable, KernelError.

        If a cell does not stop, its person is asked what to do; with `kill` its kernel is killed instead.
        """
        if self.asked is not None:
            await self.asked.stop(kill=kill)
            return
        self._stopped = None if self.cell else kill or bool(self._stopped)  # a kill stays a kill
        session = self._context.sessions.opened(self.session_id)
        with suppress(NothingRuns):
            if session is not None:
                await session.stop_cell(self.cell, kill=kill)

    @property
    def message_ids(self) -> tuple[tuple[int, int], ...]:
        """The messages of the finished answer in order: for each the id of its channel, and its own."""
        return tuple((message.channel_id, message.message_id) for message in self._messages)

    def began(self, ago: timedelta = timedelta()) -> None:
        """The cell began this long ago: offer more time shortly before its time is over."""
        self._withdraw_offer()
        settings = self._context.settings
        if settings.cell_timeout is not None:
            ahead = (settings.cell_timeout - settings.keep_running - ago).total_seconds()
            self._offer = asyncio.get_running_loop().call_later(max(0.0, ahead), self._offer_time)

    def keep_running(self) -> None:
        """The person wants the cell to go on."""
        self.kept, self._offers_time = True, False
        self.touch()

    def decided(self) -> None:
        """The person has decided what happens to a cell that does not stop."""
        self.draft.unstopped = None
        self.touch()

    async def _final_page(self, note: str) -> AnswerPage | None:
        try:
            return await self._context.pages.final_page(self.user_id, self.draft, note)
        except Exception:  # whatever a stranger's output does to us, the message gets a final state
            log.exception("the answer of cell %d of %s cannot be shown", self.cell, self.session_id)
            return None

    async def _look(self) -> MessageLook:
        if self._page is not None:
            return MessageLook(self._page.parts[0])
        names = [] if self.late else ["stop"]
        if self.draft.unstopped is not None:
            names = ["wait", "kill"]
        if self.draft.question is not None:
            names.append("answer")
        if self._offers_time:
            names.append("keep")
        page = await self._context.pages.make(self.user_id, self.draft.live_page(now=self._context.clock()))
        return MessageLook(page.parts[0], tuple(names))

    async def _stop_live(self) -> SentMessage | None:
        """End the live edits; the message, None if it is gone."""
        if self._live is None:
            return self._message
        await self._live.stop()
        return self._live.message

    async def _deliver(self, page: AnswerPage) -> bool:
        """Send the page with its files; returns whether the messages hold all of its text.

        If the files are large, this waits for its turn: Discord's limits can make an answer wait for long,
        and its files with it. The text is there meanwhile.
        """
        sizes = [file.size for file in page.files]  # those over the limit for a file are not sent
        large = sum(size for size in sizes if size <= self._context.limits.file) > LARGE
        if large:
            self._page = page
            self.touch()
        async with self._context.sending.one(self.user_id) if large else nullcontext():
            uploads = [*page.uploads, *await self._read(page.files)]
            message = await self._stop_live()
            view = buttons(finished(self._context.settings) if self.cell else ())
            delivery = Delivery(self._destinations, self._context.limits, self._context.pages, self.user_id)
            self._messages, is_whole = await delivery.deliver(page.parts, uploads, view, message)
        return is_whole

    async def _read(self, files: Iterable[GeneratedFile]) -> list[Upload]:
        """The files that may be sent along; the text names the others with their ids."""
        uploads: list[Upload] = []
        room = self._context.limits.request * self._context.limits.messages
        for file in files:
            if file.size > min(self._context.limits.file, room):
                continue
            try:
                data = await file.data()
            except FileStoreError as error:  # it was just deleted, or it has expired
                log.info("file %s is not sent: %s", file.file_id, error)
                continue
            room -= len(data)
            uploads.append(Upload(file.filename, data, file_id=file.file_id))
        return uploads

    @property
    def _forgotten(self) -> bool:
        """Whether the session is gone, perhaps because its person wanted everything to be deleted.

        There may be a new one of the same id by now, whose cells have the same numbers.
        """
        session = self._context.sessions.opened(self.session_id)
        return not self._context.closing and (session is None or session is not (self._session or session))

    async def _is_noted(self) -> bool:
        """Whether the note of the first message is still there: it goes with everything else of a person."""
        if self._message is None or not self.turn:
            return False
        try:
            return await self._context.sessions.store.message_cells.get(self._message.message_id) is not None
        except FileStoreError:
            return False

    async def _note(
        self, messages: Sequence[SentMessage | None], turn: str = "", *, is_over: bool = False
    ) -> None:
        """Note whose the messages are, and the turn that goes on in them; "" if they show its end."""
        sessions = self._context.sessions
        if not (self.cell or self.turn or self._took_over) or sessions.deletions.since(self.user_id):
            return
        first = (self._first or NONE_YET) if self.several else 0
        if is_over:
            first = -first if self.cell else 0
        for message in messages:
            if message is None:
                continue
            ids = (message.message_id, self.session_id, self.cell, message.channel_id)
            try:
                if turn and sessions.opened(self.session_id) is None:  # the work may fail before it is opened
                    await sessions.add_record(self.user_id, self.place)
                await sessions.store.message_cells.set(MessageCell(*ids, first, turn))
            except DeletedSince:
                return
            except FileStoreError:
                log.exception("the buttons of message %d will not find their cell", message.message_id)

    async def _ping(self) -> None:
        """Tell the person that the cell has ended, if they kept it running."""
        if not self.kept:
            return
        text = Outgoing(f"<@{self.user_id}> the cell that you kept running has ended.")
        with unless_refused("nobody was pinged"):
            await self._destinations[0].send(text, ping=self.user_id)

    def _offer_time(self) -> None:
        self._offers_time = True
        self.touch()

    def _withdraw_offer(self) -> None:
        self._offers_time = False
        if self._offer is not None:
            self._offer.cancel()
            self._offer = None


@contextmanager
def closed_on_failure(answer: LiveAnswer) -> Iterator[None]:
    """Close the answer if this fails or is cancelled, since it will have no final state."""
    try:
        yield
    except BaseException:  # also a cancellation, which goes on to whoever waits for it
        answer.close()
        raise
