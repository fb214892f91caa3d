"""Deleted data leaves no trace in the files of the embedded database, and others hardly wait for that."""

import asyncio
import random
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from filestore import open_store
from filestore.sqlite import open_sqlite
from filestore.sqlite.database import SqliteDatabase, Waits, opened
from filestore.store import Store
from tests.live.cells import until

NOW = datetime(2030, 1, 1, tzinfo=UTC)

SECRET = b"ZQ-SECRET"


def _files_with_secret(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and SECRET in path.read_bytes()]


async def _say_and_delete(store: Store) -> None:
    """Mix two people's words and cells of many sizes, so that rows move between pages; delete one's."""
    for person in (1, 2):
        await store.sessions.get_or_create(f"u{person}", person, "here", NOW)
    chosen = random.Random(2)  # with this seed, 24 copies stay in gaps unless the file is compacted
    cells: list[tuple[str, int]] = []
    for _ in range(300):
        session = chosen.choice(["u1", "u2"])
        text = (SECRET.decode() if session == "u1" else "other") * chosen.choice([1, 4, 20, 90, 300])
        cell = await store.transcripts.begin_cell(session, "here", "Ann", text, NOW)
        cells.append((session, cell.seq))
        other, seq = chosen.choice(cells)
        shown = [{"text": text if other == session else "x"}]
        await store.transcripts.append_outputs(other, seq, shown, file_ids=[f"id{cell.seq:08}" * 9])
    await store.sessions.delete("u1")


async def test_nothing_of_what_was_deleted_can_be_read_from_the_files(tmp_path: Path) -> None:
    """It is neither in the log, nor in free pages, nor in the gaps that rows leave when they move."""
    async with open_store(tmp_path) as store:
        await _say_and_delete(store)
        assert _files_with_secret(tmp_path) != []
        await store.sessions.erase_deleted()
        assert _files_with_secret(tmp_path) == []
        assert len(await store.transcripts.newest("u2")) > 0
        await store.transcripts.say("u2", "here", "Ann", "on", NOW)


async def test_what_a_killed_program_has_not_erased_is_erased_at_the_next_start(tmp_path: Path) -> None:
    """It stays in the log, and nothing else would remember that."""
    async with open_store(tmp_path / "killed") as store:
        await _say_and_delete(store)
        shutil.copytree(tmp_path / "killed", tmp_path / "left")  # as a program that is killed leaves it
    assert _files_with_secret(tmp_path / "left") != []
    async with open_store(tmp_path / "left") as store:
        assert _files_with_secret(tmp_path / "left") == []
        assert len(await store.transcripts.newest("u2")) > 0


async def test_what_is_deleted_is_overwritten_in_a_file_too_large_to_compact(tmp_path: Path) -> None:
    """Then only the gaps of pages may keep something: here, no row has moved."""
    async with open_sqlite(tmp_path / "kernelcord.db", Waits(compacted=0)) as store:
        await store.sessions.get_or_create("u1", 1, "here", NOW)
        for _ in range(20):
            await store.transcripts.say("u1", "here", "Ann", SECRET.decode() * 100, NOW)
        await store.sessions.delete("u1")
        await store.sessions.erase_deleted()
        assert _files_with_secret(tmp_path) == []


async def test_a_long_read_only_delays_the_erasing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever deletes does not wait for it: the log is emptied after one of the next writes."""
    async with open_sqlite(tmp_path / "kernelcord.db", Waits(erasing=1, reading=1)) as store:
        await store.transcripts.say("u1", "here", "Ann", "on", NOW)
        with closing(sqlite3.connect(tmp_path / "kernelcord.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM entries").fetchall()
            await _say_and_delete(store)
            await store.sessions.erase_deleted()
            assert "stays in the log" in caplog.text
            assert _files_with_secret(tmp_path) != []
        for _ in range(2):
            cell = await store.transcripts.begin_cell("u2", "here", "Ann", "x", NOW)
            await store.transcripts.finish_cell("u2", cell.seq, status="ok", outputs=[])
        await until(lambda: _files_with_secret(tmp_path) == [])


class Compactions:
    """Counts how often the file is rewritten; a rewrite waits until `held` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        self.held = threading.Event()
        self.held.set()
        compact = SqliteDatabase._compact

        def counted(database: SqliteDatabase) -> None:
            self.begun += 1
            self.held.wait()
            compact(database)

        monkeypatch.setattr(SqliteDatabase, "_compact", counted)


@pytest.fixture
def compactions(monkeypatch: pytest.MonkeyPatch) -> Compactions:
    """How often the file is written anew in this test."""
    return Compactions(monkeypatch)


async def test_of_many_who_delete_at_once_all_are_served_together(
    tmp_path: Path, compactions: Compactions
) -> None:
    """By an erasing that begins after they have asked: one before may have missed what they deleted."""
    async with opened(tmp_path / "a.db", Waits(rest=0.0)) as database, asyncio.timeout(30):
        await asyncio.gather(*(database.erase_deleted() for _ in range(10)))
        assert compactions.begun == 1
        compactions.held.clear()
        early = asyncio.create_task(database.erase_deleted())
        await until(lambda: compactions.begun == 2)
        late = [asyncio.create_task(database.erase_deleted()) for _ in range(10)]
        await asyncio.sleep(0)
        compactions.held.set()
        await asyncio.gather(early, *late)
        assert compactions.begun == 3


async def test_between_two_erasings_is_a_rest_in_which_others_write(
    tmp_path: Path, compactions: Compactions
) -> None:
    """However often somebody deletes; and one who does not wait for it takes it from nobody."""
    endless = Waits(rest=1_000_000.0)  # times any erasing: more than this test takes
    async with opened(tmp_path / "a.db", endless) as database, asyncio.timeout(30):
        await database.erase_deleted()
        waiting = [asyncio.create_task(database.erase_deleted()) for _ in range(3)]
        for _ in range(20):
            await database.write(lambda connection: connection.execute("DELETE FROM folders"))
        assert compactions.begun == 1
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        database._rests_until = 0.0
        waiting[1].cancel()  # it is still waiting for the original end of the rest
        await waiting[2]
        assert compactions.begun == 2
