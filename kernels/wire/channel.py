"""One channel of a kernel: a stream to its ZeroMQ socket, read and written without waiting.

    channel = Channel("shell", path, identity)      # raises OSError while nobody listens there
    channel.send([b"frame"])
    messages = channel.messages()                   # those that have come, each as its frames
    channel.close()

The event loop says when there is something to read (`watch`); what does not fit into the stream yet is
written when it does.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator

from kernels.descriptors import refuse_descriptors
from kernels.wire.zmtp import GREETING, Decoder, NotZeroMQ, introduction, packed

__all__ = ["Channel"]

KINDS = {"iopub": "SUB", "shell": "DEALER", "stdin": "DEALER", "control": "DEALER"}
READ = 64 << 10  # bytes asked for at once
LARGEST = 16 << 20  # bytes of one message; a kernel clips what it says to less (`inside.output.clip`)
MOST_FRAMES = 1000  # frames of one message; six, and one for each buffer of a comm


class Channel:
    """See the module's text. `ended` once either end has closed it, or the other is no ZeroMQ socket."""

    def __init__(self, name: str, path: str, identity: bytes) -> None:
        self.received = 0  # bytes, ever
        self.ended = False
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
        """How far it has got: "connected", "greeted" once the other end has said what it is, or "closed"."""
        return "closed" if self.ended else "greeted" if self._greeted else "connected"

    def send(self, frames: list[bytes]) -> None:
        """Send a message; one to a channel that has ended goes nowhere."""
        if not self.ended:
            self._waiting += packed(frames)
            if self._greeted and not self._writing:
                self._flush()

    def watch(self, readable: Callable[[], None]) -> None:
        """Have `readable` called whenever something may have come."""
        if not self.ended:
            self._loop.add_reader(self._socket, readable)

    def unwatch(self) -> None:
        """Leave what comes where it is: when enough has, the kernel waits."""
        if not self.ended:
            self._loop.remove_reader(self._socket)

    def messages(self) -> Iterator[list[bytes]]:
        """Those that have come, as long as they are asked for; an empty list stands for one that is none."""
        more = True  # may be there
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
            more = len(data) == READ  # the loop says so where there is more than was asked for
            self.received += len(data)

    def close(self) -> None:
        """Close it; what could not be sent yet is lost."""
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
            self._waiting.clear()  # nobody is there; who reads will see it
        if self._waiting and not self._writing:
            self._loop.add_writer(self._socket, self._flush)
        elif self._writing and not self._waiting:
            self._loop.remove_writer(self._socket)
        self._writing = bool(self._waiting)
