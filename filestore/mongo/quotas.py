"""What each person has, as sums in a document of their own, with the claims of puts that are under way.

There are no transactions, because a standalone server has none. A put claims its bytes with compare-and-set
before it writes the file's document, so that simultaneous puts never exceed the quota or the number of files.
A claim of a process that died lapses after a minute. A crash between a document and its sum leaves the sum
wrong until the next `recount`, which skips people whose documents are just changing, since their sums will
follow. Sums that are all zero are deleted: nothing should tell of a person of whom nothing is left.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from filestore.errors import FileStoreError, QuotaExceeded, TooManyFiles
from filestore.mongo.database import Document, MongoDatabase, equal
from filestore.records import StoredFile

__all__ = ["CLAIM", "FIELDS", "ROWS", "MongoQuotas"]

log = logging.getLogger(__name__)

CLAIM = timedelta(minutes=1)
MOST_AHEAD = 2 * CLAIM  # a claim that ends later was made with a clock that was ahead, and is ignored
FIELDS = ("files", "file_bytes", "text_bytes", "output_bytes", "large_bytes")
# Of somebody who has nothing; documents of an earlier version may lack some fields.
NOTHING: Document = {name: {"$in": [0, None]} for name in FIELDS} | {"claims": {"$in": [[], None]}}
ROWS = {"text_bytes": "text_size", "output_bytes": "output_size", "large_bytes": "large_size"}


class MongoQuotas:
    """The sums of all people."""

    def __init__(self, database: MongoDatabase) -> None:
        self._quotas = database["quotas"]
        self._files = database["user_files"]
        self._entries = database["entries"]
        self._changing = database.changing

    @contextmanager
    def changing(self, user_id: int | None) -> Iterator[None]:
        """While entered, documents of a person change, and then their sums: `recount` skips the person."""
        if user_id is None:
            yield
            return
        self._changing[user_id] += 1
        try:
            yield
        finally:
            self._changing[user_id] -= 1
            if not self._changing[user_id]:
                del self._changing[user_id]

    async def claim(self, file: StoredFile, quota: int, most: int | None) -> int:
        """Claim the file's bytes; returns its number, which is higher than any before.

        Raises: QuotaExceeded, TooManyFiles.
        """
        now = file.uploaded_at
        claim = {"file_id": file.file_id, "size": file.file_size, "until": now + CLAIM}
        claimed = None
        while claimed is None:
            ledger = await self._ledger(file.user_id)
            claims = _live(ledger, now)
            files, used = await self._taken(ledger, now)
            if most is not None and files + len(claims) >= most:
                raise TooManyFiles(most)
            used += sum(other["size"] for other in claims)
            if used + file.file_size > quota:
                raise QuotaExceeded(used, quota, file.file_size)
            claimed = await self._quotas.change(
                equal(_id=file.user_id, revision=ledger["revision"]),
                {"$inc": {"revision": 1}, "$set": {"claims": [*claims, claim]}},
            )
        return int(claimed["revision"])

    async def release(self, file: StoredFile, *, added: bool) -> None:
        """End a claim; a file that was added counts towards the sums from now on."""
        counted = {"files": 1, "file_bytes": file.file_size} if added else {}
        release = {"$inc": {"revision": 1} | counted, "$pull": {"claims": equal(file_id=file.file_id)}}
        await self._quotas.change(equal(_id=file.user_id), release)

    async def change_sums(self, user_id: int | None, **by: int) -> None:
        """Add to sums of a person (None: of nobody, which does nothing); numbers below zero reduce them."""
        grown = {name: value for name, value in by.items() if value}
        if user_id is not None and grown:
            upsert = max(grown.values()) > 0  # a person who was forgotten is not recorded again
            ledger = await self._quotas.change(
                equal(_id=user_id),
                {"$inc": {"revision": 1} | grown} | ({"$setOnInsert": {"claims": []}} if upsert else {}),
                upsert=upsert,
            )
            if ledger is not None and not any(ledger.get(name) for name in ("claims", *FIELDS)):
                await self._quotas.delete(equal(_id=user_id) | NOTHING)

    async def count(self, owner: int | None, sizes: Mapping[str, int]) -> None:
        """Add an entry's sizes. If that fails, the entry is recorded all the same, and counted later."""
        try:
            await self.change_sums(owner, **{name: sizes.get(field, 0) for name, field in ROWS.items()})
        except FileStoreError:
            log.warning("the sums of person %s are wrong until they are recounted", owner)

    async def taken(self, user_id: int, now: datetime) -> tuple[int, Document]:
        """The bytes of a person's unexpired files and transcripts, and the person's sums."""
        ledger = await self._quotas.one(equal(_id=user_id)) or {"_id": user_id}
        return (await self._taken(ledger, now))[1], ledger

    async def forget_claims(self, user_id: int) -> None:
        """A person is to be forgotten: claims lapse now, sums go with the last of what they have."""
        await self._quotas.change(equal(_id=user_id), {"$inc": {"revision": 1}, "$set": {"claims": []}})
        await self._quotas.delete(equal(_id=user_id) | NOTHING)

    async def recount(self) -> int:
        """See store.FileRecords."""
        before = {ledger["_id"]: ledger for ledger in await self._quotas.many({}, [("_id", 1)])}
        files, entries = await asyncio.gather(
            self._files.sums_by("user_id", {}, "file_size"),
            self._entries.sums_by("owner", {}, *ROWS.values()),
        )
        wrong = 0
        for user_id in before.keys() | files.keys() | entries.keys() - {None}:
            counted = _counted(files.get(user_id, {}), entries.get(user_id, {}))
            if not _has(before.get(user_id, {}), counted):
                wrong += await self._recount_one(user_id)
        await self._quotas.delete(NOTHING)
        return wrong

    async def _recount_one(self, user_id: int) -> bool:
        """Recount one person's sums and correct them; returns whether they were wrong.

        If a sum changes meanwhile, the revision has changed too, and nothing is corrected. If a sum is about
        to change, the person is left to the next recount: the new sum would count that document already.
        """
        ledger = await self._ledger(user_id)
        files, entries = await asyncio.gather(
            self._files.sums(equal(user_id=user_id), "file_size"),
            self._entries.sums(equal(owner=user_id), *ROWS.values()),
        )
        counted = _counted(files, entries)
        if _has(ledger, counted) or user_id in self._changing:
            return False
        which = equal(_id=user_id, revision=ledger["revision"])
        return await self._quotas.change(which, {"$inc": {"revision": 1}, "$set": counted}) is not None

    async def _ledger(self, user_id: int) -> Document:
        fresh = {"$setOnInsert": {"revision": 0, "claims": []}}
        ledger = await self._quotas.change(equal(_id=user_id), fresh, upsert=True)
        assert ledger is not None  # an upsert finds or makes one
        return ledger

    async def _taken(self, ledger: Document, now: datetime) -> tuple[int, int]:
        """The number of unexpired files, and the bytes of these and of transcripts."""
        expired = equal(user_id=ledger["_id"]) | {"expires_at": {"$lte": now}}
        sums = await self._files.sums(expired, "file_size")
        size = sum(int(ledger.get(name, 0)) for name in ("file_bytes", "text_bytes", "output_bytes"))
        return int(ledger.get("files", 0)) - int(sums["count"]), size - int(sums["file_size"])


def _counted(files: dict[str, Any], entries: dict[str, Any]) -> dict[str, int]:
    """The sums in the form in which a ledger has them, from counts of files and of entries."""
    counted = {"files": int(files.get("count", 0)), "file_bytes": int(files.get("file_size", 0))}
    return counted | {name: int(entries.get(field, 0)) for name, field in ROWS.items()}


def _has(ledger: Document, counted: dict[str, int]) -> bool:
    return counted == {name: ledger.get(name, 0) for name in FIELDS}


def _live(ledger: Document, now: datetime) -> list[Document]:
    return [claim for claim in ledger.get("claims", ()) if now < claim["until"] < now + MOST_AHEAD]
