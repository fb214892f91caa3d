"""Kernels whose init does not answer, in a tier without namespaces: nothing of theirs outlives their end."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kernels.inside import descendants
from kernels.inside.procfs import fields, started, tree, words
from kernels.process import killing
from kernels.process.killing import Ending
from kernels.process.reattached import Process
from kernels.sandbox.forkserver import Child

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-kernels" / "bin" / "python"
PATIENCE = 60.0  # seconds

# A kernel with a daemon, and its init: ours, or one that obeys nobody.
PROGRAM = """
import os, signal, socket, sys, time
from tests.attacks.restless import RESTLESS
from kernels.inside.confinement import child, confine

control, obeys = socket.socket(fileno=int(sys.argv[1])), sys.argv[2].startswith("obeys")
confine.adopt()
kernel = os.fork()
if kernel == 0:
    control.close()
    os.setsid()
    if "restless" in sys.argv[2]:
        exec(RESTLESS)
        restless(120)
        time.sleep(120)
        os._exit(0)
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


@contextmanager
def restless(kind: str) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """An init with a kernel of eight processes that do not stay stopped; at the end none is left."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [PYTHON, "-c", PROGRAM, str(theirs.fileno()), f"{kind}, restless"],
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
    )
    theirs.close()
    group = 0
    try:
        until(lambda: len(tree(process.pid)) > 9, "there are not eight")
        group = tree(process.pid)[1]
        until(lambda: len(of_group(group)) > 9, "they are not in the group")
        yield process, ours
        process.wait(PATIENCE)
        until(lambda: not of_group(group), "some are left")
    finally:
        if group:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        process.kill()
        process.wait()
        ours.close()


def of_group(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and (told := fields(f"/proc/{name}/stat")) and int(told[2]) == group:
                found += [int(name)] if told[0] not in b"ZX" else []
    return found


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


@pytest.mark.skipif(sys.platform != "linux", reason="calls of Linux")
@pytest.mark.parametrize("how", ["closed", "closed and half killed"])
def test_an_init_ends_processes_that_do_not_stay_stopped(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if we are killed after we have begun to end them without it."""
    with restless("obeys") as (process, control):
        if how != "closed":
            send = os.kill
            with monkeypatch.context() as patch:
                patch.setattr(os, "kill", lambda pid, number: number == signal.SIGKILL or send(pid, number))
                assert len(descendants.kill_all(lambda: killing.tree(process.pid)[1:])) > 8
        control.close()


@pytest.mark.skipif(sys.platform != "linux", reason="calls of Linux")
def test_processes_that_do_not_stay_stopped_are_killed_without_their_init() -> None:
    """The caller, an event loop, does not wait for that, and may close its descriptor."""
    with restless("does not") as (process, _control):
        pidfd, ending = os.pidfd_open(process.pid), Ending(process.pid, obeys=-1.0)
        asking = threading.Thread(target=ending.ask, args=(pidfd, lambda: None), daemon=True)
        asking.start()
        asking.join(PATIENCE)
        assert not asking.is_alive()
        os.close(pidfd)


@pytest.mark.skipif(sys.platform != "linux", reason="calls of Linux")
def test_killing_is_done_by_one_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the kernel is to end meanwhile."""
    threads, go_on = list[int](), threading.Event()

    def kill(pid: int, pidfd: int) -> bool:
        threads.append(threading.get_ident())
        return go_on.wait(PATIENCE)

    monkeypatch.setattr(killing, "_kill_below", kill)
    with an_init("does not") as (process, _control, _pids):
        pidfd, ending = os.pidfd_open(process.pid), Ending(process.pid, obeys=-1.0)
        for _ in range(3):
            ending.ask(pidfd, lambda: None)
        until(lambda: threads, "nothing is killed")
        assert len(threads) == 1
        assert threads[0] != threading.get_ident()
        go_on.set()
        process.wait(PATIENCE)
        os.close(pidfd)


@pytest.mark.skipif(sys.platform != "linux", reason="calls of Linux")
def test_what_cannot_be_killed_is_logged_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The init is not left stopped."""
    monkeypatch.setattr(killing, "LONGEST", 0.1)
    monkeypatch.setattr(killing, "kill_all", lambda find: set(find()))
    with an_init("does not") as (process, _control, pids):
        pidfd, ending = os.pidfd_open(process.pid), Ending(process.pid, obeys=-1.0)
        stopped(process.pid)
        ending.ask(pidfd, lambda: None)
        until(lambda: f"(init {process.pid}) live on" in caplog.text, "nothing is logged")
        until(lambda: state(process.pid) in b"SR", "it is left stopped")
        monkeypatch.undo()

        def again() -> bool:
            ending.ask(pidfd, lambda: None)
            return process.poll() is not None

        until(again, "it is not tried again")
        gone(process, pids)
        os.close(pidfd)
