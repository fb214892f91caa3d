"""Messages that a later cell has updated: which state they finally show."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.discord.answers.traffic import Traffic
from bot.discord.answers.updated import UpdatedMessages, _StaleDisplays
from bot.discord.context import Context
from bot.discord.format.answer import Draft
from bot.session import Session
from filestore.records import CellRecord, MessageCell


async def test_of_two_quick_updates_the_later_is_shown_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long Discord takes over the first, older content never overwrites the second."""
    display, shown = "one", []
    takes_long = asyncio.Event()

    async def displaying(_names: object, *, before: int) -> list[Any]:
        return [SimpleNamespace(seq=1, text=display, outputs=cell(1, "d").outputs)]

    async def show(_shown_again: object, waiting: _StaleDisplays, record: Any) -> int:
        notes = waiting.notes
        if record.text == "one":
            await takes_long.wait()
        shown.append(record.text)
        return notes

    monkeypatch.setattr(UpdatedMessages, "_show_again", show)
    session = SimpleNamespace(
        record=SimpleNamespace(user_id=1, session_id="u1"), transcript=SimpleNamespace(displaying=displaying)
    )
    tasks: list[asyncio.Task[None]] = []
    context: Any = SimpleNamespace(
        sessions=SimpleNamespace(opened=lambda _: session),
        tasks=SimpleNamespace(
            spawn=lambda work, _: tasks.append(asyncio.create_task(work)), finishing=lambda: None
        ),
    )
    updated = UpdatedMessages(context)
    updated.note("u1", 2, {"d"})
    await asyncio.sleep(0)
    display = "two"
    updated.note("u1", 3, {"d"})
    for _ in range(10):
        await asyncio.sleep(0)
    takes_long.set()
    await asyncio.gather(*tasks)
    assert shown == ["one", "two"]
    assert len(tasks) == 1


async def test_a_message_that_cannot_be_shown_yet_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as one that holds a newer live answer: it is tried again after the others."""
    tried: list[int] = []

    async def displaying(_names: object, *, before: int) -> list[CellRecord]:
        return [cell(1, "d"), cell(2, "d"), cell(3, "d")]

    async def show(_shown_again: object, waiting: _StaleDisplays, record: CellRecord) -> int:
        tried.append(record.seq)
        return 0 if record.seq == 1 and len(tried) < 6 else waiting.notes

    monkeypatch.setattr(UpdatedMessages, "_show_again", show)
    updated = UpdatedMessages(cast(Context, None))
    record = SimpleNamespace(user_id=1, session_id="u1")
    transcript = SimpleNamespace(displaying=displaying)
    waiting = _StaleDisplays(cast(Session, SimpleNamespace(record=record, transcript=transcript)))
    waiting.note(4, {"d"})
    while await updated._show_one(waiting):
        pass
    assert tried == [1, 2, 3, 1, 1, 1]


async def test_a_message_is_made_in_its_channels_lane_after_all_waiting() -> None:
    """Content read before the wait may be out of date, and waiting twice would take too long.

    Drawing, which can take a while, keeps no other message of the channel waiting.
    """
    traffic = Traffic(0.0)
    read: list[bool] = []

    async def of_cell(session_id: str, seq: int) -> list[MessageCell]:
        return [MessageCell(100, session_id, seq, 10)]

    async def displaying(_names: object, *, before: int) -> list[CellRecord]:
        read.append(traffic._channels[10].lane.locked())
        return []

    store = SimpleNamespace(message_cells=SimpleNamespace(of_cell=of_cell))
    drawn: list[bool] = []

    async def draw(_user_id: int, _draft: Draft) -> dict[tuple[str, str], bytes]:
        drawn.append(10 in traffic._channels and traffic._channels[10].lane.locked())
        return {}

    context = SimpleNamespace(
        traffic=traffic,
        sessions=SimpleNamespace(store=store),
        live_answers={},
        draft=Draft,
        pages=SimpleNamespace(draw=draw),
    )
    session = SimpleNamespace(
        record=SimpleNamespace(user_id=1), transcript=SimpleNamespace(displaying=displaying)
    )
    waiting = _StaleDisplays(cast(Session, session))
    waiting.note(2, {"d"})
    traffic.begin(10)
    shown = asyncio.create_task(UpdatedMessages(cast(Context, context))._show_again(waiting, cell(1, "d")))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not read
    traffic.end(10)
    await shown
    assert read == [True]
    assert drawn == [False]


def cell(seq: int, *names: str) -> CellRecord:
    """A cell that has shown these displays."""
    outputs: tuple[dict[str, Any], ...] = tuple(
        {"output_type": "display_data", "data": {}, "metadata": {}, "transient": {"display_id": name}}
        for name in names
    )
    return CellRecord(
        "s", seq, "place", "ada", "1", outputs=outputs, status="ok", started_at=datetime.now(UTC)
    )


def test_a_display_that_is_updated_while_others_are_looked_up_is_looked_up_next() -> None:
    """Whether or not the others were found."""
    for found in ([], [cell(1, "a")]):
        waiting = _StaleDisplays(cast(Session, None))
        waiting.note(5, {"a"})
        waiting.shown[1] = 1
        waiting.note(6, {"b"})
        assert waiting.drop_shown(found, 1)
        assert list(waiting.names) == ["b"]
        assert waiting.is_stale(cell(2, "b"))
        waiting.shown[2] = 2
        assert not waiting.is_stale(cell(2, "b"))
        assert not waiting.drop_shown([cell(2, "b")], 2)
