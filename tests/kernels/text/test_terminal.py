"""Text is drawn as a terminal would draw it."""

import re
import sys
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.text.clipping import strip_ansi
from kernels.text.terminal import TerminalText


class Oracle:
    """The simplest possible terminal: a list of rows of characters, and a cursor."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = [[]]
        self.row = self.column = 0

    def write(self, text: str) -> None:
        for up, erase, char in re.findall(r"\x1b\[(\d*)A|\x1b\[([0-2]?K)|(.)", text, re.DOTALL):
            row = self.rows[self.row]
            if char == "\n":
                self.row, self.column = self.row + 1, 0
                if self.row == len(self.rows):
                    self.rows.append([])
            elif char == "\r":
                self.column = 0
            elif char == "\b":
                self.column = max(0, self.column - 1)
            elif char:
                row.extend(" " * (self.column - len(row)))
                row[self.column : self.column + 1] = [char]
                self.column += 1
            elif erase:
                del row[0 if erase == "2K" else self.column :]
            else:
                self.row = max(0, self.row - int(up or 1))

    def render(self) -> str:
        return "\n".join("".join(row) for row in self.rows)


PIECES = st.lists(
    st.sampled_from(["a", "bc", "def", " ", "\n", "\r", "\b", "\x1b[K", "\x1b[2K", "\x1b[A", "\x1b[2A"]),
    max_size=30,
).map("".join)


@given(st.lists(PIECES, max_size=6))
def test_a_terminal_shows_what_the_simplest_terminal_shows(writes: list[str]) -> None:
    """However the text is cut into writes, the rows are those of a plain grid with a cursor."""
    terminal, oracle = TerminalText(), Oracle()
    for text in writes:
        terminal.write(text)
        oracle.write(text)
    assert terminal.render() == oracle.render()
    assert terminal.size == len(terminal.render())


def test_a_progress_bar_is_one_line() -> None:
    """A line that is redrawn after a carriage return shows only its last state."""
    terminal = TerminalText()
    for percent in range(0, 101, 10):
        terminal.write(f"\r{percent:3}% done")
    assert terminal.render() == "100% done"


def test_a_redrawn_line_keeps_its_colours() -> None:
    """A redrawn coloured bar has its last state in its last colour, reset at the end."""
    terminal = TerminalText()
    terminal.write("\x1b[31m50%\x1b[0m")
    terminal.write("\r\x1b[32m99%\x1b[0m")
    assert terminal.render().endswith("\x1b[32m99%\x1b[0m")
    assert strip_ansi(terminal.render()) == "99%"


def test_lines_beyond_reach_are_settled() -> None:
    """A cursor that moves up beyond the reach changes none of the settled lines."""
    terminal = TerminalText()
    terminal.write("".join(f"line {number}\n" for number in range(TerminalText.REACH * 2)))
    terminal.write("\x1b[9999A!")
    lines = terminal.render().split("\n")
    assert lines[: TerminalText.REACH] == [f"line {number}" for number in range(TerminalText.REACH)]
    assert sum("!" in line for line in lines) == 1


def test_a_line_that_is_too_wide_wraps() -> None:
    """After a very long line a carriage return goes to the start of a new one, and nothing is lost."""
    terminal = TerminalText()
    terminal.write("x" * (TerminalText.WIDEST + 1))
    terminal.write("tail\rT")
    assert terminal.render() == "x" * (TerminalText.WIDEST + 1) + "Tail"


@pytest.mark.parametrize("moves", ["\x1b[A", "\x1b[A\n", "\n\x1b[A", "\r\x1b[Aa\nb", "\x1b[31m\x1b[A"])
def test_a_move_costs_little_however_long_the_lines_are(moves: str) -> None:
    """Moving up to a line of 4,000 characters does not examine each of them: 2 MB of that took 10 minutes."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    terminal = TerminalText()
    terminal.write(f"{'y' * 4000}\n{'z' * 4000}")
    text = moves * 1000
    sys.setprofile(count)
    terminal.write(text)
    sys.setprofile(None)
    assert calls < 50 * len(text)


LENGTH = 1 << 17  # characters
FLOODS = {
    "up into short lines": "\n" * 64 + "x" * 4090 + "\x1b[Ay" * (LENGTH // 4),
    "an erase far from the start": "x" * 4000 + "\x1b[2Ky" * (2 * LENGTH // 5),
    "carriage returns": "\r" * LENGTH,
    "a line redrawn": "a\r" * (LENGTH // 2),
    "backspaces": "ab\b\b" * (LENGTH // 4),
    "erases": "\x1b[K" * (LENGTH // 3),
    "empty lines": "\n" * LENGTH,
    "empty lines redrawn": "\n\r" * (LENGTH // 2),
    "colours": "\r" + "\x1b[1ma" * (LENGTH // 5),
    "colours without text": "\r" + "\x1b[m" * (LENGTH // 3),
    "wide characters redrawn": ("\r" + "\U0001f600" * 4000 + "\n") * (LENGTH // 4000),
    "a long line redrawn": "x" * 4090 + "\rab" * (LENGTH // 3),
    "unfinished codes": "\x1b[" + "0" * LENGTH + "\x1b]" * (LENGTH // 2),
}


@pytest.mark.parametrize("text", FLOODS.values(), ids=FLOODS)
def test_drawing_takes_time_and_room_by_the_length_alone(text: str) -> None:
    """No mixture of moves is slow to draw, or becomes much longer than it was: 4 KB became 260 KB."""
    tracemalloc.start()
    began, terminal = time.monotonic(), TerminalText()
    for start in range(0, len(text), 1 << 16):
        terminal.write(text[start : start + (1 << 16)])
    took = time.monotonic() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 10
    assert terminal.size <= len(text) * (1 + 1 / TerminalText.SHARE) + TerminalText.BLANKS
    assert peak < 40 * len(text) + 84 * 2 * TerminalText.OPEN


def test_a_flood_of_characters_is_drawn_in_few_steps() -> None:
    """Text without moves is added as it is, even after a line that was redrawn."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    terminal = TerminalText()
    terminal.write("50%\r100%\n")
    sys.setprofile(count)
    for _ in range(10):
        terminal.write("word " * 1000 + "\n" * 1000)
    sys.setprofile(None)
    assert calls < 10_000


def test_no_cursor_comes_back_to_what_is_settled() -> None:
    """A terminal that gets no more output holds text alone."""
    terminal = TerminalText()
    terminal.write("a\rb\nc\rd")
    terminal.settle()
    assert (terminal.render(), terminal.size) == ("b\nd", 3)
