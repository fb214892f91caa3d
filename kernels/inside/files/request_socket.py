"""Connections to the broker, which are asked for over the request socket that the kernel has inherited.

    requests = request_socket.opened(descriptor)
    request_socket.keep(requests)               # once, for those who ask later
    with request_socket.connection() as broker: ...

See `kernels.broker` for what it answers.
"""

import socket

__all__ = ["ANSWERING_TIME", "connection", "keep", "opened"]

ANSWERING_TIME = 45.0  # seconds; the service gives up before that, and says why

_kept: socket.socket | None = None


def opened(descriptor: int) -> socket.socket:
    """The request socket with this descriptor."""
    requests = socket.socket(fileno=descriptor)
    requests.settimeout(ANSWERING_TIME)  # a mode that forked processes share
    return requests


def keep(requests: socket.socket) -> None:
    """Ask over this socket from now on."""
    global _kept  # noqa: PLW0603  one process, one request socket
    _kept = requests


def connection(requests: socket.socket | None = None) -> socket.socket:
    """A new connection to the broker, which serves one request.

    Raises: OSError if there is no broker, or if it does not answer.
    """
    requests = requests or _kept
    if requests is None:
        raise ConnectionError("this kernel has no request socket")
    requests.send(b".")
    _, lines, _, _ = socket.recv_fds(requests, 1, 1)
    if not lines:
        raise ConnectionError("no connection was given")
    service = socket.socket(fileno=lines[0])
    service.set_inheritable(False)
    service.settimeout(ANSWERING_TIME)
    return service
