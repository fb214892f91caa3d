"""The files of a session's chunks, by a descriptor of the session's folder.

    incoming = Incoming(here)
    incoming.add(chunk, data)       # under a temporary name
    incoming.settle(name, data)     # every chunk and its name are on the disk, and one more file
    data = read(here, chunk)        # or StateDamaged

A new chunk has its own name only once its bytes are on the disk. Chunks are written and synced by a few
threads while more are received: that takes about as long as one file of the same bytes (96 of 1 MiB on ext4
364 ms beside 334; 626 ms if every 32 of them are waited for, with names in 256 folders).
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue

from kernels.concurrency.crew import Crew
from kernels.descriptors import leaves_spare
from kernels.state.errors import StateDamaged, StateFull
from kernels.state.manifest import CHUNK, Chunk, matches
from kernels.workspace.folder import CREATING
from kernels.workspace.safe_open import FOLDER, open_plain

__all__ = [
    "CHUNKS",
    "TRANSIENT",
    "UNFINISHED",
    "Done",
    "Incoming",
    "SpareBuffers",
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
AT_ONCE = 16  # chunks that are written or synced
FEW = 3  # chunks that take less than starting threads for them
BUFFERS = 4  # chunks that are received or written; those that are synced need no memory of ours
BLOCK = 4096  # bytes in which disks give room: a hundred thousand chunks of one byte take 400 MB
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
TRANSIENT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR}  # these say nothing of the file


type Data = bytes | memoryview
type Done = Callable[[], object]


class Incoming:
    """New chunks of one save. The folder is `here`, and only we write in it."""

    def __init__(self, here: int) -> None:
        self._here = here
        self._crew = Crew(AT_ONCE, "saved variables")
        self._first: list[int] = []  # descriptors of the first few, which are not synced yet
        self._unnamed: dict[str, None] = {}  # digests, in the order in which they came
        self.placed: set[str] = set()

    def __contains__(self, digest: str) -> bool:
        return digest in self.placed or digest in self._unnamed

    def add(self, chunk: Chunk, data: Data, done: Done = lambda: None) -> None:
        """Write a chunk's bytes, which must be the right ones, now or soon.

        `done` is called once they are not needed any more, from any thread, and also if this raises.
        Raises: OSError, for this chunk or an earlier one.
        """
        try:
            descriptor = os.open(f"{UNFINISHED}/{chunk.digest}", CREATING, 0o600, dir_fd=self._here)
        except BaseException:  # whatever it is, the bytes are not needed any more
            done()
            raise
        self._unnamed[chunk.digest] = None
        self._write(descriptor, data, done)
        if not leaves_spare(descriptor):  # a kernel may keep its save waiting with all of these open
            self._write_out()

    def settle(self, name: str, beside: bytes) -> None:
        """Return once all chunks have their names, and this new file its bytes, and all that is on the disk.

        The file's own name may not be. Raises: OSError.
        """
        self._write(os.open(name, CREATING, 0o600, dir_fd=self._here), beside)
        self._write_out()
        for digest in list(self._unnamed):
            os.rename(f"{UNFINISHED}/{digest}", path_of(digest), src_dir_fd=self._here, dst_dir_fd=self._here)
            self.placed.add(digest)
            del self._unnamed[digest]
        if self.placed:
            sync_folder(CHUNKS, self._here)

    def discard(self, keep: Collection[str]) -> None:
        """End, and remove what was added, but not the chunks of `keep`."""
        self._crew.end()
        while self._first:
            os.close(self._first.pop())
        for digest in self._unnamed:
            with suppress(OSError):
                os.unlink(f"{UNFINISHED}/{digest}", dir_fd=self._here)
        self._unnamed.clear()
        for digest in self.placed.difference(keep):
            with suppress(OSError):
                remove(self._here, path_of(digest))
        self.placed.clear()

    def _write(self, descriptor: int, data: Data, done: Done = lambda: None) -> None:
        """Write a new file, now or soon: the first few are synced when more come, or in the end."""
        if len(self._unnamed) <= FEW:
            self._first.append(descriptor)
            _written(descriptor, data, done)
        else:
            self._crew.do(partial(_stored, descriptor, data, done))
            while self._first:
                self._crew.do(partial(_synced, self._first.pop()))

    def _write_out(self) -> None:
        """Return once the bytes of all chunks are on the disk, and no file is open."""
        while self._first:
            _synced(self._first.pop())
        self._crew.settle()


class SpareBuffers:
    """Memory for chunks, which is used again and again; there are as many as are needed, up to `BUFFERS`."""

    def __init__(self) -> None:
        self._free: SimpleQueue[bytearray] = SimpleQueue()
        self._made = 0

    def take(self) -> bytearray:
        """Memory for the largest chunk; wait for it if all is in use."""
        if self._free.empty() and self._made < BUFFERS:
            self._made += 1
            return bytearray(CHUNK)
        return self._free.get()

    def give_back(self, memory: bytearray) -> None:
        """From any thread: somebody else may have it."""
        self._free.put(memory)


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
    """Remove a file, if it is there. Raises: OSError."""
    with suppress(FileNotFoundError, IsADirectoryError):  # no folder of that name is ours
        os.unlink(path, dir_fd=here)


def path_of(digest: str) -> str:
    """The path of a chunk's file in the session's folder."""
    return f"{CHUNKS}/{digest}"


def listed(here: int) -> Iterator[str]:
    """The path of each file among the chunks. Raises: OSError."""
    for name in names_in(CHUNKS, here):
        yield path_of(name)


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


def _write(descriptor: int, data: Data) -> None:
    left = memoryview(data).cast("B")
    while left:
        left = left[os.write(descriptor, left) :]


def _written(descriptor: int, data: Data, done: Done) -> None:
    try:
        _write(descriptor, data)
    finally:
        done()


def _synced(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stored(descriptor: int, data: Data, done: Done) -> None:
    try:
        _written(descriptor, data, done)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
