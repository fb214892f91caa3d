"""What an answer had shown before the cell during which its program ended, read from one place's entries."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.continuity.earlier_answer import of_answer, reply_of
from bot.discord.format.answer import Draft
from bot.request import MODEL
from filestore.records import CellRecord, Said

AT = datetime(2026, 1, 1, tzinfo=UTC)
STREAM = {"output_type": "stream", "name": "stdout", "text": "shown\n"}


def said(seq: int, author: str) -> Said:
    """Somebody's words."""
    return Said("s", seq, "p", author, f"words {seq}", AT)


def ran(seq: int, author: str, status: str = "ok", **more: Any) -> CellRecord:
    """Somebody's cell."""
    return CellRecord("s", seq, "p", author, f"code {seq}", (STREAM,), status, AT, **more)


@pytest.mark.parametrize(
    ("entries", "first", "expected"),
    [
        pytest.param([said(1, "Ann"), said(2, MODEL), ran(3, MODEL)], 3, [2], id="words before a first cell"),
        pytest.param([said(1, "Ann"), ran(2, MODEL), said(3, MODEL), ran(4, MODEL)], 2, [2, 3], id="rounds"),
        pytest.param(
            [said(1, "Ann"), said(2, MODEL), said(3, "Ann"), said(4, MODEL), ran(5, MODEL)], 5, [4], id="talk"
        ),
        pytest.param(
            [said(1, "Ann"), ran(2, MODEL), ran(3, "Ann"), said(4, ""), ran(5, MODEL)], 2, [2], id="others"
        ),
        pytest.param(
            [said(1, "Ann"), ran(2, MODEL), said(3, "Ann"), ran(4, MODEL)], 2, [2], id="said meanwhile"
        ),
        pytest.param([ran(1, "Ann"), ran(2, "Ann"), said(3, ""), ran(4, "Ann")], 2, [2], id="notebook"),
        pytest.param([ran(1, "Ann"), ran(2, "Ann", "skipped"), ran(3, "Ann")], 1, [1], id="left out"),
        pytest.param([ran(1, "Ann"), said(2, "Ann"), ran(3, MODEL), ran(4, "Ann")], 1, [1], id="asked amid"),
    ],
)
def test_of_what_stands_before_a_cell_its_own_answer_is_told(
    entries: list[Said | CellRecord], first: int, expected: list[int]
) -> None:
    """A model's turn begins after its question, a replay with its first cell; other people's is left out."""
    *before, cell = entries
    assert isinstance(cell, CellRecord)
    assert [entry.seq for entry in of_answer([*entries, ran(9, cell.author)], cell, first)] == expected
    assert of_answer(before, cell, first) == of_answer(entries, cell, first)


def test_draft_shows_what_was_told_and_goes_on() -> None:
    """Words are paragraphs, cells have their code, output and how they ended, and the next one follows."""
    draft = Draft()
    for entry in (said(1, MODEL), said(2, MODEL), ran(3, MODEL, "timeout", execution_time=2.0)):
        draft.add_reply(reply_of(entry))
    draft.add_reply(reply_of(ran(4, MODEL, "died", execution_time=1.0)))
    (text,) = draft.final_page()().parts
    cell = "```py\ncode {0}\n```\n```\nshown\n```\n**{1}**"
    assert text == "\n".join(
        ["words 1\n\nwords 2", cell.format(3, "Stopped."), cell.format(4, "The kernel died."), "-# 3 s"]
    )
