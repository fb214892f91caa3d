"""`user_files` and their shares in SQLite; each method is one transaction."""

from collections.abc import Collection
from dataclasses import astuple, fields, replace
from datetime import datetime
from sqlite3 import Connection, IntegrityError, Row

from filestore.errors import FileIdTaken, QuotaExceeded, TooManyFiles
from filestore.records import EPOCH, Cursor, StoredFile
from filestore.sqlite.database import SqliteDatabase
from filestore.sqlite.rows import record, to_milliseconds, values
from filestore.sqlite.schema import COUNTED

COLUMNS = tuple(field.name for field in fields(StoredFile))
_INSERT = f"INSERT INTO user_files ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


class SqliteFiles:
    """store.FileRecords.

    A "+" before a column keeps SQLite from using its index, with which it would sort all files of a person.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def add(self, file: StoredFile, *, quota: int, most: int | None = None) -> StoredFile:
        here = replace(file, folder=self._database.folder)
        return await self._database.write(lambda connection: _add(connection, here, quota, most))

    async def readable(self, file_id: str, user_id: int, now: datetime) -> StoredFile | None:
        query = """SELECT * FROM user_files WHERE file_id = ? AND expires_at > ? AND (user_id = ? OR EXISTS (
                   SELECT 1 FROM shares WHERE shares.file_id = user_files.file_id AND shares.user_id = ?))"""
        return await self._database.first(_stored_file, query, file_id, now, user_id, user_id)

    async def named(
        self, filename: str, user_id: int, now: datetime, session_id: str | None = None
    ) -> StoredFile | None:
        order = "number DESC" if session_id is None else "version DESC"
        query = f"""SELECT * FROM user_files WHERE user_id = ? AND filename = ? AND +expires_at > ?
                    AND session_id = coalesce(?, session_id) ORDER BY {order} LIMIT 1"""
        return await self._database.first(_stored_file, query, user_id, filename, now, session_id)

    async def page(
        self,
        user_id: int,
        now: datetime,
        *,
        limit: int,
        after: Cursor | None = None,
        session_id: str | None = None,
    ) -> list[StoredFile]:
        older, place = ("AND number < ?", (after.number,)) if after else ("", ())
        query = f"""SELECT * FROM user_files WHERE user_id = ? AND +expires_at > ?
                    AND session_id = coalesce(?, session_id) {older} ORDER BY number DESC LIMIT ?"""
        return await self._database.rows(_stored_file, query, user_id, now, session_id, *place, limit)

    async def extend(
        self, file_id: str, user_id: int, now: datetime, expires_at: datetime
    ) -> StoredFile | None:
        return await self._set_expiry("max(expires_at, ?)", expires_at, file_id, user_id, now)

    async def used(self, user_id: int, now: datetime, *, outputs: bool = True) -> int:
        def work(connection: Connection) -> int:
            query = "SELECT output_bytes FROM people WHERE user_id = ?"
            row = None if outputs else connection.execute(query, (user_id,)).fetchone()
            return taken(connection, user_id, now)[1] - (row[0] if row else 0)

        return await self._database.read(work)

    async def recount(self) -> int:
        sums = ("SELECT * FROM people", COUNTED)
        kept, counted = await self._database.read(
            lambda connection: [
                {row[0]: tuple(row) for row in connection.execute(query) if any(row[1:])} for query in sums
            ]
        )
        wrong = [
            user_id for user_id in kept.keys() | counted.keys() if kept.get(user_id) != counted.get(user_id)
        ]

        def work(connection: Connection) -> None:
            connection.execute("DELETE FROM people")
            connection.execute(f"INSERT INTO people {COUNTED}")

        if wrong:
            await self._database.write(work)
        return len(wrong)

    async def condemn(self, file_id: str, user_id: int, now: datetime) -> StoredFile | None:
        return await self._set_expiry("?", EPOCH, file_id, user_id, now)

    async def condemn_all(self, user_id: int, session_id: str | None = None) -> None:
        query = """UPDATE user_files SET expires_at = ?
                   WHERE user_id = ? AND session_id = coalesce(?, session_id)"""
        await self._database.change(query, EPOCH, user_id, session_id)

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
        chosen = values(EPOCH, now, after, user_id, session_id, folder, limit)

        def work(connection: Connection) -> list[StoredFile]:
            rows = connection.execute(
                """UPDATE user_files SET expires_at = ? WHERE file_id IN (
                       SELECT file_id FROM user_files WHERE expires_at <= ? AND file_id > ?
                       AND user_id = coalesce(?, user_id) AND session_id = coalesce(?, session_id)
                       AND folder IN ('', coalesce(?, folder))
                       ORDER BY file_id LIMIT ?) RETURNING *""",
                chosen,
            ).fetchall()
            return sorted(map(_stored_file, rows), key=lambda file: file.file_id)

        return await self._database.write(work)

    async def remove(self, file_ids: Collection[str]) -> int:
        def work(connection: Connection) -> int:
            return connection.executemany(
                "DELETE FROM user_files WHERE file_id = ?", [(file_id,) for file_id in file_ids]
            ).rowcount

        return await self._database.write(work)

    async def known_keys(self, blob_keys: Collection[str]) -> set[str]:
        def work(connection: Connection) -> set[str]:
            query = """SELECT 1 FROM user_files WHERE blob_key = ?
                       UNION ALL SELECT 1 FROM outputs WHERE blob_key = ?"""
            return {key for key in blob_keys if connection.execute(query, (key, key)).fetchone()}

        return await self._database.read(work)

    async def batch(self, *, after: str = "", limit: int = 500) -> list[StoredFile]:
        query = "SELECT * FROM user_files WHERE file_id > ? ORDER BY file_id LIMIT ?"
        return await self._database.rows(_stored_file, query, after, limit)

    async def _set_expiry(
        self, how: str, expires_at: datetime, file_id: str, user_id: int, now: datetime
    ) -> StoredFile | None:
        query = f"""UPDATE user_files SET expires_at = {how}
                    WHERE file_id = ? AND user_id = ? AND expires_at > ? RETURNING *"""

        def work(connection: Connection) -> StoredFile | None:
            row = connection.execute(query, values(expires_at, file_id, user_id, now)).fetchone()
            return _stored_file(row) if row else None

        return await self._database.write(work)


class SqliteShares:
    """store.Shares."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def add(self, file_id: str, owner_id: int, user_id: int, now: datetime) -> bool:
        def work(connection: Connection) -> bool:
            own = "SELECT 1 FROM user_files WHERE file_id = ? AND user_id = ? AND expires_at > ?"
            if not connection.execute(own, values(file_id, owner_id, now)).fetchone():
                return False
            connection.execute("INSERT OR IGNORE INTO shares VALUES (?, ?)", (file_id, user_id))
            return True

        return await self._database.write(work)

    async def remove(self, file_id: str, owner_id: int, user_id: int) -> bool:
        query = """DELETE FROM shares WHERE file_id = ? AND user_id = ?
                   AND EXISTS (SELECT 1 FROM user_files WHERE file_id = shares.file_id AND user_id = ?)"""
        return await self._database.change(query, file_id, user_id, owner_id) > 0

    async def people(self, file_id: str) -> tuple[int, ...]:
        query = "SELECT user_id FROM shares WHERE file_id = ? ORDER BY user_id"
        return tuple(await self._database.rows(lambda row: row["user_id"], query, file_id))

    async def forget_person(self, user_id: int) -> None:
        await self._database.change("DELETE FROM shares WHERE user_id = ?", user_id)


def _add(connection: Connection, file: StoredFile, quota: int, most: int | None) -> StoredFile:
    versions = "FROM user_files WHERE user_id = ? AND session_id = ? AND filename = ?"
    name = (file.user_id, file.session_id, file.filename)
    now = to_milliseconds(file.uploaded_at)
    newest = connection.execute(
        f"SELECT * {versions} AND +expires_at > ? ORDER BY version DESC LIMIT 1", (*name, now)
    ).fetchone()
    if newest and newest["sha256"] == file.sha256:
        row = connection.execute(
            "UPDATE user_files SET expires_at = max(expires_at, ?) WHERE file_id = ? RETURNING *",
            values(file.expires_at, newest["file_id"]),
        ).fetchone()
        return _stored_file(row)
    files, used = taken(connection, file.user_id, file.uploaded_at)
    if most is not None and files >= most:
        raise TooManyFiles(most)
    if used + file.file_size > quota:
        raise QuotaExceeded(used, quota, file.file_size)
    last = connection.execute(f"SELECT coalesce(max(version), 0) {versions}", name).fetchone()[0]
    highest = "SELECT coalesce(max(number), 0) FROM user_files WHERE user_id = ?"
    number = connection.execute(highest, (file.user_id,)).fetchone()[0] + 1
    numbered = replace(file, version=last + 1, number=number)
    try:
        connection.execute(_INSERT, values(*astuple(numbered)))
    except IntegrityError as error:  # versions cannot collide, since transactions take turns: it is the id
        raise FileIdTaken(file.file_id) from error
    return numbered


def taken(connection: Connection, user_id: int, now: datetime) -> tuple[int, int]:
    """How many unexpired files a person has, and the bytes of these and of the person's transcripts."""
    kept = connection.execute(
        "SELECT files, file_bytes + text_bytes + output_bytes FROM people WHERE user_id = ?", (user_id,)
    ).fetchone()
    expired = connection.execute(
        """SELECT count(*), coalesce(sum(file_size), 0) FROM user_files
           WHERE user_id = ? AND expires_at <= ?""",
        values(user_id, now),
    ).fetchone()
    files, size = kept or (0, 0)
    return files - expired[0], size - expired[1]


def _stored_file(row: Row) -> StoredFile:
    return record(StoredFile, row)
