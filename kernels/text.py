"""Text from a kernel: repaired at the border, clipped head and tail, and drawn as a terminal would.

terminal = Terminal()
terminal.write("10%\\r20%\\r")
terminal.render()        # "20%"
"""

import math
import re
from typing import Any

__all__ = ["Terminal", "clip", "human_size", "left_out", "repair", "strip_ansi"]

DEEPEST = 100  # levels of nested JSON: whoever stores it must be able to write it down again
_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
_MOVES = re.compile(r"[\r\b]|\x1b\[\d*A|\x1b\[[0-2]?K")
_TOKEN = re.compile(
    r"\x1b\[(?P<up>\d*)A|\x1b\[(?P<erase>[0-2]?)K|(?P<ansi>" + _ANSI.pattern + r")|(?P<char>.)", re.DOTALL
)


def repair(value: Any, levels: int = DEEPEST) -> Any:
    """A JSON value that can be stored: NUL and lone surrogates become U+FFFD, infinity and NaN null.

    Raises: RecursionError when it is nested more than `levels` deep.
    """
    if levels == 0:
        raise RecursionError("nested too deep")
    match value:
        case str():
            return _UNSAFE.sub("\ufffd", value) if _UNSAFE.search(value) else value
        case dict():
            return {repair(str(key)): repair(item, levels - 1) for key, item in value.items()}
        case list():
            return [repair(item, levels - 1) for item in value]
        case float() if not math.isfinite(value):
            return None
    return value


def clip(text: str, limit: int) -> str:
    """`text`, or its first and last `limit / 2` characters with a line between that says what is left out."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return text[:half] + left_out(len(text) - 2 * half) + text[len(text) - half :]


def left_out(count: int) -> str:
    """The line that stands where `count` characters were cut."""
    return f"\n[... {human_size(count)} of text left out ...]\n"


def human_size(count: float) -> str:
    """A size in bytes as people read it: 999 B, 3.1 GB. Steps of 1,024, as file managers count."""
    for unit in ("B", "KB", "MB", "GB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count == int(count) else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def strip_ansi(text: str) -> str:
    """`text` without terminal escape sequences."""
    return _ANSI.sub("", text)


class _Row:
    """One line: its text, or, once something in it was overwritten, each character with its colours."""

    def __init__(self, text: str = "") -> None:
        self._text = text
        self.cells: list[str] | None = None
        self.colour = ""  # codes that wait for the next character
        self.size = len(text)  # characters

    def add(self, text: str) -> None:
        """Add plain text to a row that is not open."""
        self._text += text
        self.size += len(text)

    def open(self) -> list[str]:
        """The characters, to be overwritten. A row is taken apart once: a move must not cost its length."""
        if self.cells is None:
            self.cells = []
            for token in _TOKEN.finditer(self._text):
                if token["char"] is None:
                    self.colour += token.group()
                else:
                    self.cells.append(self.colour + token.group())
                    self.colour = ""
            self.size -= len(self.colour)
        return self.cells

    def put(self, column: int, char: str) -> None:
        """Overwrite one character."""
        cells, text = self.open(), self.colour + char
        if column > len(cells):
            self.size += column - len(cells)
            cells.extend(" " * (column - len(cells)))
        self.size += len(text) - sum(map(len, cells[column : column + 1]))
        cells[column : column + 1] = [text]
        self.colour = ""

    def cut(self, column: int) -> None:
        """Erase all from a column on."""
        cells = self.open()
        self.size -= sum(map(len, cells[column:]))
        del cells[column:]

    def text(self) -> str:
        """What is in it."""
        return self._text if self.cells is None else "".join(self.cells) + self.colour


class Terminal:
    """Text as a terminal shows it: `\\r`, backspace, erase-line and cursor-up are acted on, colours are kept.

    Lines more than `REACH` above the last are settled: no cursor comes back to them. Nor does one come back
    to the start of a line of more than `WIDEST` characters, as in a window in which it has wrapped.
    """

    REACH = 64  # lines; nested progress bars need a few, nothing here is a full screen
    WIDEST = 4096  # characters, and so many of colours before one

    def __init__(self) -> None:
        self._settled: list[str] = []
        self._settled_size = 0
        self._rows = [_Row()]
        self._row = 0
        self._column = 0  # in a row that is open

    @property
    def size(self) -> int:
        """Characters that `render` gives, without colours at the ends of lines."""
        return self._settled_size + sum(row.size for row in self._rows) + len(self._rows) - 1

    def write(self, text: str) -> None:
        """Add `text`, moving where it says."""
        for number, part in enumerate(text.split("\n")):
            if number:
                self._newline()
            row = self._rows[self._row]
            if row.cells is None and not _MOVES.search(part):
                row.add(part)
            elif part:
                self._draw(part)
            row = self._rows[self._row]
            if (row.size if row.cells is None else len(row.cells)) > self.WIDEST:
                self._settle(self._row + 1, end="")
        if len(self._rows) > self.REACH and self._row >= len(self._rows) - self.REACH:
            self._settle(len(self._rows) - self.REACH)

    def render(self) -> str:
        """All of it as text."""
        return "".join(self._settled) + "\n".join(row.text() for row in self._rows)

    def _newline(self) -> None:
        self._row += 1
        self._column = 0
        if self._row == len(self._rows):
            self._rows.append(_Row())
        else:
            self._rows[self._row].open()

    def _settle(self, count: int, end: str = "\n") -> None:
        """Add the first `count` rows to the settled text; where none is left, `end` and a new one follow."""
        rows = "\n".join(row.text() for row in self._rows[:count])
        text = rows + ("\n" if len(self._rows) > count else end)
        self._settled.append(text)
        self._settled_size += len(text)
        self._rows = self._rows[count:] or [_Row()]
        self._row = max(0, self._row - count)

    def _draw(self, part: str) -> None:
        row = self._rows[self._row]
        if row.cells is None:
            self._column = len(row.open())
        for token in _TOKEN.finditer(part):
            text = token.group()
            if token["up"] is not None:
                self._row = max(0, self._row - int(token["up"][:4] or 1))
                row = self._rows[self._row]
                row.open()
            elif text == "\r":
                self._column = 0
            elif text == "\b":
                self._column = max(0, self._column - 1)
            elif token["erase"] is not None:
                row.cut(0 if token["erase"] == "2" else self._column)
            elif token["ansi"] is not None:
                row.colour = (row.colour + text) if len(row.colour) < self.WIDEST else text
            else:
                row.put(self._column, text)
                self._column += 1
