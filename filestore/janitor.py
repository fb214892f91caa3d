"""Sweep what has expired and what crashes left behind.

    swept = await Janitor(store, blobs, clock=clock).sweep(now)

Bytes go before their row. Bytes without a row, and half-written ones, go when they are older than a grace
time, so that a put in flight is safe; a row whose bytes are gone goes at once, for bytes are always there
before it.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Never

from filestore.blobs import Blobs
from filestore.errors import FileStoreError
from filestore.removal import remove_expired
from filestore.store import Store

EVERY = timedelta(hours=1)
GRACE = timedelta(hours=1)  # longer than any put takes
BATCH = 500  # rows looked at at once

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep removed."""

    files: int  # expired
    bytes: int  # of those files and of orphans
    orphans: int  # bytes without a row
    lost: int  # rows without bytes
    temporary: int  # half-written files
    folders: int  # empty ones


class Janitor:
    """Removes from a store and its blobs what nobody can have any more."""

    def __init__(
        self, store: Store, blobs: Blobs, *, clock: Callable[[], datetime], grace: timedelta = GRACE
    ) -> None:
        self._files = store.files
        self._blobs = blobs
        self._clock = clock
        self._grace = grace

    async def run(self, every: timedelta = EVERY) -> Never:
        """Sweep now and at every interval, until cancelled; a failing sweep is logged."""
        while True:
            try:
                log.info("swept: %s", await self.sweep(self._clock()))
            except (FileStoreError, OSError):
                log.exception("the sweep failed")
            await asyncio.sleep(every.total_seconds())  # the interval itself

    async def sweep(self, now: datetime) -> Swept:
        """Remove what had expired by `now`, orphans, lost rows, leftovers and empty folders.

        Raises:
            StoreUnavailable: the database does not answer.
            OSError: the bytes cannot be looked through, for one because their disk is absent.
        """
        expired = await remove_expired(self._files, self._blobs, now)
        orphans, orphan_bytes = await self._remove_orphans(now - self._grace)
        lost = await self._remove_lost_rows()
        tidied = await self._blobs.tidy(now - self._grace)
        return Swept(
            files=expired.files,
            bytes=expired.bytes + orphan_bytes,
            orphans=orphans,
            lost=lost,
            temporary=tidied.temporary,
            folders=tidied.folders,
        )

    async def _remove_orphans(self, before: datetime) -> tuple[int, int]:
        count = freed = 0
        async for folder in self._blobs.folders():
            old = {entry.key: entry.size for entry in folder if entry.modified_at < before}
            orphans = old.keys() - await self._files.known_keys(old)
            for key in orphans:
                await self._blobs.delete(key)
                freed += old[key]
            count += len(orphans)
        return count, freed

    async def _remove_lost_rows(self) -> int:
        count = 0
        after = ""
        while batch := await self._files.batch(after=after, limit=BATCH):
            after = batch[-1].file_id
            missing = await self._blobs.missing([file.blob_key for file in batch])
            lost = [file.file_id for file in batch if file.blob_key in missing]
            if lost:
                log.warning("the bytes of these files are gone: %s", " ".join(lost))
                count += await self._files.remove(lost)
        return count
