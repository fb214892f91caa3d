"""Cells in real kernels: run one and keep all that it told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernels.events import Event, InputRequest, Restarted, Stream
from kernels.files import FileRow, FileUnavailable, Opened
from kernels.launch import Limits
from kernels.pool import Pool
from kernels.protocols import PersonKernel
from kernels.result import Late, RunResult
from tests.conftest import KERNEL_PYTHON

PATIENCE = 40  # seconds that anything may take on a loaded machine


class NoFiles:
    """A person without stored files."""

    async def open(self, wanted: str) -> Opened:
        raise FileUnavailable.absent(wanted)

    async def place(self, wanted: str) -> str:
        raise FileUnavailable.absent(wanted)

    async def list(self) -> Sequence[FileRow]:
        return ()


@dataclass
class Ran:
    """A cell that is over."""

    result: RunResult
    events: list[Event]

    @property
    def status(self) -> str:
        return self.result.status

    @property
    def output(self) -> str:
        return self.result.output

    @property
    def streamed(self) -> str:
        """All text that was passed on while it ran."""
        return "".join(event.text for event in self.events if isinstance(event, Stream))

    @property
    def restarts(self) -> list[Restarted]:
        return [event for event in self.events if isinstance(event, Restarted)]


async def run(
    kernel: PersonKernel,
    code: str,
    *,
    tag: int = 0,
    answers: Sequence[str] = (),
    on_event: Callable[[Event], Any] = lambda _: None,
    **options: Any,
) -> Ran:
    """Run a cell to its end, giving `answers` to its questions."""
    events, left = [], list(answers)
    async with asyncio.timeout(PATIENCE):
        async with kernel.run(code, tag=tag, **options) as cell:
            async for event in cell:
                events.append(event)
                on_event(event)
                if isinstance(event, InputRequest) and left:
                    cell.answer(left.pop(0))
        cell.settle()
        return Ran(cell.result, events)


async def value(kernel: PersonKernel, expression: str) -> str:
    """What an expression is, as its repr."""
    ran = await run(kernel, expression)
    assert ran.status == "ok", ran.output
    return ran.output.strip()


async def late_until(kernel: PersonKernel, enough: Callable[[list[Late]], bool]) -> list[Late]:
    """Late output, until there is enough of it."""
    told: list[Late] = []
    async with asyncio.timeout(PATIENCE):
        async for late in kernel.late():
            told.append(late)
            if enough(told):
                return told
    raise AssertionError("late output never ends")


@asynccontextmanager
async def pooled(workspaces: Path, limits: Limits | None = None, **options: Any) -> AsyncIterator[Pool]:
    """A pool of real kernels."""
    async with Pool(
        python=KERNEL_PYTHON, workspaces=workspaces, limits=limits or Limits(), **options
    ) as pool:
        yield pool


def processes(mark: Path | str) -> set[int]:
    """The ids of all processes whose command line has `mark` in it; a zombie has none."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(mark).encode() in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
        except OSError:  # it has ended
            continue
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something in the system that no event tells of."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  the system tells nobody
            await asyncio.sleep(0.02)
