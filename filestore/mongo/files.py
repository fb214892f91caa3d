"""`user_files` in MongoDB. A document lists whom its file is shared with, so one query finds who may read it.

What each person has is kept in `filestore.mongo.quotas`. A file's number is the revision of that document
when room was claimed for the file, which only grows. Files of an earlier version have no number: they are the
oldest.
"""

from collections.abc import Collection as Several
from dataclasses import asdict, replace
from datetime import datetime

from filestore.errors import FileIdTaken
from filestore.mongo.database import Document, MongoDatabase, Taken, equal, given, record
from filestore.mongo.quotas import MongoQuotas
from filestore.records import EPOCH, Cursor, StoredFile

NEWEST = (("number", -1), ("uploaded_at", -1), ("version", -1), ("file_id", -1))
LISTED = [("number", -1), ("uploaded_at", -1), ("file_id", -1)]


class MongoFiles:
    """store.FileRecords."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database
        self._files = database["user_files"]
        self._outside = database["outside"]
        self._quotas = MongoQuotas(database)
        self.recount = self._quotas.recount

    async def add(self, file: StoredFile, *, quota: int, most: int | None = None) -> StoredFile:
        with self._quotas.changing(file.user_id):
            return await self._add(file, quota, most)

    async def _add(self, file: StoredFile, quota: int, most: int | None) -> StoredFile:
        name = equal(user_id=file.user_id, session_id=file.session_id, filename=file.filename)
        now = file.uploaded_at
        while True:
            last = await self._files.one(name, [("version", -1)])  # first, so that no new version is missed
            newest = await self._files.one(name | _unexpired(now), [("version", -1)])
            if newest and newest["sha256"] == file.sha256:
                if renewed := await self._renew(equal(file_id=newest["file_id"]), now, file.expires_at):
                    return renewed
                continue  # deleted meanwhile
            number = await self._quotas.claim(file, quota, most)
            added = False
            try:
                version = last["version"] + 1 if last else 1
                numbered = replace(file, version=version, number=number, folder=self._database.folder)
                await self._files.insert(asdict(numbered) | {"shared_with": []}, key=["file_id"])
                added = True
                return numbered
            except Taken:
                if await self._files.one(equal(file_id=file.file_id)):
                    raise FileIdTaken(file.file_id) from None
                # Another put of this name took the version: look again.
            finally:
                await self._quotas.release(file, added=added)

    async def readable(self, file_id: str, user_id: int, now: datetime) -> StoredFile | None:
        reader = {"$or": [equal(user_id=user_id), equal(shared_with=user_id)]}
        return _stored_file(await self._files.one(equal(file_id=file_id) | _unexpired(now) | reader))

    async def named(
        self, filename: str, user_id: int, now: datetime, session_id: str | None = None
    ) -> StoredFile | None:
        condition = equal(user_id=user_id, filename=filename) | _unexpired(now) | given(session_id=session_id)
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
        condition = equal(user_id=user_id) | _unexpired(now) | given(session_id=session_id)
        if after:
            condition["$or"] = _older(after)
        return await self._many(condition, LISTED, limit)

    async def extend(
        self, file_id: str, user_id: int, now: datetime, expires_at: datetime
    ) -> StoredFile | None:
        return await self._renew(equal(file_id=file_id, user_id=user_id), now, expires_at)

    async def used(self, user_id: int, now: datetime, *, outputs: bool = True) -> int:
        used, sums = await self._quotas.taken(user_id, now)
        return used - (0 if outputs else int(sums.get("output_bytes", 0)))

    async def condemn(self, file_id: str, user_id: int, now: datetime) -> StoredFile | None:
        own = equal(file_id=file_id, user_id=user_id) | _unexpired(now)
        return _stored_file(await self._files.change(own, {"$set": {"expires_at": EPOCH}}))

    async def condemn_all(self, user_id: int, session_id: str | None = None) -> None:
        theirs = equal(user_id=user_id) | given(session_id=session_id)
        await self._files.change_all(theirs, {"$set": {"expires_at": EPOCH}})
        if session_id is None:
            await self._quotas.forget_claims(user_id)

    async def condemned(
        self,
        now: datetime,
        *,
        after: str = "",
        limit: int = 200,
        user_id: int | None = None,
        session_id: str | None = None,
        folder: str | None = None,
    ) -> list[StoredFile]:
        expired = {"expires_at": {"$lte": now}, "file_id": {"$gt": after}}
        expired |= given(user_id=user_id, session_id=session_id)
        if folder is not None:
            expired["folder"] = {"$in": ["", None, folder]}  # None: without the field
        found = await self._many(expired, [("file_id", 1)], limit)
        these = {"file_id": {"$in": [file.file_id for file in found]}}
        await self._files.change_all(these | {"expires_at": {"$lte": now}}, {"$set": {"expires_at": EPOCH}})
        return await self._many(these | equal(expires_at=EPOCH), [("file_id", 1)])

    async def remove(self, file_ids: Several[str]) -> int:
        removed = 0
        for document in await self._files.many({"file_id": {"$in": list(file_ids)}}, [("file_id", 1)]):
            with self._quotas.changing(document["user_id"]):
                removed += await self._remove(document)
        return removed

    async def _remove(self, document: Document) -> bool:
        """Delete a file's document and reduce its person's sums; False if somebody else has deleted it."""
        if await self._files.delete_one(equal(file_id=document["file_id"])) is None:
            return False
        await self._quotas.change_sums(document["user_id"], files=-1, file_bytes=-int(document["file_size"]))
        return True

    async def known_keys(self, blob_keys: Several[str]) -> set[str]:
        found = await self._many({"blob_key": {"$in": list(blob_keys)}}, [("blob_key", 1)])
        outside = await self._outside.many({"_id": {"$in": list(blob_keys)}}, [("_id", 1)])
        return {file.blob_key for file in found} | {document["_id"] for document in outside}

    async def batch(self, *, after: str = "", limit: int = 500) -> list[StoredFile]:
        return await self._many({"file_id": {"$gt": after}}, [("file_id", 1)], limit)

    async def _many(
        self, condition: Document, order: list[tuple[str, int]], limit: int = 0
    ) -> list[StoredFile]:
        return [record(StoredFile, document) for document in await self._files.many(condition, order, limit)]

    async def _renew(self, which: Document, now: datetime, expires_at: datetime) -> StoredFile | None:
        later = {"$max": {"expires_at": expires_at}}
        return _stored_file(await self._files.change(which | _unexpired(now), later))


class MongoShares:
    """store.Shares."""

    def __init__(self, database: MongoDatabase) -> None:
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

    async def forget_person(self, user_id: int) -> None:
        await self._files.change_all(equal(shared_with=user_id), {"$pull": {"shared_with": user_id}})


def _unexpired(now: datetime) -> Document:
    return {"expires_at": {"$gt": now}}


def _older(than: Cursor) -> list[Document]:
    """Conditions, one of which each later file in a list meets; files without a number come last."""
    number = equal(number=than.number or None)  # None finds documents without the field
    earlier: list[Document] = [
        number | {"uploaded_at": {"$lt": than.uploaded_at}},
        number | equal(uploaded_at=than.uploaded_at) | {"file_id": {"$lt": than.file_id}},
    ]
    return [*earlier, {"number": {"$lt": than.number}}, equal(number=None)] if than.number else earlier


def _stored_file(document: Document | None) -> StoredFile | None:
    return None if document is None else record(StoredFile, document)
