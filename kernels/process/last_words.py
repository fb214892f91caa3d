"""What a kernel wrote last but could not send, read here when it has died.

    words = stack.enter_context(LastWords())
    words.descriptors                       # for the kernel, by name (`kernels.inside.output.last_words`)
    if words.is_news(message): ...          # for each message that arrives
    words.rest(parse)                       # [("stdout", "step 5\\n"), Message(...)]: what has not arrived

A kernel holds what it prints for a moment, and is gone at once when it crashes, is killed, or calls
`os._exit`. Without this, a cell that prints its progress would be silent about its very last step. All of it
is untrusted, and limited in size like the kernel's messages.
"""

import contextlib
import fcntl
import os
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from typing import Self

from kernels.inside import paths
from kernels.inside.output import last_displays
from kernels.inside.output.last_words import COUNT, KEPT, LANDING, PART, STREAMS
from kernels.wire.connection import Message

__all__ = ["LastWords", "Text"]

Text = tuple[str, str]  # of a stream, by its name
Parse = Callable[[list[bytes]], Message | None]

PIPE = 64 << 10  # bytes that a pipe holds
LONGEST = 1 << 16  # characters of one text, as many as of one message
DISPLAYS = 2048  # of the latest that are known to have arrived; more than the memory holds
SHOWING = ("display_data", "update_display_data", "clear_output")
GAP = "\n[... {:,} characters were lost with the kernel ...]\n"


class LastWords:
    """The memory and the pipes of one kernel's process, to be entered."""

    def __init__(self) -> None:
        self._known = dict.fromkeys(STREAMS, 0)  # bytes that have arrived
        self._told = dict.fromkeys(STREAMS, 0)  # bytes that `rest` has told: no message up to there is news
        self._displayed: deque[int] = deque(maxlen=DISPLAYS)  # hashes of the signatures of what has arrived
        self._memory = -1
        self._pipes: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        self._memory = _memory(PART * len(STREAMS) + last_displays.SIZE)
        with contextlib.ExitStack() as stack:
            stack.callback(self.__exit__)
            for name in STREAMS:
                self._pipes[name] = os.pipe()
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.started()
        for reading, _writing in self._pipes.values():
            os.close(reading)
        self._pipes.clear()
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1

    @property
    def descriptors(self) -> dict[str, int]:
        """What the kernel inherits, by name."""
        pipes = {
            f"{name} {end}": number
            for name, both in self._pipes.items()
            for end, number in zip(("read", "write"), both, strict=True)
        }
        return {"last words": self._memory, **pipes}

    def started(self) -> None:
        """The kernel has inherited them: our copies of the writing ends are closed."""
        for name, (reading, writing) in self._pipes.items():
            if writing >= 0:
                os.close(writing)
                self._pipes[name] = reading, -1

    def is_news(self, message: Message) -> bool:
        """Note how much of a stream has arrived; False for a message whose text `rest` has told."""
        if message.channel == "iopub" and message.kind in SHOWING:
            self._displayed.append(hash(message.signature))
        if message.channel != "iopub" or message.kind != "stream":
            return True
        name = message.content.get("name") if isinstance(message.content, dict) else None
        end = message.metadata.get("kernelcord") if isinstance(message.metadata, dict) else None
        if name not in STREAMS or not isinstance(end, int):
            return True
        self._known[name] = max(self._known[name], end)
        return end > self._told[name]

    def rest(self, parse: Parse = lambda _: None) -> list[Text | Message]:
        """What was written and displayed but has not arrived, once. For a process that has ended."""
        known, kept = dict(self._known), {name: self._kept(name) for name in STREAMS}
        found: list[Text | Message] = []
        for ends, message in self._shown(parse):
            for name, end in zip(STREAMS, ends, strict=True):
                gap, text = kept[name]
                size = len(text) - (self._known[name] - end)
                if end > known[name] and size > 0:
                    found += _told(name, gap, text[:size])
                    kept[name] = "", text[size:]
            found.append(message)
        for name in STREAMS:
            gap, text = kept[name]
            found += _told(name, gap, text + self._landed(name) + self._piped(name))
        return found

    def _shown(self, parse: Parse) -> Iterator[tuple[tuple[int, int], Message]]:
        """The displays that have not arrived, each with how many bytes the streams had before it."""
        data = os.pread(self._memory, last_displays.SIZE, PART * len(STREAMS))
        come = set(self._displayed)
        for ends, frames in last_displays.records(data):
            message = parse(frames)
            if message is not None and message.kind in SHOWING and hash(message.signature) not in come:
                self._displayed.append(hash(message.signature))
                yield ends, message

    def _kept(self, name: str) -> tuple[str, bytes]:
        """What was kept of the stream, after a note of how much was lost."""
        part = os.pread(self._memory, COUNT + KEPT, PART * STREAMS.index(name))
        count, known = int.from_bytes(part[:COUNT], sys.byteorder), self._known[name]
        missing = count - known
        if missing <= 0 or count >= 1 << 62:
            return "", b""
        self._known[name] = self._told[name] = count
        ring, end = part[COUNT:], count % KEPT
        last = (ring[end:] + ring[:end])[-min(missing, KEPT) :]
        return GAP.format(missing - KEPT) if missing > KEPT else "", last

    def _landed(self, name: str) -> bytes:
        """What had been read from the pipe, and was not kept yet."""
        place = PART * STREAMS.index(name) + COUNT + KEPT
        part = os.pread(self._memory, COUNT + LANDING, place)
        os.pwrite(self._memory, bytes(COUNT), place)
        return part[COUNT:][: int.from_bytes(part[:COUNT], sys.byteorder)]

    def _piped(self, name: str) -> bytes:
        """What is in the pipe. Hostile code may hold the other end, and must not make us wait."""
        data = b""
        with contextlib.suppress(OSError):
            own = os.open(f"/dev/fd/{self._pipes[name][0]}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                while len(data) < PIPE and (piece := os.read(own, PIPE - len(data))):
                    data += piece
            finally:
                os.close(own)
        return data


def _told(name: str, gap: str, written: bytes) -> list[Text | Message]:
    text = gap + paths.in_tracebacks(written.decode("utf-8", "replace"))
    return [(name, text[start : start + LONGEST]) for start in range(0, len(text), LONGEST)]


def _memory(size: int) -> int:
    """A file of this size in memory, which nobody can enlarge; elsewhere a file without a name."""
    if sys.platform != "linux":
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            return os.dup(file.fileno())
    memory = os.memfd_create("last words", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, size)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return memory
