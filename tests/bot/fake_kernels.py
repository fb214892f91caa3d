"""Kernels that do what a test tells them, with the real protocol but without processes."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from kernels.broker import FileSource
from kernels.cell.events import Event, Restarted
from kernels.cell.result import Late, RunResult, Variable
from kernels.errors import NoSuchSave, NotSaved
from kernels.interface import Cell, State
from kernels.limits import Limits
from kernels.state.journey import ChangedFile, ChangedVariable, Journey, SavedCell
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
            await self._kernel.working()
        for event in self.events:
            yield event

    async def interrupt(self) -> None:
        if self._kernel is not None:
            self._kernel.interrupted.set()

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
        if self._kernel is not None:
            self._kernel.save(self.tag)


@dataclass(frozen=True)
class Kept:
    """A save, with all that it has."""

    of: SavedCell
    variables: tuple[Variable, ...]
    files: dict[str, bytes]


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
        self.working: Callable[[], Awaitable[None]] = _nothing  # awaited by each cell
        self.interrupted = asyncio.Event()
        self.saving = False  # whether each cell's end is a save
        self.kept: dict[int, Kept] = {}
        self.named: dict[str, int] = {}
        self.files: dict[str, bytes] = {}
        self.unreadable: set[int] = set()  # saves that cannot be read back
        self.arrived: Callable[[], Awaitable[None]] = _nothing  # awaited at the end of each journey

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

    def save(self, cell: int) -> None:
        if self.saving:
            number = max(self.kept, default=0) + 1
            self.kept[number] = Kept(SavedCell(number, cell, 0.0), self.variables, dict(self.files))
            self.saved = cell

    async def saves(self) -> Sequence[SavedCell]:
        return [kept.of for kept in self.kept.values()]

    async def go_to(self, number: int, *, keep: bool = False) -> Journey:
        if number and number not in self.kept:
            raise NoSuchSave
        if keep and not self.saving:
            raise NotSaved
        numbers = [kept.of.number for kept in self.kept.values() if kept.of.cell == self.saved]
        before = max(numbers, default=0)
        if number in self.unreadable:
            return Journey(before, self.saved)
        target = self.kept.get(number) or Kept(SavedCell(0, 0, 0.0), (), {})
        was = {variable.name: variable.detail for variable in self.variables}
        now = {variable.name: variable.detail for variable in target.variables}
        changed = [
            ChangedVariable(name, was.get(name, ""), now.get(name, ""))
            for name in {**was, **now}
            if was.get(name) != now.get(name)
        ]
        files = self.differing(target)
        self.variables, self.saved, self.alive = target.variables, target.of.cell, True
        await self.arrived()
        return Journey(before, self.saved, tuple(changed), (), tuple(files))

    def differing(self, target: Kept) -> list[ChangedFile]:
        """The files that are not as of a save."""
        return [
            ChangedFile(name, _digest(target.files.get(name)), True, _digest(self.files.get(name)))
            for name in {**self.files, **target.files}
            if self.files.get(name) != target.files.get(name)
        ]

    async def changed_files(self) -> Sequence[ChangedFile]:
        found = [kept for kept in self.kept.values() if kept.of.cell == self.saved]
        return self.differing(found[-1]) if found else ()

    async def write_back(self, name: str, source: BinaryIO | None) -> None:
        if source is None:
            del self.files[name]
        else:
            self.files[name] = source.read()

    async def checkpoint(self, name: str) -> SavedCell:
        newest = next(kept.of for kept in reversed(self.kept.values()) if kept.of.cell == self.saved)
        self.named[name] = newest.number
        return newest

    async def checkpoints(self) -> Mapping[str, SavedCell]:
        return {name: self.kept[number].of for name, number in self.named.items()}

    async def forget_checkpoint(self, name: str) -> None:
        self.named.pop(name, None)

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

    async def branch(self, session_id: str, to: str) -> int:
        source, target = self.of[session_id], self.of[to]
        target.files, target.saving = dict(source.files), source.saving
        if source.saved:
            target.kept = {1: Kept(SavedCell(1, source.saved, 0.0), source.variables, dict(source.files))}
            target.saved = source.saved
        return source.saved


def _digest(data: bytes | None) -> str:
    return "" if data is None else sha256(data).hexdigest()


async def _nothing() -> None:
    pass


async def _nothing_of(_session_id: str) -> None:
    pass
