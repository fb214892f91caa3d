"""The identity of a database in SQLite."""

from sqlite3 import Connection

from filestore.sqlite.database import SqliteDatabase


class SqliteIdentity:
    """store.Identity."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def id(self) -> str:
        (own,) = await self._database.rows(lambda row: str(row["id"]), "SELECT id FROM identity")
        return own

    async def begin_run(self, folder: str, run: str) -> str:
        def work(connection: Connection) -> str:
            row = connection.execute("SELECT run FROM folders WHERE folder = ?", (folder,)).fetchone()
            connection.execute("INSERT OR REPLACE INTO folders VALUES (?, ?)", (folder, run))
            return row[0] if row else ""

        before = await self._database.write(work)
        self._database.folder = folder
        return before
