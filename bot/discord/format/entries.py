"""The entries of an answer, as replies fill them: words of the model, and cells with what they showed."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from bot.discord.format.markdown import fenced
from bot.discord.format.pieces import Piece, pieces
from bot.reply import ExecutionResult, GeneratedFile, ShownSoFar
from kernels.cell.outputs import Outputs
from kernels.text.clipping import counted
from kernels.wire.weight import weight
from kernels.workspace.captured import Skipped

__all__ = ["Entry", "Said", "Shown", "Snapshot", "Still", "code_block", "cut_short", "still"]

MAX_TEXT = 8 << 20  # characters; whoever ran the cell has held them within a limit already
MAX_SHOWN = 256 << 20  # bytes of displays, likewise
HELD = 64 << 20  # bytes that the outputs of an answer's cells take together, unless one alone takes more
LEFT_OUT = "[left out here, since the cells before this one showed so much: the notebook has it]\n"
CODE_LINES = 15  # of a cell's code that are shown
CODE = 700  # characters of it
_LEFT_OUT = re.compile(r"^(# … \d+ more lines|\[…( [\d,]+ lines? left out …)?\])$", re.MULTILINE)


@dataclass(slots=True)
class Said:
    """What the model has said so far, between two cells."""

    text: str = ""


@dataclass(slots=True)
class Shown:
    """One cell, or with `late` what came after its end."""

    number: int
    code: str | None = None
    late: bool = False
    live: ShownSoFar | None = None  # of a cell that runs
    outputs: Outputs = field(default_factory=lambda: Outputs(max_text=MAX_TEXT, max_shown=MAX_SHOWN))  # late
    notes: list[str] = field(default_factory=list)  # Markdown, of us
    files: list[GeneratedFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    result: ExecutionResult | None = None

    def end(self, result: ExecutionResult, held: int) -> int:
        """The cell has this result, and those before it hold `held` bytes; returns how many it holds."""
        size = 0
        for output in result.outputs:
            size += weight(output)
            if size > HELD:  # how much more makes no difference
                break
        if held and held + size > HELD:
            told = {"output_type": "stream", "name": "stderr", "text": LEFT_OUT}
            result, size = replace(result, outputs=(told,), output=""), 0
        self.result = result
        self.live, self.outputs = None, Outputs(max_text=MAX_TEXT, max_shown=MAX_SHOWN)  # the result has all
        return size

    def snapshot(self, last: int | None = None) -> "Snapshot":
        """It as it is now, with what it has shown; with `last` only so many of its last outputs.

        Of a cell that has ended it is what its record has: it may have begun before us.
        """
        if self.result is None:
            outputs = (self.live or self.outputs.cells)(last)
        else:
            outputs = self.result.outputs[-last:] if last else self.result.outputs
        return Snapshot(
            self.number,
            self.code,
            self.late,
            outputs,
            tuple(self.notes),
            tuple(self.files),
            tuple(self.skipped),
            self.result,
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A cell as it was at one moment, which any thread may read: see `Shown`."""

    number: int
    code: str | None
    late: bool
    outputs: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    files: tuple[GeneratedFile, ...]
    skipped: tuple[Skipped, ...]
    result: ExecutionResult | None

    def pieces(self) -> list[Piece]:
        """What it has shown."""
        return pieces(self.outputs)


Entry = Said | Shown
Still = Said | Snapshot


def still(entry: Entry, last: int | None = None) -> Still:
    """The entry as it is now, which nothing changes any more; with `last` see `Shown.snapshot`."""
    return Said(entry.text) if isinstance(entry, Said) else entry.snapshot(last)


def code_block(code: str) -> str:
    """A cell's code as a block: its first lines."""
    code = code.strip("\n").rstrip()
    lines = code.split("\n", CODE_LINES)
    if len(lines) > CODE_LINES:
        more = code.count("\n") - CODE_LINES + 2
        lines = [*lines[: CODE_LINES - 1], f"# … {counted(more, 'more line')}"]
    return fenced("\n".join(lines), "py", room=CODE, keep="head")


def cut_short(shown: str) -> bool:
    """Whether the code in a block of `code_block` is only a part of the cell's."""
    return _LEFT_OUT.search(shown) is not None
