"""How we talk to the process that reads and writes notebooks: cells as lines of JSON, and exit codes.

    for line in to_lines(cell): ...
    for cell in cells(lines): ...

A cell is a line with its fields, followed by a line for each of its outputs, so that no line has more than
one output.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from kernels.notebooks.cells import Cell, Code, Markdown, Raw

__all__ = ["NO_MEMORY", "NO_ROOM", "REFUSED", "cells", "first_line", "line", "to_lines"]

# Exit codes: the notebook is refused, for the reason on stderr; it takes too much memory; the output cannot
# be written, with the number of the error on stderr.
REFUSED, NO_MEMORY, NO_ROOM = 3, 4, 5

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (Markdown, Raw, Code)}


def line(value: Any) -> bytes:
    """A JSON value as a line."""
    return json.dumps(value).encode() + b"\n"


def to_lines(cell: Cell) -> Iterator[bytes]:
    """The lines of a cell."""
    outputs = cell.outputs if isinstance(cell, Code) else ()
    yield first_line(cell, len(outputs))
    yield from map(line, outputs)


def first_line(cell: Cell, count: int) -> bytes:
    """The line with a cell's fields; `count` lines, each with one output, must follow."""
    fields = {name: getattr(cell, name) for name in type(cell).__slots__ if name != "outputs"}
    return line([type(cell).__name__, fields, count])


def cells(lines: Iterable[bytes]) -> Iterator[Cell]:
    """The cells in the lines. Raises: ValueError if they end in the middle of a cell."""
    following = iter(lines)
    for first in following:
        kind, fields, count = json.loads(first)
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        if count:
            outputs = tuple(map(json.loads, islice(following, count)))
            if len(outputs) < count:
                raise ValueError("the lines of a cell are not all there")
            given["outputs"] = outputs
        made: Cell = _KINDS[kind](**given)
        yield made
