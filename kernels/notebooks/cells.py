"""A notebook's plain cells: what `kernels.notebooks.notebook` writes and what it reads.

    [Markdown("Plot it", author="Ada"), Code("plot(x)", outputs=(...,), count=1)]

They know neither nbformat nor transcripts. One that was read from a notebook has in `original` what it had
there beside (see `kernels.notebooks.originals`); it is written with that, and with the tags that it had.
"""

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = [
    "RAISES",
    "SKIP",
    "Cell",
    "Code",
    "LoadedNotebook",
    "Markdown",
    "Notebook",
    "NotebookError",
    "Raw",
    "StreamedCell",
]

SKIP = "skip-execution"  # the tag of cells that Jupyter's tools leave out (nbclient's skip_cells_with_tag)
RAISES = "raises-exception"  # the tag of cells that may fail without ending the run
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")  # all that Markdown lets a backslash stand before
_ESCAPED = r"\\\g<0>"


@dataclass(frozen=True, slots=True)
class Markdown:
    """A person's or the model's words; the author, when there is one, is shown in the cell."""

    text: str
    author: str = ""
    original: dict[str, Any] | None = field(default=None, compare=False)

    @property
    def source(self) -> str:
        """The cell as it is written: the text, after a line with the author in bold."""
        if not self.author:
            return self.text
        return f"**{_PUNCTUATION.sub(_ESCAPED, ' '.join(self.author.split()))}**\n\n{self.text}"


@dataclass(frozen=True, slots=True)
class Raw:
    """Text that is neither run nor rendered; imported notebooks have it."""

    text: str
    original: dict[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Code:
    """Code and what it showed: `outputs` are nbformat v4 output dicts, `execution_time` is in seconds."""

    code: str
    outputs: tuple[dict[str, Any], ...] = ()
    count: int | None = None
    status: str = "ok"
    file_ids: tuple[str, ...] = ()
    author: str = ""
    execution_time: float | None = None
    tags: tuple[str, ...] = ()
    original: dict[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class StreamedCell:
    """A cell of code to be written whose `count` outputs come one by one; `code` has none."""

    code: Code
    count: int
    outputs: AsyncIterator[dict[str, Any]]


type Cell = Markdown | Raw | Code


class Notebook(Protocol):
    """A notebook that was read, with its cells in memory or on disk."""

    @property
    def cells(self) -> Iterable[Cell]:
        """The cells in order; they can be gone through again."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for everything in it that was not taken over."""

    @property
    def code_cells(self) -> int:
        """How many of the cells are code."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What it has of its own: title, authors, kernel and what programs noted in it."""


@dataclass(frozen=True, slots=True)
class LoadedNotebook:
    """A `Notebook` with its cells in memory."""

    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def code_cells(self) -> int:
        """How many of the cells are code."""
        return sum(isinstance(cell, Code) for cell in self.cells)


class NotebookError(ValueError):
    """No notebook that can be read; the message is one sentence for the person who sent it."""
