"""One channel of a kernel: a stream to its ZeroMQ socket, read and written without waiting.

    channel = Channel("shell", path, identity)      # raises OSError while nobody listens there
    channel.send([b"frame"])
    messages = channel.messages()                   # those that have arrived, each as its frames
    channel.close()

The event loop says when there is something to read (`watch`). What does not fit into the stream yet is sent
as soon as it does.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator

from kernels.descriptors import refuse_descriptors
from kernels.wire.zmtp import GREETING, Decoder, NotZeroMQ, introduction, packed

__all__ = ["Channel"]

KINDS = {"iopub": "SUB", "shell": "DEALER", "stdin": "DEALER", "control": "DEALER"}
READ = 64 << 10  # bytes that are read at once
LARGEST = 16 << 20  # bytes of one message; a kernel clips its messages to less (`inside.output.clip`)
MOST_FRAMES = 1000  # frames of one message; usual are six, and one for each buffer of a comm
# Bytes that wait to be sent. When escaped, a cell of 4 MiB takes 24 MiB at most, and so does the code that a
# person is given hints on; an answer to `input()` takes 6 MiB, and nothing else is large.
MOST_WAITING = {"iopub": 1 << 20, "shell": 64 << 20, "stdin": 8 << 20, "control": 1 << 20}


class Channel:
    """See the module's text. `ended` once either end has closed it, or if the other is no ZeroMQ socket."""

    def __init__(self, name: str, path: str, identity: bytes) -> None:
        self.received = 0  # bytes, ever
        self.ended = False
        self._most_waiting = MOST_WAITING[name]
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder(largest=LARGEST, most_frames=MOST_FRAMES)
        self._waiting = bytearray(introduction(KINDS[name], identity))  # to be sent
        self._greeted = self._writing = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        refuse_descriptors(self._socket)
        try:
            self._socket.connect(path)
            self._socket.send(GREETING)
        except OSError:
            self._socket.close()
            raise

    @property
    def state(self) -> str:
        """How far it is: "connected", "greeted" once the other end has said what it is, or "closed"."""
        return "closed" if self.ended else "greeted" if self._greeted else "connected"

    def send(self, frames: list[bytes]) -> None:
        """Send a message; on a channel that has ended it is dropped.

        The channel ends when too much waits: its kernel does not read, and we would keep every answer.
        """
        if not self.ended:
            self._waiting += packed(frames)
            if self._greeted and not self._writing:
                self._flush()
            if len(self._waiting) > self._most_waiting:
                self.close()

    def watch(self, readable: Callable[[], None]) -> None:
        """Have `readable` called whenever something may have arrived."""
        if not self.ended:
            self._loop.add_reader(self._socket, readable)

    def unwatch(self) -> None:
        """Stop reading. When the socket's buffer is full, the kernel has to wait."""
        if not self.ended:
            self._loop.remove_reader(self._socket)

    def messages(self) -> Iterator[list[bytes]]:
        """The messages that have arrived; an empty list stands for one that is invalid or too large."""
        more = True  # there may be more to read
        while not self.ended:
            try:
                if (message := self._decoder.next()) is not None:
                    yield message
                    continue
                if self._decoder.greeted and not self._greeted:
                    self._greeted = True
                    self._flush()
                if not more:
                    return
                data = self._socket.recv(READ)
                self._decoder.feed(data)
            except BlockingIOError:
                return
            except (OSError, NotZeroMQ, MemoryError):
                data = b""
            if not data:
                self.close()
            more = len(data) == READ  # if there is still more, the loop says so
            self.received += len(data)

    def close(self) -> None:
        """Close it; what was not sent yet is lost."""
        if not self.ended:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self._waiting.clear()
            self.ended = True

    def _flush(self) -> None:
        try:
            del self._waiting[: self._socket.send(self._waiting)]
        except BlockingIOError:
            pass
        except OSError:
            self._waiting.clear()  # the other end is gone, which reading will show
        if self._waiting and not self._writing:
            self._loop.add_writer(self._socket, self._flush)
        elif self._writing and not self._waiting:
            self._loop.remove_writer(self._socket)
        self._writing = bool(self._waiting)
