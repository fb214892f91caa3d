"""The identity of a database in MongoDB: a document for the database itself, and one for each folder."""

import secrets

from filestore.mongo.database import MongoDatabase, equal

OWN = "database"  # the _id of its own document; no folder has such a name, which is hexadecimal


class MongoIdentity:
    """store.Identity."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database
        self._identity = database["identity"]

    async def id(self) -> str:
        drawn = {"$setOnInsert": {"id": secrets.token_hex(16)}}
        own = await self._identity.change(equal(_id=OWN), drawn, upsert=True)
        assert own is not None  # an upsert finds or makes one
        return str(own["id"])

    async def begin_run(self, folder: str, run: str) -> str:
        before = await self._identity.one(equal(_id=folder))
        await self._identity.change(equal(_id=folder), {"$set": {"run": run}}, upsert=True)
        self._database.folder = folder
        return before["run"] if before else ""
