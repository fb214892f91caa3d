"""What a person is asked of a cell that they have stopped and that goes on: whether to kill its kernel.

losing(unstopped)       # what a kill would cost them
otherwise(unstopped)    # what comes of it without an answer
"""

from bot.wording.error_messages import counted_names
from kernels.cell.events import Unstopped

__all__ = ["DOES_NOT_STOP", "losing", "otherwise"]

DOES_NOT_STOP = "The cell does not stop."


def losing(unstopped: Unstopped) -> str:
    """What goes with the kernel, and what stays."""
    names = counted_names(unstopped.lost)
    also = ", and whatever this cell has defined" if names else "whatever this cell has defined"
    return f"Killing its kernel loses {names}{also}; your files stay."


def otherwise(unstopped: Unstopped) -> str:
    """What comes of the cell where nobody answers."""
    if unstopped.limited:
        return "Without an answer it goes on, and is killed when its time is up."
    return "Without an answer it goes on until it ends."
