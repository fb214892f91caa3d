"""Copies all files of a workspace into another one, which is empty: what another session begins with.

    copy_workspace(source.path, target.path, Room(data=1 << 29, names=100_000))

Code in the source can swap anything at any moment, so everything goes by directory descriptors, and what is
written is counted. Links are copied as links, and not followed; holes are copied as holes; pipes, sockets and
what cannot be read are left out.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kernels.workspace.folder import CREATING, LEFT_OVER
from kernels.workspace.safe_open import FOLDER, OURS, READING, folder

__all__ = ["Room", "copy_workspace", "is_in_use"]

CHUNK = 1 << 20  # bytes
DEEPEST = 40  # folders within each other
# What the system says of something that is gone, swapped for something else, or not to be read.
LEFT_OUT = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO}


@dataclass
class Room:
    """What a copy may still take: bytes of files without their holes, and names."""

    data: int
    names: int

    def take(self, data: int = 0, names: int = 0) -> None:
        """Raises: OSError (ENOSPC) if there is not so much."""
        self.data -= data
        self.names -= names
        if self.data < 0 or self.names < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def is_in_use(workspace: Path) -> bool:
    """Whether there is anything in the folder. Raises: OSError."""
    try:
        with os.scandir(workspace) as entries:
            return any(True for _ in entries)
    except FileNotFoundError:
        return False


def copy_workspace(source: Path, target: Path, room: Room) -> None:
    """Copy everything, into a folder that is made if it is not there.

    Raises: OSError; ENOSPC if it takes more than `room`.
    """
    with suppress(FileExistsError):
        target.mkdir(mode=OURS)
    with folder(source) as theirs, folder(target) as ours:
        _copy_folder(theirs, ours, DEEPEST, room)


def _copy_folder(theirs: int, ours: int, depth: int, room: Room) -> None:
    for name in os.listdir(theirs):
        try:
            _copy_one(name, theirs, ours, depth, room)
        except OSError as error:
            if error.errno not in LEFT_OUT:
                raise


def _copy_one(name: str, theirs: int, ours: int, depth: int, room: Room) -> None:
    room.take(names=1)
    status = os.stat(name, dir_fd=theirs, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode) and depth:
        _copy_inner(name, theirs, ours, depth, room)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=theirs), name, dir_fd=ours)
    elif stat.S_ISREG(status.st_mode) and not LEFT_OVER.fullmatch(name):
        _copy_file(name, theirs, ours, room)


def _copy_inner(name: str, theirs: int, ours: int, depth: int, room: Room) -> None:
    opened = [os.open(name, FOLDER, dir_fd=theirs)]
    try:
        os.mkdir(name, OURS, dir_fd=ours)
        opened.append(os.open(name, FOLDER, dir_fd=ours))
        _copy_folder(opened[0], opened[1], depth - 1, room)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _copy_file(name: str, theirs: int, ours: int, room: Room) -> None:
    descriptor = os.open(name, READING, dir_fd=theirs)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):  # it was swapped
            return
        mode = stat.S_IMODE(status.st_mode) & 0o700 | 0o600
        with os.fdopen(os.open(name, CREATING, mode, dir_fd=ours), "wb") as written:
            for start, end in _data(descriptor, status.st_size):  # it may grow meanwhile
                written.seek(start)
                while start < end and (piece := os.pread(descriptor, min(end - start, CHUNK), start)):
                    room.take(len(piece))
                    written.write(piece)
                    start += len(piece)
            written.truncate(min(status.st_size, os.fstat(descriptor).st_size))
            os.utime(written.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(descriptor)


def _data(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where each part of a file begins and ends that is no hole; holes read as zeros, and take no room."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
            end = max(os.lseek(descriptor, start, os.SEEK_HOLE), start + 1)  # that may have become a hole
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left, or the file is shorter now
                return
            if error.errno != errno.EINVAL:
                raise
            start, end = end, size  # a file system that does not tell
        if start < size:
            yield start, min(end, size)
