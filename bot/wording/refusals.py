"""Why an undo, a checkpoint or a branch was refused, as clauses."""

from bot.errors import BranchRefused, UndoRefused
from kernels.errors import CheckpointRefused
from kernels.text.visible import one_line

__all__ = ["branch_refused", "checkpoint_refused", "refused"]

UNDO = {
    "off": "variables are not saved here, so nothing can be undone",
    "nothing": "there is nothing to take back",
    "running": "a cell is running: stop it, or wait for its end, and try again",
    "not yours": "only cells of this answer can be taken back, and only while nobody has run another since",
}
CHECKPOINT = {
    "name": "a checkpoint needs a name of 1 to 40 visible characters",
    "many": "you have 20 checkpoints already: forget one first",
    "unsaved": "your variables could not be saved, so there is no checkpoint of them",
}
BRANCH = {
    "name": "a branch needs a name of 1 to 40 visible characters",
    "many": (
        "you have 20 branches already: go to one that you no longer need and reset it with everything in it,"
        " or wait until its unused workspace is removed"
    ),
    "running": UNDO["running"],
}


def refused(error: UndoRefused) -> str:
    """Nothing was undone, redone or restored."""
    if error.why == "no checkpoint":
        return f"there is no checkpoint {one_line(error.name)!r}"
    if error.why == "unread":
        return f"the variables as of cell {error.cell} cannot be read back; nothing has changed"
    if error.why == "lost":
        return (
            f"the variables as of cell {error.cell} cannot be read back, and those that you had are not back"
            " either; your next cell says what there is"
        )
    if error.why == "unsaved":
        return (
            f"the variables of cell {error.cell} and of later cells could not be saved, so they would be lost"
            " for good; nothing has changed. To take all of these cells back, say how many they are"
        )
    if error.why == "too far":
        back = f"; the earliest that you can go back to is cell {error.cell}" if error.cell else ""
        return f"the variables from before that cell are not kept{back}"
    return UNDO[error.why]


def checkpoint_refused(error: CheckpointRefused) -> str:
    """No checkpoint was made."""
    return CHECKPOINT[error.why]


def branch_refused(error: BranchRefused) -> str:
    """No branch was made or found."""
    if error.why == "taken":
        return f"there is a branch {one_line(error.name)!r} here already" if error.name else TAKEN
    return f"there is no branch {one_line(error.name)!r} here" if error.why == "none" else BRANCH[error.why]


TAKEN = "this place has a session of its own already"
