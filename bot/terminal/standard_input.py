"""Standard input (a pipe, a file or a terminal), read in a thread that the program need not wait for.

lines = InputLines(longest)
async for line in lines: ...
lines.end_input()       # as if the input ended here
text, odd = await whole()
"""

import asyncio
import contextlib
import io
import sys
import threading
import tokenize
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError

from bot.errors import NotText

__all__ = ["InputLines", "whole"]


class InputLines:
    """The lines, one read ahead. Of a line longer than `longest` bytes only its beginning is given."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._lines: asyncio.Queue[bytes] = asyncio.Queue(1)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        _in_thread(lambda: self._read(loop))
        while line := await self._lines.get():
            yield line

    def end_input(self) -> None:
        """Give no more lines."""
        while not self._lines.empty():
            self._lines.get_nowait()
        self._lines.put_nowait(b"")

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            line = sys.stdin.buffer.readline(self._longest)
            rest = line
            while len(rest) == self._longest and not rest.endswith(b"\n"):
                # The line will be refused: drop the rest of it.
                rest = sys.stdin.buffer.readline(self._longest)
            try:
                asyncio.run_coroutine_threadsafe(self._lines.put(line), loop).result()
            except (RuntimeError, CancelledError):  # the event loop has ended: nobody listens any more
                return
            if not line:
                return


async def whole() -> tuple[str, NotText | None]:
    """All of it, decoded as Python decodes a script, and the first place that cannot be decoded."""
    loop = asyncio.get_running_loop()
    text: asyncio.Future[bytes] = loop.create_future()

    def give(read: bytes) -> None:
        if not text.done():
            text.set_result(read)

    def read() -> None:
        found = sys.stdin.buffer.read()
        with contextlib.suppress(RuntimeError):  # the event loop has ended: nobody listens any more
            loop.call_soon_threadsafe(give, found)

    _in_thread(read)
    return _decoded(await text)


def _decoded(script: bytes) -> tuple[str, NotText | None]:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(script).readline)
    except SyntaxError:  # an unknown encoding, or no UTF-8 in the first two lines
        encoding = "utf-8"
    odd = None
    try:
        text = script.decode(encoding)
    except UnicodeDecodeError as error:
        odd = NotText(encoding.upper().removesuffix("-SIG"), 1 + script.count(b"\n", 0, error.start))
        text = script.decode(encoding, "replace")
    return text.replace("\r\n", "\n"), odd


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="standard input", daemon=True).start()
