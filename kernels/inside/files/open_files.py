"""Flushes the files that a cell has left open for writing, before the workspace is scanned.

    open_files = OpenFiles()
    open_files.begin_cell()     # what is open before the first cell is the kernel's own
    open_files.flush()          # after a cell

`file = open("x.csv", "w")` and `file.write(...)` without `close` leave an empty file, and an SQLite database
that is open in WAL mode has its newest rows in another file. If a cell leaves nothing open, this only takes a
look at the number of descriptors (3 us; Linux 6.2, proc_pid_fd(5)). They are listed (50 us) if the number
differs from that when nothing was open.
"""

import fcntl
import gc
import io
import os
import stat
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from . import sqlite_log

__all__ = ["OpenFiles"]

DESCRIPTORS = "/proc/self/fd"
# The methods of these classes are called, and not those that a person's subclass has instead.
WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
OpenFile = tuple[int, int, int]  # a descriptor, and the device and inode of its file


class OpenFiles:
    """The files that are open for writing in this process, apart from those of the kernel itself."""

    def __init__(self) -> None:
        self._own: frozenset[str] | None = None
        self._count = 0  # descriptors when all of them were the kernel's own; 0 if that is not known
        self._known: dict[OpenFile, list[weakref.ref[Any]]] = {}  # Python's objects for a file; C has none

    def begin_cell(self) -> None:
        """Note that a cell begins; what is open before the first one is the kernel's."""
        if self._own is None:
            self._own = frozenset(filter(_is_open, _descriptors()))
            self._count = _count()

    def flush(self) -> None:
        """Write what Python has in buffers, and the rows that an SQLite database has in its log."""
        # The person's code can replace anything that is used here, and its cell has to end all the same.
        with suppress(Exception):
            self._flush()

    def _flush(self) -> None:
        count = _count()
        if self._own is None or (not self._known and 0 < self._count == count):
            return
        new = [name for name in _descriptors() if name not in self._own]
        written = dict(_written(new))
        if not written:
            self._known.clear()
            # A file that is only read can be closed and another one opened: their number stays the same then.
            self._count = 0 if any(map(_is_open, new)) else count
            return
        self._know(set(written))
        for key, files in self._known.items():
            for one in files:
                if (file := one()) is not None and _descriptor(file) == key[0]:
                    with suppress(Exception):  # a full disk, or whatever a person's class raises
                        _kind(file).flush(file)
        # A log that a Python object writes to is being copied: SQLite writes its own logs without such
        # objects.
        of_python = {key for key, files in self._known.items() if any(one() is not None for one in files)}
        foreign = {path: key[0] for key, path in written.items() if key not in of_python}
        for path in foreign:
            if path.endswith(sqlite_log.LOG):
                sqlite_log.checkpoint(path.removesuffix(sqlite_log.LOG), foreign)

    def _know(self, keys: set[OpenFile]) -> None:
        """Find Python's objects for these files; all objects are searched only if there is a new file."""
        self._known = {key: files for key, files in self._known.items() if key in keys}
        new = {key[0]: key for key in keys if key not in self._known or _was_reopened(key, self._known[key])}
        if not new:
            return
        self._known |= {key: [] for key in new.values()}
        for found in gc.get_objects():
            if issubclass(type(found), WRITERS) and (key := new.get(_descriptor(found))) is not None:
                self._known[key].append(weakref.ref(found))


def _was_reopened(key: OpenFile, known: list[weakref.ref[Any]]) -> bool:
    """Whether the file was closed and opened again, with the same descriptor."""
    files = [file for ref in known if (file := ref()) is not None]
    return bool(known) and all(_descriptor(file) != key[0] for file in files)


def _count() -> int:
    """How many descriptors are open; 0 where the system does not say."""
    try:
        return os.stat(DESCRIPTORS).st_size
    except OSError:
        return 0


def _descriptors() -> list[str]:
    try:
        return os.listdir(DESCRIPTORS)
    except OSError:  # another system than Linux, or all descriptors are in use
        return []


def _is_open(name: str) -> bool:
    """Whether it is still open: the descriptor that the listing itself used is closed by now."""
    try:
        os.fstat(int(name))
    except OSError:
        return False
    return True


def _written(names: list[str]) -> Iterator[tuple[OpenFile, str]]:
    """Those descriptors that write to a regular file, with its path."""
    for name in names:
        with suppress(OSError):  # it is closed by now, as that of the listing itself is
            status = os.fstat(int(name))
            if not stat.S_ISREG(status.st_mode):
                continue
            if fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
                key = int(name), status.st_dev, status.st_ino
                yield key, os.readlink(f"{DESCRIPTORS}/{name}")


def _kind(file: Any) -> Any:
    return next(kind for kind in WRITERS if issubclass(type(file), kind))


def _descriptor(file: Any) -> int:
    """A file's descriptor; -1 if it is closed or has none."""
    try:
        number = _kind(file).fileno(file)
    except Exception:  # noqa: BLE001  below the buffer there can be a class of the person's
        return -1
    return number if type(number) is int else -1
