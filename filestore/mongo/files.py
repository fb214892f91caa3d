"""`user_files` in MongoDB; a document lists whom its file is shared with, so one query decides who may read.

There are no transactions (a lone server has none). A put claims its bytes in the person's quota document
with compare-and-set before it writes the row, so that puts at once, also of several processes, never pass
the quota, nor the number of files; a claim of a process that died lapses after a minute. The quota document's
revision at the claim is the file's number: it only grows. Files of before have none; they are older than all
that have one.
"""

from collections.abc import Collection as Several
from dataclasses import asdict, fields, replace
from datetime import datetime, timedelta

from filestore.errors import FileIdTaken, QuotaExceeded, TooManyFiles
from filestore.mongo.database import Database, Document, Taken, equal
from filestore.records import EPOCH, Cursor, StoredFile

FIELDS = tuple(field.name for field in fields(StoredFile))
CLAIM = timedelta(minutes=1)
MOST_AHEAD = 2 * CLAIM  # a claim that ends later was made by a clock that was ahead, and does not count
NEWEST = (("number", -1), ("uploaded_at", -1), ("version", -1), ("file_id", -1))
LISTED = [("number", -1), ("uploaded_at", -1), ("file_id", -1)]


class MongoFiles:
    """store.Files."""

    def __init__(self, database: Database) -> None:
        self._files = database["user_files"]
        self._quotas = database["quotas"]

    async def add(self, file: StoredFile, *, quota: int, most: int | None = None) -> StoredFile:
        name = equal(user_id=file.user_id, session_id=file.session_id, filename=file.filename)
        now = file.uploaded_at
        while True:
            last = await self._files.one(name, [("version", -1)])  # first, so that no version comes unseen
            newest = await self._files.one(name | _unexpired(now), [("version", -1)])
            if newest and newest["sha256"] == file.sha256:
                if renewed := await self._renew(equal(file_id=newest["file_id"]), now, file.expires_at):
                    return renewed
                continue  # deleted meanwhile
            number = await self._claim(file, quota, most)
            try:
                numbered = replace(file, version=last["version"] + 1 if last else 1, number=number)
                await self._files.insert(asdict(numbered) | {"shared_with": []}, key=["file_id"])
                return numbered
            except Taken:
                if await self._files.one(equal(file_id=file.file_id)):
                    raise FileIdTaken(file.file_id) from None
                # Another put of this name took the version: look again.
            finally:
                await self._release(file)

    async def readable(self, file_id: str, user_id: int, now: datetime) -> StoredFile | None:
        reader = {"$or": [equal(user_id=user_id), equal(shared_with=user_id)]}
        return _stored_file(await self._files.one(equal(file_id=file_id) | _unexpired(now) | reader))

    async def named(
        self, filename: str, user_id: int, now: datetime, session_id: str | None = None
    ) -> StoredFile | None:
        condition = equal(user_id=user_id, filename=filename) | _unexpired(now) | _within(session_id)
        order = NEWEST if session_id is None else [("version", -1)]
        return _stored_file(await self._files.one(condition, order))

    async def page(
        self,
        user_id: int,
        now: datetime,
        *,
        limit: int,
        after: Cursor | None = None,
        session_id: str | None = None,
    ) -> list[StoredFile]:
        condition = equal(user_id=user_id) | _unexpired(now) | _within(session_id)
        if after:
            condition["$or"] = _older(after)
        return await self._many(condition, LISTED, limit)

    async def extend(
        self, file_id: str, user_id: int, now: datetime, expires_at: datetime
    ) -> StoredFile | None:
        return await self._renew(equal(file_id=file_id, user_id=user_id), now, expires_at)

    async def used(self, user_id: int, now: datetime) -> int:
        return (await self._sums(equal(user_id=user_id) | _unexpired(now)))[1]

    async def condemn(self, file_id: str, user_id: int, now: datetime) -> StoredFile | None:
        own = equal(file_id=file_id, user_id=user_id) | _unexpired(now)
        return _stored_file(await self._files.change(own, {"$set": {"expires_at": EPOCH}}))

    async def condemn_all(self, user_id: int) -> None:
        await self._files.change_all(equal(user_id=user_id), {"$set": {"expires_at": EPOCH}})
        await self._quotas.delete(equal(_id=user_id))

    async def condemned(
        self, now: datetime, *, after: str = "", limit: int = 200, user_id: int | None = None
    ) -> list[StoredFile]:
        whose = equal(user_id=user_id) if user_id is not None else {}
        expired: Document = {"expires_at": {"$lte": now}, "file_id": {"$gt": after}} | whose
        found = await self._many(expired, [("file_id", 1)], limit)
        these = {"file_id": {"$in": [file.file_id for file in found]}}
        await self._files.change_all(these | {"expires_at": {"$lte": now}}, {"$set": {"expires_at": EPOCH}})
        return await self._many(these | equal(expires_at=EPOCH), [("file_id", 1)])

    async def remove(self, file_ids: Several[str]) -> int:
        return await self._files.delete({"file_id": {"$in": list(file_ids)}})

    async def known_keys(self, blob_keys: Several[str]) -> set[str]:
        found = await self._many({"blob_key": {"$in": list(blob_keys)}}, [("blob_key", 1)])
        return {file.blob_key for file in found}

    async def batch(self, *, after: str = "", limit: int = 500) -> list[StoredFile]:
        return await self._many({"file_id": {"$gt": after}}, [("file_id", 1)], limit)

    async def _many(
        self, condition: Document, order: list[tuple[str, int]], limit: int = 0
    ) -> list[StoredFile]:
        return [_record(document) for document in await self._files.many(condition, order, limit)]

    async def _renew(self, which: Document, now: datetime, expires_at: datetime) -> StoredFile | None:
        later = {"$max": {"expires_at": expires_at}}
        return _stored_file(await self._files.change(which | _unexpired(now), later))

    async def _sums(self, condition: Document) -> tuple[int, int]:
        """How many files there are, and their bytes."""
        files, sums = await self._files.sums(condition, "file_size")
        return files, int(sums["file_size"])

    async def _claim(self, file: StoredFile, quota: int, most: int | None) -> int:
        """Claim the file's bytes; returns its number."""
        now = file.uploaded_at
        claim = {"file_id": file.file_id, "size": file.file_size, "until": now + CLAIM}
        claimed = None
        while claimed is None:
            ledger = await self._quotas.change(
                equal(_id=file.user_id), {"$setOnInsert": {"revision": 0, "claims": []}}, upsert=True
            )
            assert ledger is not None  # an upsert finds or makes one
            claims = [other for other in ledger["claims"] if now < other["until"] < now + MOST_AHEAD]
            elsewhere = {"file_id": {"$nin": [other["file_id"] for other in claims]}}
            files, rows = await self._sums(equal(user_id=file.user_id) | _unexpired(now) | elsewhere)
            if most is not None and files + len(claims) >= most:
                raise TooManyFiles(most)
            used = rows + sum(other["size"] for other in claims)
            if used + file.file_size > quota:
                raise QuotaExceeded(used, quota, file.file_size)
            claimed = await self._quotas.change(
                equal(_id=file.user_id, revision=ledger["revision"]),
                {"$inc": {"revision": 1}, "$set": {"claims": [*claims, claim]}},
            )
        return int(claimed["revision"])

    async def _release(self, file: StoredFile) -> None:
        release = {"$inc": {"revision": 1}, "$pull": {"claims": equal(file_id=file.file_id)}}
        await self._quotas.change(equal(_id=file.user_id), release)


class MongoShares:
    """store.Shares."""

    def __init__(self, database: Database) -> None:
        self._files = database["user_files"]

    async def add(self, file_id: str, owner_id: int, user_id: int, now: datetime) -> bool:
        own = equal(file_id=file_id, user_id=owner_id) | _unexpired(now)
        return await self._files.change(own, {"$addToSet": {"shared_with": user_id}}) is not None

    async def remove(self, file_id: str, owner_id: int, user_id: int) -> bool:
        shared = equal(file_id=file_id, user_id=owner_id, shared_with=user_id)
        return await self._files.change(shared, {"$pull": {"shared_with": user_id}}) is not None

    async def people(self, file_id: str) -> tuple[int, ...]:
        document = await self._files.one(equal(file_id=file_id))
        return tuple(sorted(document["shared_with"])) if document else ()

    async def forget(self, user_id: int) -> None:
        await self._files.change_all(equal(shared_with=user_id), {"$pull": {"shared_with": user_id}})


def _unexpired(now: datetime) -> Document:
    return {"expires_at": {"$gt": now}}


def _within(session_id: str | None) -> Document:
    return {} if session_id is None else equal(session_id=session_id)


def _older(than: Cursor) -> list[Document]:
    """The ways in which a file can come after this one in a list: files without a number come last."""
    number = equal(number=than.number or None)  # None finds what has none
    earlier: list[Document] = [
        number | {"uploaded_at": {"$lt": than.uploaded_at}},
        number | equal(uploaded_at=than.uploaded_at) | {"file_id": {"$lt": than.file_id}},
    ]
    return [*earlier, {"number": {"$lt": than.number}}, equal(number=None)] if than.number else earlier


def _record(document: Document) -> StoredFile:
    return StoredFile(**{"number": 0} | {name: document[name] for name in FIELDS if name in document})


def _stored_file(document: Document | None) -> StoredFile | None:
    return None if document is None else _record(document)
