"""Makes sure that writes through a memory map are noticed: a file's times alone show only the first one.

    held = make_clean(descriptor)       # before the `stat` with which later ones are compared

Linux sets a mapped file's times when a page of it becomes dirty. Further writes to that page change no times
until it has been written to the disk some 30 seconds later, when several cells may have come and gone. The
first write to a clean page is always noticed, so a scan makes a file clean before it notes the file's state.
This does not help where files are only in memory (tmpfs): their pages never become clean.
"""

import fcntl
import os
import signal
import sys
from contextlib import suppress

__all__ = ["make_clean"]


def make_clean(descriptor: int) -> bool:
    """Write a file's dirty pages to the disk, if it may be mapped for writing; returns whether it may be.

    `descriptor` is open for reading only. This takes some milliseconds for a file that a process has open or
    mapped for writing, and some microseconds for any other. It raises no error: a page counts as clean even
    if the disk has refused it, and whoever copies the file will notice what is wrong with the disk.
    """
    if sys.platform != "linux" or not _may_be_written(descriptor):
        return False
    with suppress(OSError):
        os.fdatasync(descriptor)
    return True


def _may_be_written(descriptor: int) -> bool:
    """Whether a process has the file open for writing, or mapped, which keeps it open."""
    # On overlayfs, which has no block device of its own, a mapping keeps another file open than this one.
    if os.major(os.fstat(descriptor).st_dev) == 0:
        return True
    # Linux grants a lease for reading only if nobody has the file open for writing. A process that opens it
    # while we hold the lease waits for us, and we get a signal: SIGIO would end us, whereas SIGURG is
    # ignored.
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:  # it is open for writing, or we may not have a lease, or the file system has none
        return True
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
