"""Keep people's files, and the transcripts of their sessions.

    async with open_store(data_dir) as store:                       # or open_store(data_dir, mongodb_uri=...)
        files = FileStore(store, LocalBlobs(data_dir / "files"), clock=clock)
        stored = await files.put(user_id, session_id, "data.csv", content, source="generated")
        cell = await store.transcripts.begin_cell(session_id, place, author, code, at)

It knows the database and the disk, nothing of kernels or Discord, and reads no environment.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from filestore.blobs.store import Blobs, LocalBlobs
from filestore.errors import (
    BlobExists,
    BlobMissing,
    BytesRefused,
    FileIdTaken,
    FileStoreError,
    FileTooLarge,
    NoSuchCell,
    NoSuchFile,
    NoSuchSession,
    NotRecordedYet,
    QuotaExceeded,
    SpoolFull,
    StoreDamaged,
    StoreFull,
    StoreInUse,
    StoreTooNew,
    StoreUnavailable,
    TooManyFiles,
)
from filestore.files import FileStore
from filestore.filetypes import file_type
from filestore.janitor import Janitor, Swept
from filestore.outputs import LargeOutputs
from filestore.records import (
    CellRecord,
    Cursor,
    FilePage,
    LoadedFile,
    MessageCell,
    OpenFile,
    Said,
    SessionRecord,
    StoredFile,
    UsageRecord,
    UsageTotal,
    Waiting,
)
from filestore.sqlite import open_sqlite
from filestore.store import Store

__all__ = [
    "BlobExists",
    "BlobMissing",
    "Blobs",
    "BytesRefused",
    "CellRecord",
    "Cursor",
    "FileIdTaken",
    "FilePage",
    "FileStore",
    "FileStoreError",
    "FileTooLarge",
    "Janitor",
    "LargeOutputs",
    "LoadedFile",
    "LocalBlobs",
    "MessageCell",
    "NoSuchCell",
    "NoSuchFile",
    "NoSuchSession",
    "NotRecordedYet",
    "OpenFile",
    "QuotaExceeded",
    "Said",
    "SessionRecord",
    "SpoolFull",
    "Store",
    "StoreDamaged",
    "StoreFull",
    "StoreInUse",
    "StoreTooNew",
    "StoreUnavailable",
    "StoredFile",
    "Swept",
    "TooManyFiles",
    "UsageRecord",
    "UsageTotal",
    "Waiting",
    "file_type",
    "open_store",
]


@asynccontextmanager
async def open_store(data_dir: Path, *, mongodb_uri: str | None = None) -> AsyncIterator[Store]:
    """The store: the file "kernelcord.db" in `data_dir`, or the MongoDB database that a URI names.

    Raises:
        StoreUnavailable: the file cannot be used, or the server does not answer within 5 s.
        StoreInUse: another program works with the MongoDB database. That it was killed shows at once on its
            own machine, within half a minute on another.
    """
    if mongodb_uri is None:
        async with open_sqlite(data_dir / "kernelcord.db") as store:
            yield store
    else:
        from filestore.mongo import open_mongo  # only who uses it waits for its driver to load

        async with open_mongo(mongodb_uri) as shared_store, shared_store.identity.held():
            yield shared_store
