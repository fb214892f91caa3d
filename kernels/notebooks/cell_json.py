"""The cells of a notebook as JSON, with their outputs while there is room and time for them.

    for cell, text in NotebookBudget(written, size=256 << 20, seconds=15.0).cells(cells): ...

`written(cell, position, in_time)` gives a cell as nbformat has it; of its outputs it looks at those that
`in_time` lets through.
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

MAX_WRITTEN = 256 << 20  # characters of a notebook; beyond it cells are written without outputs
MAX_TIME = 15.0  # seconds of processor time, likewise
MAX_WAIT = 60.0  # seconds by the clock, likewise
MAX_CELL = 100 << 20  # bytes of memory of one cell's JSON, which is copied a few times

InTime = Callable[[Iterable[Any]], Iterable[Any]]


class NotebookBudget:
    """How many characters and seconds a notebook has left."""

    def __init__(
        self, written: Callable[[Cell, int, InTime], dict[str, Any]], size: int, seconds: float
    ) -> None:
        self._written = written
        self._size = size
        self._for_outputs = size  # characters that are left for cells with their outputs
        self._for_others = size  # and for those that are written without
        self._until = time.process_time() + seconds
        self._until_clock = time.monotonic() + MAX_WAIT

    def cells(self, cells: Iterable[Cell]) -> Iterator[tuple[dict[str, Any], str]]:
        """Each cell as nbformat has it, and that as JSON.

        Raises: NotebookError when cells without outputs have more than `size` characters.
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
                self._for_outputs = 0  # else a later, smaller cell would still have its outputs
                found = self._bare(cell, position, f"the notebook would be over {human_size(self._size)}")
                text = dumped(found)
                self._for_others -= len(text)
            if self._for_others < 0:
                raise NotebookError(
                    f"The notebook is over {human_size(self._size)} without any outputs, which is too much."
                )
            yield found, text

    def _in_time(self, outputs: Iterable[Any]) -> Iterator[Any]:
        """The outputs, as long as there is time to look at another."""
        for output in outputs:
            if time.process_time() > self._until or time.monotonic() > self._until_clock:
                yield no_outputs("the notebook takes too long to write")
                return
            yield output

    def _bare(self, cell: Cell, position: int, why: str) -> dict[str, Any]:
        """The cell without the outputs that it may have."""
        if not isinstance(cell, Code) or not cell.outputs:
            return self._written(cell, position, iter)
        return self._written(replace(cell, outputs=(no_outputs(why),)), position, iter)


def dumped(value: Any) -> str:
    """A part of a notebook as JSON, as it stands in the file."""
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)


def no_outputs(why: str) -> dict[str, Any]:
    """What stands in the place of outputs."""
    return {"output_type": "stream", "name": "stderr", "text": f"[outputs left out: {why}]\n"}
