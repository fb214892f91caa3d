"""Writes the cells of a notebook as JSON, with their outputs as long as there is room and time for them.

    for cell, text in NotebookBudget(written, size=256 << 20, seconds=15.0).cells(cells): ...

`written(cell, position, in_time)` returns a cell in nbformat's form, with those of its outputs that `in_time`
lets through.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from kernels.notebooks.cells import Cell, Code, NotebookError
from kernels.text.clipping import human_size

__all__ = ["MAX_TIME", "MAX_WRITTEN", "NotebookBudget", "dumped", "no_outputs"]

MAX_WRITTEN = 256 << 20  # characters of a notebook; after that cells are written without outputs
MAX_TIME = 15.0  # seconds of processor time, likewise
MAX_WAIT = 60.0  # seconds by the clock, likewise
MAX_CELL = 100 << 20  # bytes of memory for one cell's JSON, which is copied a few times

InTime = Callable[[Iterable[Any]], Iterable[Any]]


class NotebookBudget:
    """How many characters and seconds are left for a notebook."""

    def __init__(
        self, written: Callable[[Cell, int, InTime], dict[str, Any]], size: int, seconds: float
    ) -> None:
        self._written = written
        self._size = size
        self._for_outputs = size  # characters that are left for cells with outputs
        self._for_others = size  # and for cells that are written without them
        self._until = time.process_time() + seconds
        self._until_clock = time.monotonic() + MAX_WAIT

    def cells(self, cells: Iterable[Cell]) -> Iterator[tuple[dict[str, Any], str]]:
        """Each cell in nbformat's form, and as JSON.

        Raises: NotebookError if the cells that are written without outputs have more than `size` characters.
        """
        for position, cell in enumerate(cells):
            try:
                found = self._written(cell, position, self._in_time)
                text = dumped(found)
                if sys.getsizeof(text) > MAX_CELL:
                    raise MemoryError
            except MemoryError:
                found = self._bare(cell, position, "they take too much memory")
                text = dumped(found)
            if len(text) <= self._for_outputs:
                self._for_outputs -= len(text)
            else:
                self._for_outputs = 0  # or a later, smaller cell would still get its outputs
                found = self._bare(cell, position, f"the notebook would be over {human_size(self._size)}")
                text = dumped(found)
                self._for_others -= len(text)
            if self._for_others < 0:
                raise NotebookError(
                    f"The notebook is over {human_size(self._size)} without any outputs, which is too much."
                )
            yield found, text

    def _in_time(self, outputs: Iterable[Any]) -> Iterator[Any]:
        """The outputs, as long as there is time for another one."""
        for output in outputs:
            if time.process_time() > self._until or time.monotonic() > self._until_clock:
                yield no_outputs("the notebook takes too long to write")
                return
            yield output

    def _bare(self, cell: Cell, position: int, why: str) -> dict[str, Any]:
        """The cell without its outputs, and with the reason."""
        if not isinstance(cell, Code) or not cell.outputs:
            return self._written(cell, position, iter)
        return self._written(replace(cell, outputs=(no_outputs(why),)), position, iter)


def dumped(value: Any) -> str:
    """A part of a notebook as JSON, as in the file."""
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)


def no_outputs(why: str) -> dict[str, Any]:
    """The output that is written instead of those that were left out."""
    return {"output_type": "stream", "name": "stderr", "text": f"[outputs left out: {why}]\n"}
