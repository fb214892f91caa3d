"""What a run needs of its kernel: of `kernels.kernel.Kernel`, which imports `kernels.cell.run`.

It is generic in the run, so that neither module imports the other.
"""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from kernels.cell.events import Restarted
from kernels.cell.result import Variable
from kernels.concurrency.slots import SlotQueue
from kernels.limits import Limits
from kernels.workspace.captured import Scan

__all__ = ["RunHost"]


class RunHost[R](Protocol):
    """What a run, of the type `R`, needs of its kernel."""

    session_id: str
    queue: SlotQueue
    limits: Limits
    grace: timedelta  # in which an interrupted cell has to end by itself, before its kernel is killed
    outputs: Path  # a folder on disk for what is printed beyond the limit

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The person's variables, as the last cell left them."""

    @property
    def saved(self) -> int:
        """The cell as of which they were saved last, as far as is known; 0 if they were not."""

    def ready(self) -> AsyncGenerator[int]:
        """Have a live process; yields the position in line while the kernel waits for its turn to start.

        Raises: KernelStartFailed, KernelClosed.
        """

    def withdraw(self) -> None:
        """Let `ready` end at once, with nothing ready."""

    def execute(self, run: R) -> None:
        """Send the code; from now on the run gets its messages."""

    def answer(self, text: str) -> None:
        """Send the answer to an `input()`."""

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the cell; `Run.interrupted` is called when it was raised."""

    def kill(self) -> None:
        """Kill the process, without waiting for its end."""

    async def replace(self, reason: str) -> None:
        """Kill the process and wait; the next cell gets a fresh one. Called again, it does nothing."""

    def damage(self) -> str | None:
        """A sentence if some of the kernel's child processes were killed; returned once."""

    def restarted(self) -> Restarted | None:
        """The restart that has to be told if the process was replaced; returned once."""

    async def look(self) -> Scan:
        """Scan the workspace for what the cell wrote; messages that come now are late output."""
