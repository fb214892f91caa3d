"""The protocol of ZeroMQ's sockets, against libzmq itself and against peers that break every rule."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from kernels.wire.zmtp import GREETING, Decoder, NotZeroMQ, introduction, packed

LARGEST, MOST = 1000, 10
READY = b"\x04\x06\x05READY"
START = GREETING + READY


def decoder() -> Decoder:
    """A decoder with small limits."""
    return Decoder(largest=LARGEST, most_frames=MOST)


def decoded(sent: bytes, pieces: int = 1 << 20) -> list[list[bytes]]:
    """The messages in a byte stream that is fed in pieces of this size."""
    ours, messages = decoder(), []
    for start in range(0, len(sent), pieces):
        ours.feed(sent[start : start + pieces])
        while (message := ours.next()) is not None:
            messages.append(message)
    return messages


frames = st.lists(st.binary(max_size=90) | st.binary(min_size=250, max_size=260), min_size=1, max_size=3)


@given(st.lists(frames, max_size=5), st.integers(1, 500))
def test_messages_come_as_they_were_sent(messages: list[list[bytes]], pieces: int) -> None:
    """Wherever the stream is cut, and for short and long frames."""
    assert decoded(START + b"".join(map(packed, messages)), pieces) == messages


TOO_LARGE = {
    "a frame": packed([b"1", bytes(LARGEST)]),
    "together": packed([bytes(LARGEST // 2), bytes(LARGEST // 2), b"1"]),
    "many frames": packed([b""] * (MOST + 1)),
    "a command": b"\x04\x05\x04PING",
    "a command in a message": b"\x01\x01x" + b"\x04\x05\x04PING",
    "a bit that means nothing": b"\x08\x01x",
}


@pytest.mark.parametrize("pieces", [1, 7, 1 << 20])
@pytest.mark.parametrize("sent", TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_is_too_large_is_told_and_the_next_one_comes(sent: bytes, pieces: int) -> None:
    """It appears as an empty list between its neighbours."""
    whole = START + packed([b"before"]) + sent + packed([b"after"])
    assert decoded(whole, pieces) == [[b"before"], [], [b"after"]]


def test_what_is_exactly_large_enough_comes() -> None:
    """Both limits are inclusive."""
    messages = [[bytes(LARGEST)], [b""] * MOST]
    assert decoded(START + b"".join(map(packed, messages))) == messages


@pytest.mark.parametrize(
    "endless",
    [b"\x03" + (1 << 63).to_bytes(8) + bytes(5 * LARGEST), b"\x01\0" * (6 * MOST)],
    ids=["bytes", "frames"],
)
def test_one_that_never_ends_is_told_again_and_again_and_not_kept(endless: bytes) -> None:
    """Once at the limit, and again for each further limit's worth that was dropped."""
    ours = decoder()
    ours.feed(START + endless)
    told = []
    while (message := ours.next()) is not None:
        told.append(message)
    assert told == [[]] * 6
    assert not ours._fed


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 400 Bad Request\r\n".ljust(64),
        b"\x01" + GREETING[1:] + READY,
        GREETING[:10] + b"\x02" + GREETING[11:] + READY,
        GREETING.replace(b"NULL", b"EVIL") + READY,
        GREETING + packed([b"no introduction"]),
        GREETING + b"\x04\x06\x05ERROR",
    ],
    ids=["http", "signature", "version", "mechanism", "no introduction", "error"],
)
def test_another_protocol_is_refused(start: bytes) -> None:
    """A peer that does not open the connection with our greeting and introduction is refused."""
    with pytest.raises(NotZeroMQ):
        decoded(start)


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    """A context of libzmq."""
    with zmq.Context() as context:
        yield context


@pytest.mark.parametrize(("ours", "theirs"), [("SUB", zmq.XPUB), ("DEALER", zmq.ROUTER)])
def test_libzmq_understands_us_and_we_it(
    context: zmq.Context[zmq.Socket[bytes]], tmp_path_factory: pytest.TempPathFactory, ours: str, theirs: int
) -> None:
    """Subscriptions and identities arrive; messages of every length come back."""
    path: Path = tmp_path_factory.mktemp("z") / "s"
    messages = [[b"a"], [b"", b"x" * 255, b"y" * 256], [b"z" * 900]]
    with context.socket(theirs) as far, socket.socket(socket.AF_UNIX) as near:
        far.linger, far.rcvtimeo = 0, 10_000
        far.bind(f"ipc://{path}")
        near.settimeout(10)
        near.connect(str(path))
        near.sendall(GREETING)
        reader = decoder()
        while not reader.greeted:
            reader.feed(near.recv(1))
            reader.next()
        near.sendall(introduction(ours, b"me"))
        if ours == "SUB":
            assert far.recv() == b"\x01"
        else:
            near.sendall(packed([b"hello", b"w" * 300]))
            assert far.recv_multipart() == [b"me", b"hello", b"w" * 300]
        for message in messages:
            far.send_multipart(message if ours == "SUB" else [b"me", *message])
        received: list[list[bytes]] = []
        while len(received) < len(messages):
            if (message := reader.next()) is None:
                reader.feed(near.recv(100))
            else:
                received.append(message)
    assert received == messages
