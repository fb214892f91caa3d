"""Our folders in the system's temporary folder, which a later program removes if ours is killed.

    with own_folder() as folder: ...        # locked while we live, and gone at the end
    for folder in all_folders(): remove_dead(folder)

A folder is in use as long as a process holds one of its locks: `lock`, which its maker holds, or `alive` in
the folder of a kernel. The system releases the locks of a process that dies. A folder without a lock was
being made or removed when its program was killed, or an older version made it; it is removed after an hour if
nobody can be using it.
"""

import contextlib
import fcntl
import os
import secrets
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import time
from typing import BinaryIO

from kernels.workspace.folder import Workspace

__all__ = [
    "ALIVE",
    "LOCK",
    "PREFIX",
    "all_folders",
    "create_locked",
    "own_folder",
    "remove_dead",
    "remove_ours",
]

PREFIX = "kernelcord-"  # short, since the path of a socket has at most 107 bytes
LOCK = "lock"  # the file in such a folder that its maker keeps locked as long as it lives
TAKING = "taking"  # the name of that file until it is locked
ALIVE = "alive"  # the file in a kernel's folder that the kernel keeps locked as long as it lives
SURELY = 3600.0  # seconds after which nobody can still be making a folder
ANSWER = 1.0  # seconds for a busy node to accept a connection
LONGEST_PARENT = 60  # bytes of the temporary folder's path, which leave enough for that of a socket
REMOVED = f"{PREFIX}removed-"  # begins the name of a folder that is being removed
NODE = f"{PREFIX}node-"  # of one for the socket of a node whose own folder has too long a path
TEST = f"{PREFIX}selftest-"


def short_temporary() -> Path:
    """The system's temporary folder, or /tmp if its path is too long for sockets (107 bytes)."""
    parent = Path(tempfile.gettempdir())
    return parent if len(os.fsencode(parent)) <= LONGEST_PARENT else Path("/tmp")  # noqa: S108  ours are 0700


@contextlib.contextmanager
def own_folder(kind: str = "") -> Iterator[Path]:
    """A new folder, which is locked while entered and then removed."""
    folder, lock = create_locked(kind)
    with lock:
        try:
            yield folder
        finally:
            remove_ours(folder)


def create_locked(kind: str = "") -> tuple[Path, BinaryIO]:
    """A new folder and its lock, which is held as long as the file or a copy of its descriptor is open."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX + kind, dir=short_temporary()))
    lock = (folder / TAKING).open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / TAKING).rename(folder / LOCK)  # so that nobody ever finds a `lock` that is not locked yet
    return folder, lock


def remove_ours(folder: Path) -> None:
    """Remove a folder that we have made; if that fails, a later program will."""
    with contextlib.suppress(OSError):
        _remove(folder)


def all_folders() -> list[Path]:
    """All folders of ours in the temporary folder, including those of other users."""
    return sorted(short_temporary().glob(f"{PREFIX}*"))


def remove_dead(folder: Path) -> bool:
    """Remove the folder if it belongs to our user and nobody uses it; returns whether it was removed.

    Raises: OSError.
    """
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return False
    with ExitStack() as stack:
        if folder.name.startswith(REMOVED):
            dead = True
        elif folder.name.startswith(NODE):
            dead = _old(status) and _is_unanswered(folder / "socket")
        elif (folder / LOCK).exists():
            dead = all(_locked(lock, stack) for lock in (folder / LOCK, *folder.glob(f"*/{ALIVE}")))
        else:
            dead = _old(status) and (folder.name.startswith(TEST) or _unmade(folder))
        if dead:
            _remove(folder)
        return dead


def _old(status: os.stat_result) -> bool:
    return time() - status.st_mtime > SURELY


def _locked(path: Path, stack: ExitStack) -> bool:
    """Hold a lock until `stack` is left; returns False if somebody else holds it."""
    try:
        fcntl.flock(stack.enter_context(path.open("rb")), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_unanswered(path: Path) -> bool:
    """Whether no node listens on this socket."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(ANSWER)
        try:
            asking.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return True
    return False


def _unmade(folder: Path) -> bool:
    return {entry.name for entry in os.scandir(folder)} <= {TAKING}


def _remove(folder: Path) -> None:
    """Remove a folder, whatever is in it. It is renamed first, so that a half-removed one is recognised."""
    going = folder
    if not folder.name.startswith(REMOVED):
        going = folder.with_name(f"{REMOVED}{secrets.token_hex(8)}")
        folder.rename(going)
    Workspace(going).remove()
