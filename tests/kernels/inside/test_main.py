"""A kernel that is an ordinary process holds its lock while it lives, and ends with its parent."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jupyter_client.connect import write_connection_file

from tests.conftest import KERNEL_PYTHON, ROOT

PATIENCE = 60_000  # ms
PARENT = """
import subprocess, sys
kernel = subprocess.Popen(sys.argv[1:], start_new_session=True)
print(kernel.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def child(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A kernel's parent, and a pidfd of the kernel once it is up."""
    write_connection_file(str(folder / "c.json"), transport="ipc", ip=str(folder / "k"))
    program = [KERNEL_PYTHON, ROOT / "kernels" / "inside", folder, json.dumps({"files": None})]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *map(str, program), "-f", str(folder / "c.json")],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},  # ipykernel does without pipes within pytest
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        kernel = int(parent.stdout.readline())
        pidfd = os.pidfd_open(kernel)
        try:
            yield parent, pidfd
        finally:
            parent.kill()
            if not ended(pidfd, 0):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                assert ended(pidfd)
            os.close(pidfd)


def ended(pidfd: int, patience: int = PATIENCE) -> bool:
    """Whether the process has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(patience))


def locked(path: Path) -> bool:
    """Whether somebody holds the lock."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_until_up(folder: Path, pidfd: int) -> None:
    """Wait for its lock, which it takes before it opens its sockets."""
    while not (locked(folder / "alive") and list(folder.glob("k-*"))):
        assert not ended(pidfd, 20)


def test_a_kernel_ends_with_its_parent(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It checks every second whether it has another parent."""
    folder = tmp_path_factory.mktemp("k")
    with child(folder) as (parent, pidfd):
        wait_until_up(folder, pidfd)
        parent.kill()
        parent.wait()
        assert ended(pidfd)
        assert not locked(folder / "alive")
