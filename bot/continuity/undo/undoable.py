"""What a person does with the journeys of their session."""

from collections.abc import Collection, Mapping

from bot.continuity.undo.travels import Travels
from bot.continuity.undo.undone import NewCheckpoint, Undone
from kernels.state.journey import SavedCell

__all__ = ["Undoable", "number_of_cells"]

DIGITS = 9  # more are no number of cells; the interpreter refuses to read some thousands


def number_of_cells(said: str) -> int:
    """How many cells somebody wants to take back, 1 or more in digits; 0 if that is not what was said."""
    return int(said) if said.isdecimal() and len(said) <= DIGITS else 0


class Undoable:
    """What `bot.session.Session` inherits."""

    _travels: Travels

    async def undo(self, cells: int = 1, *, of: Collection[int] | None = None) -> Undone:
        """Take the last cells back that still count, variables and files; what runs is stopped first.

        With `of` nothing is stopped, and all of the cells must be among these. Raises: UndoRefused, before
        anything has changed; NoSuchSave, StoreUnavailable, KernelError, OSError.
        """
        return await self._travels.undo(cells, of=of)

    async def redo(self) -> Undone:
        """Take the last undo, or the last return to a checkpoint, back. Raises: as `undo`."""
        return await self._travels.redo()

    async def checkpoint(self, name: str) -> NewCheckpoint:
        """Keep variables and files as they are now under a name. Raises: CheckpointRefused, as `undo`."""
        return await self._travels.checkpoint(name)

    async def checkpoints(self) -> Mapping[str, SavedCell]:
        """The checkpoints by name, oldest first. Raises: UndoRefused, KernelError, OSError."""
        return await self._travels.checkpoints()

    async def forget_checkpoint(self, name: str) -> None:
        """Keep a checkpoint no longer. Raises: UndoRefused if there is none."""
        await self._travels.forget_checkpoint(name)

    async def restore(self, name: str) -> Undone:
        """Go to a checkpoint; `redo` takes that back. Raises: as `undo`."""
        return await self._travels.restore(name)
