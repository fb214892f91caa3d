"""Reads a `.ipynb` file that anybody may have made: its JSON, and its version 4 cells as plain cells.

document = load(data, limit=MAX_SIZE)      # raises NotebookError with one sentence
read_cells(document["cells"])              # LoadedNotebook(cells, notes)
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from kernels.cell.outputs import ENDINGS, MOST
from kernels.notebooks.cells import Cell, Code, LoadedNotebook, Markdown, NotebookError, Raw
from kernels.notebooks.originals import original
from kernels.notebooks.sanitize.outputs import count, joined, sanitize_outputs
from kernels.text.clipping import clip, human_size, repair
from kernels.text.visible import one_line

__all__ = ["MAX_SIZE", "fewer", "load", "read_cells", "refuse_too_large", "refuse_too_many", "source"]

MAX_SIZE = 50 << 20  # bytes
MAX_NAME = 100  # characters of a name that a note mentions
MOST_CELLS = 10_000
MOST_OUTPUTS = MOST + ENDINGS  # of one cell: as many as a cell that runs here shows
MOST_NOTES = 100
MOST_TAGS = 1000  # of one cell, and as many ids of its files


def load(data: bytes, *, limit: int = MAX_SIZE) -> dict[str, Any]:
    """The JSON object in `data`, at most `limit` bytes. Raises: NotebookError if there is none."""
    refuse_too_large(len(data), limit)
    if not data.strip():
        raise NotebookError("The file is empty.")
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise NotebookError("This is not a notebook: the file is not UTF-8 text.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise NotebookError(f"The file is not valid JSON: {error.msg} at {where}.") from None
    except RecursionError:
        raise NotebookError("This is not a notebook: its JSON is nested too deep.") from None
    except MemoryError:
        raise NotebookError(
            "The notebook contains more than can be read here. Clear its outputs in Jupyter and try again."
        ) from None
    except ValueError:  # an integer of more digits than Python reads
        raise NotebookError("The file is not valid JSON: a number in it is too long.") from None
    if not isinstance(document, dict) or "nbformat" not in document:
        raise NotebookError('This is JSON, but not a notebook: it has no "nbformat" at the top.')
    return document


def refuse_too_large(size: int, limit: int = MAX_SIZE) -> None:
    """Raises: NotebookError if `size`, in bytes, is over the limit."""
    if size > limit:
        sizes = f"{human_size(size)}; the limit is {human_size(limit)}"
        raise NotebookError(
            f"The notebook is too large: {sizes}. Clear its outputs in Jupyter and try again."
        )


def source(value: Any) -> str:
    """The text of a cell, stored as one string or as a list of lines, with `\\n` at the ends of lines."""
    try:
        return joined(repair(value)).replace("\r\n", "\n").replace("\r", "\n")
    except RecursionError:
        return ""


def read_cells(raw_cells: Any) -> LoadedNotebook:
    """The plain cells of version 4 cells. Raises: NotebookError if they are not a list."""
    if not isinstance(raw_cells, list):
        raise NotebookError("This is not a whole notebook: its cells are missing or not a list.")
    refuse_too_many(raw_cells)
    cells: list[Cell] = []
    notes: list[str] = []
    for number, raw in enumerate(raw_cells, start=1):
        kind = raw.get("cell_type") if isinstance(raw, dict) else None
        kept = original(raw, f"Cell {number}", notes) if isinstance(raw, dict) else None
        match kind:
            case "markdown":
                cells.append(replace(_markdown(raw), original=kept))
            case "raw":
                cells.append(Raw(source(raw.get("source")), kept))
            case "code":
                cells.append(replace(_code(raw), original=kept))
                if (more := _count(raw.get("outputs")) - MOST_OUTPUTS) > 0:
                    notes.append(f"Cell {number}: {more:,} of its outputs were left out.")
            case _:
                name = clip(kind, MAX_NAME) if isinstance(kind, str) else "none"
                notes.append(f"Cell {number} was left out: its type ({name}) is unknown.")
    return LoadedNotebook(tuple(cells), tuple(notes))


def refuse_too_many(cells: Sequence[Any]) -> None:
    """Raises: NotebookError if there are more cells than a notebook may have."""
    if len(cells) > MOST_CELLS:
        raise NotebookError(
            f"The notebook has {len(cells):,} cells; the limit is {MOST_CELLS:,}. Split it and try again."
        )


def fewer(notes: Sequence[str]) -> tuple[str, ...]:
    """The first `MOST_NOTES` notes, each on one line, and a last one with the number of the others."""
    more = len(notes) - MOST_NOTES
    kept = tuple(map(one_line, notes[:MOST_NOTES]))
    return (*kept, f"And {more:,} more notes like these.") if more > 0 else kept


def _markdown(raw: dict[str, Any]) -> Markdown:
    text = source(raw.get("source"))
    author = source(_ours(raw).get("author"))
    heading = Markdown("", author).source
    return Markdown(text.removeprefix(heading), author if text.startswith(heading) else "")


def _code(raw: dict[str, Any]) -> Code:
    ours = _ours(raw)
    outputs, time = raw.get("outputs"), ours.get("execution_time")
    sanitized = sanitize_outputs(outputs[:MOST_OUTPUTS] if isinstance(outputs, list) else [])
    return Code(
        source(raw.get("source")),
        outputs=tuple(sanitized),
        count=count(raw.get("execution_count")),
        status=source(ours.get("status")) or "ok",
        file_ids=_texts(ours.get("file_ids")),
        author=source(ours.get("author")),
        execution_time=time if isinstance(time, float | int) and not isinstance(time, bool) else None,
        tags=_texts(_dict(raw.get("metadata")).get("tags")),
    )


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def _ours(raw: dict[str, Any]) -> dict[str, Any]:
    return _dict(_dict(raw.get("metadata")).get("kernelcord"))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(values: Any) -> tuple[str, ...]:
    every: Iterable[Any] = values[:MOST_TAGS] if isinstance(values, list) else ()
    return tuple(repair(value) for value in every if isinstance(value, str))
