"""Makes sure that each write through a memory map is noticed: a file's times alone show only the first.

    held = make_clean(descriptor)       # before the `stat` that later ones are compared with

Linux sets a mapped file's times when a page of it becomes dirty. Further writes to the page change no times
until it has been written to the disk, some 30 seconds later, when several cells may have come and gone. The
first write to a clean page is always noticed, so a scan makes a file clean before it takes it for known.
Where files are in memory only (tmpfs), no page ever becomes clean, and this does not help.
"""

import fcntl
import os
import signal
import sys
from contextlib import suppress

__all__ = ["make_clean"]


def make_clean(descriptor: int) -> bool:
    """Write a file's dirty pages to the disk, if it may be mapped for writing; returns whether it may.

    `descriptor` is open for reading only. This takes some milliseconds for a file that a process has open or
    mapped for writing, and some microseconds for any other. It raises no error: a page is clean even when the
    disk has refused it, and whoever copies the file finds out about the disk.
    """
    if sys.platform != "linux" or not _may_be_written(descriptor):
        return False
    with suppress(OSError):
        os.fdatasync(descriptor)
    return True


def _may_be_written(descriptor: int) -> bool:
    """Whether a process has the file open for writing; a mapping keeps it open."""
    # A mapping on overlayfs, which has no block device of its own, keeps open another file than this one.
    if os.major(os.fstat(descriptor).st_dev) == 0:
        return True
    # Linux grants a lease for reading only while nobody has the file open for writing. Whoever opens it while
    # we hold the lease waits for us, and we get a signal: SIGIO would end us, and SIGURG is ignored.
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:  # it is open for writing; or we have no right to a lease, or the file system has none
        return True
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
