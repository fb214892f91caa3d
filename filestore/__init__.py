"""Keep people's files, and the transcripts of their sessions.

    async with open_store(data_dir) as store:                       # or open_store(data_dir, mongodb_uri=...)
        files = FileStore(store, Blobs(data_dir / "files"), clock=clock)
        stored = await files.put(user_id, session_id, "data.csv", content, source="generated")
        cell = await store.transcripts.begin_cell(session_id, place, author, code, at)

This package knows the database and the disk, but nothing of kernels or Discord. It reads no environment
variable.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from filestore.sqlite import open_sqlite
from filestore.store import Store

__all__ = ["Store", "open_store"]


@asynccontextmanager
async def open_store(data_dir: Path, *, mongodb_uri: str | None = None) -> AsyncIterator[Store]:
    """The store: the file "kernelcord.db" in `data_dir`, or the MongoDB database that a URI names.

    Raises:
        StoreUnavailable: the file cannot be used, or the server does not answer within 5 s.
        StoreInUse: another program works with the MongoDB database. If that program was killed, this is known
            at once on the same machine, and within half a minute on another.
    """
    if mongodb_uri is None:
        async with open_sqlite(data_dir / "kernelcord.db") as store:
            yield store
    else:
        from filestore.mongo import open_mongo  # its driver is slow to load, and few need it
        from filestore.mongo.lease import LeasePace

        async with open_mongo(mongodb_uri, LeasePace()) as store:
            yield store
