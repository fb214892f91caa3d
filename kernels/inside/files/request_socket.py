"""Connections to the broker, which are asked for over the request socket that the kernel has inherited.

    requests = request_socket.opened(descriptor)
    request_socket.keep(requests)               # once, for those who ask later
    with request_socket.connection() as broker: ...

See `kernels.broker` for what it answers.
"""

import os
import select
import socket
import sys

__all__ = ["ANSWERING_TIME", "connection", "keep", "opened", "take_back"]

ANSWERING_TIME = 45.0  # seconds; the service gives up before that, and says why
TAKING_BACK = 500  # milliseconds; it is usually given in one
DESCRIPTOR = 4  # bytes

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
    service: socket.socket | None = None
    try:
        requests.send(b".")
        while _is_over(service := _next(requests)):
            service.close()  # who asked for it was interrupted, and never took it; ours comes after it
            service = None
    except BaseException:  # most likely an interrupt
        if service is None:
            take_back(requests)
        raise
    assert service is not None
    service.settimeout(ANSWERING_TIME)
    return service


def _next(requests: socket.socket) -> socket.socket:
    _, lines, _, _ = socket.recv_fds(requests, 1, 1)
    if not lines:
        raise ConnectionError("no connection was given")
    service = socket.socket(fileno=lines[0])
    service.set_inheritable(False)
    return service


def take_back(requests: socket.socket) -> None:
    """Close the connection that is still to be given, unless that takes long.

    An open file that waits in a socket looks as if it were hidden there, for which a kernel is ended. Nothing
    may be raised in here by a signal, so no function in Python is called. Another thread may take it before.
    """
    own = None
    try:
        own = socket.SocketType(fileno=os.dup(requests.fileno()))
        own.setblocking(False)  # `requests` would wait for its own time, whatever the flags
        waiting = select.poll()
        waiting.register(own.fileno(), select.POLLIN)
        if waiting.poll(TAKING_BACK):
            _, given, _, _ = own.recvmsg(1, socket.CMSG_LEN(DESCRIPTOR))
            for _, _, descriptor in given:
                os.close(int.from_bytes(descriptor, sys.byteorder))
    except OSError:
        pass
    finally:
        if own is not None:
            own.close()


def _is_over(service: socket.socket) -> bool:
    """Whether the broker waits no more: it does so for some seconds."""
    try:
        return not service.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
