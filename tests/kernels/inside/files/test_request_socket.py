"""The kernel's connections to the broker, which are given over a socket that threads and processes share."""

import socket

from kernels.inside.files import request_socket


def test_a_connection_that_nobody_took_is_passed_over() -> None:
    """Who was interrupted after they had asked leaves it to the next one, when the broker waits no more."""
    broker, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with broker, kernel:
        for over in (True, True, False):
            ours, theirs = socket.socketpair()
            socket.send_fds(broker, [b"."], [theirs.fileno()])
            theirs.close()
            if over:
                ours.close()
        with ours, request_socket.connection(kernel) as given:
            ours.sendall(b"answer")
            assert given.recv(6) == b"answer"
            assert given.gettimeout() == request_socket.ANSWERING_TIME
            assert not given.get_inheritable()
