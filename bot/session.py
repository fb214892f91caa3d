"""A person's kernel, workspace, files and transcript, as one thing to work with.

session = await Session.open(record, store, files, pool, clock, tell_late)
result = await take_turn(session, message, tell)
await session.interrupt()
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Self

from bot.errors import NothingRuns
from bot.files import Kept, PersonFiles
from bot.reply import Reply, Tell
from bot.transcript import Transcript
from filestore.files import FileStore
from filestore.records import SessionRecord
from filestore.store import Store
from kernels.kernel import Kernel
from kernels.pool import Pool
from kernels.router import Late
from kernels.run import Run

__all__ = ["Session"]

log = logging.getLogger(__name__)


class Session:
    """One open session; made by `Sessions`. `tell_late` is told what comes after the end of its cell."""

    def __init__(
        self,
        record: SessionRecord,
        store: Store,
        files: FileStore,
        pool: Pool,
        clock: Callable[[], datetime],
        tell_late: Tell,
    ) -> None:
        self.record = record
        self.last_used = record.last_used_at  # by the minute in the record
        self.files = PersonFiles(files, record, pool)
        self.transcript = Transcript(store.transcripts, record.session_id, clock)
        self._tell_late = tell_late
        self._runs: list[Run] = []
        self._pool = pool

    @property
    def python(self) -> Path:
        """The interpreter that the session's kernel runs on."""
        return self._pool.python

    @property
    def kernel(self) -> Kernel:
        """The session's kernel."""
        return self.files.kernel

    async def open(self) -> Self:
        """Take up where the session was left; a cell that was broken off is noted, and its files are kept."""
        broken_off = await self.transcript.broken_off()
        if broken_off:
            begun, cell = broken_off[-1].started_at.timestamp(), broken_off[-1].seq
            scan = await self.kernel.capture.look()
            written = [file for file in scan.captured if file.mtime >= begun]
            await self._keep_late(cell, await self.files.keep(written, (), cell))
        await asyncio.to_thread(self.kernel.capture.accept)
        self._listener = asyncio.create_task(self._listen(), name=f"late output of {self.record.session_id}")
        return self

    async def close(self) -> None:
        """End the kernel; files and transcript stay."""
        self._listener.cancel()
        await asyncio.wait([self._listener])
        await self._pool.close(self.record.session_id)

    @contextlib.asynccontextmanager
    async def at_work(self, run: Run) -> AsyncIterator[None]:
        """While entered, `interrupt` and `answer` mean this run, once those before it are over."""
        self._runs.append(run)
        try:
            yield
        finally:
            self._runs.remove(run)

    @property
    def busy(self) -> bool:
        """Whether a cell runs or waits."""
        return bool(self._runs)

    async def interrupt(self) -> None:
        """Stop the running cell. Raises: NothingRuns."""
        await self._running().interrupt()

    def answer(self, text: str) -> None:
        """Answer the `input()` of the running cell. Raises: NothingRuns, NoQuestion."""
        self._running().answer(text)

    async def reset(self) -> None:
        """End the kernel, with its variables, and a running cell first; files and transcript stay."""
        for run in self._runs:
            await run.interrupt()
        await self.kernel.restart()

    def _running(self) -> Run:
        if not self._runs:
            raise NothingRuns
        return self._runs[0]

    async def _listen(self) -> None:
        async for late in self.kernel.late():
            try:
                await self._take_late(late)
            except Exception:  # one piece that cannot be told must not end the telling of those after it
                log.exception("late output of session %s is lost", self.record.session_id)

    async def _take_late(self, late: Late) -> None:
        if late.scan is not None:
            kept = await self.files.keep(late.scan.captured, late.scan.skipped, late.tag)
            await self._keep_late(late.tag, kept)
        else:
            await self.transcript.add_late(late.tag, late.event, Kept())
            await self._tell_late(Reply(late.tag, late.event, late=True))

    async def _keep_late(self, cell: int, kept: Kept) -> None:
        if kept.files or kept.skipped:
            await self.transcript.add_late(cell, None, kept)
            await self._tell_late(Reply(cell, files=kept.files, skipped=kept.skipped, late=True))
