"""What the commands say fits in a message."""

import pytest

from bot.discord.commands.texts import variables_text
from bot.discord.format.split import LONGEST, length
from kernels.cell.result import Variable
from kernels.interface import State


@pytest.mark.parametrize("name", ["a", "name" * 20, "\U00020000" * 40], ids=["short", "long", "wide"])
@pytest.mark.parametrize("count", [1, 150, 200, 5000])
def test_variables_fit_into_a_message(name: str, count: int) -> None:
    """However many and short they are, the list fills at most one message and counts what it omits."""
    text = variables_text(State(alive=True, variables=(Variable(name, "int", "1"),) * count))
    assert length(text) <= LONGEST
    shown = text.count(": int 1")
    assert shown == count or f"and {count - shown} more" in text
