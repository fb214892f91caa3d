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


class Terminal:
    """Text as a terminal shows it: `\\r`, backspace, erase-line and cursor-up are acted on, colours are kept.

    Lines more than `REACH` above the last are settled: no cursor comes back to them. Nor does one come back
    to the start of a line of more than `WIDEST` characters, as in a window in which it has wrapped.
    """

    REACH = 64  # lines; nested progress bars need a few, nothing here is a full screen
    WIDEST = 4096  # characters

    def __init__(self) -> None:
        self._settled: list[str] = []
        self._settled_size = 0
        self._rows = [""]
        self._row = 0
        self._cells: list[str] | None = (
            None  # the current row while it is overwritten: a shown character each
        )
        self._column = 0
        self._colour = ""  # codes that wait for the next character

    @property
    def size(self) -> int:
        """Characters that `render` gives."""
        return self._settled_size + sum(map(len, self._rows)) + len(self._rows) - 1 + self._overwritten()

    def write(self, text: str) -> None:
        """Add `text`, moving where it says."""
        for number, part in enumerate(text.split("\n")):
            if number:
                self._newline()
            if self._cells is None and not _MOVES.search(part):
                self._rows[self._row] += part
            elif part:
                self._draw(part)
            if len(self._rows[self._row] if self._cells is None else self._cells) > self.WIDEST:
                self._commit()
                self._settle(self._row + 1, end="")
        if len(self._rows) > self.REACH and self._row >= len(self._rows) - self.REACH:
            self._settle(len(self._rows) - self.REACH)

    def render(self) -> str:
        """All of it as text."""
        rows = self._rows.copy()
        if self._cells is not None:
            rows[self._row] = "".join(self._cells) + self._colour
        return "".join(self._settled) + "\n".join(rows)

    def _overwritten(self) -> int:
        """What the row that is being overwritten is longer than its settled text."""
        return 0 if self._cells is None else sum(map(len, self._cells)) - len(self._rows[self._row])

    def _newline(self) -> None:
        self._commit()
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append("")
        else:
            self._split(column=0)

    def _settle(self, count: int, end: str = "\n") -> None:
        """Add the first `count` rows to the settled text; where none is left, `end` and a new one follow."""
        text = "\n".join(self._rows[:count]) + ("\n" if len(self._rows) > count else end)
        self._settled.append(text)
        self._settled_size += len(text)
        self._rows = self._rows[count:] or [""]
        self._row = max(0, self._row - count)

    def _draw(self, part: str) -> None:
        if self._cells is None:
            self._split(column=None)
        for token in _TOKEN.finditer(part):
            cells, text = self._cells or [], token.group()
            if token["up"] is not None:
                self._commit()
                self._row = max(0, self._row - int(token["up"][:4] or 1))
                self._split(self._column)
            elif text == "\r":
                self._column = 0
            elif text == "\b":
                self._column = max(0, self._column - 1)
            elif token["erase"] is not None:
                keep = slice(0, 0) if token["erase"] == "2" else slice(0, self._column)
                self._cells = cells[keep]
            elif token["ansi"] is not None:
                self._colour += text
            else:
                cells.extend(" " * (self._column - len(cells)))
                cells[self._column : self._column + 1] = [self._colour + text]
                self._cells, self._colour = cells, ""
                self._column += 1

    def _split(self, column: int | None) -> None:
        """Open the current row for overwriting, with the cursor at `column`, or at its end."""
        cells: list[str] = []
        colour = ""
        for token in _TOKEN.finditer(self._rows[self._row]):
            if token["char"] is None:
                colour += token.group()
            else:
                cells.append(colour + token.group())
                colour = ""
        self._cells, self._colour = cells, self._colour + colour
        self._column = len(cells) if column is None else column

    def _commit(self) -> None:
        if self._cells is not None:
            self._rows[self._row] = "".join(self._cells) + self._colour
            self._cells, self._colour = None, ""
