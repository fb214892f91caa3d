"""What a kernel wrote last and could not send any more, read here when it has died.

    words = stack.enter_context(LastWords())
    words.descriptors                       # for the kernel, by name (`kernels.inside.last_words`)
    if words.is_news(message): ...          # each message that comes
    words.rest()                            # [("stdout", "step 5\\n")], of what no message had

A kernel holds what it prints for a moment, and is gone at once when it crashes, is killed, or calls
`os._exit`: without this a cell that prints where it is would be silent about just the last step. All of it is
the kernel's word, and bounded like its messages.
"""

import contextlib
import fcntl
import os
import re
import sys
import tempfile
from types import TracebackType
from typing import Self

from kernels.wire import Message

__all__ = ["LastWords"]

STREAMS = ("stdout", "stderr")
KEPT = 60 << 10  # bytes of UTF-8 of each stream: less than one message may have
COUNT = 8  # bytes at the beginning of a stream's part: the number of all its bytes
PART = COUNT + KEPT  # bytes
PIPE = 64 << 10  # bytes that a pipe holds
# In a traceback, what stands before a library's own path, and before ours: see `kernels.inside.paths`.
LIBRARY = re.compile(
    r'(File ")/[^"\n]*/(?=(?:site-packages|python3\.\d+(?!/site-packages)|kernels(?=/zygote\.py|/inside/))/)'
)
GAP = "\n[... {:,} characters went with the kernel ...]\n"


class LastWords:
    """The memory and the pipes of one kernel's process, to be entered; three descriptors."""

    def __init__(self) -> None:
        self._known = dict.fromkeys(STREAMS, 0)  # bytes that have come
        self._told = dict.fromkeys(STREAMS, 0)  # bytes that `rest` had: no message is news below it
        self._memory = -1
        self._pipes: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        self._memory = _memory(PART * len(STREAMS))
        with contextlib.ExitStack() as stack:
            stack.callback(self.__exit__, None, None, None)
            for name in STREAMS:
                self._pipes[name] = os.pipe()
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.started()
        for reading, _ in self._pipes.values():
            os.close(reading)
        self._pipes.clear()
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1

    @property
    def descriptors(self) -> dict[str, int]:
        """What the kernel gets."""
        pipes = {
            f"{name} {end}": number
            for name, both in self._pipes.items()
            for end, number in zip(("read", "write"), both, strict=True)
        }
        return {"last words": self._memory, **pipes}

    def started(self) -> None:
        """The kernel has them: what it writes to is its own."""
        for name, (reading, writing) in self._pipes.items():
            if writing >= 0:
                os.close(writing)
                self._pipes[name] = reading, -1

    def is_news(self, message: Message) -> bool:
        """Note how much of a stream a message has; False for one whose text `rest` had."""
        if message.channel != "iopub" or message.kind != "stream":
            return True
        name = message.content.get("name") if isinstance(message.content, dict) else None
        end = message.metadata.get("kernelcord") if isinstance(message.metadata, dict) else None
        if name not in STREAMS or not isinstance(end, int):
            return True
        self._known[name] = max(self._known[name], end)
        return end > self._told[name]

    def rest(self) -> list[tuple[str, str]]:
        """What was written and has not come, by stream; each word once. For a process that has ended."""
        found = [(name, part(name)) for name in STREAMS for part in (self._kept, self._piped)]
        return [(name, LIBRARY.sub(r"\1", text)) for name, text in found if text]

    def _kept(self, name: str) -> str:
        part = os.pread(self._memory, PART, PART * STREAMS.index(name))
        count, known = int.from_bytes(part[:COUNT], sys.byteorder), self._known[name]
        missing = count - known
        if missing <= 0 or count >= 1 << 62:
            return ""
        self._known[name] = self._told[name] = count
        ring, end = part[COUNT:], count % KEPT
        last = (ring[end:] + ring[:end])[-min(missing, KEPT) :]
        gap = GAP.format(missing - KEPT) if missing > KEPT else ""
        return gap + last.decode("utf-8", "replace")

    def _piped(self, name: str) -> str:
        """What is in the pipe. Its other end can be anybody's, who must not make us wait."""
        data = b""
        with contextlib.suppress(OSError):
            own = os.open(f"/dev/fd/{self._pipes[name][0]}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                while len(data) < PIPE and (piece := os.read(own, PIPE - len(data))):
                    data += piece
            finally:
                os.close(own)
        return data.decode("utf-8", "replace")


def _memory(size: int) -> int:
    """A file of this size in memory, which nobody can make larger; elsewhere one without a name."""
    if sys.platform != "linux":
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            return os.dup(file.fileno())
    memory = os.memfd_create("last words", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, size)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return memory
