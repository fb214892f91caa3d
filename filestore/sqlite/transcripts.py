"""Transcripts in SQLite: an entry is a row, and so are the outputs of each write of a cell (up to 1 GB)."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from sqlite3 import Connection, Row
from typing import Unpack

from filestore.errors import NoSuchCell
from filestore.outputs.outside import all_outputs
from filestore.outputs.short import MADE_ROOM, note, short, size_of
from filestore.records import (
    IN_A_ROW,
    MOST_ENTRIES,
    RUNNING,
    Appended,
    CellEnding,
    CellRecord,
    Copyable,
    Finished,
    Output,
    OutsideOutputs,
    QuotaRoom,
    Said,
    Wanted,
)
from filestore.sqlite import copies
from filestore.sqlite.database import SqliteDatabase
from filestore.sqlite.files import taken
from filestore.sqlite.rows import from_milliseconds, to_milliseconds
from filestore.sqlite.schema import LARGE

AT_ONCE = 200  # large outputs shortened in one transaction, while other writers wait
EACH = 100  # characters that take as long to write as one output does without its content


class SqliteTranscripts:
    """store.Transcripts; `make_room` shortens up to `at_once` large outputs a call."""

    def __init__(self, database: SqliteDatabase, *, at_once: int = AT_ONCE) -> None:
        self._database = database
        self._at_once = at_once

    async def say(self, session_id: str, place: str, author: str, markdown: str, at: datetime) -> Said:
        said = Said(session_id, 0, place, author, markdown, at)

        return await self._database.write(partial(self._add, said))

    async def begin_cell(
        self, session_id: str, place: str, author: str, code: str, at: datetime, *, least: int = 1
    ) -> CellRecord:
        cell = CellRecord(session_id, 0, place, author, code, (), RUNNING, at)
        return await self._database.write_soon(partial(self._add, cell, least=least), len(code))

    def _add[Entry: (Said, CellRecord)](self, entry: Entry, connection: Connection, least: int = 1) -> Entry:
        numbered = replace(entry, seq=_next_seq(connection, entry.session_id, least))
        _insert(connection, numbered, self._database.folder)
        return numbered

    async def restore(self, entry: Said | CellRecord) -> int:
        def work(connection: Connection) -> int:
            connection.execute(
                """INSERT INTO counters VALUES (?, ?)
                   ON CONFLICT (session_id) DO UPDATE SET seq = max(seq, excluded.seq)""",
                (entry.session_id, entry.seq),
            )
            there = connection.execute(
                "SELECT kind, text, at, author FROM entries WHERE session_id = ? AND seq = ?",
                (entry.session_id, entry.seq),
            ).fetchone()
            if there is not None and tuple(there) == (*_essence(entry), entry.author):
                return entry.seq
            if there is not None:  # an earlier program may have given it a new number already
                moved = connection.execute(
                    """SELECT seq FROM entries WHERE session_id = ? AND seq > ?
                       AND kind = ? AND text = ? AND at = ? AND author = ?""",
                    (entry.session_id, entry.seq, *_essence(entry), entry.author),
                ).fetchone()
                if moved is not None:
                    return int(moved["seq"])
            numbered = replace(entry, seq=_next_seq(connection, entry.session_id)) if there else entry
            _insert(connection, numbered, self._database.folder)
            return numbered.seq

        return await self._database.write(work)

    async def last_seq(self, session_id: str | None = None) -> int:
        query = "SELECT coalesce(max(seq), 0) FROM counters WHERE session_id = coalesce(?, session_id)"
        (last,) = await self._database.rows(lambda row: int(row[0]), query, session_id)
        return last

    async def append_outputs(
        self, session_id: str, seq: int, outputs: Sequence[Output], **more: Unpack[Appended]
    ) -> Finished:
        batch, outside = more.get("batch", ""), more.get("outside")

        def work(connection: Connection) -> Finished:
            _join_files(connection, session_id, seq, more.get("file_ids", ()))
            known = "SELECT rowid, blob_key FROM outputs WHERE session_id = ? AND seq = ? AND batch = ?"
            if batch and (row := connection.execute(known, (session_id, seq, batch)).fetchone()):
                return _replaced(connection, row, outside)
            _append(connection, session_id, seq, outputs, outside, batch)
            return Finished()

        return await self._database.write(work)

    async def finish_cell(self, session_id: str, seq: int, **ending: Unpack[CellEnding]) -> Finished:
        outputs = ending.get("outputs")
        told = (ending["status"], ending.get("execution_time"), ending.get("execution_count"))

        def work(connection: Connection) -> Finished:
            changed = connection.execute(
                """UPDATE entries SET status = ?, execution_time = ?, execution_count = ?
                   WHERE session_id = ? AND seq = ? AND kind = 'cell'""",
                (*told, session_id, seq),
            ).rowcount
            if not changed:
                raise NoSuchCell(session_id, seq)
            if file_ids := ending.get("file_ids"):
                _join_files(connection, session_id, seq, file_ids)
            if outputs is None:
                return Finished()
            dropped = connection.execute(
                "DELETE FROM outputs WHERE session_id = ? AND seq = ? RETURNING blob_key", (session_id, seq)
            ).fetchall()
            _append(connection, session_id, seq, outputs, ending.get("outside"))
            return Finished(dropped=tuple(row[0] for row in dropped if row[0] is not None))

        shown = outputs or ()
        return await self._database.write_soon(work, size_of(shown) + EACH * len(shown))

    async def mark(self, session_id: str, seqs: Sequence[int], undone: bool) -> None:
        change = "UPDATE entries SET undone = ? WHERE session_id = ? AND seq = ? AND kind = 'cell'"
        rows = [(undone, session_id, seq) for seq in seqs]
        await self._database.write(lambda connection: connection.executemany(change, rows))

    async def copyable(self, session_id: str, to: str, upto: int) -> Copyable:
        return await self._database.read(partial(copies.copyable, session_id, to, upto))

    async def copy(self, session_id: str, to: str, upto: int) -> int:
        return await copies.copy(self._database, session_id, to, upto)

    async def entries(self, session_id: str, **wanted: Unpack[Wanted]) -> list[Said | CellRecord]:
        query = """SELECT * FROM entries WHERE session_id = ? AND seq > ? AND place = coalesce(?, place)
                   ORDER BY seq LIMIT ?"""
        chosen = (session_id, wanted.get("after", 0), wanted.get("place"), wanted.get("limit", MOST_ENTRIES))
        return await self._database.read(
            lambda connection: _records(connection, query, *chosen, brief=wanted.get("brief", False))
        )

    async def newest(
        self, session_id: str, *, before: int | None = None, limit: int = 50, place: str | None = None
    ) -> list[Said | CellRecord]:
        query = """SELECT * FROM entries WHERE session_id = ? AND seq < coalesce(?, 1 << 62)
                   AND place = coalesce(?, place) ORDER BY seq DESC LIMIT ?"""
        return await self._database.read(
            lambda connection: _records(connection, query, session_id, before, place, limit, brief=True)
        )

    def outputs(self, cell: CellRecord) -> AsyncIterator[Output]:
        return all_outputs(cell, partial(self._in_row, cell))

    async def _in_row(self, cell: CellRecord, part: OutsideOutputs) -> AsyncIterator[Output]:
        if part.row is not None:
            row = (cell.session_id, cell.seq, int(part.row))
            for output in await self._database.read(partial(_outputs_of_row, row)):
                yield output

    async def unfinished(self, session_id: str) -> list[CellRecord]:
        query = "SELECT * FROM entries WHERE session_id = ? AND status = ? AND folder IN ('', ?) ORDER BY seq"
        records = await self._database.read(
            lambda connection: _records(connection, query, session_id, RUNNING, self._database.folder)
        )
        return [record for record in records if isinstance(record, CellRecord)]

    async def kept_outside(self, session_id: str) -> list[str]:
        query = "SELECT blob_key FROM outputs WHERE session_id = ? AND blob_key IS NOT NULL"
        return await self._database.rows(lambda row: row["blob_key"], query, session_id)

    async def make_room(self, user_id: int, size: int, quota: int, now: datetime) -> QuotaRoom:
        return await self._database.write(
            lambda connection: _make_room(connection, user_id, size, quota, now, self._at_once)
        )

    async def clear(self, session_id: str) -> None:
        await self._database.write(lambda connection: clear(connection, session_id))


def clear(connection: Connection, session_id: str) -> None:
    """Delete a session's entries, and which messages made them; its counter goes on."""
    connection.execute("DELETE FROM entries WHERE session_id = ?", (session_id,))
    connection.execute("DELETE FROM message_cells WHERE session_id = ?", (session_id,))


def _next_seq(connection: Connection, session_id: str, least: int = 1) -> int:
    seq: int = connection.execute(
        """INSERT INTO counters VALUES (?, ?)
           ON CONFLICT (session_id) DO UPDATE SET seq = max(seq + 1, excluded.seq) RETURNING seq""",
        (session_id, least),
    ).fetchone()[0]
    return seq


def _essence(entry: Said | CellRecord) -> tuple[str, str, int]:
    """What distinguishes an entry from others: its kind, its text and its moment."""
    if isinstance(entry, Said):
        return "said", entry.markdown, to_milliseconds(entry.at)
    return "cell", entry.code, to_milliseconds(entry.started_at)


def _insert(connection: Connection, entry: Said | CellRecord, folder: str) -> None:
    """Add an entry: words, or a cell that has just begun."""
    kind, text, at = _essence(entry)
    status, undone = (entry.status, entry.undone) if isinstance(entry, CellRecord) else (None, False)
    connection.execute(
        """INSERT INTO entries (session_id, seq, kind, place, author, text, at, status, folder, undone)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (entry.session_id, entry.seq, kind, entry.place, entry.author, text, at, status, folder, undone),
    )


def _join_files(connection: Connection, session_id: str, seq: int, file_ids: Sequence[str]) -> None:
    row = connection.execute(
        "SELECT file_ids FROM entries WHERE session_id = ? AND seq = ? AND kind = 'cell'", (session_id, seq)
    ).fetchone()
    if row is None:
        raise NoSuchCell(session_id, seq)
    if file_ids:
        joined = list(dict.fromkeys([*json.loads(row["file_ids"]), *file_ids]))
        connection.execute(
            "UPDATE entries SET file_ids = ? WHERE session_id = ? AND seq = ?",
            (json.dumps(joined), session_id, seq),
        )


def _append(
    connection: Connection,
    session_id: str,
    seq: int,
    outputs: Sequence[Output],
    outside: OutsideOutputs | None,
    batch: str = "",
) -> None:
    if not outputs:
        return
    text = json.dumps(list(outputs))
    connection.execute(
        """INSERT INTO outputs (session_id, seq, position, json, batch, owner, size, blob_key, outside)
           VALUES (:session_id, :seq, (SELECT coalesce(max(position), 0) + 1 FROM outputs
                                       WHERE session_id = :session_id AND seq = :seq),
                   :json, :batch, (SELECT user_id FROM sessions WHERE session_id = :session_id),
                   :size, :blob_key, :outside)""",
        {
            "session_id": session_id,
            "seq": seq,
            "json": text,
            "batch": batch,
            "size": len(text) + (outside.size if outside else 0),
            "blob_key": outside.blob_key if outside else None,
            "outside": outside.count if outside else 0,
        },
    )


def _replaced(connection: Connection, known: Row, outside: OutsideOutputs | None) -> Finished:
    """Make a batch that was recorded already refer to a new copy of its bytes.

    An earlier try succeeded without its caller learning of it, so the caller may have deleted the old copy.
    """
    if outside is None:
        return Finished()
    if known["blob_key"] is None:  # shortened meanwhile
        return Finished(dropped=(outside.blob_key,))
    change = "UPDATE outputs SET blob_key = ? WHERE rowid = ?"
    connection.execute(change, (outside.blob_key, known["rowid"]))
    return Finished(dropped=(known["blob_key"],))


def _make_room(
    connection: Connection, user_id: int, size: int, quota: int, now: datetime, at_once: int
) -> QuotaRoom:
    used = taken(connection, user_id, now)[1]
    if used + size <= quota:
        return QuotaRoom(fits=True, used=used)
    people = "SELECT large_bytes FROM people WHERE user_id = ?"
    large = connection.execute(people, (user_id,)).fetchone()
    if large is None or used - large[0] + size > quota:
        return QuotaRoom(fits=False, used=used)
    dropped = []
    for row in connection.execute(
        f"""SELECT rowid, json, size, blob_key FROM outputs WHERE owner = ? AND size > {LARGE}
            ORDER BY rowid LIMIT ?""",
        (user_id, at_once),
    ).fetchall():
        kept = _outputs(row["json"])  # these are short forms if the bytes lie outside
        text = json.dumps(short(kept, MADE_ROOM) if row["blob_key"] is None else [*kept, note(MADE_ROOM)])
        connection.execute(
            "UPDATE outputs SET json = ?, size = ?, blob_key = NULL, outside = 0 WHERE rowid = ?",
            (text, len(text), row["rowid"]),
        )
        dropped.append(row["blob_key"])
        used += len(text) - row["size"]
        if used + size <= quota:
            break
    keys = tuple(key for key in dropped if key is not None)  # rows of an earlier version have none
    return QuotaRoom(used + size <= quota, used, len(dropped), keys)


def _outputs(text: str) -> list[Output]:
    """The outputs of a row; a row of an earlier version holds one."""
    found = json.loads(text)
    return found if isinstance(found, list) else [found]


def _outputs_of_row(row: tuple[str, int, int], connection: Connection) -> list[Output]:
    query = "SELECT json FROM outputs WHERE session_id = ? AND seq = ? AND position = ?"
    found = connection.execute(query, row).fetchone()
    return _outputs(found["json"]) if found else []


def _records(
    connection: Connection, query: str, *given: object, brief: bool = False
) -> list[Said | CellRecord]:
    """The entries that a query finds; with `brief` large rows of an earlier version are shortened."""
    found = connection.execute(query, given).fetchall()
    if not found:
        return []
    outputs: defaultdict[int, list[Output]] = defaultdict(list)
    outside: defaultdict[int, list[OutsideOutputs]] = defaultdict(list)
    seqs = [row["seq"] for row in found]
    wanted = set(seqs)
    for row in connection.execute(
        """SELECT seq, position, json, size, blob_key, outside FROM outputs
           WHERE session_id = ? AND seq BETWEEN ? AND ? ORDER BY seq, position""",
        (found[0]["session_id"], min(seqs), max(seqs)),
    ):
        seq = row["seq"]
        if seq not in wanted:  # of another place
            continue
        shown = _outputs(row["json"])
        key, size, count = row["blob_key"], row["size"] - len(row["json"]), row["outside"]
        if key is None and brief and row["size"] > LARGE:
            key, size, count = f"{IN_A_ROW}/{row['position']}", len(row["json"]), len(shown)
            shown = short(shown)
        if key is not None:
            outside[seq].append(OutsideOutputs(key, size, count, len(outputs[seq]), len(shown)))
        outputs[seq] += shown
    return [_record(row, outputs[row["seq"]], outside[row["seq"]]) for row in found]


def _record(row: Row, outputs: Sequence[Output], outside: Sequence[OutsideOutputs]) -> Said | CellRecord:
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
        outside=tuple(outside),
        undone=bool(row["undone"]),
    )
