"""The entries of an answer, filled by replies: words of the model, and cells with what they showed."""

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

__all__ = [
    "AnswerEntry",
    "CellEntry",
    "CellSnapshot",
    "EntrySnapshot",
    "WordsEntry",
    "code_block",
    "cut_short",
    "snapshot",
]

MAX_TEXT = 8 << 20  # characters; whoever ran the cell has already limited them further
MAX_SHOWN = 256 << 20  # bytes of displays; limited further, too
HELD = 64 << 20  # bytes of outputs that one answer keeps in memory, unless a single cell has more
LEFT_OUT = "[left out here because the cells before this one showed so much: the notebook has it]\n"
CODE_LINES = 15  # lines of a cell's code that are shown
CODE = 700  # characters of it
_LEFT_OUT = re.compile(r"^(# … \d+ more lines|\[…( [\d,]+ lines? left out …)?\])$", re.MULTILINE)


@dataclass(slots=True)
class WordsEntry:
    """The model's words between two cells."""

    text: str = ""


@dataclass(slots=True)
class CellEntry:
    """One cell; with `late`, what it showed after its end."""

    number: int
    code: str | None = None
    late: bool = False
    live: ShownSoFar | None = None  # of a cell that runs
    outputs: Outputs = field(default_factory=lambda: Outputs(max_text=MAX_TEXT, max_shown=MAX_SHOWN))  # late
    notes: list[str] = field(default_factory=list)  # our own remarks, in Markdown
    files: list[GeneratedFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    result: ExecutionResult | None = None

    def add_result(self, result: ExecutionResult, held: int) -> int:
        """Add the cell's result. Earlier cells hold `held` bytes of outputs; returns those of this one."""
        size = 0
        for output in result.outputs:
            size += weight(output)
            if size > HELD:  # by how much makes no difference
                break
        if held and held + size > HELD:
            told = {"output_type": "stream", "name": "stderr", "text": LEFT_OUT}
            result, size = replace(result, outputs=(told,), output=""), 0
        self.result = result
        self.live, self.outputs = None, Outputs(max_text=MAX_TEXT, max_shown=MAX_SHOWN)  # the result has all
        return size

    def snapshot(self, last: int | None = None) -> "CellSnapshot":
        """The cell as it is now; with `last`, only that many of its last outputs.

        The outputs of a finished cell are those of its record, because it may have begun before this program.
        """
        if self.result is None:
            outputs = (self.live or self.outputs.cells)(last)
        else:
            outputs = self.result.outputs[-last:] if last else self.result.outputs
        told = tuple(self.notes), tuple(self.files), tuple(self.skipped)
        return CellSnapshot(self.number, self.code, self.late, outputs, *told, self.result)


@dataclass(frozen=True, slots=True)
class CellSnapshot:
    """A copy of a cell at one moment, which any thread may read: see `CellEntry`."""

    number: int
    code: str | None
    late: bool
    outputs: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    files: tuple[GeneratedFile, ...]
    skipped: tuple[Skipped, ...]
    result: ExecutionResult | None

    def pieces(self) -> list[Piece]:
        """What the cell has shown."""
        return pieces(self.outputs)


AnswerEntry = WordsEntry | CellEntry
EntrySnapshot = WordsEntry | CellSnapshot


def snapshot(entry: AnswerEntry, last: int | None = None) -> EntrySnapshot:
    """A copy of the entry that nothing changes; for `last` see `CellEntry.snapshot`."""
    return WordsEntry(entry.text) if isinstance(entry, WordsEntry) else entry.snapshot(last)


def code_block(code: str) -> str:
    """The first lines of a cell's code, as a block."""
    code = code.strip("\n").rstrip()
    lines = code.split("\n", CODE_LINES)
    if len(lines) > CODE_LINES:
        more = code.count("\n") - CODE_LINES + 2
        lines = [*lines[: CODE_LINES - 1], f"# … {counted(more, 'more line')}"]
    return fenced("\n".join(lines), "py", room=CODE, keep="head")


def cut_short(shown: str) -> bool:
    """Whether the code in a block made by `code_block` is only part of the cell's code."""
    return _LEFT_OUT.search(shown) is not None
