"""What is done to a process that is to end, so that it can neither fork nor go on."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from kernels.inside import descendants
from kernels.inside.descendants import kill_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="calls of Linux")


def test_processes_lose_the_right_to_fork_before_any_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those too that `find` tells only later."""
    send, sent = os.kill, list[tuple[int, int]]()
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    processes = [subprocess.Popen(["/bin/sleep", "100"]) for _ in range(2)]
    first, second = (process.pid for process in processes)
    told = iter([[first], [first, second], [first, second]])
    try:
        assert kill_all(lambda: next(told)) == {first, second}
        assert [resource.prlimit(pid, resource.RLIMIT_NPROC) for pid in (first, second)] == [(0, 0)] * 2
        assert sent[:2] == [(first, signal.SIGSTOP), (second, signal.SIGSTOP)]
        assert sorted(sent[2:]) == sorted([(first, signal.SIGKILL), (second, signal.SIGKILL)])
    finally:
        for process in processes:
            send(process.pid, signal.SIGKILL)
            process.wait()


def test_stopping_is_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though there is always another one; a process that has ended is no error."""

    def gone(*_: object) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(descendants, "STOP", 0.05)
    monkeypatch.setattr(os, "kill", gone)
    monkeypatch.setattr(resource, "prlimit", gone)
    told = iter(range(1, 1_000_000))
    assert kill_all(lambda: [next(told)])
