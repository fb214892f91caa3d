"""Kernels that do what a test tells them, with the real protocol but without processes."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from kernels.broker import FileSource
from kernels.cell.events import Event, Restarted
from kernels.cell.result import Late, RunResult, Variable
from kernels.interface import Cell, State
from kernels.limits import Limits
from kernels.workspace.captured import Scan

__all__ = ["FakeCell", "FakeKernel", "FakeKernels"]


class FakeCell:
    """A cell that shows its events and ends well; it defines the variables that its code names."""

    goes_on = False
    question: int | None = None

    def __init__(self, kernel: "FakeKernel | None", code: str, tag: int = 0, turn: str = "") -> None:
        self.code, self.tag, self.turn = code, tag, turn
        self.events: list[Event] = kernel.events if kernel else []
        self.settled = False
        self._kernel = kernel

    @property
    def result(self) -> RunResult:
        restarted = next((event for event in self.events if isinstance(event, Restarted)), None)
        return RunResult("ok", "", (), None, 0.0, 1, (), (), restarted=restarted)

    def outputs(self, last: int | None = None) -> tuple[dict[str, Any], ...]:
        return ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[Event]:
        if self._kernel is not None:
            self._kernel.has(*self.code.split())
        for event in self.events:
            yield event

    async def interrupt(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def decide(self, *, kill: bool) -> None:
        pass

    def answer(self, text: str) -> None:
        pass

    def extend(self, limit: timedelta) -> None:
        pass

    def settle(self) -> None:
        self.settled = True


class FakeKernel:
    """One session's kernel; `opening` is awaited by whoever opens the session."""

    def __init__(self) -> None:
        self.alive = self.goes_on = False
        self.variables: tuple[Variable, ...] = ()
        self.saved = 0  # the cell as of which its variables are saved
        self.events: list[Event] = []
        self.left: dict[int, Cell] = {}
        self.told: asyncio.Queue[Late] = asyncio.Queue()
        self.opening: Callable[[], Awaitable[None]] = _nothing

    def has(self, *names: str) -> None:
        """The kernel is alive and has these variables."""
        self.alive, self.variables = True, tuple(Variable(name, "int", "1") for name in names)

    def dies(self) -> None:
        """The kernel dies unnoticed."""
        self.alive, self.variables = False, ()

    def run(self, code: str, *, tag: int = 0, turn: str = "", allow_input: bool = True) -> Cell:
        return FakeCell(self, code, tag, turn)

    async def late(self) -> AsyncIterator[Late]:
        while True:
            yield await self.told.get()

    async def left_running(self) -> Mapping[int, Cell]:
        await self.opening()
        return self.left

    @asynccontextmanager
    async def catch_up(self, since: float | None) -> AsyncIterator[Scan]:
        yield Scan()

    async def state(self) -> State:
        return State(self.alive, variables=self.variables, saved=self.saved)

    async def restart(self) -> None:
        self.dies()
        self.saved = 0

    async def place(self, name: str, source: BinaryIO | bytes, *, beside: str = "") -> str:
        return name


class FakeKernels:
    """All kernels, as in a node: a released one lives on. `removing` is awaited when one is removed."""

    python = Path("/usr/bin/python3")
    limits = Limits()
    tier = "none"
    outlived = True

    def __init__(self) -> None:
        self.of: defaultdict[str, FakeKernel] = defaultdict(FakeKernel)
        self.released: list[str] = []
        self.removed: list[str] = []
        self.forgotten: list[str] = []  # those of them whose saved variables were not kept
        self.have_news: list[str] = []
        self.removing: Callable[[str], Awaitable[None]] = _nothing_of

    def kernel(self, session_id: str, source: FileSource) -> FakeKernel:
        return self.of[session_id]

    async def release(self, session_id: str) -> None:
        self.released.append(session_id)

    async def untold(self) -> Sequence[str]:
        return self.have_news

    async def remove(self, session_id: str, *, keep_state: bool = False) -> None:
        await self.removing(session_id)
        self.removed.append(session_id)
        gone = self.of.pop(session_id, FakeKernel())
        if keep_state:
            self.of[session_id].saved = gone.saved
        else:
            self.forgotten.append(session_id)


async def _nothing() -> None:
    pass


async def _nothing_of(_session_id: str) -> None:
    pass
