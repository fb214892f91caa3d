"""Documents of the version before lack what tells whether a cell is undone, and a session's history."""

from typing import Any

from pymongo import MongoClient

from filestore.mongo import open_mongo
from filestore.records import CellRecord


async def test_cells_of_before_are_not_undone_and_sessions_have_no_history(mongodb_uri: str, clock) -> None:
    """They read as they were without being changed, and both can be noted from now on."""
    async with open_mongo(mongodb_uri) as store:
        session = await store.sessions.get_or_create("u7", 7, "dm", clock.now)
        cells = [await store.transcripts.begin_cell("u7", "dm", "Ann", "1", clock.now) for _ in range(2)]
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client.get_default_database()
        assert database["entries"].update_many({}, {"$unset": {"undone": ""}}).modified_count == 2
        assert database["sessions"].update_many({}, {"$unset": {"history": ""}}).modified_count == 1
    async with open_mongo(mongodb_uri) as store:
        assert await store.transcripts.entries("u7") == cells
        assert await store.sessions.get("u7") == session
        await store.transcripts.mark("u7", [2], True)
        await store.sessions.set_history("u7", "steps")
        to = await store.sessions.get_or_create("u7-2", 7, "dm", clock.now)
        assert await store.transcripts.copy("u7", to.session_id, 2) == 2
        for session_id in ("u7", "u7-2"):
            found = await store.transcripts.entries(session_id)
            assert [cell.undone for cell in found if isinstance(cell, CellRecord)] == [False, True]
        assert [each.history for each in await store.sessions.of_user(7)] == ["steps", None]
