"""Remove files for good: the row is condemned first, then the bytes go, then the row.

A condemned row can be neither read nor renewed, so nobody is promised bytes that are about to go; a crash in
between leaves the row for the next removal.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from filestore.blobs import Blobs
from filestore.store import Files

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Removed:
    """How many files went, and their bytes."""

    files: int
    bytes: int


async def remove_expired(files: Files, blobs: Blobs, now: datetime, *, user_id: int | None = None) -> Removed:
    """Remove the files that expired by `now`, of one person or (None) of all."""
    count = freed = 0
    after = ""
    while batch := await files.condemned(now, after=after, user_id=user_id):
        after = batch[-1].file_id
        gone = []
        for file in batch:
            try:
                await blobs.delete(file.blob_key)
            except OSError:
                log.exception(
                    "the bytes of file %s cannot be deleted; the next sweep tries again", file.file_id
                )
            else:
                gone.append(file)
        count += await files.remove([file.file_id for file in gone])
        freed += sum(file.file_size for file in gone)
    return Removed(count, freed)
