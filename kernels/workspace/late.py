"""Files that are written after their cell: looked for when the observer hints, until all of them rest.

late = LateFiles(capture, most=64, busy=lambda: kernel.busy, tell=router.late_scan)
late.begin_cell(time())     # from now on files belong to this cell
late.look()                 # on a hint; there is one look at a time
await late.stop()

A thread may go on writing for ever, so the number of late files is limited. When a cell's limit is reached,
that is reported, and what changes later is captured when the next cell ends.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from kernels.concurrency.cancellation import stop
from kernels.workspace.captured import Scan, Skipped
from kernels.workspace.scan import Capture

SETTLED = 1.0  # seconds that a late file must have rested, or each line of a log would make a new version


class LateFiles:
    """One workspace's late files: at most `most` for each cell, including those that cannot be captured.

    While the kernel is `busy` nothing is looked for, since there is a scan when the running cell ends. `tell`
    is called with what was found.
    """

    def __init__(
        self,
        capture: Capture,
        *,
        most: int,
        busy: Callable[[], bool],
        tell: Callable[[Scan], None],
        settled: float = SETTLED,
    ) -> None:
        self._capture = capture
        self._settled = settled
        self._most = self._left = most
        self._since: float | None = None
        self._rests_until = 0.0
        self._busy = busy
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    def begin_cell(self, at: float) -> None:
        """Note that a cell begins `at` this time, in seconds since 1970; it has a limit of its own."""
        self._left, self._since = self._most, at

    def look(self) -> None:
        """Start a look, unless a look or a cell is running, or the last cell's limit is reached."""
        if (self._task is None or self._task.done()) and self._left > 0 and not self._busy():
            self._task = asyncio.create_task(self._look(), name="late files")

    async def stop(self) -> None:
        """Stop the look that is running."""
        await stop(self._task)

    async def _look(self) -> None:
        """Look until nothing in the workspace is still being written, or the next cell takes over.

        There is a pause between two scans, however many hints come.
        """
        unrested = True
        while unrested and self._left > 0:
            await asyncio.sleep(self._rests_until - monotonic())  # by then what is being written may rest
            if self._busy():
                return
            since = self._since
            scan = await self._capture.look(rested=self._settled, since=since, most=self._left)
            self._rests_until, unrested = monotonic() + self._settled, scan.unrested
            if since == self._since:  # otherwise the next cell has begun meanwhile, with a limit of its own
                self._left -= len(scan.captured) + len(scan.skipped)
            self._report(scan)

    def _report(self, scan: Scan) -> None:
        if self._left <= 0:
            reason = (
                f"{self._most} files changed after your cell had ended, which is the limit; later changes are"
                " captured when your next cell ends"
            )
            scan = replace(scan, skipped=(*scan.skipped, Skipped("further files", reason)))
        if scan.captured or scan.skipped:
            self._tell(scan)
