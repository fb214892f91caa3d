"""What a kernel and a cell in this process can answer themselves, where otherwise a node is asked.

`Kernel` and `Run` inherit from these, and so implement `kernels.interface`.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import BinaryIO

from kernels.concurrency.threads import in_thread
from kernels.interface import WORKSPACE_FULL, Cell
from kernels.limits import Limits
from kernels.sandbox.limits import usage
from kernels.workspace.captured import Scan
from kernels.workspace.copies.writing_back import write_back
from kernels.workspace.folder import Workspace, is_scratch
from kernels.workspace.scan import Capture

__all__ = ["LocalCell", "LocalKernel"]

# Held while a workspace is counted, so that this takes one thread however many ask for it: 100,000 files take
# 0.3 s of a processor, and a cell can have a file placed as often as it likes.
_COUNTING = threading.Lock()


class LocalCell:
    """A cell that ends when this program does, at the latest."""

    goes_on = False

    def settle(self) -> None:
        """Nothing is kept of a cell here, so nothing has to be let go."""


class LocalKernel:
    """A kernel that no other program used before this one."""

    goes_on = False  # no cell goes on that nobody waits for

    def __init__(
        self, workspace: Workspace, capture: Capture, limits: Limits, claim: Callable[[], object]
    ) -> None:
        self._claim = claim  # gives the workspace its owner, which takes long if that changes
        self.limits = limits
        self.workspace = workspace
        self.capture = capture
        self._caught_up = False
        self._catching_up = asyncio.Lock()

    async def left_running(self) -> Mapping[int, Cell]:
        """None: cells end with the program that began them."""
        return {}

    @asynccontextmanager
    async def catch_up(self, since: float | None) -> AsyncIterator[Scan]:
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

    async def accept(self) -> None:
        """What is in the workspace now is not new, whoever has put it there."""
        await in_thread(self._accept)

    def _accept(self) -> None:
        self._tidy()
        self.capture.accept()

    def _tidy(self) -> None:
        with self.capture.lock:
            self._claim()  # before files are placed or accepted: capture would see a change of owner
            self.workspace.tidy()

    async def write_back(self, name: str, source: BinaryIO | None) -> None:

        def write() -> None:
            with self.capture.lock:
                self._claim()
                write_back(self.workspace.path, name, source, self._check_room)
                self.capture.accept(name)

        await in_thread(write)

    def _check_room(self, size: int) -> None:
        """Raises: OSError if so many bytes more are too many for the workspace."""
        path, most = self.workspace.path, self.limits.workspace
        if most is None or is_scratch(path.name):
            return
        with _COUNTING:
            used = usage.size(path)
        if used + size > most:
            raise OSError(WORKSPACE_FULL, "the workspace is full")

    async def place(self, name: str, source: BinaryIO | bytes, *, beside: str = "") -> str:

        def place() -> str:
            with self.capture.lock:
                self._claim()
                placed = self.workspace.put_file(name, source, beside=beside, check_room=self._check_room)
                self.capture.accept(placed)
                return placed

        return await in_thread(place)
