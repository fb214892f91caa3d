"""Standard input, be it a pipe, a file or a terminal, read by a thread that the program need not wait for.

lines = Lines(longest)
async for line in lines: ...
lines.end()             # as if the input had ended here
text = await whole()
"""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError

__all__ = ["Lines", "whole"]


class Lines:
    """The lines, read one ahead. Of one that is longer than `longest` bytes only its beginning is given."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._lines: asyncio.Queue[bytes] = asyncio.Queue(1)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        _in_thread(lambda: self._read(loop))
        while line := await self._lines.get():
            yield line

    def end(self) -> None:
        """Give no more of them."""
        while not self._lines.empty():
            self._lines.get_nowait()
        self._lines.put_nowait(b"")

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            line = sys.stdin.buffer.readline(self._longest)
            rest = line
            while len(rest) == self._longest and not rest.endswith(b"\n"):
                rest = sys.stdin.buffer.readline(self._longest)  # the line is refused: no part of it counts
            try:
                asyncio.run_coroutine_threadsafe(self._lines.put(line), loop).result()
            except (RuntimeError, CancelledError):  # the loop has ended: nobody listens any more
                return
            if not line:
                return


async def whole() -> str:
    """All of it, as text."""
    loop = asyncio.get_running_loop()
    text: asyncio.Future[str] = loop.create_future()

    def give(read: str) -> None:
        if not text.done():
            text.set_result(read)

    def read() -> None:
        found = sys.stdin.read()
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens any more
            loop.call_soon_threadsafe(give, found)

    _in_thread(read)
    return await text


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="standard input", daemon=True).start()
