"""Writes plain cells as a `.ipynb` file, and reads any `.ipynb` file as plain cells.

    data = write([Markdown("Hello", author="Ada"), Code("1 + 1", outputs=(...,), count=1)])
    for piece in written(cells): ...              # the same, piece by piece
    read(data).cells

What is written is valid nbformat v4.5, and the same bytes for the same cells. What is read is version 3 or 4
and may contain anything at all: see `kernels.notebooks.sanitize.outputs` for what becomes of outputs, and
`kernels.notebooks.sanitize.markdown` for what becomes of words. Both can take seconds and much memory.
Therefore what strangers have made is read and written by `kernels.notebooks.conversion`, which calls this in
a separate process. Format: https://nbformat.readthedocs.io/en/latest/format_description.html
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import nbformat
from nbformat.notebooknode import from_dict
from nbformat.v4.convert import upgrade_cell

from kernels.notebooks import originals
from kernels.notebooks.cell_json import MAX_TIME, MAX_WRITTEN, NotebookBudget, dumped, no_outputs
from kernels.notebooks.cells import RAISES, SKIP, Cell, Code, LoadedNotebook, Markdown, NotebookError, Raw
from kernels.notebooks.reading import MAX_NAME, MAX_SIZE, fewer, load, read_cells, refuse_too_many, source
from kernels.notebooks.sanitize.markdown import sanitize_markdown, without_scripts
from kernels.notebooks.sanitize.outputs import count, sanitize_outputs
from kernels.text.clipping import clip, repair

__all__ = ["read", "write", "written"]

PYTHON = "3.12"  # the version of the language that is noted in a notebook
BATCH, BATCH_SIZE = 64, 1 << 20  # cells, and characters, that are validated together
DAMAGED = "they were damaged"
KNOWN = ("kernelcord", "raw_mimetype", "tags")  # the parts of a cell's metadata that we have written


def write(cells: Iterable[Cell], **options: Any) -> bytes:
    """The cells as a notebook file in UTF-8; `options` are those of `written`."""
    return "".join(written(cells, **options)).encode()


def written(
    cells: Iterable[Cell],
    *,
    packages: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None,
    size: int = MAX_WRITTEN,
    seconds: float = MAX_TIME,
) -> Iterator[str]:
    """The cells as the pieces of a notebook file; it says which hostile outputs were left out.

    `packages` are the names and versions of what the code ran with, `about` is the metadata of the notebook
    that the cells were read from. A cell that did not end "ok" is tagged so that Jupyter's tools skip it,
    unless it is one that may fail or was read from a notebook. Once the file has `size` characters, or has
    taken `seconds` of processor time (or a minute by the clock), the remaining outputs are left out.

    Raises: NotebookError if even without outputs the cells are over `size`.
    """
    kept = originals.metadata(about)
    if kept and not _is_valid({"cells": [], "metadata": kept, "nbformat": 4, "nbformat_minor": 5}, None):
        kept = {}
    python_kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata: dict[str, Any] = kept | {
        "kernelspec": kept["kernelspec"] if _is_pythons(kept.get("kernelspec")) else python_kernel,
        "language_info": {
            "codemirror_mode": {"name": "ipython", "version": 3},
            "file_extension": ".py",
            "mimetype": "text/x-python",
            "name": "python",
            "nbconvert_exporter": "python",
            "pygments_lexer": "ipython3",
            "version": PYTHON,
        },
        "kernelcord": {"packages": repair(dict(packages or {}))},
    }
    before = '{\n "cells": [\n'
    room = NotebookBudget(partial(_written, {}), size, seconds)
    for cell in _validated(room.cells(cells), metadata):
        yield f"{before}  {cell.replace('\n', '\n  ')}"
        before = ",\n"
    cells_end = "\n ],\n" if before == ",\n" else '{\n "cells": [],\n'
    last = dumped(metadata).replace("\n", "\n ")
    yield f'{cells_end} "metadata": {last},\n "nbformat": 4,\n "nbformat_minor": 5\n}}\n'


def _written(
    ids: dict[str, int], cell: Cell, position: int, in_time: Callable[[Iterable[Any]], Iterable[Any]] = iter
) -> dict[str, Any]:
    """A cell in nbformat's form; `ids` has the ids that are taken, each with the position of its cell."""
    before = cell.original or {}
    metadata: dict[str, Any] = originals.metadata(before.get("metadata"))
    if tags := _valid_tags(originals.tags(before.get("metadata"))):
        metadata["tags"] = tags
    more: dict[str, Any] = {}
    match cell:
        case Markdown():
            words = sanitize_markdown(source(cell.text), Markdown("", cell.author).source)
            # Markdown drops the backslashes that escape the author's name; a page then looks for formulas in
            # it.
            kind, text = "markdown", without_scripts(Markdown(words, cell.author).source)
            if cell.author:
                metadata |= {"kernelcord": {"author": repair(cell.author)}}
        case Raw():
            kind, text = "raw", cell.text
            if cell.original is None or sanitize_markdown(text) != text:
                metadata |= {"raw_mimetype": "text/plain"}  # otherwise converters put it into pages as it is
        case Code():
            kind, text, metadata = "code", cell.code, metadata | _code_metadata(cell)
            more = {"execution_count": count(cell.count), "outputs": sanitize_outputs(in_time(cell.outputs))}
    if kind != "code" and (attached := originals.attachments(before.get("attachments"))):
        more["attachments"] = attached
    text = source(text)
    return {
        "cell_type": kind,
        "id": _id(ids, before.get("id"), position, f"{kind}\n{text}"),
        "metadata": metadata,
        "source": text.splitlines(keepends=True),
        **more,
    }


def _id(ids: dict[str, int], wanted: Any, position: int, content: str) -> str:
    """The wanted id, or one that the same cell at the same position always gets; no id is used twice."""
    if originals.is_id(wanted) and ids.setdefault(wanted, position) == position:
        return str(wanted)
    made = f"{position}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    while ids.setdefault(made, position) != position:
        made += "-"
    return made


def _is_pythons(kernelspec: Any) -> bool:
    """Whether a notebook's kernel runs Python, whatever it is called."""
    match kernelspec:
        case {"name": str(), "display_name": str(), **others}:
            return others.get("language", "python") == "python"
    return False


def _code_metadata(cell: Code) -> dict[str, Any]:
    ours: dict[str, Any] = {"status": cell.status}
    if cell.file_ids:
        ours["file_ids"] = list(cell.file_ids)
    if cell.author:
        ours["author"] = cell.author
    if cell.execution_time is not None:
        ours["execution_time"] = cell.execution_time
    metadata: dict[str, Any] = {"kernelcord": ours}
    may_fail = cell.status == "ok" or (cell.status == "error" and RAISES in cell.tags)
    # In a notebook that was read, a person sets the tags.
    as_they_were = may_fail or cell.original is not None
    tags = dict.fromkeys(cell.tags if as_they_were else (*cell.tags, SKIP))
    if valid := _valid_tags(tags):
        metadata["tags"] = valid
    repaired: dict[str, Any] = repair(metadata)
    return repaired


def _valid_tags(tags: Iterable[str]) -> list[str]:
    return [tag for tag in dict.fromkeys(tags) if tag and "," not in tag]


def _validated(cells: Iterable[tuple[dict[str, Any], str]], metadata: dict[str, Any]) -> Iterator[str]:
    """The cells' JSON, validated by nbformat; a cell that it rejects loses its outputs."""
    batch: list[tuple[dict[str, Any], str]] = []
    for cell in cells:
        batch.append(cell)
        if len(batch) == BATCH or sum(len(text) for _, text in batch) > BATCH_SIZE:
            yield from _validated_batch(batch, metadata)
            batch.clear()
    yield from _validated_batch(batch, metadata)


def _validated_batch(batch: list[tuple[dict[str, Any], str]], metadata: dict[str, Any]) -> Iterator[str]:
    parts = {"cells": [cell for cell, _ in batch], "metadata": metadata}
    try:
        nbformat.validate(parts | {"nbformat": 4, "nbformat_minor": 5})
    except nbformat.ValidationError:
        for cell, text in batch:
            yield text if _is_valid(cell) else dumped(_mended(cell))
    else:
        yield from (text for _, text in batch)


def _mended(cell: dict[str, Any]) -> dict[str, Any]:
    """The cell without the metadata that it had in another notebook, or without its outputs."""
    ours = {key: value for key, value in cell["metadata"].items() if key in KNOWN}
    mended = cell | {"metadata": ours}
    if cell["cell_type"] == "code" and not _is_valid(mended):
        return mended | {"outputs": [no_outputs(DAMAGED)]}
    return mended


def _is_valid(part: dict[str, Any], ref: str | None = "") -> bool:
    """Whether nbformat accepts a cell or, if `ref` is None, a whole notebook."""
    try:
        nbformat.validate(
            part, ref=f"{part['cell_type']}_cell" if ref == "" else ref, version=4, version_minor=5
        )
    except nbformat.ValidationError:
        return False
    return True


def read(data: bytes, *, limit: int = MAX_SIZE) -> LoadedNotebook:
    """The cells of a `.ipynb` file of at most `limit` bytes, and notes on what was left out.

    Raises: NotebookError with one sentence for the person if it is not a notebook of version 3 or 4.
    """
    document = load(data, limit=limit)
    notes: list[str] = []
    match document["nbformat"]:
        case 4:
            found = read_cells(document.get("cells"))
        case 3:
            found = read_cells(_from_version_3(document.get("worksheets"), notes))
        case int() as version if version > 4:
            raise NotebookError(
                f"The notebook is in format {version}, but only formats up to 4 can be read here. "
                "Save it in format 4 and try again."
            )
        case 1 | 2 as version:
            raise NotebookError(
                f"The notebook is in format {version}, which is too old. Open and save it in Jupyter first."
            )
        case _:
            raise NotebookError('This is not a notebook: its "nbformat" is not a version number.')
    if (language := _language(document)) != "python":
        notes.append(f"The notebook is written in {language}; its cells are run as Python.")
    about = originals.metadata(document.get("metadata"), "The notebook", notes)
    return LoadedNotebook(found.cells, fewer([*notes, *found.notes]), about)


def _from_version_3(worksheets: Any, notes: list[str]) -> list[Any]:
    """The cells of all worksheets as version 4 has them."""
    if not isinstance(worksheets, list):
        raise NotebookError("This is not a whole notebook: its worksheets are missing or not a list.")
    sheets = [sheet.get("cells") for sheet in worksheets if isinstance(sheet, dict)]
    old_cells = [old for sheet in sheets if isinstance(sheet, list) for old in sheet]
    refuse_too_many(old_cells)
    cells = []
    for old in old_cells:
        try:
            cells.append(upgrade_cell(from_dict(_rejoined(old))))  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001  the converter expects a valid cell, and can fail with any error
            notes.append(f"A cell after cell {len(cells)} was left out: it is damaged.")
    return cells


def _rejoined(old: dict[str, Any]) -> dict[str, Any]:
    """A version 3 cell with its lists of lines joined, as the converter wants them."""
    outputs = old.get("outputs")
    shown = [
        {key: value if key == "traceback" else _text_of_lines(value) for key, value in output.items()}
        for output in (outputs if isinstance(outputs, list) else [])
    ]
    return {key: _text_of_lines(value) for key, value in old.items()} | {"outputs": shown}


def _text_of_lines(value: Any) -> Any:
    is_lines = isinstance(value, list) and all(isinstance(line, str) for line in value)
    return "".join(value) if is_lines else value


def _language(document: dict[str, Any]) -> str:
    """The notebook's language in lower case; Python if it does not say."""
    match document.get("metadata"):
        case {"kernelspec": {"language": str(name)}} | {"language_info": {"name": str(name)}}:
            return clip(repair(name.lower()), MAX_NAME) or "python"
    return "python"
