"""What people are told about undone cells, checkpoints and branches.

undone(undone)              # "Undone: cell 13. `df` is back to DataFrame 1,000 x 4; `model` is gone."
cells_in_words([12, 13])    # "cells 12 and 13"
"""

from collections.abc import Sequence

from bot.undo.undone import Undone

__all__ = ["cells_in_words", "undone"]


def cells_in_words(cells: Sequence[int]) -> str:
    """Numbers of cells, in order, in words: "cell 3", "cells 12 and 13", "cells 3 to 9"."""
    raise NotImplementedError(cells)


def undone(told: Undone) -> str:
    """What a person is told about going back or forward again, in Markdown, short."""
    raise NotImplementedError(told)
