"""Bytes of their own for the copies of outputs, so that either transcript can be deleted without the other.

await copy_bytes(blobs, keys, to)       # under `copied_key(key, to)`
"""

from collections.abc import Iterable

from filestore.blobs.space import DISK_FULL
from filestore.blobs.store import Blobs
from filestore.errors import BlobMissing, BytesRefused
from filestore.records import copied_key

__all__ = ["copy_bytes"]

LARGEST = 1 << 40  # bytes of one object; a cell's own limits are far lower


async def copy_bytes(blobs: Blobs, keys: Iterable[str], to: str) -> None:
    """Copy the bytes under these keys for the session `to`, which has no outputs yet.

    Bytes that are missing are left out: both transcripts read as far as they can. Raises: BytesRefused.
    """
    try:
        for key in keys:
            own = copied_key(key, to)
            await blobs.delete(own)  # a try that was killed may have left some of it
            try:
                file = await blobs.open(key)
            except BlobMissing:
                continue
            with file:
                await blobs.put(own, file, limit=LARGEST)
    except OSError as error:
        raise BytesRefused(str(error.strerror), full=error.errno in DISK_FULL) from error
