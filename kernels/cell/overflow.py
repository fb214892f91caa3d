"""All text of a cell that shows more than is kept of it, as a file of its own.

    overflow = Overflow(folder, most=50 << 20)
    overflow.begin(shown)               # the text until then; `add` takes what comes after it
    file = await overflow.close("output-3")     # a kernels.workspace.Captured, or None

It lies on the disk, without a name: nobody else can get at it, and it is gone with its last reader, whatever
ends this program. A thread writes it, since a disk can make it wait. What a cell prints faster than the disk
takes it, or beyond `most`, is left out; the file then says so in its name and at its end.
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
LINE = 64 << 10  # characters of an unfinished line that wait for its end
SPARE = 16  # no file takes more than a sixteenth of what the disk has left
NOTE = 200  # bytes for the sentence at the end
CUT = "\n[... cut here: {} more were printed; a file of this text has at most {} ...]\n"


@dataclass(frozen=True)
class TextFile:
    """A `Captured` that is no file of the workspace, but what its cell has printed."""

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
        """As `open`: nobody but us can keep this file waiting. Raises: OSError."""
        return self.open()

    @asynccontextmanager
    async def content(self, latest: int | None = None) -> AsyncIterator[BinaryIO]:  # noqa: ARG002  never another
        """As `open`, closed when the block is left. Raises: OSError."""
        with self.open() as file:
            yield file


class Overflow:
    """See the module's text. `folder` is on the disk that takes it, `most` in bytes."""

    def __init__(self, folder: Path, *, most: int) -> None:
        self._folder = folder
        self._most = most
        self._writing: asyncio.Task[None] | None = None  # one at a time, also of what is not shown any more
        self._begin_again()

    def begin(self, shown: str) -> None:
        """From now on there is more than is kept; `shown` is what was there until now."""
        self.begun = True
        self.add(shown)

    def add(self, text: str) -> None:
        """Take what comes next."""
        if self._dropped or self._writer.full or self._held + len(text) > HELD:
            self._dropped += len(text)  # all from here on: nobody would see a gap
            return
        self._waiting.append(text)
        self._held += len(text)
        if self._held >= STEP and self._writing is None:
            self._write()

    def clear(self) -> None:
        """What was shown so far is not shown any more."""
        if self.begun:
            self._begin_again()

    async def close(self, name: str) -> TextFile | None:
        """The file, called `name` with an ending; None where it could not be written. Raises: OSError."""
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
        self.partial = False  # the kernel itself had clipped something
        self._writer = _Writer(self._folder, self._most)
        self._waiting: list[str] = []
        self._held = 0  # characters in `_waiting`
        self._dropped = 0  # characters that nobody has taken

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
    """Writes text as it is read: without colours, and without what was drawn over on its line."""

    def __init__(self, folder: Path, most: int) -> None:
        self.file: FileIO | None = None
        self.size = 0  # bytes written
        self.left_out = 0  # characters, about
        self.full = False
        self._folder = folder
        self._most = most
        self._rest = ""  # the line that is not finished yet

    def write(self, text: str) -> None:
        """Write this; in a thread."""
        text = self._rest + text
        whole, end, self._rest = text.rpartition("\n")
        if len(self._rest) > LINE:
            whole, end, self._rest = text, "", ""
        self._put(_drawn(whole) + end)

    def finish(self, text: str, dropped: int) -> None:
        """Write this, and that so many characters came after it, if any; in a thread."""
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
    """What is seen of each line in the end."""
    if "\r" not in text:
        return text
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
