"""A kernel without a process: a `RunHost` that records what a run asks of it and follows a test's script."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from pathlib import Path

from kernels.cell.events import Restarted
from kernels.cell.result import Variable
from kernels.cell.run import Run
from kernels.concurrency.slots import SlotQueue
from kernels.limits import Limits
from kernels.workspace.captured import Scan

Script = Callable[[Run], None]
SOON = timedelta(milliseconds=50)  # after which a kernel that does not stop is given up, or asked about


class Host:
    """Runs `scripts`, one per cell, when the code is sent; `asked` lists all requests to it, in order."""

    def __init__(self, *scripts: Script, limits: Limits | None = None) -> None:
        self.session_id = "s"
        self.queue = SlotQueue(1)
        self.limits = limits or Limits(cell=timedelta(seconds=30))
        self.grace = SOON
        self.outputs = Path(tempfile.gettempdir())
        self.variables = (Variable("x", "int", "1"),)
        self.saved = 0
        self.asked: list[str] = []
        self.pool = SlotQueue(1)
        self.cells: list[Run] = []
        self.on_interrupt: Callable[[Run], None] = stops
        self.start: asyncio.Event | None = None
        self.lost: Restarted | None = None
        self._scripts = list(scripts)
        self._place = self.pool.enter()

    async def ready(self) -> AsyncGenerator[int]:
        async for position in self._place:
            yield position
        if self.start is not None:
            await self.start.wait()
        self.asked.append("ready")

    def withdraw(self) -> None:
        self.asked.append("withdraw")
        self._place.leave()
        if self.start is not None:
            self.start.set()

    def execute(self, run: Run) -> None:
        self.asked.append(run.code)
        self.cells.append(run)
        if self._scripts:
            self._scripts.pop(0)(run)

    def answer(self, text: str) -> None:
        self.asked.append(f"answer {text}")

    def interrupt(self) -> None:
        self.asked.append("interrupt")
        self.on_interrupt(self.cells[-1])

    def kill(self) -> None:
        self.asked.append("kill")

    async def replace(self, reason: str) -> None:
        if "replace" not in self.asked:
            self.asked.append("replace")
            self.lost = Restarted(reason, ("files",), ("x",))

    def damage(self) -> str | None:
        return None

    def restarted(self) -> Restarted | None:
        restarted, self.lost = self.lost, None
        return restarted

    async def look(self) -> Scan:
        self.asked.append("look")
        return Scan()

    def busy_pool(self) -> None:
        """Make the next cell wait for a place in the pool that another cell holds."""
        self._place.leave()
        self.pool.enter()
        self._place = self.pool.enter()


def ends(run: Run) -> None:
    """The cell ends well."""
    run.reply("ok", 1)


def stops(run: Run) -> None:
    """An interrupt works: the cell ends with KeyboardInterrupt."""
    run.reply("error", 1)
    run.interrupted()


def ignores(run: Run) -> None:
    """The cell ignores the interrupt."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that no event reports."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  what is waited for is state inside the code under test
            await asyncio.sleep(0.001)
