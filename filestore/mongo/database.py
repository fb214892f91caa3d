"""The MongoDB connection: the one module that knows the driver.

    async with connected(uri) as database:
        await database["user_files"].insert({...})

Writes wait for a majority and the journal. If the server does not answer, for whatever reason, the error is
StoreUnavailable. If it is down, that takes 5 s at most; if it stops answering, about 20 s, since the driver
asks it every 10 s whether it lives. A value that a person sent can never act as an operator, because filters
are built with `equal`. The driver is past its end of life. Its successor, `pymongo.AsyncMongoClient`, differs
here only by an `await` before `aggregate` and `close`.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from filestore.errors import StoreFull, StoreInUse, StoreUnavailable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Document = dict[str, Any]
Order = Sequence[tuple[str, int]]

SERVER_SELECTION = 5_000  # milliseconds until a server that is down is an error; the driver's own is 30,000
CONNECT = 5_000  # milliseconds to connect, and for an answer to the driver's own questions; else 20,000
UPSERT_TRIES = 5
NO_ROOM = 14031  # the server's code OutOfDiskSpace
DATABASE = "kernelcord"  # when the URI names none


class Taken(Exception):
    """Another document has the unique key that an insert wanted."""


def equal(**fields: object) -> Document:
    """A filter for fields with exactly these values, whatever the values look like."""
    return {name: {"$eq": value} for name, value in fields.items()}


def given(**fields: object) -> Document:
    """A filter for those of the fields that are not None; the others may have any value."""
    return equal(**{name: value for name, value in fields.items() if value is not None})


def record[R: DataclassInstance](kind: type[R], document: Document) -> R:
    """The record of this kind that a document holds; fields that it lacks have their defaults."""
    return kind(**{field.name: document[field.name] for field in fields(kind) if field.name in document})


class Collection:
    """One collection, with the operations that we use."""

    def __init__(self, collection: AsyncIOMotorCollection[Document], database: "MongoDatabase") -> None:
        self._collection = collection
        self._database = database

    async def index(self, *fields: str, unique: bool = False) -> None:
        """Create an ascending index, unless it exists."""
        with self._answering():
            await self._collection.create_index([(field, 1) for field in fields], unique=unique)

    async def insert(self, document: Document, *, key: Sequence[str]) -> None:
        """Add a document. If the very same one exists under the unique fields `key`, that is success.

        A cancelled insert may have been written (10 of 180 were), so its retry may meet its own document.
        Raises: Taken.
        """
        with self._answering():
            try:
                await self._collection.insert_one(dict(document))
            except DuplicateKeyError as error:
                same_key = equal(**{field: document[field] for field in key})
                if await self._collection.find_one(same_key, {"_id": 0}) != document:
                    raise Taken from error

    async def insert_all(self, documents: Sequence[Document]) -> None:
        """Add documents, each under an `_id` of its own."""
        with self._answering():
            await self._collection.insert_many(documents)

    async def one(self, condition: Document, order: Order = ()) -> Document | None:
        """The first document that meets a condition."""
        with self._answering():
            found: Document | None = await self._collection.find_one(condition, sort=list(order) or None)
            return found

    async def many(self, condition: Document, order: Order, limit: int = 0) -> list[Document]:
        """The documents that meet a condition, at most `limit` of them; 0 means no limit."""
        with self._answering():
            cursor = self._collection.find(condition, sort=list(order), limit=limit)
            found: list[Document] = await cursor.to_list(None)
            return found

    async def values(self, field: str, condition: Document) -> list[Any]:
        """The different values of a field in the documents that meet a condition."""
        with self._answering():
            found: list[Any] = await self._collection.distinct(field, condition)
            return found

    async def change(
        self, condition: Document, change: Document, *, upsert: bool = False, before: bool = False
    ) -> Document | None:
        """Change one document; returns it as it is now, or as it was `before`, or None if none was found.

        Of two upserts of one document at the same time, the second gets a duplicate key, or from some servers
        no document although it has changed it. It tries again, so a counter can skip a number.
        """
        with self._answering():
            for _ in range(UPSERT_TRIES):
                try:
                    found: Document | None = await self._collection.find_one_and_update(
                        condition, change, upsert=upsert, return_document=not before
                    )
                except DuplicateKeyError:
                    continue
                if found is not None or not upsert:
                    return found
        raise StoreUnavailable("an upsert keeps failing")

    async def change_all(self, condition: Document, change: Document) -> None:
        """Change every document that meets a condition."""
        with self._answering():
            await self._collection.update_many(condition, change)

    async def delete_one(self, condition: Document) -> Document | None:
        """Delete one document; returns it, or None if none met the condition."""
        with self._answering():
            found: Document | None = await self._collection.find_one_and_delete(condition)
            return found

    async def delete(self, condition: Document) -> int:
        """Delete every document that meets a condition; returns how many there were."""
        with self._answering():
            return int((await self._collection.delete_many(condition)).deleted_count)

    async def sums(self, condition: Document, *fields: str) -> Document:
        """How many documents meet a condition ("count"), and the sum of each field over them."""
        found = await self.sums_by(None, condition, *fields)
        return found.get(None) or dict.fromkeys(("count", *fields), 0)

    async def sums_by(self, group_by: str | None, condition: Document, *fields: str) -> dict[Any, Document]:
        """The same for each value that the field `group_by` has in them."""
        group: Document = {"_id": group_by and f"${group_by}", "count": {"$sum": 1}}
        group |= {field: {"$sum": f"${field}"} for field in fields}
        with self._answering():
            cursor = self._collection.aggregate([{"$match": condition}, {"$group": group}])
            return {each.pop("_id"): each for each in await cursor.to_list(None)}

    @contextmanager
    def _answering(self) -> Iterator[None]:
        if (taken := self._database.taken_by) is not None:
            raise StoreInUse(taken.host, taken.pid)
        try:
            yield
        except PyMongoError as error:
            full = isinstance(error, OperationFailure) and error.code == NO_ROOM
            raise (StoreFull if full else StoreUnavailable)(str(error).partition(", Timeout:")[0]) from error


class MongoDatabase:
    """The collections of one database, by name."""

    def __init__(self, database: AsyncIOMotorDatabase[Document]) -> None:
        self._database = database
        self.folder = ""  # id of the folder of bytes that this program works on, once that is known
        self.taken_by: StoreInUse | None = None  # another program that has taken over the database
        # By person, how many writes that change their sums are under way.
        self.changing: Counter[int] = Counter()

    def __getitem__(self, name: str) -> Collection:
        return Collection(self._database[name], self)

    def apart(self) -> "MongoDatabase":
        """The same database, usable also while another program has taken it over."""
        return MongoDatabase(self._database)


@asynccontextmanager
async def connected(uri: str, *, server_selection: int = SERVER_SELECTION) -> AsyncIterator[MongoDatabase]:
    """The database that `uri` names, or else "kernelcord"; nothing is sent yet. Raises: StoreUnavailable."""
    try:
        client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            uri,
            w="majority",
            journal=True,
            serverSelectionTimeoutMS=server_selection,
            connectTimeoutMS=CONNECT,
            tz_aware=True,
        )
    except (PyMongoError, ValueError) as error:
        raise StoreUnavailable(f"the MongoDB URI is wrong: {error}") from error
    try:
        yield MongoDatabase(client.get_default_database(DATABASE))
    finally:
        client.close()
