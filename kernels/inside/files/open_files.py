"""What a cell has left open for writing: before its files are looked at, what is still in buffers is written.

    open_files = OpenFiles()
    open_files.begin()      # before the first cell: what is open by then is the kernel's own
    open_files.flush()      # after a cell

`file = open("x.csv", "w")` and `file.write(...)` without `close` leave an empty file, and an SQLite database
that is open in WAL mode has its newest rows in another file. A cell that leaves nothing open costs a look at
how many descriptors there are (3 us; Linux 6.2, proc_pid_fd(5)); they are listed where the number is another
one than when nothing was open (50 us).
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
# Their own methods are called, and not those that a person's class has in their place.
WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
Place = tuple[int, int, int]  # a descriptor, and the device and number of its file


class OpenFiles:
    """The files that are open for writing in this process, apart from those of the kernel itself."""

    def __init__(self) -> None:
        self._own: frozenset[str] | None = None
        self._count = 0  # of descriptors when all of them were the kernel's own; 0 where nobody knows
        self._known: dict[Place, list[weakref.ref[Any]]] = {}  # Python's objects for a file; none for C's

    def begin(self) -> None:
        """A cell begins; what is open before the first one is the kernel's."""
        if self._own is None:
            self._own = frozenset(filter(_is_open, _descriptors()))
            self._count = _count()

    def flush(self) -> None:
        """Write what Python holds in buffers, and the rows that an SQLite database has in its log."""
        # Code can replace whatever is used here, and its cell has to end all the same.
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
            # One that is read from can be closed, and another one opened: then they are as many as before.
            self._count = 0 if any(map(_is_open, new)) else count
            return
        self._know(set(written))
        for place, files in self._known.items():
            for one in files:
                if (file := one()) is not None and _descriptor(file) == place[0]:
                    with suppress(Exception):  # a full disk, or whatever a person's class raises
                        _kind(file).flush(file)
        # A log that Python itself writes to is being copied: SQLite has no such object for its own.
        foreign = {path: place[0] for place, path in written.items() if not self._has_object(place)}
        for path in foreign:
            if path.endswith(sqlite_log.LOG):
                sqlite_log.checkpoint(path.removesuffix(sqlite_log.LOG), foreign)

    def _has_object(self, place: Place) -> bool:
        return any(one() is not None for one in self._known.get(place, ()))

    def _know(self, places: set[Place]) -> None:
        """Find the objects of these files; all objects are gone through only where there is a new file."""
        self._known = {place: files for place, files in self._known.items() if place in places}
        new = {
            place[0]: place
            for place in places
            if place not in self._known or _is_another(place, self._known[place])
        }
        if not new:
            return
        self._known |= {place: [] for place in new.values()}
        for found in gc.get_objects():
            if issubclass(type(found), WRITERS) and (place := new.get(_descriptor(found))) is not None:
                self._known[place].append(weakref.ref(found))


def _is_another(place: Place, known: list[weakref.ref[Any]]) -> bool:
    """Whether the file was closed and opened again, which can give it the same place."""
    files = [file for ref in known if (file := ref()) is not None]
    return bool(known) and all(_descriptor(file) != place[0] for file in files)


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
    """Whether it is one that was there before it was listed: the listing's own is closed by now."""
    try:
        os.fstat(int(name))
    except OSError:
        return False
    return True


def _written(names: list[str]) -> Iterator[tuple[Place, str]]:
    """Those descriptors that write to a plain file, with its path."""
    for name in names:
        with suppress(OSError):  # it is closed by now, as the listing's own is
            status = os.fstat(int(name))
            if not stat.S_ISREG(status.st_mode):
                continue
            if fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
                place = int(name), status.st_dev, status.st_ino
                yield place, os.readlink(f"{DESCRIPTORS}/{name}")


def _kind(file: Any) -> Any:
    return next(kind for kind in WRITERS if issubclass(type(file), kind))


def _descriptor(file: Any) -> int:
    """-1 for a file that is closed, or has none."""
    try:
        number = _kind(file).fileno(file)
    except Exception:  # noqa: BLE001  a person's class can stand below the buffer
        return -1
    return number if type(number) is int else -1
