"""What people are told about undone cells, checkpoints and branches, in Markdown.

undone(undone)              # "Undone: cell 13. `df` is back to DataFrame 1,000 x 4; `model` is gone."
cells_in_words([12, 13])    # "cells 12 and 13"
left_out(2)                 # in a notebook, of cells that were undone
branched(origin)            # the words that a branch begins with
"""

from collections.abc import Iterator, Sequence

from bot.continuity.undo.history import Origin
from bot.continuity.undo.undone import FileBack, Undone
from kernels.cell.events import UnsavedValue
from kernels.state.journey import ChangedVariable
from kernels.text.clipping import clip, counted
from kernels.text.visible import one_line

__all__ = ["branched", "cells_in_words", "left_out", "undone"]

NAMED = 8  # variables, and files, that are named; the rest are counted
NUMBERED = 6  # cells whose numbers are listed one by one
LONGEST = 60  # characters of a name or a description


def cells_in_words(cells: Sequence[int]) -> str:
    """Numbers of cells, in order, in words: "cell 3", "cells 12 and 13", "cells 3 to 9"."""
    if len(cells) == 1:
        return f"cell {cells[0]}"
    first, last = cells[0], cells[-1]
    if len(cells) > 2 and last - first == len(cells) - 1:
        return f"cells {first} to {last}"
    if len(cells) > NUMBERED:
        return f"{len(cells):,} cells from {first} to {last}"
    return f"cells {', '.join(map(str, cells[:-1]))} and {last}"


def undone(told: Undone) -> str:
    """What a person is told about going back or forward again, short."""
    return " ".join(_sentences(told))


def left_out(count: int) -> str:
    """A line for the notebook about cells that it leaves out."""
    return f"*{counted(count, 'cell')} that {'was' if count == 1 else 'were'} undone: left out here.*"


def branched(origin: Origin) -> str:
    """The words that stand in a branch between what it has copied and its own cells."""
    state = f"at cell {origin.cell}" if origin.cell else "without variables"
    return f"*Branch {_name(origin.name)}: everything above is copied from another session, {state}.*"


def _sentences(told: Undone) -> Iterator[str]:
    yield from _cells(told)
    changes = [*_first([_variable(one) for one in told.changed], "variable")]
    changes += _first([_file(one) for one in told.files], "file")
    if changes:
        yield f"{'; '.join(changes)}."
    elif not (told.unsaved or told.left):
        yield "No variable and no file is different."
    if told.unsaved:
        yield f"Not back: {'; '.join(_first([_unsaved(one) for one in told.unsaved], 'value'))}."
    if told.left:
        left = [f"{_name(one.name)} ({one_line(one.why)})" for one in told.left]
        yield f"Not put back: {'; '.join(_first(left, 'file'))}."
    if told.for_good:
        yield "What was there before was not saved, so this cannot be redone."


def _cells(told: Undone) -> Iterator[str]:
    if told.kind == "restore":
        yield f"Back at checkpoint {_name(told.name)}, which is as of cell {told.as_of}."
    if told.cells:
        yield f"Undone: {cells_in_words(told.cells)}."
    if told.again:
        yield f"{'Redone' if told.kind == 'redo' else 'Counting again'}: {cells_in_words(told.again)}."
    if told.unkept:
        where = f"as after cell {told.as_of}" if told.as_of else "gone"
        yield f"Your variables are {where}: those of {cells_in_words(told.unkept)} were not saved."
    elif not told.as_of:
        yield "You have no variables now."


def _first(items: Sequence[str], what: str) -> list[str]:
    """The first of them, and how many more there are."""
    more = len(items) - NAMED
    return [*items[:NAMED], *([f"and {more:,} more {what}{'s' if more > 1 else ''}"] if more > 0 else [])]


def _variable(one: ChangedVariable) -> str:
    name, now = _name(one.name), clip(one_line(one.now), LONGEST)
    if not one.now:
        return f"{name} is gone"
    if not one.was:
        return f"{name} is there again ({now})"
    return f"{name} has other contents again" if one.was == one.now else f"{name} is back to {now}"


def _file(one: FileBack) -> str:
    if one.gone:
        return f"{_name(one.name)} is deleted"
    return f"{_name(one.name)} is the version {f'of cell {one.cell}' if one.cell else 'that was uploaded'}"


def _unsaved(one: UnsavedValue) -> str:
    cell = f", from cell {one.cell}" if one.cell else ""
    return f"{_name(one.name)} ({one_line(one.what)}{cell})"


def _name(name: str) -> str:
    """A name as code; one with a backtick in it would end there."""
    return f"`{clip(one_line(name), LONGEST).replace('`', chr(0x2019))}`"
