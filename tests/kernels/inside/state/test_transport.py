"""A state goes to the node in chunks, each once, and comes back as it was."""

import socket
from collections.abc import Iterator

import pytest

from kernels.inside.files import request_socket
from kernels.inside.state.bounds import GivenUp, WorkBounds
from kernels.inside.state.transport import CHUNK, Sending, StateRefused, chunked, fetch
from tests.kernels.inside.state.stand_in import Node

MiB = 1 << 20


def nothing() -> None:
    """A check that never ends anything."""


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node, which is the one that the request socket leads to."""
    monkeypatch.setattr(request_socket, "_kept", None)
    with Node(request_socket) as made:
        yield made


@pytest.fixture
def bounds() -> Iterator[WorkBounds]:
    """WorkBounds that nothing here meets."""
    with WorkBounds(1000, 1 << 30) as made:
        yield made


def send(bounds: WorkBounds, *buffers: bytes | bytearray) -> None:
    """Save these buffers."""
    with Sending("ticket", bounds) as sending:
        sending.send(chunked(buffers, nothing), {"names": ["a"]})


def test_what_is_saved_comes_back(node: Node, bounds: WorkBounds) -> None:
    """Buffers of any length: none, one byte, a chunk and a bit."""
    assert fetch("ticket", bounds) is None
    buffers = [b"stream", b"", b"x", bytes(range(256)) * (CHUNK // 256) + b"end"]
    send(bounds, *buffers)
    fetched = fetch("ticket", bounds)
    assert fetched is not None
    assert fetched.buffers == buffers
    assert fetched.meta == {"names": ["a"]}
    assert fetched.cell == 1
    assert node.requests[1] == {"op": "save", "ticket": "ticket"}


def test_only_what_the_node_does_not_have_is_sent(node: Node, bounds: WorkBounds) -> None:
    """A chunk that occurs twice is sent once, and after a change only the chunks with the change."""
    data = bytearray(4 * MiB)
    data[MiB : 2 * MiB] = bytes(range(256)) * 4096
    send(bounds, b"stream", data)
    assert node.saves[-1].sent == 2 * MiB + len(b"stream")
    send(bounds, b"stream", data)
    assert node.saves[-1].sent == 0
    data[-1] = 1
    send(bounds, b"other", data)
    assert node.saves[-1].sent == MiB + len(b"other")
    fetched = fetch("ticket", bounds)
    assert fetched is not None
    assert fetched.buffers[1] == data


def test_bytes_that_change_before_they_are_sent_are_refused(node: Node, bounds: WorkBounds) -> None:
    """A thread of the person's can change them at any time; the save before stays."""
    data = bytearray(MiB)
    with Sending("ticket", bounds) as sending:
        buffers = chunked([data], nothing)
        data[5] = 1
        with pytest.raises(StateRefused, match="not what they were"):
            sending.send(buffers, {})
    assert node.saves == []


def test_a_refusal_has_the_nodes_reason(node: Node, bounds: WorkBounds) -> None:
    """At the beginning as well as at the end, and for what cannot be given."""
    node.answers = {"bytes": {"ok": False, "message": "the disk is full"}}
    with pytest.raises(StateRefused, match="the disk is full"):
        send(bounds, b"stream")
    node.answers = {"op": {"ok": False, "message": "no such ticket"}}
    with pytest.raises(StateRefused, match="no such ticket"):
        Sending("ticket", bounds)
    with pytest.raises(StateRefused, match="no such ticket"):
        fetch("ticket", bounds)


def test_without_a_node_there_is_an_error(monkeypatch: pytest.MonkeyPatch, bounds: WorkBounds) -> None:
    """As in a kernel of Jupyter's own programs, or when the node has gone in the middle of an answer."""
    monkeypatch.setattr(request_socket, "_kept", None)
    with pytest.raises(OSError, match="no request socket"):
        fetch("ticket", bounds)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    one, other = socket.socketpair()
    with ours, theirs, one, other:
        request_socket.keep(theirs)
        socket.send_fds(ours, [b"."], [other.fileno()])
        one.sendall(b'{"ok": true, "cell": 1, "meta": {}, "buffers": [100]}\nonly so much')
        one.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError, match="ended"):
            fetch("ticket", bounds)


def test_a_node_that_does_not_answer_is_waited_for_as_long_as_there_is_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then the save is given up, and the connection closed."""
    monkeypatch.setattr(request_socket, "_kept", None)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    one, other = socket.socketpair()
    with ours, theirs, one:
        request_socket.keep(theirs)
        socket.send_fds(ours, [b"."], [other.fileno()])
        other.close()
        with pytest.raises((GivenUp, TimeoutError)), WorkBounds(0.05, MiB) as bounds:
            fetch("ticket", bounds)
        assert one.recv(100).endswith(b"\n")
        assert one.recv(100) == b""


def test_a_large_buffer_is_cut_into_fewer_chunks() -> None:
    """Only its size decides, so that another kernel cuts the same bytes in the same way."""
    sizes = [
        [len(piece) for piece in one.pieces] for one in chunked([bytes(8 * MiB - 1), bytes(9 * MiB)], nothing)
    ]
    assert sizes == [[MiB] * 7 + [MiB - 1], [4 * MiB, 4 * MiB, MiB]]


def test_each_chunk_is_preceded_by_a_check() -> None:
    """Hashing a gigabyte takes a third of a second."""
    checks = []
    buffers = chunked([b"stream", bytes(3 * MiB)], lambda: checks.append(1))
    assert [len(one.pieces) for one in buffers] == [1, 3]
    assert len(checks) == 4
