"""All the text of a cell that prints more than is shown, as a file of its own.

    overflow = Overflow(folder, most=50 << 20)
    overflow.begin(shown)               # the text until then
    overflow.add_text(text)             # what comes after it
    file = await overflow.close("output-3")     # a kernels.workspace.Captured, or None

The file is on disk without a name: nobody else can open it, and it disappears with its last reader, however
this program ends. A thread writes it, since a disk can block. What a cell prints faster than the disk takes
it, or beyond `most`, is left out; the file then says so in its name and at its end.
"""

import asyncio
import os
import sys
import tempfile
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from time import time
from typing import BinaryIO

from kernels.concurrency.threads import in_thread
from kernels.text.clipping import human_size, strip_ansi

__all__ = ["Overflow", "TextFile"]

STEP = 256 << 10  # characters that are written in one go, so that others have their turn
HELD = 4 << 20  # characters that may wait for the disk
LINE = 64 << 10  # characters of an unfinished line that wait until the line ends
SPARE = 16  # a file takes at most a sixteenth of the free space on its disk
NOTE = 200  # bytes reserved for the sentence at the end
CUT = "\n[... cut here: {} more were printed; a file of this text has at most {} ...]\n"


@dataclass(frozen=True)
class TextFile:
    """A `Captured` that is not a file of the workspace, but what its cell has printed."""

    name: str
    size: int
    mtime: float
    _file: FileIO = field(repr=False)

    is_output = True

    def open(self) -> BinaryIO:
        """The bytes from the start. Raises: OSError."""
        if sys.platform == "linux":
            return open(f"/proc/self/fd/{self._file.fileno()}", "rb")  # with a position of its own
        copy = os.fdopen(os.dup(self._file.fileno()), "rb")
        copy.seek(0)
        return copy

    async def opened(self) -> BinaryIO:
        """As `open`, which no code in a workspace can delay. Raises: OSError."""
        return self.open()

    @asynccontextmanager
    async def content(self, latest: int | None = None) -> AsyncIterator[BinaryIO]:  # noqa: ARG002  never another
        with self.open() as file:
            yield file


class Overflow:
    """See the module's text. `folder` is on the disk that the file goes to; `most` is in bytes.

    At most `held` characters wait for the disk.
    """

    def __init__(self, folder: Path, *, most: int, held: int = HELD) -> None:
        self._folder = folder
        self._most_held = held
        self._most = most
        # One at a time, even if it writes text that was cleared:
        self._writing: asyncio.Task[None] | None = None
        self._begin_again()

    def begin(self, shown: str) -> None:
        """From now on more is printed than is shown; `shown` is the text until now."""
        self.begun = True
        self.add_text(shown)

    def add_text(self, text: str) -> None:
        """Add the text that comes next."""
        if self._dropped or self._writer.full or self._held + len(text) > self._most_held:
            self._dropped += len(text)  # and all later text: nobody could see a gap in the middle
            return
        self._waiting.append(text)
        self._held += len(text)
        if self._held >= STEP and self._writing is None:
            self._write()

    def clear(self) -> None:
        """Forget the text so far: the cell has cleared it."""
        if self.begun:
            self._begin_again()

    async def close(self, name: str) -> TextFile | None:
        """The file, called `name` with an ending; None if it could not be written. Raises: OSError."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
        writer = self._writer
        await in_thread(writer.finish, self._taken(), self._dropped)
        if writer.file is None or not writer.size:
            return None
        ending = "-part" if writer.left_out or self.partial else ""
        return TextFile(f"{name}{ending}.txt", writer.size, time(), writer.file)

    def _begin_again(self) -> None:
        self.begun = False
        self.partial = False  # whether the kernel itself has clipped something
        self._writer = _Writer(self._folder, self._most)
        self._waiting: list[str] = []
        self._held = 0  # characters in `_waiting`
        self._dropped = 0  # characters that were not written

    def _taken(self) -> str:
        text = "".join(self._waiting)
        self._waiting, self._held = [], 0
        return text

    def _write(self) -> None:
        text, writer = self._taken(), self._writer
        task = asyncio.create_task(in_thread(writer.write, text), name="long output")
        self._writing = task

        def written(task: asyncio.Task[None]) -> None:
            failed = task.cancelled() or task.exception() is not None
            self._writing = None
            if failed and writer is self._writer:
                self._dropped += len(text)
            if self._held >= STEP:
                self._write()

        task.add_done_callback(written)


class _Writer:
    """Writes text as a person would read it: without colours, and without what `\\r` has overwritten."""

    def __init__(self, folder: Path, most: int) -> None:
        self.file: FileIO | None = None
        self.size = 0  # bytes written
        self.left_out = 0  # characters, approximately
        self.full = False
        self._folder = folder
        self._most = most
        self._rest = ""  # the unfinished line

    def write(self, text: str) -> None:
        """Write this; in a thread."""
        text = self._rest + text
        whole, end, self._rest = text.rpartition("\n")
        if len(self._rest) > LINE:
            whole, end, self._rest = text, "", ""
        self._put(_drawn(whole) + end)

    def finish(self, text: str, dropped: int) -> None:
        """Write this, and how many more characters were dropped, if any; in a thread."""
        self._put(_drawn(self._rest + text))
        self.left_out += dropped
        if self.left_out and self.file is not None:
            told = CUT.format(human_size(self.left_out), human_size(self._most))
            with suppress(OSError):
                self.size += self.file.write(told.encode()) or 0

    def _put(self, text: str) -> None:
        data = (strip_ansi(text) if "\x1b" in text else text).encode("utf-8", "replace")
        try:
            if self.file is None:
                self._make()
            assert self.file is not None
            room = max(0, self._most - NOTE - self.size)
            if self.full or len(data) > room:
                self.full = True
                self.left_out += max(0, len(data) - room)
                data = data[:room].decode("utf-8", "ignore").encode()
            view = memoryview(data)
            while view:
                written = self.file.write(view) or 0
                self.size += written
                view = view[written:]
        except OSError:  # the disk is full, or gone
            self.full = True
            self.left_out += len(data)

    def _make(self) -> None:
        disk = os.statvfs(self._folder)
        self._most = min(self._most, disk.f_bavail * disk.f_frsize // SPARE)
        with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
            own = os.dup(file.fileno())
        self.file = FileIO(own, "r+", closefd=False)
        weakref.finalize(self.file, os.close, own)


def _drawn(text: str) -> str:
    """What can be seen of each line in the end."""
    if "\r" not in text:
        return text
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
