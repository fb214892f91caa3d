"""How many files this program may have open, and what may not come through a socket.

    raise_limit()               # once, at the start
    need(STARTING)              # before something is begun that opens so many. Raises: OutOfDescriptors
    refuse_descriptors(own)

A descriptor is short where a thousand people have one each. A lack of them fails whatever comes next, for
anybody: so a new session or kernel is refused while there are still enough for those that are here.

Sockets over which a kernel speaks to us pass no open files. What is sent that way and not asked for is closed
by the system inside our `recv`: a TCP connection that lingers, with unsent data, held our event loop up for
as long as its sender had set. Linux can refuse it from 6.16 on; before, the kernels' system call filter lets
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
    "lower",
    "need",
    "raise_limit",
    "refuse_descriptors",
]

MOST = 1 << 20  # that we ever ask for; Linux gives no more unless it is told to (fs.nr_open)
KERNEL = 1024  # that a kernel's process may have open, whatever we may
OPENING = 4  # for a session: its connection on each side, a file or two while it is opened
STARTING = 21  # for a kernel: 12 while it lives, and more while it starts
SPARE = 64  # left alone by whatever is new
SO_PASSRIGHTS = 83  # include/uapi/asm-generic/socket.h


class OutOfDescriptors(OSError):
    """There are too few for something new."""

    def __init__(self) -> None:
        super().__init__(errno.EMFILE, "too many sessions and kernels are open for one more; try again later")

    def __str__(self) -> str:
        return str(self.strerror)


def raise_limit() -> None:
    """Let this program, and what it starts, have as many files open as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # it goes on with what it has
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def free() -> int:
    """How many more files this program may open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return (MOST if soft == resource.RLIM_INFINITY else soft) - len(os.listdir("/dev/fd"))


def need(number: int) -> None:
    """Refuse to begin something that opens so many. Raises: OutOfDescriptors."""
    if free() < number + SPARE:
        raise OutOfDescriptors


def lower(pid: int | None) -> None:
    """Give a kernel's process, which has inherited our limit, the one of a kernel; it may be gone."""
    if pid is None or sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        most = KERNEL if hard == resource.RLIM_INFINITY else min(KERNEL, hard)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))


def refuse_descriptors(own: socket.socket) -> None:
    """Let the other end of `own` fail (EPERM) when it sends descriptors along."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # an older one
            own.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
