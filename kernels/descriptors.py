"""How many files this program may have open, and a socket that refuses descriptors.

    raise_limit()               # once, at the start
    need(STARTING)              # before something that opens so many. Raises: OutOfDescriptors
    leaves_spare(descriptor)    # after something was opened that can wait
    refuse_descriptors(own)

With a thousand people descriptors become scarce, and when they run out, whatever needs the next one fails,
for anybody. So a new session or kernel is refused while there are still enough for those that exist.

Sockets over which a kernel talks to us accept no descriptors. One that was sent unasked is closed by the
system inside our `recv`: a TCP connection that lingers, with unsent data, held up our event loop for as long
as its sender had set. Linux can refuse them from 6.16 on; before that, the kernels' system call filter lets
no connection linger.
"""

import contextlib
import errno
import os
import resource
import socket
import sys

__all__ = [
    "KERNEL",
    "OPENING",
    "STARTING",
    "OutOfDescriptors",
    "free",
    "leaves_spare",
    "lower",
    "need",
    "raise_limit",
    "refuse_descriptors",
]

MOST = 1 << 20  # that we ever ask for, and Linux's own maximum by default (fs.nr_open)
KERNEL = 1024  # that a kernel's process may have open, whatever our own limit is
OPENING = 4  # for a session: its connection on each side, a file or two while it is opened
STARTING = 21  # for a kernel: 13 while it lives, and more while it starts
SPARE = 64  # that must stay free when something new is begun
SO_PASSRIGHTS = 83  # include/uapi/asm-generic/socket.h


class OutOfDescriptors(OSError):
    """Too few descriptors are left for something new."""

    def __init__(self) -> None:
        super().__init__(errno.EMFILE, "too many sessions and kernels are open for one more; try again later")

    def __str__(self) -> str:
        return str(self.strerror)


def raise_limit() -> None:
    """Let this program, and what it starts, have as many files open as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # we go on with the limit that there is
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def free() -> int:
    """How many more files this program may open."""
    return _limit() - len(os.listdir("/dev/fd"))


def leaves_spare(descriptor: int) -> bool:
    """Whether a descriptor that was just opened leaves `SPARE` others free.

    The system gives the lowest number that is free, so nothing has to be counted.
    """
    return descriptor < _limit() - SPARE


def _limit() -> int:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST if soft == resource.RLIM_INFINITY else soft


def need(number: int) -> None:
    """Check that something may begin that opens so many. Raises: OutOfDescriptors."""
    if free() < number + SPARE:
        raise OutOfDescriptors


def lower(pid: int | None) -> None:
    """Lower the limit of a kernel's process, which inherited ours; it may be gone already."""
    if pid is None or sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        most = KERNEL if hard == resource.RLIM_INFINITY else min(KERNEL, hard)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))


def refuse_descriptors(own: socket.socket) -> None:
    """Make the other end of `own` fail (EPERM) when it sends descriptors."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # an older Linux
            own.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
