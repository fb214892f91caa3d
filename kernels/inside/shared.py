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
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            begin(self, *args, **kwargs)
        except (PermissionError, FileNotFoundError) as error:
            if os.access(FOLDER, os.W_OK):
                raise
            raise OSError(error.errno, NONE) from None
        create = kwargs.get("create", args[1] if len(args) > 1 else False)
        if not create:
            return
        try:
            os.posix_fallocate(self._fd, 0, self.size)
        except OSError as error:
            size, space = self.size, os.fstatvfs(self._fd)
            self.close()
            self.unlink()
            if error.errno != errno.ENOSPC:
                raise
            unit = space.f_frsize / MiB
            told = FULL.format(size=size / MiB, most=space.f_blocks * unit, left=space.f_bavail * unit)
            raise OSError(errno.ENOSPC, told) from None

    return init
