"""Reserves the space for shared memory when it is created, or processes that write to it die by a signal.

`/dev/shm` is small, and a file there can be longer than the space that is left. Where nothing can be written
to it, as in tier B (Landlock), arrays of `multiprocessing` are files in the temporary folder; what cannot do
without it raises an error that says what to use instead. Only trying tells whether it can be written:
`os.access` knows nothing of Landlock.
"""

import errno
import functools
import os
import sys
import tempfile
from types import ModuleType
from typing import Any

from . import on_import

__all__ = ["follow"]

FOLDER = "/dev/shm"  # noqa: S108  where Linux has it
MiB = 1 << 20
FULL = "no room for {size:.0f} MiB of shared memory: there are {most:.0f} MiB, with {left:.0f} MiB left"
NONE = "there is no shared memory here: use a file in tempfile.gettempdir(), as numpy.memmap does"
NO_LOCKS = (
    "processes cannot share locks here, nor a Pool or a Queue: use threads, as"
    " multiprocessing.pool.ThreadPool and concurrent.futures.ThreadPoolExecutor do"
)
REFUSED = (errno.EACCES, errno.ENOENT, errno.ENOSYS, errno.EROFS)  # errors where no file can be made


def follow() -> None:
    """Change `multiprocessing` so when its modules are imported; only Linux has such a folder."""
    if sys.platform != "linux":
        return
    on_import.change("multiprocessing.shared_memory", _have_room)
    on_import.change("multiprocessing.synchronize", _say_no_locks)
    on_import.change("multiprocessing.heap", _choose_what_can_be_written)


def _have_room(module: ModuleType, folder: str = FOLDER) -> None:
    memory: Any = module.SharedMemory
    begin = memory.__init__

    @functools.wraps(begin)
    def init(self: Any, name: str | None = None, create: bool = False, size: int = 0, **more: Any) -> None:
        if create and not _writable(folder):
            raise OSError(errno.ENOSYS, NONE)
        if create and isinstance(size, int) and size > _left(space := os.statvfs(folder)):
            raise _full(size, space)
        begin(self, name, create, size, **more)
        if not create:
            return
        try:
            os.posix_fallocate(self._fd, 0, self.size)
        except OSError as error:
            size, space = self.size, os.fstatvfs(self._fd)
            self.close()
            self.unlink()
            raise (_full(size, space) if error.errno == errno.ENOSPC else error) from None

    memory.__init__ = init


def _say_no_locks(module: ModuleType) -> None:
    lock: Any = module.SemLock
    begin = lock.__init__

    @functools.wraps(begin)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            begin(self, *args, **kwargs)
        except OSError as error:
            if error.errno not in REFUSED:
                raise
            raise OSError(errno.ENOSYS, NO_LOCKS) from None

    lock.__init__ = init


def _choose_what_can_be_written(module: ModuleType, shared: str = FOLDER) -> None:
    arena: Any = module.Arena
    choose = arena._choose_dir

    @functools.wraps(choose)
    def choose_dir(self: Any, size: int) -> str:
        folder: str = choose(self, size)
        return tempfile.gettempdir() if folder == shared and not _writable(shared) else folder

    arena._choose_dir = choose_dir


def _writable(folder: str) -> bool:
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600))
    except OSError as error:
        return error.errno not in REFUSED
    return True


def _left(space: os.statvfs_result) -> int:
    return space.f_frsize * space.f_bavail


def _full(size: int, space: os.statvfs_result) -> OSError:
    most = space.f_frsize * space.f_blocks
    return OSError(errno.ENOSPC, FULL.format(size=size / MiB, most=most / MiB, left=_left(space) / MiB))
