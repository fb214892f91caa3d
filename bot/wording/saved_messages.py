"""What people are told about what is saved of their variables.

values_in_words(values)
what_is_saved(state)    # "Saved as of cell 12 (3.2 MB). Not saved: `conn` (a database connection)."
"""

from collections.abc import Sequence

from kernels.cell.events import UnsavedValue
from kernels.interface import State
from kernels.text.clipping import clip, human_size
from kernels.text.visible import one_line

__all__ = ["values_in_words", "what_is_saved"]

NAMED = 6  # values that are named; the rest are counted
LONGEST = 60  # characters of a name, and of what it is


def what_is_saved(state: State) -> str:
    """As of which cell the variables are saved, how large that is, and what it does not have; "" if none are.

    The variables that are new since then are saved in a moment, or cannot be while a cell runs.
    """
    if not state.saved:
        return ""
    told = [f"Saved as of cell {state.saved} ({human_size(state.saved_size)})."]
    if cannot := [one for one in state.unsaved if one.what]:
        told.append(f"Not saved: {values_in_words(cannot)}.")
    if new := [one for one in state.unsaved if not one.what]:
        told.append(f"Not saved yet: {_first([_name(one) for one in new])}.")
    return " ".join(told)


def values_in_words(values: Sequence[UnsavedValue]) -> str:
    """Values that could not be saved: "`conn` (a database connection, from cell 7), and 3 more"."""
    return _first([_described(one) for one in values])


def _first(items: Sequence[str]) -> str:
    more = len(items) - NAMED
    return ", ".join([*items[:NAMED], *([f"and {more:,} more"] if more > 0 else [])])


def _described(value: UnsavedValue) -> str:
    cell = f", from cell {value.cell}" if value.cell else ""
    return f"{_name(value)} ({clip(one_line(value.what), LONGEST)}{cell})"


def _name(value: UnsavedValue) -> str:
    return f"`{clip(one_line(value.name), LONGEST).replace('`', chr(0x2019))}`"
