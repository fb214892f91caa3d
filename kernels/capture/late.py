"""Files that come up after their cell: looked for when the observer hints, until all of them rest.

late = LateFiles(capture, busy=lambda: kernel.busy, tell=router.late_scan)
late.look()             # on a hint; one look at a time
await late.stop()
"""

import asyncio
from collections.abc import Callable

from kernels.capture.found import Scan
from kernels.capture.scan import Capture
from kernels.finish import stop

SETTLED = 1.0  # seconds; a late file must have rested so long, or each line of a log would be a new version


class LateFiles:
    """One workspace's late files. While `busy` the end of the cell will look; `tell` gets what was found."""

    def __init__(self, capture: Capture, *, busy: Callable[[], bool], tell: Callable[[Scan], None]) -> None:
        self._capture = capture
        self._busy = busy
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Begin to look, unless a look goes on or a cell runs."""
        if (self._task is None or self._task.done()) and not self._busy():
            self._task = asyncio.create_task(self._look(), name="late files")

    async def stop(self) -> None:
        """Look no more until the next `look`."""
        await stop(self._task)

    async def _look(self) -> None:
        """Look until nothing in the workspace is still being written, or the next cell takes over."""
        while not self._busy():
            scan = await self._capture.look(rested=SETTLED)
            if scan.captured or scan.skipped:
                self._tell(scan)
            if not scan.unrested:
                return
            await asyncio.sleep(SETTLED)  # what is being written may have rested by then
