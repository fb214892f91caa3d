"""The way on which forked children's messages get to the kernel's channel of output.

    relay = Relay()                     # before a child is forked
    relay.give(frames)                  # in a child: one message
    for frames in relay.take(): ...     # in the kernel: those that have come, without waiting

ipykernel takes TCP to its own host for this, which not every sandbox has, and a new ZeroMQ context for each
message. Here it is a pipe, in pieces that are whole whoever else writes (pipe(7), PIPE_BUF); a message is in
it when `give` returns.
"""

import os
import select
import struct
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress

__all__ = ["Relay"]

HEAD = struct.Struct("=8sQH")  # of each piece: the message's own number, its bytes in all, those of the piece
PIECE = select.PIPE_BUF - HEAD.size  # bytes
LENGTH = struct.Struct("=I")  # of each frame
READ = 64 << 10  # bytes read at once
PATIENCE = 10_000  # ms that a child waits for a kernel that does not read
READS = 16  # of one call, during which nothing is sent
UNFINISHED = 64  # messages that are kept while the rest of them comes; a child may end in the middle of one


class Relay:
    """See the module's text."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._read = bytearray()
        self._unfinished: OrderedDict[bytes, bytearray] = OrderedDict()

    def fileno(self) -> int:
        """What can be read from when a message may have come."""
        return self._reading

    def give(self, frames: Sequence[bytes]) -> None:
        """Send a message on; one that the kernel does not take is lost."""
        whole = b"".join(LENGTH.pack(len(frame)) + bytes(frame) for frame in frames)
        number = os.urandom(8)
        room = select.poll()
        room.register(self._writing, select.POLLOUT)
        for start in range(0, len(whole), PIECE):
            piece = whole[start : start + PIECE]
            if not room.poll(PATIENCE):
                return
            try:
                os.write(self._writing, HEAD.pack(number, len(whole), len(piece)) + piece)
            except OSError:  # the person has closed it
                return

    def take(self) -> Iterator[list[bytes]]:
        """Messages that are complete, each as its frames; of very many the next call has the rest."""
        for _ in range(READS):
            try:
                read = os.read(self._reading, READ)
            except OSError:  # there is no more, or the person has closed it
                return
            if not read:
                return
            self._read += read
            yield from self._complete()

    def _complete(self) -> list[list[bytes]]:
        place, complete = 0, list[list[bytes]]()
        while place + HEAD.size <= len(self._read):
            number, size, length = HEAD.unpack_from(self._read, place)
            end = place + HEAD.size + length
            if end > len(self._read):
                break
            message = self._unfinished.setdefault(number, bytearray())
            message += self._read[place + HEAD.size : end]
            place = end
            if len(message) >= size:
                del self._unfinished[number]
                with suppress(struct.error):  # the person has written to it
                    complete.append(_frames(message))
            elif len(self._unfinished) > UNFINISHED:
                self._unfinished.popitem(last=False)
        del self._read[:place]
        return complete


def _frames(message: bytearray) -> list[bytes]:
    frames, place = [], 0
    while place < len(message):
        (length,) = LENGTH.unpack_from(message, place)
        place += LENGTH.size + length
        frames.append(bytes(message[place - length : place]))
    return frames
