"""Text as a terminal would draw it: it obeys `\\r`, backspace, erase-line and cursor-up.

    terminal = TerminalText()
    terminal.write("10%\\r20%\\r")
    terminal.render()        # "20%"

A kernel can send any mixture of these. So the time that drawing takes, and the size of what is held and
rendered, are proportional to the length of what is written, whatever it contains.
"""

import re
from io import StringIO

from kernels.text.clipping import ANSI

__all__ = ["TerminalText"]

_SPLIT = re.compile(rf"(\n+|\r+|[\b]+|{ANSI.pattern})")  # what is not plain characters
_MOVES = re.compile(r"[\r\b]|\x1b\[\d*A|\x1b\[[0-2]?K")
_UP = re.compile(r"\x1b\[(\d*)A")
_ERASE = re.compile(r"\x1b\[([0-2]?)K")


class _Row:
    """One line: its text, or each character with its colours, once the row is open to be overwritten."""

    __slots__ = ("_codes", "_text", "cells", "colour")

    def __init__(self) -> None:
        self._text = ""
        self.cells: list[str] | None = None
        self.colour = ""  # codes that wait for the next character
        self._codes = 0  # characters of the codes in `cells`

    @property
    def size(self) -> int:
        """In characters, without the codes that wait."""
        return len(self._text) + self._codes + (len(self.cells) if self.cells is not None else 0)

    def add(self, text: str) -> None:
        """Add text, colours included, to a row that is not open."""
        self._text += text

    def open(self) -> list[str]:
        """The characters, to be overwritten. A row is split only once: a move must not cost its length."""
        if self.cells is None:
            self.cells = []
            for index, piece in enumerate(_SPLIT.split(self._text)):
                if index % 2:
                    self.colour += piece
                elif piece:
                    self.cells += self._coloured(piece)
            self._text = ""
        return self.cells

    def put(self, column: int, run: str) -> int:
        """Overwrite characters of an open row from a column on; returns by how many the row has grown.

        The column is within the row or at its end.
        """
        cells = self.open()
        width, end = len(cells), column + len(run)
        if self._codes:
            self._codes -= _codes(cells[column:end])
        cells[column:end] = self._coloured(run) if self.colour else run
        return len(cells) - width

    def pad(self, count: int) -> None:
        """Add blanks."""
        self.open().extend(" " * count)

    def cut(self, column: int) -> int:
        """Erase everything from a column on; returns how many characters that was."""
        cells = self.open()
        count = len(cells) - column
        if count <= 0:
            return 0
        if self._codes:
            self._codes -= _codes(cells[column:])
        del cells[column:]
        return count

    def text(self) -> str:
        """The row as text."""
        return self._text if self.cells is None else "".join(self.cells) + self.colour

    def _coloured(self, run: str) -> list[str]:
        """The characters of a run; the first one gets the codes that are waiting."""
        self._codes += len(self.colour)
        characters = list(run)
        characters[0] = self.colour + characters[0]
        self.colour = ""
        return characters


def _codes(cells: list[str]) -> int:
    return sum(map(len, cells)) - len(cells)


class TerminalText:
    """See the module's text; colours are kept.

    The last `REACH` lines can be drawn on. Lines further up are settled, and the cursor cannot return to
    them. Nor can it return to the start of a line of more than `WIDEST` characters, as if the line had
    wrapped in a window, or to the lines above its own once the open lines have `OPEN` characters.

    A cursor that goes up into a shorter line leaves blanks before it. There may be `blanks` of them, and one
    more for every `SHARE` characters written; after that the cursor goes to the end of the line instead.
    """

    REACH, SLACK = 64, 32  # lines; nested progress bars need a few, and nothing here is a full screen
    WIDEST = 4096  # characters of a line, and of the colours before a character
    OPEN = 1 << 16  # characters, each of which takes up to 84 bytes
    BLANKS, SHARE = 4096, 8

    def __init__(self, blanks: int = BLANKS) -> None:
        self._settled = StringIO()
        self._rows = [_Row()]
        self._row = 0
        self._column = 0  # in an open row; in any other the cursor is at the end
        self._open = 0  # characters in open rows
        self._blanks = blanks * self.SHARE

    @property
    def size(self) -> int:
        """The number of characters that `render` returns, without colours at the ends of lines."""
        return self._settled.tell() + sum(row.size for row in self._rows) + len(self._rows) - 1

    def write(self, text: str) -> None:
        """Write `text`, which may move the cursor."""
        self._blanks += len(text)
        start = 0
        if self._rows[-1].cells is None and self._row == len(self._rows) - 1:
            move = _MOVES.search(text)
            start = text.rfind("\n", 0, move.start()) + 1 if move else len(text)
            self._flow(text[:start])
        for index, piece in enumerate(_SPLIT.split(text[start:])):
            if not index % 2:
                if piece:
                    self._put(piece)
            elif piece[0] == "\r" and self._rows[self._row].cells is not None:
                self._column = 0  # looked at before the others, since there may be a flood
            else:
                self._control(piece)

    def settle(self) -> None:
        """Keep everything as text, which takes less memory; call it when all has been written."""
        self._settle(len(self._rows), end="")

    def render(self) -> str:
        """All lines as text."""
        return self._settled.getvalue() + "\n".join(row.text() for row in self._rows)

    def _flow(self, text: str) -> None:
        """Add text without moves to the end of the last row; if that is open, the text begins a new line."""
        if not text:
            return
        first, *lines = text.rsplit("\n", self.REACH)
        if "\n" in first:  # all before `lines` is out of reach
            before, _, first = first.rpartition("\n")
            self._settle(len(self._rows), end="")
            self._settled.write(before + "\n")
        self._row = len(self._rows) - 1
        self._add(first)
        for line in lines:
            self._rows.append(_Row())
            self._row = len(self._rows) - 1
            self._add(line)
        if len(self._rows) > self.REACH + self.SLACK:
            self._settle(len(self._rows) - self.REACH)

    def _add(self, text: str) -> None:
        """Add characters and colours to the end of a row that is not open."""
        if text:
            row = self._rows[self._row]
            row.add(text)
            if row.size > self.WIDEST:
                self._settle(self._row + 1, end="")

    def _put(self, run: str) -> None:
        """Write plain characters where the cursor is."""
        row = self._rows[self._row]
        if row.cells is None:
            self._add(run)
            return
        if (missing := self._column - len(row.cells)) > 0:
            if missing * self.SHARE <= self._blanks:
                self._blanks -= missing * self.SHARE
                row.pad(missing)
                self._open += missing
            else:
                self._column = len(row.cells)
        self._open += row.put(self._column, run)
        self._column += len(run)
        if self._column > self.WIDEST:
            self._settle(self._row + 1, end="")
        elif self._open > self.OPEN:
            self._settle(self._row or len(self._rows))

    def _control(self, code: str) -> None:
        """Obey one escape sequence, or a run of the same control character."""
        row = self._rows[self._row]
        if code[0] == "\n":
            self._newlines(len(code))
        elif row.cells is None and not _MOVES.match(code):
            self._add(code)
        elif row.cells is None and not row.size and code[0] in "\r\b":
            self._column = 0  # where it is already
        elif code[0] == "\r":
            self._opened(row)
            self._column = 0
        elif code[0] == "\b":
            self._opened(row)
            self._column = max(0, self._column - len(code))
        elif up := _UP.fullmatch(code):
            self._opened(row)
            self._row = max(0, self._row - int(up[1][:4] or 1))
            self._opened(self._rows[self._row], arriving=True)
        elif erase := _ERASE.fullmatch(code):
            self._opened(row)
            self._open -= row.cut(0 if erase[1] == "2" else self._column)
        else:
            row.colour = (row.colour + code) if len(row.colour) < self.WIDEST else code

    def _opened(self, row: _Row, *, arriving: bool = False) -> None:
        """Open a row. If the cursor was in it, and is not just `arriving`, it is at the end of the row."""
        if row.cells is None:
            width = len(row.open())
            self._open += width
            if not arriving:
                self._column = width

    def _newlines(self, count: int) -> None:
        below = len(self._rows) - 1 - self._row
        if count <= below:
            self._row += count
            self._opened(self._rows[self._row], arriving=True)
            self._column = 0
        elif count == 1 and len(self._rows) < self.REACH + self.SLACK:
            self._rows.append(_Row())
            self._row += 1
        else:
            self._row = len(self._rows) - 1
            self._flow("\n" * (count - below))

    def _settle(self, count: int, end: str = "\n") -> None:
        """Add the first `count` rows to the settled text; if none is left, `end` and a new row follow."""
        rows = self._rows[:count]
        self._open -= sum(len(row.cells) for row in rows if row.cells is not None)
        self._settled.write("\n".join(row.text() for row in rows))
        if rows:
            self._settled.write("\n" if len(self._rows) > count else end)
        below = self._rows[count:]
        self._rows = below or [_Row()]
        if self._row >= count:
            self._row -= count
        else:
            self._row = self._column = 0
            if below:
                self._opened(below[0], arriving=True)
