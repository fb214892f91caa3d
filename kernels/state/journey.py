"""What is told of going back to a save, and forward again: the saves that there are, and what has changed.

`kernels.interface.PersonKernel` has the methods; `kernels.travel.traveling` carries them out.
"""

from dataclasses import dataclass

from kernels.cell.events import UnsavedValue

__all__ = ["ChangedFile", "ChangedVariable", "Journey", "SavedCell"]


@dataclass(frozen=True, slots=True)
class SavedCell:
    """A save: its number, the cell as of which it is (0: before the first one), and when it was made.

    `saved_at` is in seconds since 1970.
    """

    number: int
    cell: int
    saved_at: float


@dataclass(frozen=True, slots=True)
class ChangedVariable:
    """A variable that is another one now: what it was and is in words ("DataFrame 1,000 x 4").

    They are "" where it is not there, and the same where it differs only inside.
    """

    name: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file of the workspace that differs from what it was as of the save.

    `sha256` is of the bytes that it had then ("": it was not there). If it is not `known`, nobody can tell.
    `now` is of the bytes that it has now ("": it is not there; None: they were not read). One without a name
    stands for files that were too many to be listed.
    """

    name: str
    sha256: str
    known: bool
    now: str | None = ""


@dataclass(frozen=True, slots=True)
class Journey:
    """What came of going to a save.

    `before` is the number of the save with the state before the journey (0: there is none), `as_of` the cell
    really returned to (0: there are no variables), and `unsaved` what that save does not have. `files` are
    still as they were: the caller puts them back.
    """

    before: int
    as_of: int
    changed: tuple[ChangedVariable, ...] = ()
    unsaved: tuple[UnsavedValue, ...] = ()
    files: tuple[ChangedFile, ...] = ()
