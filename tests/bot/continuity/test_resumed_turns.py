"""Turns of an earlier program that continue, when their kernels are let go."""

from types import SimpleNamespace
from typing import Any

import pytest

from bot.continuity import resumed_turns
from bot.continuity.resumed_turns import ResumedTurns
from bot.reply import NoFront
from bot.session import BegunCell
from filestore.records import CellRecord
from kernels.errors import GoesOn, KernelClosed
from tests.bot.discord.answers.fakes import a_record, a_session_record


@pytest.mark.parametrize("leaving", [True, False])
async def test_a_cell_that_is_let_go_ends_its_answer_unless_the_next_program_shows_it(
    monkeypatch: pytest.MonkeyPatch, leaving: bool
) -> None:
    """A session that is deleted lets its kernel go, too, and then nobody will show more of the cell."""
    failed: list[Exception] = []

    class Front(NoFront):
        async def fail_resumed(self, _record: object, _cell: int, error: Exception) -> None:
            failed.append(error)

    async def let_go(*_: object, **_more: object) -> None:
        raise GoesOn

    monkeypatch.setattr(resumed_turns, "take_turn", let_go)
    resumed, cell = ResumedTurns(), a_record(3)
    assert isinstance(cell, CellRecord)
    if leaving:
        resumed.leaving()
    session: Any = SimpleNamespace(record=a_session_record(), resumed=[])
    run: Any = SimpleNamespace(turn="t1", goes_on=True)
    resumed.begin(session, BegunCell(cell, run), Front())
    await resumed.wait_all()
    assert [type(error) for error in failed] == [KernelClosed] * (not leaving)
