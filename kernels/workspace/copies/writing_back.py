"""Gives one file of a workspace the bytes that it had, or deletes it.

    write_back(workspace.path, "plots/a.png", source)
    write_back(workspace.path, "plots/a.png", None)

Hostile code can swap anything in the folder at any moment, so everything goes by directory descriptors, and
no link is followed. To capture it is a new file unless it is told otherwise.
"""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kernels.workspace.folder import CREATING, UNFINISHED
from kernels.workspace.safe_open import FOLDER, OURS, folder

__all__ = ["write_back"]

CHUNK = 1 << 20  # bytes
MOST_PARTS = 40  # folders within each other
REFUSED = {"", ".", ".."}


def write_back(
    workspace: Path,
    name: str,
    source: BinaryIO | None,
    check_room: Callable[[int], None] = lambda _size: None,
) -> None:
    """Write the file whole or not at all, with its folders; or delete it, and folders that are empty then.

    What has the name is replaced unless it is a folder. `check_room` gets the size, and may raise.

    Raises: OSError, with EINVAL for a name that is not one below the workspace.
    """
    *parents, last = name.split("/")
    if REFUSED & {*parents, last} or len(parents) >= MOST_PARTS or "\0" in name:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    with folder(workspace) as top:
        if source is None:
            _delete(parents, last, top)
            return
        begin = source.tell()
        check_room(source.seek(0, os.SEEK_END) - begin)
        source.seek(begin)
        with _inside(parents, top, make=True) as opened:
            _write(source, last, opened[-1])


def _write(source: BinaryIO, name: str, here: int) -> None:
    temporary = f"{UNFINISHED}{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(temporary, CREATING, 0o600, dir_fd=here), "wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
            file.flush()
            _give(file.fileno(), here)
        os.rename(temporary, name, src_dir_fd=here, dst_dir_fd=here)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=here)


def _delete(parents: list[str], name: str, top: int) -> None:
    with suppress(FileNotFoundError), _inside(parents, top) as opened:
        os.unlink(name, dir_fd=opened[-1])
        with suppress(OSError):  # it has other files
            while parents:
                os.rmdir(parents.pop(), dir_fd=opened[len(parents)])


@contextmanager
def _inside(parents: list[str], top: int, *, make: bool = False) -> Iterator[list[int]]:
    """The descriptors of the workspace and of each folder on the way. Raises: OSError."""
    with ExitStack() as closing:
        opened = [top]
        for name in parents:
            here = opened[-1]
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, OURS, dir_fd=here)
                    _give_folder(name, here)
            opened.append(os.open(name, FOLDER, dir_fd=here))
            closing.callback(os.close, opened[-1])
        yield opened


def _give_folder(name: str, here: int) -> None:
    descriptor = os.open(name, FOLDER, dir_fd=here)
    try:
        _give(descriptor, here)
    finally:
        os.close(descriptor)


def _give(made: int, here: int) -> None:
    """Give what we have made to the owner of its folder: a sandbox gives each workspace a user of its own."""
    owner = os.fstat(here)
    if owner.st_uid != os.geteuid() and stat.S_ISDIR(owner.st_mode):
        os.fchown(made, owner.st_uid, owner.st_gid)
