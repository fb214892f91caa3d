"""The kernel's connections to the broker, which are given over a socket that threads and processes share."""

import select
import signal
import socket
import threading

import pytest

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


def test_a_connection_is_taken_back_from_whoever_is_interrupted() -> None:
    """It would look like a hidden file until somebody asks for the next one."""

    def interrupt(_number: int, _frame: object) -> None:
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt

    def give() -> None:
        assert broker.recv(1) == b"."
        while not interrupted.wait(0.01):  # one that comes just before it waits is not noticed
            signal.pthread_kill(main, signal.SIGUSR1)
        socket.send_fds(broker, [b"."], [theirs.fileno()])
        theirs.close()

    broker, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours, theirs = socket.socketpair()
    interrupted, main = threading.Event(), threading.get_ident()
    before = signal.signal(signal.SIGUSR1, interrupt)
    giving = threading.Thread(target=give)
    giving.start()
    try:
        with broker, kernel, ours:
            with pytest.raises(KeyboardInterrupt):
                request_socket.connection(kernel)
            giving.join()
            assert not select.select([kernel], [], [], 0)[0]
            assert ours.recv(1) == b""  # nobody has the other end
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_one_that_another_thread_takes_first_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look whether it is there and the taking."""
    monkeypatch.setattr(request_socket.select, "poll", _AlwaysReady)
    broker, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with broker, kernel:
        kernel.settimeout(600)
        taking = threading.Thread(target=request_socket.take_back, args=(kernel,))
        taking.start()
        taking.join(20)  # a hang
        waits = taking.is_alive()
        broker.send(b".")
        taking.join()
        assert not waits
        assert kernel.recv(1) == b"."
        assert kernel.gettimeout() == 600


class _AlwaysReady:
    """As `select.poll`, of a socket of which another thread takes what is there."""

    def register(self, *_: object) -> None:
        """Take any."""

    def poll(self, _: object) -> bool:
        """There was something."""
        return True
