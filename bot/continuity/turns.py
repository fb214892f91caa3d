"""The turns of one session that are in progress, and what waits for their ends.

    with turns.one(run):                # one turn; `run` is its cell, until the record of that is finished
    await turns.recorded(seq)           # before late output of this cell is recorded
    await turns.end(stop_all, 30.0)     # so that the session may be deleted
    async with turns.alone(stop_all, 30.0): ...     # no cell runs meanwhile, and none begins

A cell's threads go on when it has ended, while its files are still being stored. What they show then is
recorded after the cell's own end, which would replace it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from kernels.errors import KernelClosed
from kernels.interface import Cell

__all__ = ["Turns"]

AGAIN = 1.0  # seconds after which a cell that does not end is stopped again


class Turns:
    """See the module's text."""

    def __init__(self) -> None:
        self._count = 0
        self._over = asyncio.Event()  # set while there is no turn
        self._over.set()
        self._cells: dict[Cell, asyncio.Event] = {}  # set once the cell's end is recorded
        self._ending = 0  # how many wait for the end of all turns
        self._closed = False
        self._alone = asyncio.Lock()
        self._gate = asyncio.Event()  # set while cells may begin
        self._gate.set()

    @property
    def any(self) -> bool:
        """Whether a turn is in progress."""
        return self._count > 0

    @contextmanager
    def one(self, run: Cell | None = None) -> Iterator[None]:
        """While entered, a turn is in progress, and the end of its cell, if it has one, is not recorded.

        Raises: KernelClosed while somebody waits for the end of all, since nobody would stop this one, and
        once the session is closed, as it may be between the moment when it was found and this one.
        """
        self.go_on()
        recorded = asyncio.Event()
        if run is not None:
            self._cells[run] = recorded
        self._count += 1
        self._over.clear()
        try:
            yield
        finally:
            self._count -= 1
            if run is not None:
                del self._cells[run]
            recorded.set()
            if not self._count:
                self._over.set()

    def go_on(self) -> None:
        """Let a turn of many steps begin the next one. Raises: KernelClosed if it must not."""
        if self._ending or self._closed:
            raise KernelClosed

    async def may_begin(self) -> None:
        """Wait until a cell may begin: see `alone`. If it may, nothing else runs in between."""
        while not self._gate.is_set():
            await self._gate.wait()

    @asynccontextmanager
    async def alone(
        self, stop_all: Callable[[], Awaitable[None]] | None, seconds: float
    ) -> AsyncIterator[bool]:
        """While entered, no cell begins; gives whether none is in progress, their records included.

        Turns in progress are stopped, if need be again, and their cells get so many seconds to end; without
        `stop_all` they are left alone.
        """
        async with self._alone:
            self._gate.clear()
            try:
                if stop_all is not None:
                    await stop_all()  # the model's turns, too: they would go on as if nothing had changed
                    with suppress(TimeoutError):
                        async with asyncio.timeout(seconds):
                            await self._stop_cells(stop_all)
                yield not self._cells
            finally:
                self._gate.set()

    async def _stop_cells(self, stop_all: Callable[[], Awaitable[None]]) -> None:
        while self._cells:
            await stop_all()
            for recorded in list(self._cells.values()):  # one that was just about to begin is stopped later
                with suppress(TimeoutError):
                    await asyncio.wait_for(recorded.wait(), AGAIN)

    async def recorded(self, cell: int) -> None:
        """Wait until the end of the cell of this number is recorded, if its turn is in progress."""
        for run, recorded in list(self._cells.items()):
            if run.tag == cell:
                await recorded.wait()

    async def end(self, stop_all: Callable[[], Awaitable[None]], seconds: float) -> bool:
        """Stop every turn, and wait until none is in progress; returns whether all have ended in time."""
        self._ending += 1
        try:
            await stop_all()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), seconds)
        finally:
            self._ending -= 1
        return self._over.is_set()

    def close(self) -> None:
        """The session is closed: no turn may go on with it."""
        self._closed = True
