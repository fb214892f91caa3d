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
from collections import deque
from collections.abc import AsyncIterator, Callable

from bot.errors import NotText

__all__ = ["InputLines", "whole"]

AHEAD, AHEAD_BYTES = 100, 1 << 20  # lines that are read ahead, and their bytes together


class InputLines:
    """The lines, some read ahead. Of a line longer than `longest` bytes only its beginning is given.

    What has been read by the time of one turn of the event loop is given in that turn, up to AHEAD lines:
    while cells of one user keep the loop busy, another's line would otherwise wait for all turns before it.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._lines: deque[bytes] = deque()
        self._taken = threading.Condition()  # for `_lines`: there is room, or nobody wants more
        self._come = asyncio.Event()  # there are lines, or no more are wanted
        self._over = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        _in_thread(lambda: self._read(loop))
        while True:
            await self._come.wait()
            self._come.clear()
            for line in self._take():
                if self._over or not line:  # an empty one is the end
                    return
                yield line
            if self._over:
                return

    def end_input(self) -> None:
        """Give no more lines."""
        self._over = True
        self._come.set()
        self._take()

    def _take(self) -> list[bytes]:
        with self._taken:
            lines = list(self._lines)
            self._lines.clear()
            self._taken.notify()
        return lines

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            line = sys.stdin.buffer.readline(self._longest)
            rest = line
            while len(rest) == self._longest and not rest.endswith(b"\n"):
                # The line will be refused: drop the rest of it.
                rest = sys.stdin.buffer.readline(self._longest)
            with self._taken:
                while not (self._over or self._fits(line)):
                    self._taken.wait()
                self._lines.append(line)
            try:
                loop.call_soon_threadsafe(self._come.set)
            except RuntimeError:  # the event loop has ended: nobody listens any more
                return
            if not line or self._over:
                return

    def _fits(self, line: bytes) -> bool:
        """Whether the line may be read ahead of those before it; any may if there are none."""
        waiting = sum(map(len, self._lines))
        return not self._lines or (len(self._lines) < AHEAD and waiting + len(line) <= AHEAD_BYTES)


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
