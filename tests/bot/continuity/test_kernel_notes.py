"""Data from a version that did not record what kernels hold: its losses are reported too, and only once."""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from bot.continuity.losses import UPDATED
from bot.wording.cell_messages import restart
from kernels.cell.events import Restarted
from tests.bot.worlds import NOW, Program, World
from tests.mongodb import running_mongodb

# The schema of that version, number 3, as far as sessions and transcripts need it.
SCHEMA = """
CREATE TABLE user_files (
    file_id TEXT PRIMARY KEY, user_id INTEGER NOT NULL, session_id TEXT NOT NULL, filename TEXT NOT NULL,
    version INTEGER NOT NULL, blob_key TEXT NOT NULL UNIQUE, file_size INTEGER NOT NULL, sha256 TEXT NOT NULL,
    file_type TEXT NOT NULL, source TEXT NOT NULL, uploaded_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    cell INTEGER, UNIQUE (user_id, session_id, filename, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX files_by_user ON user_files (user_id, uploaded_at, file_id);
CREATE INDEX files_by_expiry ON user_files (expires_at);
CREATE TABLE shares (
    file_id TEXT NOT NULL REFERENCES user_files ON DELETE CASCADE, user_id INTEGER NOT NULL,
    PRIMARY KEY (file_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX shares_by_user ON shares (user_id);
CREATE TABLE counters (session_id TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entries (
    session_id TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('said', 'cell')),
    place TEXT NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL, status TEXT,
    execution_time REAL, execution_count INTEGER, file_ids TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (session_id, seq)
) STRICT;
CREATE TABLE outputs (
    session_id TEXT NOT NULL, seq INTEGER NOT NULL, position INTEGER NOT NULL, json TEXT NOT NULL,
    PRIMARY KEY (session_id, seq, position),
    FOREIGN KEY (session_id, seq) REFERENCES entries ON DELETE CASCADE
) STRICT;
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY, user_id INTEGER NOT NULL, place TEXT NOT NULL, kernel TEXT,
    settings TEXT NOT NULL, created_at INTEGER NOT NULL, last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id, last_used_at);
CREATE INDEX sessions_by_use ON sessions (last_used_at);
CREATE TABLE usage (
    user_id INTEGER NOT NULL, at INTEGER NOT NULL, model TEXT NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cost REAL NOT NULL, cell_seconds REAL NOT NULL
) STRICT;
CREATE INDEX usage_by_user ON usage (user_id, at);
CREATE TABLE server_settings (server_id INTEGER PRIMARY KEY, settings TEXT NOT NULL) STRICT;
CREATE TABLE message_cells (
    message_id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, seq INTEGER NOT NULL,
    channel_id INTEGER NOT NULL DEFAULT 0, first INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX messages_by_session ON message_cells (session_id);
PRAGMA user_version = 3;
"""

# What each person's transcript contains: words, and cells with their status and execution count.
TRANSCRIPTS: dict[int, list[tuple[str, str | None, int | None]]] = {
    1: [("cell", "ok", 1), ("cell", "error", 2)],
    2: [("said", None, None)],
    3: [("cell", "skipped", 1), ("cell", "interrupted", None)],  # of a notebook; before its turn
    4: [("cell", "ok", 1), *[("said", None, None)] * 120],
    5: [],
}


def write_sqlite(path: Path, at: datetime) -> None:
    """A database of that version."""
    milliseconds = int(at.timestamp() * 1000)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        for user_id, entries in TRANSCRIPTS.items():
            session = f"u{user_id}"
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, 'terminal', NULL, '{}', ?, ?)",
                (session, user_id, milliseconds, milliseconds),
            )
            connection.execute("INSERT INTO counters VALUES (?, ?)", (session, len(entries)))
            for seq, (kind, status, count) in enumerate(entries, 1):
                connection.execute(
                    "INSERT INTO entries VALUES (?, ?, ?, 'terminal', 'Ann', 'df = 1', ?, ?, 0.1, ?, '[]')",
                    (session, seq, kind, milliseconds, status, count),
                )


def write_mongodb(uri: str, at: datetime) -> None:
    """Likewise."""
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    with client:
        database = client.get_default_database()
        for user_id, entries in TRANSCRIPTS.items():
            session = {"session_id": f"u{user_id}", "place": "terminal"}
            more = {
                "user_id": user_id,
                "kernel": None,
                "settings": "{}",
                "created_at": at,
                "last_used_at": at,
            }
            database["sessions"].insert_one(session | more)
            database["counters"].insert_one({"_id": session["session_id"], "seq": len(entries)})
            for seq, (kind, status, count) in enumerate(entries, 1):
                entry = {"kind": kind, "seq": seq, "author": "Ann", "text": "df = 1", "at": at}
                cell = {"status": status, "execution_time": 0.1, "execution_count": count}
                of_cell = cell | {"outputs": "[]", "late": [], "file_ids": []} if kind == "cell" else {}
                database["entries"].insert_one(session | entry | of_cell)


@pytest.fixture(scope="module")
def mongodb_server() -> Iterator[str]:
    """The URI of a server that the tests started."""
    with running_mongodb() as uri:
        yield uri


@pytest.fixture(params=["sqlite", "mongodb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A world whose database was left by that version."""
    if request.param == "sqlite":
        write_sqlite(tmp_path / "kernelcord.db", NOW)
        return World(tmp_path)
    uri = f"{request.getfixturevalue('mongodb_server')}/kernelcord-{secrets.token_hex(4)}"
    write_mongodb(uri, NOW)
    return World(tmp_path, uri)


LOST = Restarted(UPDATED, ("files",), (), earlier=True)


async def test_variables_of_a_version_that_noted_no_names_are_told_as_lost_once(world: World) -> None:
    """Only where cells had run; variables defined since then are listed by name."""
    world.now += timedelta(hours=1)
    async with Program(world) as sessions:
        assert [await world.ran(sessions, "x", user_id) for user_id in TRANSCRIPTS] == [
            [LOST],
            [],
            [],
            [LOST],
            [],
        ]
        assert await world.ran(sessions, "x y", 1) == []
    world.kernels.of["u1"].dies()
    async with Program(world) as sessions:
        (told,) = await world.ran(sessions, "z", 1)
        assert (told.lost, told.earlier) == (("x", "y"), False)
        assert await world.ran(sessions, "x", 4) == []


async def test_a_kernel_of_before_that_lives_has_lost_nothing(world: World) -> None:
    """Its variables are recorded, so that their loss can be reported."""
    world.kernels.of["u1"].has("df")
    async with Program(world) as sessions:
        await sessions.session(1, "terminal")
        record = await sessions.store.sessions.get("u1")
        assert record is not None
        assert json.loads(record.kernel or "") == {"variables": ["df"]}
    world.kernels.of["u1"].dies()
    async with Program(world) as sessions:
        assert [told.lost for told in await world.ran(sessions, "z", 1)] == [("df",)]


async def test_a_session_of_before_that_was_not_used_tells_both(world: World) -> None:
    """Its files are gone, and so are variables whose names nobody knows."""
    async with Program(world) as sessions:
        world.now += timedelta(hours=60)
        await sessions.sweep(world.now)
        (told,) = await world.ran(sessions, "z", 1)
        assert (told.reason, told.kept, told.earlier) == ("your session was not used for 48 hours", (), True)


def test_what_is_lost_without_a_name_is_said_in_words() -> None:
    """It is never reported as nothing."""
    assert restart(LOST) == (
        "Fresh kernel (it ended when I was updated or restarted). Your files are kept."
        " Lost: the variables of your earlier cells, whose names are not known."
    )
    all_of_it = Restarted("it died", ("files",), ("df",), unnamed=True, earlier=True)
    assert restart(all_of_it).endswith(
        "Lost: df, and the variables of your earlier cells, whose names are not known, and whatever the cell"
        " that was running had defined."
    )
