"""What came of going back: which cells no longer count, or count again, and what is different now."""

from dataclasses import dataclass

from bot.continuity.undo.history import Kind
from kernels.cell.events import UnsavedValue
from kernels.state.journey import ChangedVariable, SavedCell

__all__ = ["FileBack", "FileLeft", "NewCheckpoint", "Undone"]


@dataclass(frozen=True, slots=True)
class FileBack:
    """A file of the workspace that is as it was: the version of a cell, or an upload (0).

    If it is `gone`, it was not there then, and is deleted.
    """

    name: str
    cell: int = 0
    gone: bool = False


@dataclass(frozen=True, slots=True)
class FileLeft:
    """A file that differs from what it was, and that was left as it is; `why` is a clause."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class NewCheckpoint:
    """A checkpoint that was just made, and what could not be saved: that does not come back with it."""

    saved: SavedCell
    unsaved: tuple[UnsavedValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Undone:
    """What came of an undo, a redo, or going back to a checkpoint.

    `cells` are those that are undone by it, in order, and `again` those that count again. `as_of` is the cell
    really returned to (0: there are no variables). `unkept` are the cells that still count, but whose
    variables were not saved and are gone with the others. `unsaved` is what the save does not have. What is
    done `for_good` cannot be redone. `name` is that of the checkpoint.
    """

    kind: Kind
    as_of: int
    cells: tuple[int, ...] = ()
    again: tuple[int, ...] = ()
    unkept: tuple[int, ...] = ()
    changed: tuple[ChangedVariable, ...] = ()
    unsaved: tuple[UnsavedValue, ...] = ()
    files: tuple[FileBack, ...] = ()
    left: tuple[FileLeft, ...] = ()
    for_good: bool = False
    name: str = ""
