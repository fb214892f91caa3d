"""Going back to a save of a session's variables and files, and forward again."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from bot.undo.undone import Undone
from kernels.state.journey import SavedCell

if TYPE_CHECKING:
    from bot.session import Session

__all__ = ["Travels"]


class Travels:
    """The journeys of one session."""

    def __init__(self, session: "Session") -> None:
        self._session = session

    async def undo(self, cells: int, *, of: Collection[int] | None = None) -> Undone:
        """See `Session.undo`."""
        raise NotImplementedError

    async def redo(self) -> Undone:
        """See `Session.redo`."""
        raise NotImplementedError

    async def checkpoint(self, name: str) -> SavedCell:
        """See `Session.checkpoint`."""
        raise NotImplementedError

    async def forget_checkpoint(self, name: str) -> None:
        """See `Session.forget_checkpoint`."""
        raise NotImplementedError

    async def restore(self, name: str) -> Undone:
        """See `Session.restore`."""
        raise NotImplementedError
