"""The lock of a session's folder, which keeps programs and threads apart.

lock = lock_file(here)              # closing it frees it
acquired(lock, fcntl.LOCK_EX)       # False if somebody else has it
"""

import errno
import fcntl
import os

__all__ = ["acquired", "lock_file"]

LOCK = "lock"
LOCKING = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


def lock_file(here: int) -> int:
    """A descriptor of the file that is locked, on any disk. Raises: OSError."""
    try:
        return os.open(LOCK, LOCKING, 0o600, dir_fd=here)
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
    return os.open(LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)


def acquired(lock: int, kind: int) -> bool:
    """Lock it, if nobody else has."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
