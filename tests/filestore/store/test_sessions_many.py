"""The queries at a start do not grow with the sessions, and a deletion is split into short steps."""

import asyncio
from contextlib import contextmanager
from typing import Any

import pytest

from filestore.mongo import database as mongo
from filestore.sqlite import database as sqlite
from filestore.store import Store


class Counted:
    """Counts the queries to either database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        transaction, answering = sqlite.SqliteDatabase._transaction, mongo.Collection._answering

        def counted(database: sqlite.SqliteDatabase, *args: Any) -> Any:
            self.asked += 1
            return transaction(database, *args)

        @contextmanager
        def counted_answering(collection: mongo.Collection) -> Any:
            self.asked += collection._collection.name != "identity"  # where the lease is renewed meanwhile
            with answering(collection):
                yield

        monkeypatch.setattr(sqlite.SqliteDatabase, "_transaction", counted)
        monkeypatch.setattr(mongo.Collection, "_answering", counted_answering)

    def since_then(self) -> int:
        """The number of queries since the last call."""
        asked, self.asked = self.asked, 0
        return asked


async def test_sessions_with_unfinished_cells_are_found_at_once(
    store: Store, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last used first, only those used since then, and with as many queries for 200 as for 2."""
    start = clock.now
    for name in ("old", "a", "b"):
        await store.sessions.get_or_create(name, 7, "dm", clock.now)
        for _ in range(2):
            await store.transcripts.begin_cell(name, "dm", "Ann", "1", clock.now)
        clock.advance(hours=1)
    await store.sessions.get_or_create("done", 7, "dm", clock.now)
    cell = await store.transcripts.begin_cell("done", "dm", "Ann", "1", clock.now)
    await store.transcripts.finish_cell("done", cell.seq, status="ok")
    await store.transcripts.say("done", "dm", "Ann", "hi", clock.now)
    counted = Counted(monkeypatch)
    found = await store.sessions.unfinished(start)
    few = counted.since_then()
    assert [record.session_id for record in found] == ["b", "a"]
    assert few <= 2
    for number in range(200):
        await store.sessions.get_or_create(f"s{number}", number, "dm", clock.now)
        if number % 2:
            await store.transcripts.begin_cell(f"s{number}", "dm", "Ann", "1", clock.now)
    counted.since_then()
    assert len(await store.sessions.unfinished(start)) == 102
    assert counted.since_then() == few


async def test_a_cell_that_waits_for_the_database_is_an_unfinished_one(tmp_path, clock) -> None:
    """It began while the database was away; the next program goes on with it."""
    from filestore import open_store
    from filestore.errors import StoreUnavailable
    from filestore.spool import spooled

    async with open_store(tmp_path) as database, spooled(database, tmp_path / "spool", clock=clock) as kept:
        await kept.sessions.get_or_create("a", 7, "dm", clock.now)

        async def away(*_: object, **_more: object) -> None:
            raise StoreUnavailable("it is away")

        database.transcripts.begin_cell = away  # type: ignore[method-assign]
        await kept.transcripts.begin_cell("a", "dm", "Ann", "1", clock.now)
        since = clock.now
        clock.advance(hours=1)
        assert await kept.sessions.unfinished(since) == []
        clock.advance(hours=-2)
        assert [one.session_id for one in await kept.sessions.unfinished(clock.now)] == ["a"]


async def test_others_write_while_a_long_transcript_is_deleted(
    store: Store, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is deleted bit by bit, and completely."""
    await store.sessions.get_or_create("s", 7, "dm", clock.now)
    outputs = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    for _ in range(250):
        cell = await store.transcripts.begin_cell("s", "dm", "Ann", "1", clock.now)
        await store.transcripts.finish_cell("s", cell.seq, status="ok", outputs=outputs)
    counted = Counted(monkeypatch)
    deleting = asyncio.create_task(store.sessions.delete("s"))
    await store.sessions.get_or_create("other", 8, "dm", clock.now)
    await deleting
    assert counted.since_then() >= 4
    assert await store.transcripts.entries("s") == []
    assert await store.sessions.get("s") is None
    assert await store.transcripts.last_seq("s") == 0
