"""What people are told about branches and checkpoints, in Markdown for every front.

begun(branch)           # "The branch `what if` begins with your variables and files as after cell 12. ..."
shown(name)             # of a branch that is shown again
list_of_branches(branches)
kept(name, made)        # "Checkpoint `clean`: your variables and files as after cell 12. ..."
list_of_checkpoints(checkpoints)
"""

from collections.abc import Mapping, Sequence

from bot.continuity.undo.branches import Branch
from bot.continuity.undo.by_name import MAIN
from bot.continuity.undo.undone import NewCheckpoint
from bot.wording.saved_messages import values_in_words
from kernels.state.journey import SavedCell
from kernels.text.visible import one_line

__all__ = [
    "NO_CHECKPOINTS",
    "begun",
    "forgotten",
    "kept",
    "list_of_branches",
    "list_of_checkpoints",
    "not_in_it",
    "shown",
]

NO_CHECKPOINTS = "You have no checkpoints."
NO_BRANCHES = "There are no branches here."
MOST = 20  # branches and checkpoints in a list; of more, the newest are named


def begun(branch: Branch) -> str:
    """Of a branch that begins now: what is in it, and how to leave it if it takes over its place."""
    with_what = "your variables and files" if branch.cell else "your files, and without variables,"
    told = f"The branch {_name(branch.name)} begins with {with_what} {_as_of(branch.cell)}."
    told += not_in_it(branch)
    if branch.place != branch.from_place:
        return f"{told} What you do here changes nothing there."
    return f"{told} You are in it now; the branch {_name(MAIN)} leads back, and changes nothing here."


def not_in_it(made: Branch | NewCheckpoint) -> str:
    """A sentence on what a new branch or checkpoint does not have, after a space; "" if it has everything."""
    return f" Not in it: {values_in_words(made.unsaved)}." if made.unsaved else ""


def shown(name: str) -> str:
    """Of a branch that its place shows again; MAIN is the place's own session."""
    if name == MAIN:
        return "You are back where your branches began, with the variables and files that you left there."
    return f"You are in the branch {_name(name)}, with the variables and files that you left there."


def list_of_branches(branches: Sequence[Branch]) -> str:
    """The branches that a place can show, and which one it shows."""
    if not branches:
        return NO_BRANCHES
    here = next((_name(branch.name) for branch in branches if branch.here), "none of them")
    lines = [f"- {_name(branch.name)}, begun {_as_of(branch.cell)}" for branch in branches[-MOST:]]
    return "\n".join([*_counted(len(branches), "branches"), *lines, f"You are in {here}."])


def kept(name: str, made: NewCheckpoint) -> str:
    """Of a checkpoint that was just made."""
    as_of = _as_of(made.saved.cell)
    return f"Checkpoint {_name(name)}: your variables and files {as_of} are kept.{not_in_it(made)}"


def forgotten(name: str) -> str:
    """Of a checkpoint that is kept no longer."""
    return f"Checkpoint {_name(name)} is forgotten."


def list_of_checkpoints(checkpoints: Mapping[str, SavedCell]) -> str:
    """The checkpoints, oldest first."""
    if not checkpoints:
        return NO_CHECKPOINTS
    newest = list(checkpoints.items())[-MOST:]
    lines = [f"- {_name(name)}, {_as_of(saved.cell)}" for name, saved in newest]
    return "\n".join([*_counted(len(checkpoints), "checkpoints"), *lines])


def _counted(number: int, things: str) -> list[str]:
    """A first line where not all are named."""
    return [f"{number} {things}, of which these are the newest:"] if number > MOST else []


def _as_of(cell: int) -> str:
    return f"as after cell {cell}" if cell else "as before your first cell"


def _name(name: str) -> str:
    return f"`{one_line(name).replace('`', "'")}`"
