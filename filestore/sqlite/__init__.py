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
from filestore.sqlite.transcripts import AT_ONCE, SqliteTranscripts
from filestore.store import Store


@asynccontextmanager
async def open_sqlite(
    path: Path, waits: Waits | None = None, *, at_once: int = AT_ONCE
) -> AsyncIterator[Store]:
    """The store at `path`; its folder (0700) and file (0600) are created. Raises: StoreUnavailable.

    To make room, up to `at_once` large outputs are shortened in one transaction.
    """
    async with opened(path, waits) as database:
        yield Store(
            SqliteIdentity(database),
            SqliteFiles(database),
            SqliteShares(database),
            SqliteTranscripts(database, at_once=at_once),
            SqliteSessions(database),
            SqliteUsage(database),
            SqliteServerSettings(database),
            SqliteMessageCells(database),
        )
