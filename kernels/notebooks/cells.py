"""A notebook's plain cells: what `kernels.notebooks.notebook` writes and what it reads.

    [Markdown("Plot it", author="Ada"), Code("plot(x)", outputs=(...,), count=1)]

They know neither nbformat nor transcripts. In a cell that was read from a notebook, `original` is whatever
else it had there (see `kernels.notebooks.originals`); that is written again, and so are its tags.
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

SKIP = "skip-execution"  # the tag of cells that Jupyter's tools do not run (nbclient's skip_cells_with_tag)
RAISES = "raises-exception"  # the tag of cells that may fail without ending the run
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")  # all characters that a backslash escapes in Markdown
_ESCAPED = r"\\\g<0>"


@dataclass(frozen=True, slots=True)
class Markdown:
    """A person's or the model's words; if there is an author, the cell shows who it is."""

    text: str
    author: str = ""
    original: dict[str, Any] | None = field(default=None, compare=False)

    @property
    def source(self) -> str:
        """The cell as it is written: a line with the author in bold, then the text."""
        if not self.author:
            return self.text
        return f"**{_PUNCTUATION.sub(_ESCAPED, ' '.join(self.author.split()))}**\n\n{self.text}"


@dataclass(frozen=True, slots=True)
class Raw:
    """Text that is neither run nor rendered; only notebooks that were read have such cells."""

    text: str
    original: dict[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Code:
    """Code and its outputs, which are nbformat v4 output dicts; `execution_time` is in seconds."""

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
    """A code cell to be written whose `count` outputs come one by one; `code` itself has none."""

    code: Code
    count: int
    outputs: AsyncIterator[dict[str, Any]]


type Cell = Markdown | Raw | Code


class Notebook(Protocol):
    """A notebook that was read, with its cells in memory or on disk."""

    @property
    def cells(self) -> Iterable[Cell]:
        """The cells in order; they can be iterated again."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence about everything in it that was left out."""

    @property
    def code_cells(self) -> int:
        """How many of the cells are code."""

    @property
    def metadata(self) -> dict[str, Any]:
        """Its own metadata: title, authors, kernel and whatever programs noted in it."""


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
    """The notebook cannot be read or written; the message is one sentence for the person who wants it."""
