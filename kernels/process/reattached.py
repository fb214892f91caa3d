"""A kernel that another program has left running: found again by what that program wrote down of it.

    kernel = Adopted(Process(pid, started(pid)))
    code = await kernel.wait()

It is not our child and we have no control socket to it, so its exit code stays unknown, and it is ended by
signals to its init (`kernels/inside/confinement/child.py`).
"""

import asyncio
import contextlib
import os
import select
import signal
from datetime import timedelta
from pathlib import Path

from kernels.process.procfs import fields, words

__all__ = ["Adopted", "Process", "started"]


def started(pid: int) -> str:
    """When a process started, in ticks (field 22 of proc_pid_stat(5)): no later one has this number and that.

    Empty when it is gone. Raises: OSError where that cannot be found out, for want of a descriptor.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return fields(Path(f"/proc/{pid}/stat"))[19].decode("ascii")
    return ""


class Process:
    """The init of a kernel, by its process id and its start; one that is gone counts as killed."""

    def __init__(self, pid: int, start: str) -> None:
        self.pid = pid
        self._pidfd = -1
        with contextlib.suppress(ProcessLookupError):
            self._pidfd = os.pidfd_open(pid)
            if started(pid) != start:  # another process, by now
                self.close()

    def poll(self) -> int | None:
        """None while it runs, then -9: who it was that would have been told its exit code is gone."""
        if self._pidfd >= 0:
            ended = select.poll()  # select(2) takes no descriptor over 1023, and each kernel has a few
            ended.register(self._pidfd, select.POLLIN)
            if not ended.poll(0):
                return None
        return -signal.SIGKILL

    async def wait(self) -> int:
        """-9, when it has ended."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        while (code := self.poll()) is None:
            loop.add_reader(self._pidfd, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(self._pidfd)
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the kernel, which is the first that its init has started; none is no error."""
        with contextlib.suppress(OSError, IndexError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_bytes().split()
            if self.poll() is None:
                os.kill(int(children[0]), number)

    def end(self) -> None:
        """End the init, and all that it has started before it: where it is PID 1, the system does that."""
        with contextlib.suppress(OSError):
            alone = _is_first(self.pid)
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL if alone else signal.SIGTERM)

    def close(self) -> None:
        """Let the descriptor go."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


def _is_first(pid: int) -> bool:
    """Whether a process is PID 1 of a namespace of its own (NSpid of proc_pid_status(5))."""
    numbers = words(Path(f"/proc/{pid}/status"), b"NSpid")
    return len(numbers) > 1 and numbers[-1] == b"1"


class Adopted:
    """What a provisioner does with a kernel, for one that it has not started."""

    fault: str | None = None

    def __init__(self, process: Process) -> None:
        self.child = process

    async def wait(self) -> int:
        """-9, when it has ended."""
        return await self.child.wait()

    def begins(self) -> None:
        """A cell begins; nobody watches here."""

    def damage(self) -> str | None:
        """Nobody counts what the system kills in it."""
        return None

    async def ends(self, *, wrote: bool, background: timedelta | None) -> None:
        """A cell has ended."""

    def kill(self) -> None:
        """Kill it and all that it has started."""
        self.child.end()

    def detach(self) -> None:
        """Let it go on; it does."""

    async def release(self) -> None:
        """Let go of it."""
        self.child.close()
