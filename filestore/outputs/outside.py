"""A cell's outputs one by one, including those that lie outside its record.

async for output in all_outputs(cell, read): ...
"""

from collections.abc import AsyncIterator, Callable

from filestore.records import CellRecord, Output, OutsideOutputs

__all__ = ["all_outputs"]


async def all_outputs(
    cell: CellRecord, read: Callable[[OutsideOutputs], AsyncIterator[Output]]
) -> AsyncIterator[Output]:
    """The outputs of a cell in order, with what `read` gives in place of the short forms of each part."""
    place = 0
    for part in cell.outside:
        for output in cell.outputs[place : part.start]:
            yield output
        place = part.start + part.short
        async for output in read(part):
            yield output
    for output in cell.outputs[place:]:
        yield output
