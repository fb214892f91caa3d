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
    while _is_over(service := _next(requests)):
        service.close()  # who asked for it was interrupted, and never took it; ours comes after it
    service.settimeout(ANSWERING_TIME)
    return service


def _next(requests: socket.socket) -> socket.socket:
    _, lines, _, _ = socket.recv_fds(requests, 1, 1)
    if not lines:
        raise ConnectionError("no connection was given")
    service = socket.socket(fileno=lines[0])
    service.set_inheritable(False)
    return service


def _is_over(service: socket.socket) -> bool:
    """Whether the broker waits no more: it does so for some seconds."""
    try:
        return not service.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
