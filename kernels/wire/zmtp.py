"""What ZeroMQ sockets say to each other over a stream (ZMTP 3.0), without its library and its threads.

    socket.sendall(GREETING)
    decoder = Decoder(largest=1 << 20, most_frames=100)
    decoder.feed(socket.recv(1 << 16))
    while (message := decoder.next()) is not None: ...
    if decoder.greeted:
        socket.sendall(introduction("DEALER", identity) + packed([b"frame", b"another"]))

Nothing here waits. A message that is too large is dropped while it comes, and the one after it is heard:
libzmq bounds the size of a frame, not the number of them, and gives the connection up at a large one.
https://rfc.zeromq.org/spec/23/
"""

import struct
from collections.abc import Generator, Iterable

__all__ = ["GREETING", "SUBSCRIPTION", "Decoder", "NotZeroMQ", "introduction", "packed"]

MORE, LONG, COMMAND = 1, 2, 4  # bits of a frame's first byte
SHORT = 255  # bytes of the longest frame whose length is one byte
SIGNATURE, VERSION = (0xFF, 0x7F), (3, 0)
MECHANISM = b"NULL".ljust(20, b"\0")  # nobody proves who they are: who may connect is a matter of the path
LAYOUT = struct.Struct(">B8xBBB20s32x")  # of the greeting: the signature's ends, the version, the mechanism
SUBSCRIPTION = b"\x01"  # the message by which a SUB asks for everything
GREETING = LAYOUT.pack(*SIGNATURE, *VERSION, MECHANISM)  # what each end says first


class NotZeroMQ(Exception):
    """The other end speaks another protocol."""


class Decoder:
    """Cuts what a peer sends into messages.

    `largest` is the most bytes of a message, `most_frames` the most frames of it. No more than that is kept,
    beside what was fed last. Once `greeted`, the peer wants the introduction; libzmq takes it no sooner.
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
        """The frames of the next message; None where more has to be fed first.

        An empty list stands for a message that is none, or too large, and comes again for each `largest`
        bytes and each `most_frames` frames that were dropped of it. Raises: NotZeroMQ.
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
        """Hear the greeting, and the command by which the peer says what it is."""
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
            taken = bytes(view[:length])  # of a slice of `fed` itself it would be the second copy
        del fed[:length]
        return taken

    def _drop(self, length: int, *, more: bool) -> Generator[list[bytes] | None]:
        """Leave out the rest of a message, of which a frame of this length is next."""
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
    """What a socket of this kind ("SUB", "DEALER") says after the greeting; a SUB asks for everything."""
    properties = ((b"Socket-Type", kind.encode()), (b"Identity", identity))
    ready = b"\x05READY" + b"".join(
        bytes([len(name)]) + name + struct.pack(">I", len(value)) + value for name, value in properties
    )
    return bytes([COMMAND, len(ready)]) + ready + (packed([SUBSCRIPTION]) if kind == "SUB" else b"")


def packed(frames: Iterable[bytes]) -> bytes:
    """A message of these frames, of which there is at least one, as it is sent."""
    *others, last = frames
    parts: list[bytes] = []
    for frame, flags in [*((frame, MORE) for frame in others), (last, 0)]:
        long = len(frame) > SHORT
        parts.append(struct.pack(">BQ", flags | LONG, len(frame)) if long else bytes([flags, len(frame)]))
        parts.append(frame)
    return b"".join(parts)
