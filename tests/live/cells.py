"""Cells in real kernels: run one and keep all that it reports."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernels.broker import FileRow, FileUnavailable, Opened
from kernels.cell.events import Event, InputRequest, Restarted, Stream
from kernels.cell.result import Late, RunResult
from kernels.interface import PersonKernel
from kernels.limits import Limits
from kernels.pool import Pool
from tests.conftest import KERNEL_PYTHON

PATIENCE = 100  # seconds that anything may take on a loaded machine


def deaf(caught: str = "pass") -> str:
    """A cell that prints "on", does this whenever it is interrupted, and ends when there is a file "go"."""
    return f"""import pathlib, time
said = "on"
while True:
    try:
        if said:
            word, said = said, ""
            print(word, flush=True)
        while not pathlib.Path("go").exists():
            time.sleep(0.02)
        break
    except KeyboardInterrupt:
        {caught}
pathlib.Path("go").unlink()
print("the " + "end")
"""


async def until_saved(kernel: PersonKernel, cell: int) -> None:
    """Wait until the variables are saved as of this cell: one that follows at once may be in the way."""
    async with asyncio.timeout(PATIENCE):
        while (await kernel.state()).saved != cell:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0.02)


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
    """Run a cell to its end, answering its questions with `answers`."""
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
    """The value of an expression, as its repr."""
    ran = await run(kernel, expression)
    assert ran.status == "ok", ran.output
    return ran.output.strip()


async def late_until(kernel: PersonKernel, enough: Callable[[list[Late]], bool]) -> list[Late]:
    """Collect late output until there is enough of it."""
    told: list[Late] = []
    async with asyncio.timeout(PATIENCE):
        async for late in kernel.late():
            told.append(late)
            if enough(told):
                return told
    raise AssertionError("late output never ends")


@asynccontextmanager
async def pooled(workspaces: Path, limits: Limits | None = None, **options: Any) -> AsyncIterator[Pool]:
    """A pool of real kernels that import their libraries themselves, so it is ready in half the time."""
    places = {"python": KERNEL_PYTHON, "workspaces": workspaces}
    async with Pool(**{**places, "limits": limits or Limits(), "libraries": (), **options}) as pool:
        yield pool


def zygote(pool: Pool) -> int:
    """The process that a pool's kernels are forked from."""
    assert pool._sandbox is not None
    process = pool._sandbox._forkserver._process
    assert process is not None
    return process.pid


def inits(pool: Pool) -> set[int]:
    """The init process of each of a pool's kernels."""
    return children(zygote(pool))


def children(pid: int) -> set[int]:
    """The child processes of a process that has one thread."""
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def holding(folder: Path) -> set[int]:
    """The other processes with a file open below a folder; for a pool's run root, all those of the pool.

    A forked process has the zygote's command line, so that cannot be used instead.
    """
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                files = [os.readlink(link) for link in (entry / "fd").iterdir()]
                if any(file.startswith(f"{folder}/") for file in files):
                    found.add(int(entry.name))
        except OSError:  # it has ended, or has just closed the file
            continue
    return found


def processes(mark: Path | str) -> set[int]:
    """The ids of all processes whose command line contains `mark`; a zombie has no command line."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(mark).encode() in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
        except OSError:  # it has ended
            continue
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something in the system that no event reports."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  the system tells nobody
            await asyncio.sleep(0.02)
