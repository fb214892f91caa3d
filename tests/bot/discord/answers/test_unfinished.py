"""Answers that an earlier program left unfinished."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from nextcord.utils import time_snowflake

from bot.discord.answers.resumed import ResumedAnswers
from bot.discord.answers.unfinished import ELSEWHERE, NOTE, end_unfinished, unfinished
from bot.discord.api.retry import DiscordRefused, Refusal
from bot.wording.cell_messages import NOT_RUN, PERHAPS_RUN
from filestore.records import CellRecord, MessageCell, SessionRecord
from tests.bot.discord.answers.fakes import (
    CHANNEL,
    NOW,
    FakeCells,
    FakeDestinations,
    FakeMessage,
    OneSession,
    a_context,
    a_record,
    a_session_record,
)


def noted(minutes: float, seq: int, first: int) -> MessageCell:
    """A message that was sent this long before this program began."""
    return MessageCell(time_snowflake(NOW - timedelta(minutes=minutes)), "u1", seq, CHANNEL, first)


async def test_unfinished_answers_are_those_of_an_earlier_program_whose_cell_does_not_run() -> None:
    """Newest first. Answers that this program sent, that are over, or whose cells still run are left alone.

    Discord's clock may be ahead of ours, as it is for the last one.
    """
    words, ended, last = noted(9, 0, 1), noted(8, 2, 2), noted(-0.1, 0, 1)
    cells = FakeCells(words, ended, noted(7, 3, 3), noted(6, 4, -4), last, noted(-1, 0, 1))
    context = a_context(cells=cells, records=[a_record(2, "ok"), a_record(3, "running")])
    assert await unfinished(context, NOW) == [last, ended, words]


async def test_an_unfinished_answer_keeps_its_words_and_says_that_it_is_over() -> None:
    """It is recorded as over, so that the next program leaves it alone."""
    left = noted(9, 2, 2)
    cells, message = FakeCells(left), FakeMessage(content="Half of it\n-# Writing … 10 s")
    context = a_context(cells=cells, destinations=FakeDestinations(message))
    await end_unfinished(context, ResumedAnswers(context), [left])
    assert message.outgoings[-1].content == f"Half of it\n-# {NOTE}"
    assert message.views[-1] == ["rerun", "edit", "undo", "notebook", "files"]
    assert cells.noted[left.message_id].first == -2


async def test_an_answer_that_discord_cannot_change_now_is_tried_again_by_the_next_program() -> None:
    """One that is gone for good is recorded as over."""
    for kind, over in ((Refusal.UNREACHABLE, False), (Refusal.MESSAGE_GONE, True)):
        left = noted(9, 0, 1)
        cells, message = FakeCells(left), FakeMessage(None, DiscordRefused(kind, OSError()))
        context = a_context(cells=cells, destinations=FakeDestinations(message))
        await end_unfinished(context, ResumedAnswers(context), [left])
        assert (cells.noted[left.message_id].first == 0) is over


def began(seconds: int, status: str) -> CellRecord:
    """A cell that began this long after the message of five minutes ago was sent."""
    return replace(a_record(1, status), started_at=NOW - timedelta(minutes=5) + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("records", "note"),
    [
        ([], NOT_RUN),
        ([began(60, "ok")], NOT_RUN),
        ([began(-60, "died")], NOT_RUN),
        ([began(1, "died")], PERHAPS_RUN),
    ],
)
async def test_code_that_began_in_no_cell_has_not_run(records: Sequence[CellRecord], note: str) -> None:
    """Unless some cell was cut short and its message is unknown: it may belong to this one."""
    left = replace(noted(5, 0, 0), turn="t1")
    cells, message = FakeCells(left), FakeMessage(content="-# Thinking … 10 s")
    context = a_context(cells=cells, records=records, destinations=FakeDestinations(message))
    await end_unfinished(context, ResumedAnswers(context), [left])
    assert message.outgoings[-1].content == f"-# {note}"
    assert message.views[-1] == []
    assert cells.noted[left.message_id] == noted(5, 0, 0)


async def test_an_answer_that_was_whole_is_noted_as_over_and_stays_as_it_is() -> None:
    """The previous program was killed between its last edit and the record of it."""
    left = replace(noted(5, 2, 0), turn="t1")
    cells, message = FakeCells(left), FakeMessage()
    message.is_live = False
    context = a_context(cells=cells, records=[a_record(2, "ok")], destinations=FakeDestinations(message))
    await end_unfinished(context, ResumedAnswers(context), [left])
    assert not message.outgoings
    assert cells.noted[left.message_id] == noted(5, 2, 0)


async def test_a_message_whose_turn_is_taken_up_or_that_has_changed_hands_is_left_alone() -> None:
    """Whatever shows its cell now will bring it to an end."""
    left = replace(noted(5, 0, 0), turn="t1")
    for taken, now in (("t1", left), ("t2", replace(left, seq=3))):
        cells, message, session = FakeCells(now), FakeMessage(), OneSession()
        session.taken = taken
        context = a_context(session, cells=cells, destinations=FakeDestinations(message))
        await end_unfinished(context, ResumedAnswers(context), [left])
        assert not message.outgoings
        assert cells.noted[left.message_id] == now


async def test_a_message_that_cannot_even_be_looked_at_keeps_no_other_from_its_end() -> None:
    """Whatever is wrong with it; the next program tries it again."""

    class Odd(FakeDestinations):
        async def message(self, channel_id: int, message_id: int) -> FakeMessage:
            if message_id == odd.message_id:
                raise TypeError("odd")
            return await super().message(channel_id, message_id)

    odd, left = noted(8, 0, 1), noted(9, 0, 1)
    cells, message = FakeCells(odd, left), FakeMessage(content="-# Writing … 10 s")
    context = a_context(cells=cells, destinations=Odd(message))
    await end_unfinished(context, ResumedAnswers(context), [odd, left])
    assert message.outgoings[-1].content == f"-# {NOTE}"
    assert [cells.noted[one.message_id].first for one in (odd, left)] == [1, 0]


@pytest.mark.parametrize(("found", "before"), [(True, False), (True, True), (False, False)])
async def test_an_answer_whose_cell_is_not_shown_in_it_is_over_all_the_same(
    found: bool, before: bool
) -> None:
    """Its person may no longer write there and gets it once as a direct message, or its session is gone."""
    left, directly = replace(noted(5, 2, 0), turn="t1"), noted(4, 2, 0)
    cells, message = (
        FakeCells(*[left, directly][: 1 + before]),
        FakeMessage(content="half\n-# Running … 10 s"),
    )
    context = a_context(cells=cells, records=[a_record(2, "ok")], destinations=FakeDestinations(message))
    sessions: Any = context.sessions
    shown: list[int] = []

    async def get(_session_id: str) -> SessionRecord | None:
        return a_session_record() if found else None

    async def opened(*_: object) -> None:
        return None

    class Elsewhere(ResumedAnswers):
        async def show(self, _session: object, cell: CellRecord) -> None:
            shown.append(cell.seq)

    sessions.store.sessions, sessions.of_record = SimpleNamespace(get=get), opened
    sessions.exists = bool
    for _ in range(2):
        await end_unfinished(context, Elsewhere(context), [left])
    assert shown == [2] * (found and not before)
    assert message.outgoings[-1].content == f"half\n-# {ELSEWHERE if found else NOTE}"
    assert len(message.outgoings) == 1
    assert cells.noted[left.message_id] == noted(5, 2, 0)
