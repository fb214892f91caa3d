"""What a kernel and a cell in this process can answer themselves, where otherwise a node is asked.

`Kernel` and `Run` inherit from these, and so implement `kernels.interface`.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import BinaryIO

from kernels.cell.result import Variable
from kernels.concurrency.threads import in_thread
from kernels.interface import Cell, State
from kernels.workspace.captured import Scan
from kernels.workspace.folder import Workspace
from kernels.workspace.scan import Capture

__all__ = ["LocalCell", "LocalKernel"]


class LocalCell:
    """A cell that ends when this program does, at the latest."""

    goes_on = False

    def settle(self) -> None:
        """Nothing is kept of a cell here, so nothing has to be let go."""


class LocalKernel(ABC):
    """A kernel that no other program used before this one."""

    workspace: Workspace
    capture: Capture

    def __init__(self) -> None:
        self._caught_up = False
        self._catching_up = asyncio.Lock()

    @property
    def goes_on(self) -> bool:
        """Whether a cell may go on that nobody waits for: never here."""
        return False

    @property
    @abstractmethod
    def variables(self) -> tuple[Variable, ...]:
        """The person's variables, as the last cell left them."""

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether a cell runs or waits."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether there is a process that holds variables."""

    async def state(self) -> State:
        """The kernel as it is now."""
        return State(self.alive, self.busy, self.variables)

    async def left_running(self) -> Mapping[int, Cell]:
        """None: cells end with the program that began them."""
        return {}

    @asynccontextmanager
    async def catch_up(self, since: float | None) -> AsyncIterator[Scan]:
        """Take stock of the workspace, once; what was written from `since` on is news (None: nothing is)."""
        yield await self.know(since)

    async def know(self, since: float | None = None) -> Scan:
        """As `catch_up`. No cell may run before this, or every file would be taken for the cell's."""
        async with self._catching_up:
            found = Scan()
            if not self._caught_up and since is not None:
                await in_thread(self._tidy)
                found = await self.capture.look(since=since, older=False)
            elif not self._caught_up:
                await in_thread(self._accept)
            self._caught_up = True
            return found

    def _accept(self) -> None:
        self._tidy()
        self.capture.accept()

    def _tidy(self) -> None:
        with self.capture.lock:
            self.workspace.tidy()

    async def place(self, name: str, source: BinaryIO | bytes, *, beside: str = "") -> str:
        """Put a file into the workspace as `Workspace.place` does, without capturing it; returns its name."""

        def place() -> str:
            with self.capture.lock:
                placed = self.workspace.put_file(name, source, beside=beside)
                self.capture.accept(placed)
                return placed

        return await in_thread(place)
