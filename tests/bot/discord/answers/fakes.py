"""A context without Discord or a database, and messages that record what happens to them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

from nextcord.ui import View

from bot.continuity.deletions import Deletions
from bot.discord.answers.answer import LiveAnswer
from bot.discord.api.destinations import Destinations, Names, SentMessage
from bot.discord.api.retry import PATIENCE, Patience
from bot.discord.context import Context
from bot.discord.format.attachments import Outgoing
from bot.errors import NothingRuns
from config.settings import Settings
from filestore.records import CellRecord, MessageCell, SessionRecord

ADA, CHANNEL, MESSAGE = 1, 10, 100
NOW = datetime(2030, 1, 1, tzinfo=UTC)


class FakeMessage:
    """A message. Each edit raises the next of the `errors`; once they are used up, edits succeed.

    Given a context, it records at each edit whether it belonged to an answer and was live.
    """

    def __init__(self, context: Context | None = None, *errors: Exception, content: str = "") -> None:
        self.channel_id, self.message_id = CHANNEL, MESSAGE
        self.content = content
        self.is_live = self.has_buttons = True
        self.deleted = False
        self.held: list[bool] = []
        self.outgoings: list[Outgoing] = []
        self.views: list[list[str]] = []
        self._context = context
        self._errors = list(errors)

    async def edit(
        self, outgoing: Outgoing, view: View | None, *, keep: Names = None, patience: Patience = PATIENCE
    ) -> None:
        """Show this instead."""
        if self._errors:
            raise self._errors.pop(0)
        if self._context is not None:
            self.held.append(
                MESSAGE in self._context.live_answers and CHANNEL in self._context.traffic._channels
            )
        self.outgoings.append(outgoing)
        self.views.append([item.custom_id.rpartition(":")[2] for item in view.children] if view else [])  # type: ignore[attr-defined]

    async def delete(self) -> None:
        """It is gone."""
        self.deleted = True


class FakeDestination:
    """Accepts every message, once it has raised its `errors`, one per message."""

    def __init__(self, *errors: Exception) -> None:
        self.sent: list[FakeMessage] = []
        self._errors = list(errors)

    async def send(
        self, outgoing: Outgoing, view: View | None = None, *, ping: int | None = None
    ) -> SentMessage:
        """A new message."""
        if self._errors:
            raise self._errors.pop(0)
        message = FakeMessage()
        await message.edit(outgoing, view)
        self.sent.append(message)
        return message


class FakeDestinations:
    """Knows one message, by its ids."""

    def __init__(self, message: FakeMessage | None = None) -> None:
        self.known = message or FakeMessage()
        self.to_person = FakeDestination()

    def direct(self, _user_id: int) -> FakeDestination:
        """As `Destinations.direct`."""
        return self.to_person

    async def may_write(self, _user_id: int, _channel_id: int) -> bool:
        """As `Destinations.may_write`."""
        return True

    async def message(self, _channel_id: int, _message_id: int) -> FakeMessage:
        """As `Destinations.message`."""
        return self.known


class NoUpdates:
    """Display updates that nobody shows."""

    def __init__(self, _context: Context) -> None:
        self.noted: list[tuple[str, int, set[str]]] = []

    def note(self, session_id: str, cell: int, names: Any) -> None:
        """As `UpdatedMessages.note`."""
        self.noted.append((session_id, cell, set(names)))

    def forget_person(self, _user_id: int) -> None:
        """As `UpdatedMessages.forget_person`."""


class OneSession:
    """An open session. No turn can be taken in it: `a_context` cancels whoever asks for one."""

    def __init__(self) -> None:
        self.stops: list[tuple[int, bool]] = []
        self.number: int | None = None
        self.taken = ""

    async def stop_cell(self, seq: int, *, kill: bool) -> None:
        """As `Session.stop_cell`: a cell without a number is not running yet."""
        self.stops.append((seq, kill))
        if not seq:
            raise NothingRuns

    def takes(self, turn: str) -> bool:
        """As `Session.takes`."""
        return turn == self.taken

    def question_of(self, _seq: int) -> int | None:
        """As `Session.question_of`."""
        return self.number


class FakeCells:
    """The map from messages to cells; `sets` are the writes, `records` the sessions added before them."""

    def __init__(self, *noted: MessageCell) -> None:
        self.sets: list[MessageCell] = []
        self.records: list[tuple[int, str]] = []
        self.noted = {one.message_id: one for one in noted}

    async def of_cell(self, session_id: str, seq: int) -> Sequence[MessageCell]:
        """As `MessageCells.of_cell`."""
        return [one for one in self.noted.values() if (one.session_id, one.seq) == (session_id, seq)]

    async def going_on(self, _since: int) -> Sequence[MessageCell]:
        """As `MessageCells.going_on`."""
        return [one for one in self.noted.values() if one.first > 0 or one.turn]

    async def get(self, message_id: int) -> MessageCell | None:
        """As `MessageCells.get`."""
        return self.noted.get(message_id)

    async def set(self, noted: MessageCell) -> None:
        """As `MessageCells.set`."""
        self.sets.append(noted)
        self.noted[noted.message_id] = noted


def a_context(
    session: OneSession | None = None,
    *,
    cells: FakeCells | None = None,
    records: Sequence[CellRecord] = (),
    destinations: FakeDestinations | None = None,
) -> Context:
    """A context without Discord or a database, with these cells and their messages."""

    async def cancelled(*_args: object) -> None:
        raise asyncio.CancelledError

    async def entries(_session_id: str, *, after: int, limit: int, brief: bool) -> list[CellRecord]:
        return [record for record in records if record.seq > after][:limit]

    async def newest(_session_id: str, *, limit: int) -> list[CellRecord]:
        return list(records[::-1])[:limit]

    known_cells = cells or FakeCells()

    async def add_record(user_id: int, place: str) -> None:
        known_cells.records.append((user_id, place))

    transcripts = SimpleNamespace(entries=entries, newest=newest)
    store = SimpleNamespace(message_cells=known_cells, transcripts=transcripts)
    sessions: Any = SimpleNamespace(
        pool=None,
        model=None,
        store=store,
        opened=lambda _: session,
        id_of=lambda *_: "u1",
        session=cancelled,
        add_record=add_record,
        deletions=Deletions(),
    )
    declared: dict[str, Any] = {name: field.default for name, field in Settings.model_fields.items()}
    known = cast(Destinations, destinations or FakeDestinations())
    return Context(sessions, Settings(**declared), monotonic, known, NoUpdates)


def a_live_answer(context: Context, message: FakeMessage | None = None, turn: str = "") -> LiveAnswer:
    """One of Ada's answers, optionally in an existing message."""
    return LiveAnswer(context, ADA, "dm", [FakeDestination()], context.draft(), turn=turn, message=message)


def a_record(seq: int, status: str = "running") -> CellRecord:
    """The record of one of Ada's cells."""
    return CellRecord("u1", seq, "dm", "ada", "1", (), status, NOW)


def a_session_record() -> SessionRecord:
    """The record of Ada's session."""
    return SessionRecord("u1", ADA, "dm", None, NOW, NOW)


def held(context: Context) -> tuple[list[int], list[int]]:
    """The messages that belong to live answers, and the channels where answers are live."""
    return list(context.live_answers), list(context.traffic._channels)
