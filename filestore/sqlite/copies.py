"""Copies of transcripts in SQLite, a part of the entries at a time: other writers wait for one part only.

takes = await database.read(partial(copyable, session_id, to, upto))
count = await copy(database, session_id, to, upto)

The counter of `to` is set first. So entries that are added there meanwhile get higher numbers, and its value
tells whether `to` is still the session that it was.
"""

import logging
from functools import partial
from sqlite3 import Connection

from filestore.errors import NoSuchSession, StoreUnavailable
from filestore.records import ENTRY, Copyable, copied_key
from filestore.sqlite.database import SqliteDatabase

__all__ = ["copy", "copyable"]

log = logging.getLogger(__name__)

AT_ONCE = 100  # entries that one transaction copies or deletes while all other writers wait
PIECE = 1 << 20  # bytes after which no further entry joins a transaction


def copyable(session_id: str, to: str, upto: int, connection: Connection) -> Copyable:
    """See store.Transcripts."""
    _owner(connection, session_id, to)
    if _last(connection, to):
        raise ValueError(f"{to} has, or had, entries of its own")
    which = (session_id, upto)
    texts = f"SELECT coalesce(sum(length(text) + {ENTRY}), 0) FROM entries WHERE session_id = ? AND seq <= ?"
    outputs = "SELECT coalesce(sum(size), 0) FROM outputs WHERE session_id = ? AND seq <= ?"
    size = sum(connection.execute(query, which).fetchone()[0] for query in (texts, outputs))
    outside = "SELECT blob_key FROM outputs WHERE session_id = ? AND seq <= ? AND blob_key IS NOT NULL"
    return Copyable(size, tuple(row[0] for row in connection.execute(outside, which)))


async def copy(database: SqliteDatabase, session_id: str, to: str, upto: int) -> int:
    """See store.Transcripts."""
    last = await database.write(partial(_begin, session_id, to, upto))
    count = after = 0
    try:
        while seqs := await database.write(partial(_copy_some, session_id, to, after, last)):
            count += len(seqs)
            after = seqs[-1]
    except BaseException:  # whatever stopped it, no part of a transcript is taken for all of it
        await _undo(database, to, last)
        raise
    return count


def _begin(session_id: str, to: str, upto: int, connection: Connection) -> int:
    """Set the counter of `to`; returns the last number that can be copied."""
    copyable(session_id, to, upto, connection)
    last = min(upto, _last(connection, session_id))
    connection.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (to, last))
    return last


def _copy_some(session_id: str, to: str, after: int, last: int, connection: Connection) -> list[int]:
    """Copy the next entries after number `after`; returns their numbers, none if there are no more."""
    owner = _owner(connection, session_id, to)
    if _last(connection, to) < last:  # it was deleted, and there is a new one
        raise NoSuchSession(to)
    seqs = _next(connection, session_id, after, last)
    if not seqs:
        return []
    these = (session_id, seqs[0], seqs[-1])
    connection.execute(
        """INSERT INTO entries (session_id, seq, kind, place, author, text, at, status, execution_time,
                                execution_count, file_ids, folder, undone)
           SELECT ?, seq, kind, place, author, text, at, status, execution_time,
                  execution_count, file_ids, folder, undone
           FROM entries WHERE session_id = ? AND seq BETWEEN ? AND ?""",
        (to, *these),
    )
    outputs = connection.execute(
        """SELECT seq, position, json, batch, size, blob_key, outside FROM outputs
           WHERE session_id = ? AND seq BETWEEN ? AND ? ORDER BY seq, position""",
        these,
    ).fetchall()
    connection.executemany(
        """INSERT INTO outputs (session_id, owner, seq, position, json, batch, size, blob_key, outside)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            (to, owner, *row[:5], copied_key(row[5], to) if row[5] is not None else None, row[6])
            for row in map(tuple, outputs)
        ],
    )
    return seqs


def _next(connection: Connection, session_id: str, after: int, last: int) -> list[int]:
    """The numbers of entries that one transaction can copy."""
    seqs: list[int] = []
    total = 0
    for seq, size in connection.execute(
        """SELECT seq, length(text) + (
               SELECT coalesce(sum(length(json)), 0) FROM outputs
               WHERE outputs.session_id = entries.session_id AND outputs.seq = entries.seq
           ) FROM entries WHERE session_id = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?""",
        (session_id, after, last, AT_ONCE),
    ).fetchall():
        total += size
        if seqs and total > PIECE:
            break
        seqs.append(seq)
    return seqs


async def _undo(database: SqliteDatabase, to: str, last: int) -> None:
    """Delete what was copied, unless that went with its session."""

    def some(connection: Connection) -> bool:
        if _last(connection, to) < last:
            return False
        gone = connection.execute(
            """DELETE FROM entries WHERE rowid IN (
                SELECT rowid FROM entries WHERE session_id = ? AND seq <= ? LIMIT ?
            )""",
            (to, last, AT_ONCE),
        ).rowcount
        if gone < AT_ONCE:
            connection.execute("DELETE FROM counters WHERE session_id = ? AND seq = ?", (to, last))
        return gone == AT_ONCE

    try:
        while await database.write(some):  # others can write in between
            pass
    except StoreUnavailable as error:
        log.warning("a part of a transcript stays in %s until that is deleted: %s", to, error)


def _owner(connection: Connection, session_id: str, to: str) -> int:
    """The person who has both sessions. Raises: NoSuchSession."""
    owners: list[int] = []
    for each in (session_id, to):
        query = "SELECT user_id FROM sessions WHERE session_id = ?"
        row = connection.execute(query, (each,)).fetchone()
        if row is None or row[0] not in (owners or [row[0]]):
            raise NoSuchSession(each)
        owners.append(row[0])
    return int(owners[0])


def _last(connection: Connection, session_id: str) -> int:
    """The last number given in a session; 0 for none."""
    row = connection.execute("SELECT seq FROM counters WHERE session_id = ?", (session_id,)).fetchone()
    return int(row[0]) if row else 0
