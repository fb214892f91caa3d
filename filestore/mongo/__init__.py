"""The store in MongoDB, for when several machines share it.

async with open_mongo("mongodb://127.0.0.1/kernelcord") as store: ...
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from filestore.mongo.database import SERVER_SELECTION, connected
from filestore.mongo.files import MongoFiles, MongoShares
from filestore.mongo.identity import MongoIdentity
from filestore.mongo.lease import LeasePace, held
from filestore.mongo.sessions import MongoMessageCells, MongoServerSettings, MongoSessions, MongoUsage
from filestore.mongo.transcripts import AT_ONCE, MongoTranscripts
from filestore.mongo.upgrade import upgrade
from filestore.store import Store

# There is no TTL index, which would delete a document and orphan its bytes. The janitor deletes both.
UNIQUE = (
    ("user_files", "file_id"),
    ("user_files", "blob_key"),
    ("user_files", "user_id", "session_id", "filename", "version"),
    ("entries", "session_id", "seq"),
    ("texts", "text", "part"),
    ("sessions", "session_id"),
)
INDEXES = (
    ("user_files", "user_id", "number", "uploaded_at", "file_id"),
    ("user_files", "expires_at"),
    ("user_files", "user_id", "expires_at"),
    ("user_files", "shared_with"),
    ("entries", "status", "session_id"),
    ("texts", "session_id"),
    ("outside", "session_id"),
    ("outside", "owner", "order"),
    ("sessions", "user_id", "last_used_at"),
    ("sessions", "last_used_at"),
    ("usage", "user_id", "at"),
    ("message_cells", "session_id"),
)


@asynccontextmanager
async def open_mongo(
    uri: str,
    pace: LeasePace | None = None,
    *,
    server_selection: int = SERVER_SELECTION,
    at_once: int = AT_ONCE,
) -> AsyncIterator[Store]:
    """The store in the database that `uri` names, "kernelcord" when it names none; indexes are created first.

    With `pace` this program has the database to itself. Raises: StoreInUse; StoreUnavailable if the URI is
    wrong, or if the server does not answer within `server_selection` ms. To make room, up to `at_once` large
    outputs are shortened at once.
    """
    async with connected(uri, server_selection=server_selection) as database:
        for name, *fields in UNIQUE:
            await database[name].index(*fields, unique=True)
        for name, *fields in INDEXES:
            await database[name].index(*fields)
        await upgrade(database)
        async with held(database, pace) if pace is not None else nullcontext():
            yield Store(
                MongoIdentity(database),
                MongoFiles(database),
                MongoShares(database),
                MongoTranscripts(database, at_once=at_once),
                MongoSessions(database),
                MongoUsage(database),
                MongoServerSettings(database),
                MongoMessageCells(database),
            )
