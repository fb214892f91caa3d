"""The store in one SQLite file: the default, which needs no server.

async with open_sqlite(path) as store: ...
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from filestore.sqlite.database import Waits, opened
from filestore.sqlite.files import SqliteFiles, SqliteShares
from filestore.sqlite.identity import SqliteIdentity
from filestore.sqlite.sessions import SqliteMessageCells, SqliteServerSettings, SqliteSessions, SqliteUsage
from filestore.sqlite.transcripts import SqliteTranscripts
from filestore.store import Store


@asynccontextmanager
async def open_sqlite(path: Path, waits: Waits | None = None) -> AsyncIterator[Store]:
    """The store at `path`; its folder (0700) and file (0600) are created. Raises: StoreUnavailable."""
    async with opened(path, waits) as database:
        yield Store(
            SqliteIdentity(database),
            SqliteFiles(database),
            SqliteShares(database),
            SqliteTranscripts(database),
            SqliteSessions(database),
            SqliteUsage(database),
            SqliteServerSettings(database),
            SqliteMessageCells(database),
        )
