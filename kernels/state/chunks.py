"""The files of a session's chunks, by a descriptor of the session's folder.

    incoming = Incoming(here)
    incoming.add(chunk, data)       # under a temporary name
    incoming.settle()               # every chunk and its name are on the disk
    data = read(here, chunk)        # or StateDamaged

A new chunk has its own name only once its bytes are on the disk. Syncing each on its own takes twice as long
as one file of the same bytes (80 of 1 MiB on ext4: 540 ms beside 260); sixteen at a time take as long as
that one file, and a thousand of 4 KB take 0.5 s.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from kernels.descriptors import leaves_spare
from kernels.state.errors import StateDamaged, StateFull
from kernels.state.manifest import Chunk, matches
from kernels.workspace.folder import CREATING
from kernels.workspace.safe_open import FOLDER, open_plain

__all__ = [
    "CHUNKS",
    "TRANSIENT",
    "UNFINISHED",
    "Incoming",
    "file_size",
    "full_device",
    "is_there",
    "listed",
    "make_folder",
    "names_in",
    "on_disk",
    "path_of",
    "read",
    "remove",
    "sync_folder",
    "write_file",
]

CHUNKS = "chunks"
UNFINISHED = "unfinished"  # is there while a save is written, and after one that was killed
AT_ONCE = 16  # syncs at a time
FEW = 3  # syncs that take less than starting threads for them
FILES, BYTES = 64, 32 * 1024 * 1024  # new chunks that are open at most, and about how many bytes they have
BLOCK = 4096  # bytes in which disks give room: a hundred thousand chunks of one byte take 400 MB
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
TRANSIENT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR}  # these say nothing of the file


class Incoming:
    """New chunks of one save. The folder is `here`, and only we write in it."""

    def __init__(self, here: int) -> None:
        self._here = here
        self._open: dict[str, int] = {}  # descriptors by digest
        self._bytes = 0  # in the open ones
        self._folders: set[str] = set()
        self._threads = ThreadPoolExecutor(AT_ONCE, "saved variables")  # it starts them when it needs them
        self.placed: set[str] = set()

    def __contains__(self, digest: str) -> bool:
        return digest in self.placed or digest in self._open

    def add(self, chunk: Chunk, data: bytes | bytearray | memoryview) -> None:
        """Write a chunk's bytes, which must be the right ones. Raises: OSError."""
        name = f"{UNFINISHED}/{chunk.digest}"
        self._open[chunk.digest] = descriptor = os.open(name, CREATING, 0o600, dir_fd=self._here)
        _write(descriptor, data)
        self._bytes += chunk.size
        scarce = not leaves_spare(descriptor)  # a kernel may keep its save waiting with all of these open
        if scarce or len(self._open) >= FILES or self._bytes >= BYTES:
            self._place()

    def settle(self) -> None:
        """Return once all chunks have their names and all that is on the disk. Raises: OSError."""
        self._place()
        folders = [*self._folders, CHUNKS] if self._folders else []
        self._all(lambda name: sync_folder(name, self._here), folders)
        self._folders.clear()

    def discard(self, keep: Collection[str]) -> None:
        """End, and remove what was added, but not the chunks of `keep`."""
        self._threads.shutdown()
        for digest, descriptor in self._open.items():
            os.close(descriptor)
            with suppress(OSError):
                os.unlink(f"{UNFINISHED}/{digest}", dir_fd=self._here)
        self._open.clear()
        for digest in self.placed.difference(keep):
            with suppress(OSError):
                remove(self._here, path_of(digest))
        self.placed.clear()

    def _place(self) -> None:
        """Sync the open chunks, and give them their names."""
        self._all(os.fsync, self._open.values())
        for digest in list(self._open):
            folder = _folder(digest)
            if folder not in self._folders:
                make_folder(folder, self._here)
                self._folders.add(folder)
            os.rename(f"{UNFINISHED}/{digest}", path_of(digest), src_dir_fd=self._here, dst_dir_fd=self._here)
            self.placed.add(digest)
            os.close(self._open.pop(digest))
        self._bytes = 0

    def _all[T](self, work: Callable[[T], object], items: Collection[T]) -> None:
        """Do it to each item, several at a time. It may be done twice if threads cannot be had."""
        if len(items) > FEW:
            with suppress(RuntimeError):
                list(self._threads.map(work, items))
                return
        for item in items:
            work(item)


def is_there(here: int, digest: str, size: int) -> bool:
    """Whether the chunk has its file, of the right size. Raises: OSError if the disk cannot tell."""
    try:
        status = os.stat(path_of(digest), dir_fd=here, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return status.st_size == size and stat.S_ISREG(status.st_mode)


def read(here: int, chunk: Chunk) -> bytes:
    """The bytes of a chunk.

    Raises:
        StateDamaged: it is gone, or its bytes are not the ones that were saved.
        OSError: the disk cannot tell.
    """
    try:
        with os.fdopen(open_plain(path_of(chunk.digest), here), "rb", buffering=0) as file:
            data = file.read(chunk.size + 1)
    except OSError as error:
        if error.errno in TRANSIENT:
            raise
        raise StateDamaged("a chunk of the save is gone or unreadable") from error
    if not matches(chunk, data):
        raise StateDamaged("a chunk of the save is damaged")
    return data


def remove(here: int, path: str) -> None:
    """Remove a file, if it is there, and its folder if that is empty then. Raises: OSError."""
    with suppress(FileNotFoundError, IsADirectoryError):  # no folder of that name is ours
        os.unlink(path, dir_fd=here)
    with suppress(OSError):  # it has other files, or is gone
        os.rmdir(os.path.dirname(path), dir_fd=here)


def path_of(digest: str) -> str:
    """The path of a chunk's file in the session's folder."""
    return f"{_folder(digest)}/{digest}"


def listed(here: int) -> Iterator[str]:
    """The path of each file among the chunks. Raises: OSError."""
    for folder in names_in(CHUNKS, here):
        path = f"{CHUNKS}/{folder}"
        with suppress(NotADirectoryError):  # not ours
            for name in names_in(path, here):
                yield f"{path}/{name}"


def names_in(path: str, here: int) -> list[str]:
    """The names in a folder, which need not be there. Raises: OSError."""
    try:
        descriptor = os.open(path, FOLDER, dir_fd=here)
    except FileNotFoundError:
        return []
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def file_size(path: str, here: int) -> int:
    """The bytes on disk of a file, 0 if it is gone. Raises: OSError."""
    try:
        return on_disk(os.stat(path, dir_fd=here, follow_symlinks=False).st_size)
    except FileNotFoundError:
        return 0


def on_disk(size: int) -> int:
    """The bytes that a file of this size takes, in whole blocks."""
    return -(-size // BLOCK) * BLOCK


def make_folder(name: str, here: int) -> None:
    """Make a folder of ours, if it is not there. Raises: OSError."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=here)


def sync_folder(name: str, here: int | None = None) -> None:
    """Sync the names in a folder. Raises: OSError."""
    descriptor = os.open(name, FOLDER, dir_fd=here)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(name: str, data: bytes, here: int) -> None:
    """Write and sync a new file. Raises: OSError."""
    descriptor = os.open(name, CREATING, 0o600, dir_fd=here)
    try:
        _write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def full_device() -> Iterator[None]:
    """Raises: StateFull where writing raises an OSError that says that there is no room, or may be none."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StateFull("device", error.strerror or str(error)) from error
        raise


def _write(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    left = memoryview(data).cast("B")
    while left:
        left = left[os.write(descriptor, left) :]


def _folder(digest: str) -> str:
    return f"{CHUNKS}/{digest[:2]}"
