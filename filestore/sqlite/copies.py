"""Copies of transcripts in SQLite, a part of the entries at a time: other writers wait for one part only.

takes = await database.read(partial(copyable, session_id, to, upto))
count = await copy(database, session_id, to, upto)

The counter of `to` is set first, so that entries that are added there meanwhile get higher numbers.
"""

import logging
from dataclasses import dataclass
from functools import partial
from sqlite3 import Connection

from filestore.errors import NoSuchSession, StoreUnavailable
from filestore.records import ENTRY, Copyable, copied_key
from filestore.sqlite.database import SqliteDatabase

__all__ = ["copy", "copyable"]

log = logging.getLogger(__name__)

AT_ONCE = 100  # entries that one transaction copies or deletes while all other writers wait
PIECE = 1 << 20  # bytes after which no further entry joins a transaction


@dataclass(frozen=True, slots=True)
class _SqliteTarget:
    """The session that gets the copies, of the entries up to number `last`."""

    session_id: str
    owner: int
    created_at: int  # tells it from a new session of this name, if it is deleted meanwhile
    last: int

    def is_there(self, connection: Connection) -> bool:
        query = "SELECT 1 FROM sessions WHERE session_id = ? AND created_at = ?"
        return connection.execute(query, (self.session_id, self.created_at)).fetchone() is not None


def copyable(session_id: str, to: str, upto: int, connection: Connection) -> Copyable:
    """See store.Transcripts."""
    _check_owners(connection, session_id, to)
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
    target = await database.write(partial(_begin, session_id, to, upto))
    count = after = 0
    try:
        while seqs := await database.write(partial(_copy_some, session_id, target, after)):
            count += len(seqs)
            after = seqs[-1]
    except BaseException:  # whatever stopped it, no part of a transcript is taken for all of it
        await _undo(database, target)
        raise
    return count


def _begin(session_id: str, to: str, upto: int, connection: Connection) -> _SqliteTarget:
    """Set the counter of the session `to`."""
    copyable(session_id, to, upto, connection)
    last = max(0, min(upto, _last(connection, session_id)))
    connection.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (to, last))
    query = "SELECT user_id, created_at FROM sessions WHERE session_id = ?"
    owner, created_at = connection.execute(query, (to,)).fetchone()
    return _SqliteTarget(to, owner, created_at, last)


def _copy_some(session_id: str, target: _SqliteTarget, after: int, connection: Connection) -> list[int]:
    """Copy the next entries after number `after`; returns their numbers, none if there are no more."""
    if not target.is_there(connection):
        raise NoSuchSession(target.session_id)
    seqs = _next(connection, session_id, after, target.last)
    if not seqs:
        return []
    to, these = target.session_id, (session_id, seqs[0], seqs[-1])
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
            (to, target.owner, *row[:5], None if row[5] is None else copied_key(row[5], to), row[6])
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


async def _undo(database: SqliteDatabase, target: _SqliteTarget) -> None:
    """Delete what was copied, unless that went with its session."""
    to, last = target.session_id, target.last

    def some(connection: Connection) -> bool:
        if not target.is_there(connection):
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


def _check_owners(connection: Connection, session_id: str, to: str) -> None:
    """Raises: NoSuchSession unless both sessions are there, and of one person."""
    owners = set[int]()
    for each in (session_id, to):
        row = connection.execute("SELECT user_id FROM sessions WHERE session_id = ?", (each,)).fetchone()
        if row is None or len(owners | {row[0]}) > 1:
            raise NoSuchSession(each)
        owners.add(row[0])


def _last(connection: Connection, session_id: str) -> int:
    """The last number given in a session; 0 for none."""
    row = connection.execute("SELECT seq FROM counters WHERE session_id = ?", (session_id,)).fetchone()
    return int(row[0]) if row else 0
