"""An answer on Discord: whose message it is while it moves, also where it comes to no last state."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.discord.answers.answer import Showing
from bot.discord.answers.resumed import Afterwards
from bot.discord.answers.turn import Wanted, begin
from bot.discord.buttons import actions as module
from bot.discord.buttons.actions import Controls
from bot.discord.buttons.ownership import Claimed
from bot.discord.context import Desk
from bot.discord.format.answer import Draft
from bot.errors import NothingRuns
from bot.reply import Reply
from config.settings import Settings
from filestore.records import SessionRecord
from kernels.cell.events import InputRequest

ADA, CHANNEL, MESSAGE = 1, 10, 100


class Post:
    """A message. With a desk, it notes whose it was and whether it moved when it was edited."""

    channel_id, message_id = CHANNEL, MESSAGE

    def __init__(self, desk: Desk | None = None) -> None:
        self._desk = desk
        self.held: list[bool] = []

    async def edit(self, *_args: object, **_named: object) -> None:
        """Show this instead."""
        if self._desk is not None:
            self.held.append(MESSAGE in self._desk.showings and CHANNEL in self._desk.traffic._channels)

    async def delete(self) -> None:
        """Take it away."""


class Outlet:
    """Takes every message."""

    async def send(self, *_args: object, **_named: object) -> Post:
        """A new message."""
        return Post()


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


def a_desk(session: OneSession) -> Desk:
    """A desk without Discord and database."""

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
    desk = Desk(sessions, Settings(**declared), monotonic)
    desk.direct = lambda _: Outlet()
    return desk


def a_showing(desk: Desk, post: Post | None = None) -> Showing:
    """An answer of Ada's, perhaps in a message that is there."""
    return Showing(desk, ADA, "u1", "dm", [Outlet()], desk.draft(), post=post)


def moving(desk: Desk) -> tuple[list[int], list[int]]:
    """The messages that belong to answers, and the channels where answers move."""
    return list(desk.showings), list(desk.traffic._channels)


async def test_a_turn_that_is_cancelled_holds_no_message_and_no_channel() -> None:
    """Others would wait for it for good."""
    desk = a_desk(OneSession())
    begin(desk, Wanted(ADA, "ada", "dm", "1"), [Outlet()])
    (task,) = desk.tasks
    await asyncio.wait([task])
    assert task.cancelled()
    assert moving(desk) == ([], [])


async def test_late_output_that_cannot_be_told_holds_no_message_and_no_channel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the task that keeps its message moving ends."""
    desk, told = a_desk(OneSession()), []

    def fails(_draft: Draft, reply: Reply) -> None:
        told.append((reply.cell, moving(desk)))
        raise ValueError("x")

    monkeypatch.setattr(Draft, "add", fails)
    record = SessionRecord("u1", ADA, "dm", None, datetime.now(UTC), datetime.now(UTC))
    before = asyncio.all_tasks()
    Afterwards(desk).tell_late(record, Reply(7, late=True))
    await asyncio.wait(tuple(desk.tasks))
    assert told == [(7, ([MESSAGE], [CHANNEL]))]
    assert moving(desk) == ([], [])
    async with asyncio.timeout(10):
        await asyncio.gather(*(asyncio.all_tasks() - before))


async def test_a_message_that_is_taken_over_belongs_to_its_new_answer_before_it_changes() -> None:
    """Whoever would show its old cell again sees that in time."""
    desk = a_desk(OneSession())
    post = Post(desk)
    showing = a_showing(desk, post)
    await showing.open()
    showing.close()
    assert post.held == [True]
    assert moving(desk) == ([], [])


async def test_a_kill_before_the_cell_is_known_stays_one_though_stop_is_clicked() -> None:
    """A message was edited, and then somebody clicks Stop under its answer."""
    session = OneSession()
    desk = a_desk(session)
    showing = a_showing(desk)
    await showing.stop(kill=True)
    await showing.stop()
    await showing.tell(Reply(3, code="1"))
    showing.close()
    assert session.stops[-1] == (3, True)


async def test_a_form_is_of_the_question_that_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cell waits with another one by now, there is no form yet."""
    session = OneSession()
    desk = a_desk(session)
    showing = a_showing(desk)
    showing.draft.add(Reply(3, code="input()"))
    showing.draft.add(Reply(3, event=InputRequest("name? ", password=False, number=1)))
    forms, words = [], []

    async def claimed(*_args: object) -> Claimed:
        return Claimed(ADA, "u1", "dm", 3, showing)

    async def show_form(_interaction: object, form: Any) -> None:
        forms.append(form.custom_id)

    async def privately(_interaction: object, text: str) -> None:
        words.append(text)

    for name, fake in (("claimed", claimed), ("show_form", show_form), ("privately", privately)):
        monkeypatch.setattr(module, name, fake)
    for session.number in (2, 1):
        await Controls(desk).answer(cast(Any, None))
    assert words == [module.NOTHING_ASKS]
    assert forms == ["kernelcord:answer:3:1"]
