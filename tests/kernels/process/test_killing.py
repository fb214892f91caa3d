"""Kernels whose init does not answer, in a tier without namespaces: nothing of theirs outlives their end."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kernels.inside.procfs import fields, started, tree, words
from kernels.process.killing import Ending
from kernels.process.reattached import Process
from kernels.sandbox.forkserver import Child

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-kernels" / "bin" / "python"
PATIENCE = 60.0  # seconds

# A kernel with a daemon, and its init: ours, or one that obeys nobody.
PROGRAM = """
import os, signal, socket, sys, time
from kernels.inside.confinement import child, confine

control, obeys = socket.socket(fileno=int(sys.argv[1])), sys.argv[2] == "obeys"
confine.adopt()
kernel = os.fork()
if kernel == 0:
    control.close()
    os.setsid()
    middle = os.fork()
    if middle == 0:
        if os.fork():
            os._exit(0)
        os.setsid()
    else:
        os.waitpid(middle, 0)
    while True:
        time.sleep(600)
if obeys:
    child._Init(control, kernel, alone=False).run()
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(600)
"""


def until(true: object, what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@contextmanager
def an_init(kind: str) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket, list[int]]]:
    """The init, our end of its control socket, and the ids of the init, the kernel and the daemon."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [PYTHON, "-c", PROGRAM, str(theirs.fileno()), kind], pass_fds=[theirs.fileno()], cwd=ROOT
    )
    theirs.close()
    found: list[int] = []

    def all_there() -> bool:
        found[:] = tree(process.pid)
        return [parent(pid) for pid in found[1:]] == [process.pid] * 2 and survives_a_request(process.pid)

    try:
        until(all_there, "there are not three processes")
        yield process, ours, found
    finally:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        ours.close()


def state(pid: int) -> bytes:
    """The state of a process as Linux has it, "X" when it is gone."""
    try:
        return fields(f"/proc/{pid}/stat")[0]
    except (OSError, IndexError):
        return b"X"


def survives_a_request(pid: int) -> bool:
    """Whether it handles or ignores SIGTERM, which would end it before it has come so far."""
    status = f"/proc/{pid}/status"
    masks = [int(words(status, name)[0], 16) for name in (b"SigCgt", b"SigIgn")]
    return any(mask >> (signal.SIGTERM - 1) & 1 for mask in masks)


def parent(pid: int) -> int:
    """The id of a process's parent, 0 when it is gone; that of a daemon is the init."""
    try:
        return int(fields(f"/proc/{pid}/stat")[1])
    except (OSError, IndexError):
        return 0


def stopped(pid: int) -> None:
    """Stop it from outside, as an operator might."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: state(pid) == b"T", "it is not stopped")


def gone(process: subprocess.Popen[bytes], pids: list[int]) -> None:
    """All of them are gone; the init is waited for, as its parent would."""
    process.wait(PATIENCE)
    until(lambda: all(state(pid) in b"XZ" for pid in pids), "some are left")


@pytest.mark.skipif(sys.platform != "linux", reason="calls of Linux")
@pytest.mark.parametrize("how", ["end", "close", "adopted"])
def test_a_kernel_whose_init_was_stopped_ends_whole(how: str) -> None:
    """The init goes on when it is asked to end all, also by a program that found the kernel again."""
    with an_init("obeys") as (process, control, pids):
        stopped(process.pid)
        if how == "adopted":
            again = Process(process.pid, started(process.pid))
            again.end()
            gone(process, pids)
            again.close()
            return
        child = Child(process.pid, os.pidfd_open(process.pid), control)
        child.end() if how == "end" else child.close()
        gone(process, pids)
        child.close()


@pytest.mark.skipif(sys.platform != "linux", reason="calls of Linux")
def test_a_kernel_whose_init_does_not_obey_is_killed_with_all_that_it_has_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once it has had its time. One that is gone is no error."""
    with an_init("does not") as (process, _control, pids):
        pidfd, said, ending = os.pidfd_open(process.pid), list[int](), Ending(process.pid, obeys=2.0)
        for now in (10.0, 12.0):
            monkeypatch.setattr("kernels.process.killing.monotonic", lambda now=now: now)
            ending.ask(pidfd, lambda: said.append(1))
            assert not select.select([pidfd], [], [], 0)[0]
        monkeypatch.setattr("kernels.process.killing.monotonic", lambda: 12.1)
        ending.ask(pidfd, lambda: said.append(1))
        gone(process, pids)
        assert said == [1, 1]
        ending.ask(pidfd, lambda: said.append(1))
        os.close(pidfd)
