"""Brings the messages of forked children to the kernel's output channel.

    relay = Relay()                         # before a child is forked
    relay.send(frames)                      # in a child: one message
    for frames in relay.receive(): ...      # in the kernel: the messages that have arrived, without waiting

ipykernel uses TCP to its own host for this, which not every sandbox has, and a new ZeroMQ context for each
message. Here it is a pipe, written in pieces that no other writer can divide (pipe(7), PIPE_BUF). When `send`
returns, the message is in the pipe.
"""

import os
import select
import struct
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress

__all__ = ["Relay"]

HEAD = struct.Struct("=8sQH")  # of each piece: the message's number, its bytes in all, those of the piece
PIECE = select.PIPE_BUF - HEAD.size  # bytes
LENGTH = struct.Struct("=I")  # of each frame
READ = 64 << 10  # bytes read at once
PATIENCE = 10_000  # ms that a child waits for a kernel that does not read
READS = 16  # in one call, during which the kernel sends nothing
UNFINISHED = 64  # messages that wait for their rest; a child may end in the middle of one


class Relay:
    """See the module's text."""

    def __init__(self, patience: int = PATIENCE) -> None:
        self._patience = patience
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._read = bytearray()
        self._unfinished: OrderedDict[bytes, bytearray] = OrderedDict()

    def fileno(self) -> int:
        """The descriptor that becomes readable when a message may have arrived."""
        return self._reading

    def send(self, frames: Sequence[bytes]) -> None:
        """Send a message to the kernel; it is lost if the kernel does not read it."""
        whole = b"".join(LENGTH.pack(len(frame)) + bytes(frame) for frame in frames)
        number = os.urandom(8)
        room = select.poll()
        room.register(self._writing, select.POLLOUT)
        with suppress(OSError):  # the person has closed it
            for start in range(0, len(whole), PIECE):
                if not room.poll(self._patience):
                    return
                piece = whole[start : start + PIECE]
                os.write(self._writing, HEAD.pack(number, len(whole), len(piece)) + piece)

    def receive(self) -> Iterator[list[bytes]]:
        """Messages that are complete, each as its frames; of very many the next call has the rest."""
        with suppress(OSError):  # there is no more, or the person has closed it
            for _ in range(READS):
                if not (read := os.read(self._reading, READ)):
                    return
                self._read += read
                yield from self._complete()

    def _complete(self) -> list[list[bytes]]:
        position, complete = 0, list[list[bytes]]()
        while position + HEAD.size <= len(self._read):
            number, size, length = HEAD.unpack_from(self._read, position)
            end = position + HEAD.size + length
            if end > len(self._read):
                break
            message = self._unfinished.setdefault(number, bytearray())
            message += self._read[position + HEAD.size : end]
            position = end
            if len(message) >= size:
                del self._unfinished[number]
                with suppress(struct.error):  # the person has written to it
                    complete.append(_frames(message))
            elif len(self._unfinished) > UNFINISHED:
                self._unfinished.popitem(last=False)
        del self._read[:position]
        return complete


def _frames(message: bytearray) -> list[bytes]:
    frames, position = [], 0
    while position < len(message):
        (length,) = LENGTH.unpack_from(message, position)
        position += LENGTH.size + length
        frames.append(bytes(message[position - length : position]))
    return frames
