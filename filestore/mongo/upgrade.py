"""Migrates what an earlier version has written, once, without losing anything.

await upgrade(database)

If the program ends in the middle, the next start goes on.
"""

from bson import ObjectId

from filestore.mongo.database import Collection, Document, MongoDatabase, equal
from filestore.mongo.quotas import MongoQuotas
from filestore.records import ENTRY

__all__ = ["upgrade"]

SUMS = "sums"  # the _id of the document that says that sums are kept
BATCH = 50  # entries read at once: each may have megabytes


async def upgrade(database: MongoDatabase) -> None:
    """Give every entry its sizes and its owner, and every person their sums. Raises: StoreUnavailable."""
    identity = database["identity"]
    if await identity.one(equal(_id=SUMS)) is not None:
        return
    entries, sessions = database["entries"], database["sessions"]
    owners = {session["session_id"]: session["user_id"] for session in await sessions.many({}, [("_id", 1)])}
    while found := await entries.many(equal(text_size=None), [("_id", 1)], BATCH):  # None: without the field
        for entry in found:
            sizes = await _sizes(database["texts"], entry)
            change = {"$set": sizes | {"owner": owners.get(entry["session_id"])}}
            await entries.change(equal(_id=entry["_id"]), change)
    await MongoQuotas(database).recount()
    await identity.change(equal(_id=SUMS), {"$set": {"kept": True}}, upsert=True)


async def _sizes(texts: Collection, entry: Document) -> Document:
    kept = [entry.get("outputs", ""), *entry.get("late", ())]
    outputs = sum([await _length(texts, each) for each in kept])
    text = await _length(texts, entry["text"])
    return {"text_size": ENTRY + text, "output_size": outputs, "large_size": 0}


async def _length(texts: Collection, kept: str | ObjectId) -> int:
    if isinstance(kept, str):
        return len(kept)
    return sum(len(piece["piece"]) for piece in await texts.many(equal(text=kept), [("part", 1)]))
