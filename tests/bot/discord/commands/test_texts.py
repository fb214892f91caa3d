"""What the commands say fits in a message, and is true of the settings."""

import pytest

from bot.discord.commands.texts import help_text, variables_text
from bot.discord.format.split import LONGEST, length
from config.settings import load
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


def test_variables_that_are_saved_are_not_called_gone() -> None:
    """The list says as after which cell they come back; a kernel that runs has them itself."""
    assert "with your variables as after cell 12" in variables_text(State(saved=12))
    assert "after cell" not in variables_text(State())
    assert "after cell" not in variables_text(State(alive=True, saved=12))


def test_the_help_promises_only_what_is_switched_on() -> None:
    """And fits in a message either way."""
    off, on = help_text(load(state="off")), help_text(load(state="on"))
    assert "saved after each cell" in on
    assert "saved after each cell" not in off
    assert "not saved here" in off
    assert max(length(on), length(off)) <= LONGEST
