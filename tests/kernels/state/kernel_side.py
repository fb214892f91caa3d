"""A kernel's side of a save and a load, by the protocol of `kernels.state.exchange`, on a plain socket."""

import json
import socket
from collections.abc import Sequence
from contextlib import closing
from typing import Any, BinaryIO

import xxhash

__all__ = ["chunked", "connect", "fetch", "told", "upload"]

Pieces = Sequence[Sequence[bytes]]  # the chunks of each buffer


def connect(requests: socket.socket) -> socket.socket:
    """Ask a broker for a connection, and receive it."""
    requests.send(b".")
    _, lines, _, _ = socket.recv_fds(requests, 1, 1)
    peer = socket.socket(fileno=lines[0])
    peer.settimeout(30)
    return peer


def chunked(buffers: Pieces) -> list[list[tuple[str, int]]]:
    """The digest and the size of each chunk."""
    return [[(xxhash.xxh3_128_hexdigest(piece), len(piece)) for piece in buffer] for buffer in buffers]


def told(peer: socket.socket, *lines: object) -> tuple[dict[str, Any], BinaryIO]:
    """Say some lines; returns the first answer, and what comes after it. Bytes are said as they are."""
    for line in lines:
        peer.sendall(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
    file = peer.makefile("rb")
    return json.loads(file.readline() or b"null"), file


def upload(
    peer: socket.socket, ticket: str, buffers: Pieces, meta: object = None, *, most: int | None = None
) -> tuple[dict[str, Any], list[int]]:
    """Save; returns the last answer, and which chunks were asked for. Only `most` of these are sent."""
    with closing(peer):
        answer, _ = told(peer, {"op": "save", "ticket": ticket})
        if not answer or not answer["ok"]:
            return answer, []
        answer, _ = told(peer, {"buffers": chunked(buffers), "meta": meta or {}})
        if not answer or not answer["ok"]:
            return answer, []
        unique = list(dict.fromkeys(piece for buffer in buffers for piece in buffer))
        missing: list[int] = answer["missing"]
        for index in missing[:most]:
            peer.sendall(unique[index])
        if most is not None:
            peer.shutdown(socket.SHUT_WR)
        return told(peer)[0], missing


def fetch(peer: socket.socket, ticket: str) -> tuple[dict[str, Any], list[bytes]]:
    """Load; returns the answer and the buffers, as far as they come."""
    with closing(peer):
        answer, file = told(peer, {"op": "load", "ticket": ticket})
        return answer, [file.read(size) for size in (answer or {}).get("buffers", ())]
