"""A file of the version before is brought up to date without losing anything."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from filestore.records import ENTRY, EPOCH, CellRecord, Said, SessionRecord
from filestore.sqlite import open_sqlite
from filestore.sqlite.schema import MIGRATIONS

NOW = datetime(2030, 1, 1, tzinfo=UTC)
STEPS = 11  # of the version before cells could be undone


async def test_cells_of_before_are_not_undone_and_sessions_have_no_history(tmp_path: Path) -> None:
    """All else reads as it was, the sums are as right as before, and both can be noted from now on."""
    path, output = tmp_path / "kernelcord.db", {"output_type": "stream", "name": "stdout", "text": "2"}
    with closing(sqlite3.connect(path)) as old:
        for statements in MIGRATIONS[:STEPS]:
            for statement in statements:
                old.execute(statement)
        old.execute(f"PRAGMA user_version = {STEPS}")
        old.execute("INSERT INTO sessions VALUES ('u7', 7, 'dm', 'k', '{}', 0, 0)")
        old.execute("INSERT INTO counters VALUES ('u7', 2)")
        old.execute(
            """INSERT INTO entries (session_id, seq, kind, place, author, text, at, status, file_ids, folder)
               VALUES ('u7', 1, 'said', 'dm', 'Ann', 'hi', 0, NULL, '[]', ''),
                      ('u7', 2, 'cell', 'dm', 'Ann', '1 + 1', 0, 'ok', '["a"]', '')"""
        )
        old.execute(
            """INSERT INTO outputs (session_id, seq, position, json, owner, size)
               VALUES ('u7', 2, 1, :json, 7, length(:json))""",
            {"json": json.dumps([output])},
        )
        old.commit()
    for _ in range(2):  # the second time there is nothing to be done
        async with open_sqlite(path) as store:
            assert await store.sessions.get("u7") == SessionRecord("u7", 7, "dm", "k", EPOCH, EPOCH)
            cell = CellRecord("u7", 2, "dm", "Ann", "1 + 1", (output,), "ok", EPOCH, file_ids=("a",))
            assert await store.transcripts.entries("u7") == [Said("u7", 1, "dm", "Ann", "hi", EPOCH), cell]
            used = 2 * ENTRY + len("hi" + "1 + 1" + json.dumps([output]))
            assert await store.files.used(7, NOW) == used
    async with open_sqlite(path) as store:
        await store.transcripts.mark("u7", [2], True)
        await store.sessions.set_history("u7", "steps")
        await store.sessions.get_or_create("u7-2", 7, "dm", NOW)
        assert await store.transcripts.copy("u7", "u7-2", 2) == 2
        assert await store.files.used(7, NOW) == 2 * used
        assert await store.files.recount() == 0
    async with open_sqlite(path) as store:
        entries = [*await store.transcripts.entries("u7"), *await store.transcripts.entries("u7-2")]
        assert [getattr(entry, "undone", None) for entry in entries] == [None, True, None, True]
        record = await store.sessions.get("u7")
        assert record is not None
        assert record.history == "steps"
