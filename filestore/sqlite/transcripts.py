"""Transcripts in SQLite: an entry is a row, each output of a cell is a row of its own (up to 1 GB)."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from sqlite3 import Connection, Row

from filestore.errors import NoSuchCell
from filestore.records import RUNNING, CellRecord, Output, Said
from filestore.sqlite.database import SMALL, Database
from filestore.sqlite.moments import from_milliseconds, to_milliseconds

ROW = 100  # characters that a row of its own costs in time


class SqliteTranscripts:
    """store.Transcripts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def say(self, session_id: str, place: str, author: str, markdown: str, at: datetime) -> Said:
        said = Said(session_id, 0, place, author, markdown, at)

        def work(connection: Connection) -> Said:
            numbered = replace(said, seq=_next_seq(connection, said.session_id))
            _insert(connection, numbered)
            return numbered

        return await self._database.write(work)

    async def begin_cell(
        self, session_id: str, place: str, author: str, code: str, at: datetime
    ) -> CellRecord:
        cell = CellRecord(session_id, 0, place, author, code, (), RUNNING, at)

        def work(connection: Connection) -> CellRecord:
            numbered = replace(cell, seq=_next_seq(connection, cell.session_id))
            _insert(connection, numbered)
            return numbered

        return await self._database.write_soon(work, len(code))

    async def restore(self, entry: Said | CellRecord) -> int:
        def work(connection: Connection) -> int:
            connection.execute(
                """INSERT INTO counters VALUES (?, ?)
                   ON CONFLICT (session_id) DO UPDATE SET seq = max(seq, excluded.seq)""",
                (entry.session_id, entry.seq),
            )
            there = connection.execute(
                "SELECT kind, text, at FROM entries WHERE session_id = ? AND seq = ?",
                (entry.session_id, entry.seq),
            ).fetchone()
            if there is not None and tuple(there) == _essence(entry):
                return entry.seq
            numbered = replace(entry, seq=_next_seq(connection, entry.session_id)) if there else entry
            _insert(connection, numbered)
            return numbered.seq

        return await self._database.write(work)

    async def last_seq(self, session_id: str | None = None) -> int:
        query = "SELECT coalesce(max(seq), 0) FROM counters WHERE session_id = coalesce(?, session_id)"
        return await self._database.read(
            lambda connection: int(connection.execute(query, (session_id,)).fetchone()[0])
        )

    async def append_outputs(
        self,
        session_id: str,
        seq: int,
        outputs: Sequence[Output],
        file_ids: Sequence[str] = (),
        *,
        batch: str = "",
    ) -> None:
        def work(connection: Connection) -> None:
            _join_files(connection, session_id, seq, file_ids)
            known = "SELECT 1 FROM outputs WHERE session_id = ? AND seq = ? AND batch = ?"
            if not (batch and connection.execute(known, (session_id, seq, batch)).fetchone()):
                _append(connection, session_id, seq, outputs, batch)

        await self._database.write(work)

    async def finish_cell(
        self,
        session_id: str,
        seq: int,
        *,
        status: str,
        outputs: Sequence[Output] | None = None,
        execution_time: float | None = None,
        execution_count: int | None = None,
        file_ids: Sequence[str] = (),
    ) -> None:
        def work(connection: Connection) -> None:
            _join_files(connection, session_id, seq, file_ids)
            connection.execute(
                """UPDATE entries SET status = ?, execution_time = ?, execution_count = ?
                   WHERE session_id = ? AND seq = ?""",
                (status, execution_time, execution_count, session_id, seq),
            )
            if outputs is not None:
                connection.execute("DELETE FROM outputs WHERE session_id = ? AND seq = ?", (session_id, seq))
                _append(connection, session_id, seq, outputs)

        await self._database.write_soon(work, sum(map(_size, outputs or ())))

    async def entries(
        self, session_id: str, *, after: int = 0, limit: int = 1000, place: str | None = None
    ) -> list[Said | CellRecord]:
        query = """SELECT * FROM entries WHERE session_id = ? AND seq > ? AND place = coalesce(?, place)
                   ORDER BY seq LIMIT ?"""
        return await self._database.read(
            lambda connection: _records(
                connection, connection.execute(query, (session_id, after, place, limit))
            )
        )

    async def unfinished(self, session_id: str) -> list[CellRecord]:
        query = "SELECT * FROM entries WHERE session_id = ? AND status = ? ORDER BY seq"
        records = await self._database.read(
            lambda connection: _records(connection, connection.execute(query, (session_id, RUNNING)))
        )
        return [record for record in records if isinstance(record, CellRecord)]

    async def clear(self, session_id: str) -> None:
        await self._database.write(lambda connection: clear(connection, session_id))


def clear(connection: Connection, session_id: str) -> None:
    """Delete a session's entries and its messages' cells; its counter goes on."""
    connection.execute("DELETE FROM entries WHERE session_id = ?", (session_id,))
    connection.execute("DELETE FROM message_cells WHERE session_id = ?", (session_id,))


def _next_seq(connection: Connection, session_id: str) -> int:
    seq: int = connection.execute(
        """INSERT INTO counters VALUES (?, 1)
           ON CONFLICT (session_id) DO UPDATE SET seq = seq + 1 RETURNING seq""",
        (session_id,),
    ).fetchone()[0]
    return seq


def _essence(entry: Said | CellRecord) -> tuple[str, str, int]:
    """What tells an entry from another: its kind, its text, its moment."""
    if isinstance(entry, Said):
        return "said", entry.markdown, to_milliseconds(entry.at)
    return "cell", entry.code, to_milliseconds(entry.started_at)


def _insert(connection: Connection, entry: Said | CellRecord) -> None:
    """Add an entry; a cell that has just begun."""
    kind, text, at = _essence(entry)
    status = entry.status if isinstance(entry, CellRecord) else None
    connection.execute(
        """INSERT INTO entries (session_id, seq, kind, place, author, text, at, status)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (entry.session_id, entry.seq, kind, entry.place, entry.author, text, at, status),
    )


def _join_files(connection: Connection, session_id: str, seq: int, file_ids: Sequence[str]) -> None:
    row = connection.execute(
        "SELECT file_ids FROM entries WHERE session_id = ? AND seq = ? AND kind = 'cell'", (session_id, seq)
    ).fetchone()
    if row is None:
        raise NoSuchCell(session_id, seq)
    joined = list(dict.fromkeys([*json.loads(row["file_ids"]), *file_ids]))
    connection.execute(
        "UPDATE entries SET file_ids = ? WHERE session_id = ? AND seq = ?",
        (json.dumps(joined), session_id, seq),
    )


def _append(
    connection: Connection, session_id: str, seq: int, outputs: Sequence[Output], batch: str = ""
) -> None:
    last = connection.execute(
        "SELECT coalesce(max(position), 0) FROM outputs WHERE session_id = ? AND seq = ?", (session_id, seq)
    ).fetchone()[0]
    connection.executemany(
        "INSERT INTO outputs VALUES (?, ?, ?, ?, ?)",
        [
            (session_id, seq, position, json.dumps(output), batch)
            for position, output in enumerate(outputs, start=last + 1)
        ],
    )


def _size(output: Output) -> int:
    """About how many characters an output is, and its row. What is no text may hold anything: it is many."""
    parts = [*output.get("traceback", ()), *output.get("data", {}).values()]
    parts += [output.get(name, "") for name in ("text", "ename", "evalue")]
    return ROW + sum(len(part) if isinstance(part, str) else SMALL + 1 for part in parts)


def _records(connection: Connection, rows: Iterable[Row]) -> list[Said | CellRecord]:
    found = list(rows)
    if not found:
        return []
    outputs: defaultdict[int, list[Output]] = defaultdict(list)
    for row in connection.execute(
        "SELECT seq, json FROM outputs WHERE session_id = ? AND seq BETWEEN ? AND ? ORDER BY seq, position",
        (found[0]["session_id"], found[0]["seq"], found[-1]["seq"]),
    ):
        outputs[row["seq"]].append(json.loads(row["json"]))
    return [_record(row, outputs[row["seq"]]) for row in found]


def _record(row: Row, outputs: Sequence[Output]) -> Said | CellRecord:
    at = from_milliseconds(row["at"])
    if row["kind"] == "said":
        return Said(row["session_id"], row["seq"], row["place"], row["author"], row["text"], at)
    return CellRecord(
        session_id=row["session_id"],
        seq=row["seq"],
        place=row["place"],
        author=row["author"],
        code=row["text"],
        outputs=tuple(outputs),
        status=row["status"],
        started_at=at,
        execution_time=row["execution_time"],
        execution_count=row["execution_count"],
        file_ids=tuple(json.loads(row["file_ids"])),
    )
