"""What ZeroMQ sockets say to each other over a stream (ZMTP 3.0), without ZeroMQ's library and threads.

    socket.sendall(GREETING)
    decoder = Decoder(largest=1 << 20, most_frames=100)
    decoder.feed(socket.recv(1 << 16))
    while (message := decoder.next()) is not None: ...
    if decoder.greeted:
        socket.sendall(introduction("DEALER", identity) + packed([b"frame", b"another"]))

Nothing here waits. A message that is too large is discarded as it arrives, and the next one is read. (libzmq
limits the size of a frame but not the number of frames, and closes the connection at a large one.)
https://rfc.zeromq.org/spec/23/
"""

import struct
from collections.abc import Generator, Iterable

__all__ = ["GREETING", "SUBSCRIPTION", "Decoder", "NotZeroMQ", "introduction", "packed"]

MORE, LONG, COMMAND = 1, 2, 4  # bits of a frame's first byte
SHORT = 255  # bytes of the longest frame whose length is one byte
SIGNATURE, VERSION = (0xFF, 0x7F), (3, 0)
MECHANISM = b"NULL".ljust(20, b"\0")  # no authentication: the socket's path decides who can connect
LAYOUT = struct.Struct(">B8xBBB20s32x")  # of the greeting: the signature's ends, the version, the mechanism
SUBSCRIPTION = b"\x01"  # the message with which a SUB socket asks for everything
GREETING = LAYOUT.pack(*SIGNATURE, *VERSION, MECHANISM)  # the first bytes from each end


class NotZeroMQ(Exception):
    """The other end speaks another protocol."""


class Decoder:
    """Cuts what a peer sends into messages.

    A message may have `largest` bytes and `most_frames` frames. No more than that is kept, beside the data
    that was fed last. Once `greeted`, the peer expects the introduction; libzmq does not accept it earlier.
    """

    def __init__(self, *, largest: int, most_frames: int) -> None:
        self._largest = largest
        self._most_frames = most_frames
        self.greeted = False
        self._fed = bytearray()
        self._messages = self._decode()

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        self._fed += data

    def next(self) -> list[bytes] | None:
        """The frames of the next message; None if more data has to be fed first.

        An empty list stands for a message that is invalid or too large. It is returned once more for each
        `largest` bytes and each `most_frames` frames of that message that are discarded. Raises: NotZeroMQ.
        """
        return next(self._messages)

    def _decode(self) -> Generator[list[bytes] | None]:
        yield from self._meet()
        while True:
            frames: list[bytes] = []
            size, more = 0, True
            while more:
                flags, length = yield from self._head()
                more, size = bool(flags & MORE), size + length
                if flags >= COMMAND or size > self._largest or len(frames) == self._most_frames:
                    frames = []
                    yield frames
                    yield from self._drop(length, more=more)
                    break
                frames.append((yield from self._take(length)))
            if frames:
                yield frames

    def _meet(self) -> Generator[None, None, None]:
        """Read the greeting, and the command with which the peer says what kind of socket it is."""
        *start, mechanism = LAYOUT.unpack((yield from self._take(LAYOUT.size)))
        if tuple(start[:2]) != SIGNATURE or start[2] < VERSION[0] or mechanism != MECHANISM:
            raise NotZeroMQ
        self.greeted = True
        flags, length = yield from self._head()
        if flags != COMMAND or not (yield from self._take(length)).startswith(b"\x05READY"):
            raise NotZeroMQ

    def _head(self) -> Generator[None, None, tuple[int, int]]:
        """The flags and the length of a frame."""
        fed = self._fed
        while len(fed) < 2 or (fed[0] & LONG and len(fed) < 9):
            yield
        flags = fed[0]
        size = 9 if flags & LONG else 2
        length = int.from_bytes(fed[1:size])
        del fed[:size]
        return flags, length

    def _take(self, length: int) -> Generator[None, None, bytes]:
        fed = self._fed
        while len(fed) < length:
            yield
        with memoryview(fed) as view:
            taken = bytes(view[:length])  # slicing `fed` itself would copy twice
        del fed[:length]
        return taken

    def _drop(self, length: int, *, more: bool) -> Generator[list[bytes] | None]:
        """Discard the rest of a message, which goes on with a frame of this length."""
        fed = self._fed
        size = count = 0
        while True:
            while length:
                while not fed:
                    yield None
                dropped = min(length, len(fed), self._largest - size)
                del fed[:dropped]
                length, size = length - dropped, size + dropped
                if length and size == self._largest:
                    size = 0
                    yield []
            if not more:
                return
            count += 1
            if count == self._most_frames:
                count = 0
                yield []
            flags, length = yield from self._head()
            more = bool(flags & MORE)


def introduction(kind: str, identity: bytes = b"") -> bytes:
    """What a socket of this kind ("SUB", "DEALER") sends after the greeting; a SUB asks for everything."""
    properties = ((b"Socket-Type", kind.encode()), (b"Identity", identity))
    ready = b"\x05READY" + b"".join(
        bytes([len(name)]) + name + struct.pack(">I", len(value)) + value for name, value in properties
    )
    return bytes([COMMAND, len(ready)]) + ready + (packed([SUBSCRIPTION]) if kind == "SUB" else b"")


def packed(frames: Iterable[bytes]) -> bytes:
    """The bytes of a message of these frames; there must be at least one."""
    *others, last = frames
    parts: list[bytes] = []
    for frame, flags in [*((frame, MORE) for frame in others), (last, 0)]:
        long = len(frame) > SHORT
        parts.append(struct.pack(">BQ", flags | LONG, len(frame)) if long else bytes([flags, len(frame)]))
        parts.append(frame)
    return b"".join(parts)
