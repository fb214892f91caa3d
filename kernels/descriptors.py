"""Sockets over which a kernel speaks to us pass no open files.

What is sent that way and not asked for is closed by the system inside our `recv`: a TCP connection that
lingers, with unsent data, held our event loop up for as long as its sender had set. Linux can refuse it from
6.16 on; before, the kernels' system call filter lets no connection linger.
"""

import contextlib
import socket
import sys

__all__ = ["refuse_descriptors"]

SO_PASSRIGHTS = 83  # include/uapi/asm-generic/socket.h


def refuse_descriptors(own: socket.socket) -> None:
    """Let the other end of `own` fail (EPERM) when it sends descriptors along."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # an older one
            own.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
