"""A kernel that another program has left running, found again by what that program wrote down.

    kernel = Adopted(Process(pid, started(pid)))
    code = await kernel.wait()

It is not our child and we have no control socket to it, so its exit code stays unknown, and it is ended by
signals to its init (`kernels/inside/confinement/child.py`).
"""

import contextlib
import os
import select
import signal
from datetime import timedelta
from functools import partial

from kernels.inside.procfs import children, started, words
from kernels.limits import Fault
from kernels.process.killing import Ending
from kernels.process.waits import readable

__all__ = ["Adopted", "Process", "Unwatched"]


class Process:
    """A kernel's init process, known by its id and its start; one that is gone counts as killed."""

    def __init__(self, pid: int, start: str) -> None:
        self.pid = pid
        self._ending = Ending(pid)
        self._pidfd = -1
        with contextlib.suppress(ProcessLookupError):
            self._pidfd = os.pidfd_open(pid)
            if started(pid) != start:  # the number belongs to another process by now
                self.close()

    def poll(self) -> int | None:
        """None while it runs, then -9: its exit code is only told to its parent."""
        if self._pidfd >= 0:
            ended = select.poll()  # select(2) takes no descriptor over 1023, and each kernel has a few
            ended.register(self._pidfd, select.POLLIN)
            if not ended.poll(0):
                return None
        return -signal.SIGKILL

    async def wait(self) -> int:
        """-9, when it has ended."""
        while (code := self.poll()) is None:
            await readable(self._pidfd)
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the kernel, the init's first child; if it is gone, that is no error."""
        with contextlib.suppress(OSError, IndexError):
            kernel = children(self.pid)[0]
            if self.poll() is None:
                os.kill(kernel, number)

    def end(self) -> None:
        """End the init with all that it has started: as PID 1 by SIGKILL, else it ends them when asked."""
        with contextlib.suppress(OSError):
            if _is_first(self.pid):
                self._send(signal.SIGKILL)
            else:
                self._ending.ask(self._pidfd, partial(self._send, signal.SIGTERM))

    def _send(self, number: int) -> None:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._pidfd, number)

    def close(self) -> None:
        """Close the descriptor."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


def _is_first(pid: int) -> bool:
    """Whether a process is PID 1 of a namespace of its own (NSpid of proc_pid_status(5))."""
    numbers = words(f"/proc/{pid}/status", b"NSpid")
    return len(numbers) > 1 and numbers[-1] == b"1"


class Unwatched:
    """What a provisioner tells of cells to a kernel that no watchdog watches."""

    fault: Fault | None = None  # why it was ended

    def cell_started(self) -> None:
        """A cell has started."""

    def damage(self) -> Fault | None:
        """Always None: nobody counts the processes that the system kills in it."""
        return None

    async def cell_finished(self, *, wrote: bool, background: timedelta | None) -> None:
        """A cell has finished."""


class Adopted(Unwatched):
    """What a provisioner needs of a kernel, for one that it has not started."""

    def __init__(self, process: Process) -> None:
        self.child = process

    async def wait(self) -> int:
        """-9, when it has ended."""
        return await self.child.wait()

    def kill(self) -> None:
        """Kill it and all that it has started."""
        self.child.end()

    def detach(self) -> None:
        """It goes on anyway."""

    async def release(self) -> None:
        """Close the descriptor of its process."""
        self.child.close()
