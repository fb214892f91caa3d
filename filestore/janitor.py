"""Remove files that have expired, and what crashes have left behind.

    swept = await Janitor(store, blobs, clock=clock).sweep(now)

Expired bytes are deleted before their record. Bytes without a record may still be wanted: they are removed
only if they belong to this database (`filestore.ownership`) and are older than a grace time, which keeps puts
in flight safe. They spend a day in a trash folder first, and are brought back if a record turns up for them.
A record whose bytes are missing stays until it expires, because the bytes may be in another folder, or on a
disk that is not mounted.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Never

from filestore.blobs.removal import Removed, remove_expired
from filestore.blobs.store import Blobs
from filestore.clock_jumps import ClockJumps, due_sweep, note_due, note_left_out
from filestore.ownership import current
from filestore.store import Store

EVERY = timedelta(hours=1)
GRACE = timedelta(hours=1)  # longer than any put takes
TRASH = timedelta(days=1)  # in the trash folder
BATCH = 500  # records read at once

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did."""

    files: int = 0  # expired, and removed
    bytes: int = 0  # of those, and of files that were deleted from the trash
    thrown: int = 0  # without a record, and moved to the trash
    returned: int = 0  # from the trash
    emptied: int = 0  # deleted from the trash
    lost: int = 0  # records without bytes
    temporary: int = 0  # half-written files that were removed
    folders: int = 0  # empty folders that were removed


class Janitor:
    """Removes what nobody can have any more from a store and its blobs."""

    def __init__(
        self, store: Store, blobs: Blobs, *, clock: Callable[[], datetime], grace: timedelta = GRACE
    ) -> None:
        self._store = store
        self._files = store.files
        self._blobs = blobs
        self._clock = clock
        self._grace = grace
        self._told_lost: set[str] = set()

    async def run(self, every: timedelta = EVERY, folder: Path | None = None) -> Never:
        """Sweep now and after every interval, until cancelled; a failing sweep is logged.

        If the clock has jumped ahead since the last sweep, one sweep is left out; the next trusts the clock.
        When the next one is due is kept in `folder`.
        """
        jumps = ClockJumps(due_sweep(folder, self._clock()) if folder else None)
        level = logging.INFO  # at the start it most often means that no program ran
        while True:
            now = self._clock()
            if ahead := jumps.forward(now):
                told = "the clock has jumped ahead by %s, or no program ran: nothing is removed for %s"
                log.log(level, told, ahead, every)
                if folder:
                    note_left_out(folder, now + every)
            else:
                if folder:
                    note_due(folder, now + every)
                try:
                    swept = await self.sweep(now)
                    if any(astuple(swept)):
                        log.info("swept: %s", swept)
                except Exception:  # whatever fails this time, there must be a next sweep
                    log.exception("the sweep failed")
            level = logging.WARNING
            await asyncio.sleep(every.total_seconds())  # the interval between sweeps

    async def sweep(self, now: datetime) -> Swept:
        """Remove files that had expired by `now`, orphans, leftovers and empty folders; log lost records.

        Raises: StoreUnavailable; OSError if the bytes cannot be listed, as when their disk is absent.
        """
        ownership = await current(self._store, self._blobs)
        returned = await self._bring_back() if ownership.ours else 0
        expired = Removed(0, 0)
        if not ownership.doubtful(now):
            expired = await remove_expired(self._files, self._blobs, now, folder=ownership.folder)
        if wrong := await self._files.recount():
            log.warning("the sums of what people have were wrong for %d of them, and were corrected", wrong)
        if not ownership.ours:
            return Swept(files=expired.files, bytes=expired.bytes)
        thrown = await self._throw_orphans_away(now)
        emptied = await self._empty_trash(now - TRASH)
        lost = await self._name_lost_rows(now, ownership.folder)
        tidied = await self._blobs.tidy(now - self._grace)
        return Swept(
            files=expired.files,
            bytes=expired.bytes + emptied.bytes,
            thrown=thrown,
            returned=returned,
            emptied=emptied.files,
            lost=lost,
            temporary=tidied.temporary,
            folders=tidied.folders,
        )

    async def _bring_back(self) -> int:
        count = 0
        async for folder in self._blobs.trash():
            for key in await self._files.known_keys([entry.key for entry in folder]):
                await self._blobs.bring_back(key)
                count += 1
        return count

    async def _throw_orphans_away(self, now: datetime) -> int:
        count = 0
        async for folder in self._blobs.folders():
            old = [entry.key for entry in folder if entry.modified_at < now - self._grace]
            orphans = set(old) - await self._files.known_keys(old)
            for key in orphans:
                await self._blobs.throw_away(key, now)
            count += len(orphans)
        if count:
            log.warning("%d stored files that the database does not know will be deleted in %s", count, TRASH)
        return count

    async def _empty_trash(self, before: datetime) -> Removed:
        files = freed = 0
        async for folder in self._blobs.trash():
            old = [entry for entry in folder if entry.modified_at < before]
            await self._blobs.empty_trash([entry.key for entry in old])
            files += len(old)
            freed += sum(entry.size for entry in old)
        return Removed(files, freed)

    async def _name_lost_rows(self, now: datetime, folder: str) -> int:
        """Count unexpired records whose bytes should be in this folder and are not; log each one once."""
        lost: set[str] = set()
        after = ""
        while batch := await self._files.batch(after=after, limit=BATCH):
            after = batch[-1].file_id
            batch = [file for file in batch if file.folder in ("", folder)]
            missing = await self._blobs.missing([file.blob_key for file in batch])
            lost |= {file.file_id for file in batch if file.blob_key in missing and file.expires_at > now}
        if new := lost - self._told_lost:
            log.warning("the bytes of these files are gone: %s", " ".join(sorted(new)))
        self._told_lost = lost
        return len(lost)
