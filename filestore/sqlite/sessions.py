"""Sessions, usage, settings of servers and messages' cells in SQLite."""

import json
from dataclasses import astuple
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from filestore.errors import NoSuchSession
from filestore.records import (
    EPOCH,
    MessageCell,
    SessionRecord,
    UsageRecord,
    UsageTotal,
    storable_history,
)
from filestore.sqlite.database import SqliteDatabase
from filestore.sqlite.rows import record, to_milliseconds, values
from filestore.sqlite.transcripts import clear

AT_ONCE = 100  # entries, with their outputs, that one transaction deletes while all other writers wait


class SqliteSessions:
    """store.SessionRecords."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def get_or_create(self, session_id: str, user_id: int, place: str, at: datetime) -> SessionRecord:
        new = SessionRecord(session_id, user_id, place, None, at, at)
        created = to_milliseconds(new.created_at)

        def work(connection: Connection) -> SessionRecord:
            connection.execute(
                "INSERT OR IGNORE INTO sessions VALUES (?, ?, ?, NULL, '{}', ?, ?, NULL)",
                (new.session_id, user_id, new.place, created, created),
            )
            query = "SELECT * FROM sessions WHERE session_id = ?"
            return record(SessionRecord, connection.execute(query, (new.session_id,)).fetchone())

        return await self._database.write(work)

    async def get(self, session_id: str) -> SessionRecord | None:
        return next(iter(await self._many("WHERE session_id = ?", session_id)), None)

    async def touch(self, session_id: str, at: datetime) -> None:
        query = "UPDATE sessions SET last_used_at = max(last_used_at, ?) WHERE session_id = ?"
        if not await self._database.change(query, at, session_id):
            raise NoSuchSession(session_id)

    async def touch_all(self, at: datetime) -> None:
        await self._database.change("UPDATE sessions SET last_used_at = max(last_used_at, ?)", at)

    async def set_kernel(self, session_id: str, kernel: str | None) -> None:
        query = "UPDATE sessions SET kernel = ? WHERE session_id = ?"

        def work(connection: Connection) -> None:
            if not connection.execute(query, (kernel, session_id)).rowcount:
                raise NoSuchSession(session_id)

        # A cell begins at the same time, and must not wait.
        await self._database.write_soon(work, len(kernel or ""))

    async def set_history(self, session_id: str, text: str | None) -> None:
        query = "UPDATE sessions SET history = ? WHERE session_id = ?"
        if not await self._database.change(query, storable_history(text), session_id):
            raise NoSuchSession(session_id)

    async def of_user(self, user_id: int) -> list[SessionRecord]:
        return await self._many("WHERE user_id = ? ORDER BY last_used_at DESC, session_id", user_id)

    async def with_history(self, part: str) -> list[SessionRecord]:
        return await self._many("WHERE instr(history, ?) ORDER BY session_id", part)

    async def idle_since(self, before: datetime) -> list[SessionRecord]:
        return await self._many("WHERE last_used_at < ? ORDER BY last_used_at, session_id", before)

    async def unfinished(self, since: datetime) -> list[SessionRecord]:
        return await self._many(
            """WHERE last_used_at > ? AND session_id IN (
                SELECT session_id FROM entries WHERE status = 'running'
            ) ORDER BY last_used_at DESC, session_id""",
            since,
        )

    async def delete(self, session_id: str) -> None:
        def some(connection: Connection) -> int:
            return connection.execute(
                """DELETE FROM entries WHERE rowid IN (
                    SELECT rowid FROM entries WHERE session_id = ? LIMIT ?
                )""",
                (session_id, AT_ONCE),
            ).rowcount

        while await self._database.write(some) == AT_ONCE:  # others can write in between
            pass

        def work(connection: Connection) -> None:
            clear(connection, session_id)
            connection.execute("DELETE FROM counters WHERE session_id = ?", (session_id,))
            connection.execute("DELETE FROM sessions WHERE session_id = ?", (session_id,))

        await self._database.write(work)

    async def erase_deleted(self) -> None:
        await self._database.erase_deleted()

    async def _many(self, condition: str, *given: object) -> list[SessionRecord]:
        query = f"SELECT * FROM sessions {condition}"
        return await self._database.rows(lambda row: record(SessionRecord, row), query, *given)


class SqliteUsage:
    """store.Usage."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def add(self, usage: UsageRecord, *, again: bool = False) -> None:
        row = values(*astuple(usage))
        there = """SELECT 1 FROM usage WHERE user_id = ? AND at = ? AND model = ? AND input_tokens = ?
                   AND output_tokens = ? AND cost = ? AND cell_seconds = ?"""

        def work(connection: Connection) -> None:
            if not (again and connection.execute(there, row).fetchone()):
                connection.execute("INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?)", row)

        await self._database.write(work)

    async def total(self, user_id: int, since: datetime, before: datetime | None = None) -> UsageTotal:
        query = """SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
                   total(cost), total(cell_seconds) FROM usage
                   WHERE user_id = ? AND at >= ? AND at < coalesce(?, 1 << 62)"""
        (total,) = await self._database.rows(lambda row: UsageTotal(*row), query, user_id, since, before)
        return total

    async def forget_person(
        self, user_id: int, *, kept_as: int | None = None, since: datetime = EPOCH
    ) -> None:
        at = to_milliseconds(since)
        keep = "UPDATE usage SET user_id = ?, at = ?, model = '' WHERE user_id = ? AND at >= ?"

        def work(connection: Connection) -> None:
            if kept_as is not None:
                connection.execute(keep, (kept_as, at, user_id, at))
            connection.execute("DELETE FROM usage WHERE user_id = ?", (user_id,))

        await self._database.write(work)

    async def forget_kept(self, before: datetime) -> None:
        await self._database.change("DELETE FROM usage WHERE user_id < 0 AND at < ?", before)


class SqliteServerSettings:
    """store.ServerSettings."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def get(self, server_id: int) -> dict[str, Any]:
        query = "SELECT settings FROM server_settings WHERE server_id = ?"
        return await self._database.first(lambda row: json.loads(row["settings"]), query, server_id) or {}

    async def set(self, server_id: int, settings: dict[str, Any]) -> None:
        query = "INSERT OR REPLACE INTO server_settings VALUES (?, ?)"
        await self._database.change(query, server_id, json.dumps(settings))


class SqliteMessageCells:
    """store.MessageCells."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def set(self, cell: MessageCell) -> None:
        """Written three times an answer, on the way of its cell: it waits for no disk."""
        query = """INSERT OR REPLACE INTO message_cells SELECT ?, ?, ?, ?, ?, ?
                   WHERE EXISTS (SELECT 1 FROM sessions WHERE session_id = ?)"""
        row = (*astuple(cell), cell.session_id)
        await self._database.write_soon(
            lambda connection: connection.execute(query, row), len(cell.session_id) + len(cell.turn)
        )

    async def get(self, message_id: int) -> MessageCell | None:
        return next(iter(await self._many("message_id = ?", message_id)), None)

    async def of_cell(self, session_id: str, seq: int) -> list[MessageCell]:
        return await self._many("session_id = ? AND seq = ?", session_id, seq)

    async def going_on(self, since: int) -> list[MessageCell]:
        return await self._many("message_id >= ? AND (first > 0 OR turn != '')", since)

    async def _many(self, condition: str, *given: object) -> list[MessageCell]:
        query = f"SELECT * FROM message_cells WHERE {condition} ORDER BY message_id"
        return await self._database.rows(lambda row: MessageCell(*row), query, *given)
