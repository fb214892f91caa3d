"""Copies all files of a workspace into another one, which is empty: what another session begins with.

    copy_workspace(source.path, target.path)

Code in the source can swap anything at any moment, so everything goes by directory descriptors. Links are
copied as links, and not followed; pipes, sockets and what cannot be read are left out.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from kernels.workspace.folder import CREATING, LEFT_OVER
from kernels.workspace.safe_open import FOLDER, OURS, READING, folder

__all__ = ["copy_workspace", "is_in_use"]

CHUNK = 1 << 20  # bytes
DEEPEST = 40  # folders within each other
# What the system says of something that is gone, swapped for something else, or not to be read.
LEFT_OUT = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO}


def is_in_use(workspace: Path) -> bool:
    """Whether there is anything in the folder. Raises: OSError."""
    try:
        with os.scandir(workspace) as entries:
            return any(True for _ in entries)
    except FileNotFoundError:
        return False


def copy_workspace(source: Path, target: Path) -> None:
    """Copy everything, into a folder that is made if it is not there. Raises: OSError."""
    with suppress(FileExistsError):
        target.mkdir(mode=OURS)
    with folder(source) as theirs, folder(target) as ours:
        _copy_folder(theirs, ours, DEEPEST)


def _copy_folder(theirs: int, ours: int, depth: int) -> None:
    for name in os.listdir(theirs):
        try:
            _copy_one(name, theirs, ours, depth)
        except OSError as error:
            if error.errno not in LEFT_OUT:
                raise


def _copy_one(name: str, theirs: int, ours: int, depth: int) -> None:
    status = os.stat(name, dir_fd=theirs, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode) and depth:
        _copy_inner(name, theirs, ours, depth)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=theirs), name, dir_fd=ours)
    elif stat.S_ISREG(status.st_mode) and not LEFT_OVER.fullmatch(name):
        _copy_file(name, theirs, ours)


def _copy_inner(name: str, theirs: int, ours: int, depth: int) -> None:
    opened = [os.open(name, FOLDER, dir_fd=theirs)]
    try:
        os.mkdir(name, OURS, dir_fd=ours)
        opened.append(os.open(name, FOLDER, dir_fd=ours))
        _copy_folder(opened[0], opened[1], depth - 1)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _copy_file(name: str, theirs: int, ours: int) -> None:
    descriptor = os.open(name, READING, dir_fd=theirs)
    with os.fdopen(descriptor, "rb") as read:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):  # it was swapped
            return
        mode = stat.S_IMODE(status.st_mode) & 0o700 | 0o600
        with os.fdopen(os.open(name, CREATING, mode, dir_fd=ours), "wb") as written:
            left = status.st_size  # it may grow meanwhile
            while left and (piece := read.read(min(left, CHUNK))):
                written.write(piece)
                left -= len(piece)
            written.flush()
            os.utime(written.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
