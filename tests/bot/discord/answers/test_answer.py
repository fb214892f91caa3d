"""An answer on Discord: whose message it is while it moves, also where it comes to no last state."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.discord.answers.answer import LiveAnswer
from bot.discord.answers.resumed import ResumedAnswers
from bot.discord.answers.turn import begin
from bot.discord.buttons import actions as module
from bot.discord.buttons.actions import Controls
from bot.discord.buttons.ownership import Claimed
from bot.discord.context import Context
from bot.discord.format.answer import Draft
from bot.errors import NothingRuns
from bot.reply import Reply
from bot.request import Request
from config.settings import Settings
from filestore.records import SessionRecord
from kernels.cell.events import InputRequest

ADA, CHANNEL, MESSAGE = 1, 10, 100


class FakeMessage:
    """A message. With a context, it notes whose it was and whether it moved when it was edited."""

    channel_id, message_id = CHANNEL, MESSAGE

    def __init__(self, context: Context | None = None) -> None:
        self._context = context
        self.held: list[bool] = []

    async def edit(self, *_args: object, **_named: object) -> None:
        """Show this instead."""
        if self._context is not None:
            self.held.append(
                MESSAGE in self._context.live_answers and CHANNEL in self._context.traffic._channels
            )

    async def delete(self) -> None:
        """Take it away."""


class Destination:
    """Takes every message."""

    async def send(self, *_args: object, **_named: object) -> FakeMessage:
        """A new message."""
        return FakeMessage()


class OneSession:
    """A session that is open; it cannot be taken a turn in, since that is cancelled."""

    def __init__(self) -> None:
        self.stops: list[tuple[int, bool]] = []
        self.number: int | None = None

    async def stop_cell(self, seq: int, *, kill: bool) -> None:
        """As `Session.stop_cell`: what has no number yet does not run."""
        self.stops.append((seq, kill))
        if not seq:
            raise NothingRuns

    def question_of(self, _seq: int) -> int | None:
        """As `Session.question_of`."""
        return self.number


def a_context(session: OneSession) -> Context:
    """A context without Discord and database."""

    async def cancelled(*_args: object) -> None:
        raise asyncio.CancelledError

    async def none(*_args: object) -> Sequence[object]:
        return ()

    cells = SimpleNamespace(of_cell=none, set=none)
    sessions: Any = SimpleNamespace(
        pool=None,
        model=None,
        store=SimpleNamespace(message_cells=cells),
        opened=lambda _: session,
        id_of=lambda *_: "u1",
        session=cancelled,
    )
    declared: dict[str, Any] = {name: field.default for name, field in Settings.model_fields.items()}
    context = Context(sessions, Settings(**declared), monotonic)
    context.direct = lambda _: Destination()
    return context


def a_live_answer(context: Context, message: FakeMessage | None = None) -> LiveAnswer:
    """An answer of Ada's, perhaps in a message that is there."""
    return LiveAnswer(context, ADA, "u1", "dm", [Destination()], context.draft(), message=message)


def moving(context: Context) -> tuple[list[int], list[int]]:
    """The messages that belong to answers, and the channels where answers move."""
    return list(context.live_answers), list(context.traffic._channels)


async def test_a_turn_that_is_cancelled_holds_no_message_and_no_channel() -> None:
    """Others would wait for it for good."""
    context = a_context(OneSession())
    begin(context, Request(ADA, "ada", "dm", "1"), [Destination()])
    (task,) = context.tasks
    await asyncio.wait([task])
    assert task.cancelled()
    assert moving(context) == ([], [])


async def test_late_output_that_cannot_be_told_holds_no_message_and_no_channel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the task that keeps its message moving ends."""
    context, told = a_context(OneSession()), []

    def fails(_draft: Draft, reply: Reply) -> None:
        told.append((reply.cell, moving(context)))
        raise ValueError("x")

    monkeypatch.setattr(Draft, "add_reply", fails)
    record = SessionRecord("u1", ADA, "dm", None, datetime.now(UTC), datetime.now(UTC))
    before = asyncio.all_tasks()
    ResumedAnswers(context).tell_late(record, Reply(7, late=True))
    await asyncio.wait(tuple(context.tasks))
    assert told == [(7, ([MESSAGE], [CHANNEL]))]
    assert moving(context) == ([], [])
    async with asyncio.timeout(10):
        await asyncio.gather(*(asyncio.all_tasks() - before))


async def test_a_message_that_is_taken_over_belongs_to_its_new_answer_before_it_changes() -> None:
    """Whoever would show its old cell again sees that in time."""
    context = a_context(OneSession())
    message = FakeMessage(context)
    live_answer = a_live_answer(context, message)
    await live_answer.open()
    live_answer.close()
    assert message.held == [True]
    assert moving(context) == ([], [])


async def test_a_kill_before_the_cell_is_known_stays_one_though_stop_is_clicked() -> None:
    """A message was edited, and then somebody clicks Stop under its answer."""
    session = OneSession()
    context = a_context(session)
    live_answer = a_live_answer(context)
    await live_answer.stop(kill=True)
    await live_answer.stop()
    await live_answer.tell(Reply(3, code="1"))
    live_answer.close()
    assert session.stops[-1] == (3, True)


async def test_a_form_is_of_the_question_that_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cell waits with another one by now, there is no form yet."""
    session = OneSession()
    context = a_context(session)
    live_answer = a_live_answer(context)
    live_answer.draft.add_reply(Reply(3, code="input()"))
    live_answer.draft.add_reply(Reply(3, event=InputRequest("name? ", password=False, number=1)))
    forms, words = [], []

    async def claimed(*_args: object) -> Claimed:
        return Claimed(ADA, "u1", "dm", 3, live_answer)

    async def show_form(_interaction: object, form: Any) -> None:
        forms.append(form.custom_id)

    async def privately(_interaction: object, text: str) -> None:
        words.append(text)

    for name, fake in (("claimed", claimed), ("show_form", show_form), ("privately", privately)):
        monkeypatch.setattr(module, name, fake)
    for session.number in (2, 1):
        await Controls(context).answer(cast(Any, None))
    assert words == [module.NOTHING_ASKS]
    assert forms == ["kernelcord:answer:3:1"]
