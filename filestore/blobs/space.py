"""Durable changes of files and folders of this machine, and threads for work with the disk."""

import asyncio
import errno
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from filestore.cancellation import to_the_end
from filestore.errors import BytesStay

__all__ = [
    "DISK_FULL",
    "FOLDER_TRIES",
    "in_thread",
    "move",
    "remove_if_empty",
    "sync_folder",
    "unlink",
    "unlink_all",
]

THREADS = 8  # our own: copies on a slow disk must not use up the event loop's, which resolve host names
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}  # errno of a disk without room
FOLDER_TRIES = 5  # times a folder is created again if a sweep removes it, still empty, at that moment

_threads = ThreadPoolExecutor(THREADS, "disk")


def move(source: Path, target: Path) -> None:
    """Rename a file into a folder, which is created, and remove the folder that it leaves if that is empty.

    Raises: FileNotFoundError if the file is gone.
    """
    for tries_left in reversed(range(FOLDER_TRIES)):
        target.parent.parent.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):  # its parent, which a sweep found empty
            target.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            os.rename(source, target)
            break
        except FileNotFoundError:  # the file, or its new folder
            if not tries_left or not source.exists():
                raise
    sync_folder(target.parent)
    remove_if_empty(source.parent)


def unlink(path: Path) -> None:
    """Unlink the file, if it exists, and remove its folder if that is empty then."""
    path.unlink(missing_ok=True)
    remove_if_empty(path.parent)


def unlink_all(folders: Iterable[Path]) -> None:
    """Unlink all files in folders, which need not exist. Raises: BytesStay once all were tried."""
    refused: OSError | None = None
    for folder in folders:
        for path in folder.iterdir() if folder.is_dir() else ():
            try:
                unlink(path)
            except OSError as error:
                refused = error
    if refused is not None:
        raise BytesStay(refused.strerror) from refused


def remove_if_empty(folder: Path) -> bool:
    """Remove the folder if it exists and is empty; returns whether it was removed."""
    try:
        folder.rmdir()
    except OSError:  # not empty, or gone
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Sync the names of the files in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def in_thread[T](
    work: Callable[[], T], undo: Callable[[T], object] | None = None, *, executor: Executor | None = None
) -> T:
    """Run `work` in a thread. A cancelled caller waits for it to end, and then undoes it.

    Work that may take long should have an `executor` of its own: people wait for the threads here.
    """
    running = asyncio.get_running_loop().run_in_executor(executor or _threads, work)
    try:
        return await to_the_end(running)
    except asyncio.CancelledError:
        if running.exception() is None and undo is not None:
            undo(running.result())
        raise
