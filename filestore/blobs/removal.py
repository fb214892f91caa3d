"""Remove files for good: first the record is condemned, then the bytes are deleted, then the record.

A condemned record can be neither read nor renewed, so nobody is promised bytes that are about to be deleted.
A crash in between leaves the record for the next removal. On a full disk no record can be condemned until
there is room: then the bytes of expired files, which nobody can read or renew either, are deleted first.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from filestore.blobs.store import Blobs
from filestore.errors import StoreFull
from filestore.records import StoredFile
from filestore.store import FileRecords

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Removed:
    """How many files were removed, and their bytes; `left` could not be."""

    files: int
    bytes: int
    left: int = 0


async def remove_expired(
    files: FileRecords,
    blobs: Blobs,
    now: datetime,
    *,
    user_id: int | None = None,
    session_id: str | None = None,
    folder: str | None = None,
) -> Removed:
    """Remove the files that expired by `now`, of one person or session or (None) of all.

    With `folder` only those whose bytes are in that folder: other bytes can be deleted only by a program that
    uses their folder.
    """
    condemned = partial(files.condemned, now, user_id=user_id, session_id=session_id, folder=folder)
    try:
        return await _remove_condemned(files, blobs, condemned)
    except StoreFull:
        await _make_room(files, blobs, now, user_id, folder)
        return await _remove_condemned(files, blobs, condemned)


async def _make_room(
    files: FileRecords, blobs: Blobs, now: datetime, user_id: int | None, folder: str | None
) -> None:
    after = ""
    while batch := await files.batch(after=after):
        after = batch[-1].file_id
        for file in batch:
            here = folder is None or file.folder in ("", folder)
            if here and file.expires_at <= now and user_id in (None, file.user_id):
                await blobs.delete(file.blob_key)


async def _remove_condemned(
    files: FileRecords, blobs: Blobs, condemned: Callable[..., Awaitable[list[StoredFile]]]
) -> Removed:
    count = freed = left = 0
    after = ""
    while batch := await condemned(after=after):
        after = batch[-1].file_id
        gone = []
        for file in batch:
            try:
                await blobs.delete(file.blob_key)
            except OSError:
                left += 1
                log.exception(
                    "the bytes of file %s cannot be deleted; the next sweep tries again", file.file_id
                )
            else:
                gone.append(file)
        count += await files.remove([file.file_id for file in gone])
        freed += sum(file.file_size for file in gone)
    return Removed(count, freed, left)


async def delete_all(blobs: Blobs, keys: Iterable[str]) -> int:
    """Delete bytes that nothing refers to.

    Returns how many cannot be deleted; they are left to the janitor, or to who tries again.
    """
    left = 0
    for key in keys:
        try:
            await blobs.delete(key)
        except OSError:
            left += 1
            log.exception("bytes of outputs cannot be deleted; the janitor tries again")
    return left
