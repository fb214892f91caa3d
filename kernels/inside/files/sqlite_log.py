"""Makes SQLite write the rows in the log of an open database into the database itself.

    checkpoint("x.db", {"x.db": 7, "x.db-wal": 8, "x.db-shm": 9})   # with this process's own descriptors

Any file can have a name that ends in `-wal`. SQLite deletes such a file beside an empty database, and takes a
half-copied log for a whole one. So a database is only touched while a connection of this process has it open,
which this process's descriptors show. Opening one of its files here and closing it again would release the
locks that another copy of SQLite in this process has on it (fcntl_locking(2)). For the same reason a separate
process does the work, and only if the log contains anything. That process ends without closing its
connection, since the last connection to be closed removes the log.
"""

import fcntl
import os
import select
import signal
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote

__all__ = ["LOG", "LOG_MAGICS", "SQLITE", "checkpoint"]

# https://sqlite.org/fileformat2.html and, for the lock, https://sqlite.org/walformat.html
LOG, INDEX = "-wal", "-shm"
SQLITE = b"SQLite format 3\x00"
LOGGED = b"\x02\x02"  # at byte 18 of a database in WAL mode
LOG_MAGICS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
CONNECTED = 128  # the byte of the index that every connection keeps locked
FLOCK = "hhqqi"  # struct flock: type, whence, start, length, process
LONGEST = 10.0  # seconds for a checkpoint; killing one does no harm, and a later cell does it again
SOURCE = """
import os, sqlite3, sys
try:
    base = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None, uri=True)
    base.execute("pragma wal_checkpoint(truncate)").fetchall()
finally:
    os._exit(0)
"""

_python = sys.executable


def checkpoint(database: str, descriptors: Mapping[str, int]) -> None:
    """Write committed rows from the log into the database, as far as no reader still needs the log.

    `descriptors` are those of this process that are open for writing, by path. Raises: OSError.
    """
    if _is_open(database, descriptors):
        _checkpoint_apart(f"file:{quote(os.fsencode(database))}?mode=rw")


def _is_open(database: str, descriptors: Mapping[str, int]) -> bool:
    """Whether these descriptors include a connection to the database, and its log contains anything."""
    names = (database, database + LOG, database + INDEX)
    base, log, index = (descriptors.get(name, -1) for name in names)
    if min(base, log, index) < 0:
        return False
    head = os.pread(base, 20, 0)
    return (
        head.startswith(SQLITE)
        and head.endswith(LOGGED)
        and os.pread(log, 4, 0) in LOG_MAGICS
        and _is_locked(index, CONNECTED)
    )


def _is_locked(descriptor: int, byte: int) -> bool:
    """Whether any process, this one included, holds a lock on this byte; the test takes and releases none."""
    asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
    told = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked)
    return bool(struct.unpack(FLOCK, told)[0] != fcntl.F_UNLCK)


def _checkpoint_apart(uri: str, *, source: str = SOURCE, longest: float = LONGEST) -> None:
    reading, writing = os.pipe()
    try:
        null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0)
        pid = os.posix_spawn(
            _python,
            [_python, "-I", "-S", "-c", source, uri],
            {},
            # The pipe closes when the process ends. Its output is of no interest.
            file_actions=[null, (os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, 0, 2)],
            setpgroup=0,  # so that an interrupt of the cell does not reach it
        )
        try:
            os.close(writing)
            writing = -1
            ended = select.poll()
            ended.register(reading, select.POLLIN)
            ended.poll(longest * 1000)
        finally:
            with suppress(OSError):  # the person's code can have waited for it
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    finally:
        for descriptor in (reading, writing):
            if descriptor >= 0:
                os.close(descriptor)
