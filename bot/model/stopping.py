"""A turn of the model that can be stopped while it waits, asks its API, or runs a cell."""

import asyncio
from collections.abc import Coroutine

from kernels.interface import Cell

__all__ = ["ModelTurn", "end_cell"]


class ModelTurn:
    """One turn of the model in one place; `stop` ends whatever it is doing, an API request or a cell."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.stopped = False
        self._request: asyncio.Task[None] | None = None
        self._run: Cell | None = None

    async def stop(self, *, kill: bool = False) -> None:
        """End the API request or the cell in progress; nothing more of the turn may begin.

        If the cell does not stop, the person is asked about it; with `kill` its kernel is killed.
        """
        self.stopped = True
        if self._request is not None:
            self._request.cancel()
        if self._run is not None:
            await end_cell(self._run, kill=kill)

    async def begin_cell(self, run: Cell) -> None:
        """Note the turn's cell for `stop`. If the turn was stopped meanwhile, the cell does not run."""
        self._run = run
        if self.stopped:
            await run.interrupt()

    async def carry_out(self, work: Coroutine[None, None, None]) -> None:
        """Do something that `stop` cancels; this then returns early, and `stopped` is true."""
        self._request = asyncio.create_task(work)
        if self.stopped:
            self._request.cancel()
        try:
            await asyncio.wait([self._request])
        finally:
            self._request.cancel()
            await asyncio.wait([self._request])
        if not (self._request.cancelled() and self.stopped):
            self._request.result()


async def end_cell(run: Cell, *, kill: bool) -> None:
    """Stop a cell. If it does not stop, its kernel is killed, or without `kill` the person is asked."""
    await (run.interrupt() if kill else run.stop())
