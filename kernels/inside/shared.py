"""Shared memory that is made has its room: else who writes to it dies by a signal, and says nothing.

`/dev/shm` is small, and a file there can be longer than what is left. Where there is none, as in tier B, the
error says what to use instead.
"""

import errno
import functools
import os
from types import ModuleType
from typing import Any

from . import on_import

__all__ = ["follow"]

FOLDER = "/dev/shm"  # noqa: S108  where Linux has it
MiB = 1 << 20
FULL = "no room for {size:.0f} MiB of shared memory: there are {most:.0f} MiB, with {left:.0f} MiB left"
NONE = "there is no shared memory here: use a file in tempfile.gettempdir(), as numpy.memmap does"


def follow() -> None:
    """Have `multiprocessing.shared_memory` do so when it is imported."""
    on_import.change("multiprocessing.shared_memory", _have_room)


def _have_room(module: ModuleType) -> None:
    memory: Any = module.SharedMemory
    memory.__init__ = _with_room(memory.__init__)


def _with_room(begin: Any) -> Any:
    @functools.wraps(begin)
    def init(self: Any, name: str | None = None, create: bool = False, size: int = 0, **more: Any) -> None:
        if create and not os.access(FOLDER, os.W_OK):
            raise OSError(errno.ENOSYS, NONE)
        if create and isinstance(size, int) and size > _left(space := os.statvfs(FOLDER)):
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

    return init


def _left(space: os.statvfs_result) -> int:
    return space.f_frsize * space.f_bavail


def _full(size: int, space: os.statvfs_result) -> OSError:
    most = space.f_frsize * space.f_blocks
    return OSError(errno.ENOSPC, FULL.format(size=size / MiB, most=most / MiB, left=_left(space) / MiB))
