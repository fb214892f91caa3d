"""One program at a time works on a MongoDB database; one that was killed hinders nobody for long."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from bot.wording.error_messages import at_start
from filestore.errors import StoreInUse, StoreUnavailable
from filestore.mongo import open_mongo
from filestore.mongo.lease import LeasePace
from filestore.store import Store
from tests.live.cells import until

ELSEWHERE = {"holder": "another", "host": "far", "machine": "other", "pid": 1, "started": 1}
PROGRAM = """
import asyncio, pathlib, sys
from filestore import open_store
async def main():
    async with open_store(pathlib.Path("."), mongodb_uri=sys.argv[1]):
        print("ready", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.fixture
def identity(mongodb_uri: str) -> Iterator[Any]:
    """The collection that holds the lease."""
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        yield client.get_default_database()["identity"]


QUICK = LeasePace(beat=0.2, silence=1.0, look=0.05)  # a second instead of half a minute


@asynccontextmanager
async def leased(uri: str, pace: LeasePace = QUICK) -> AsyncIterator[Store]:
    """Open the store as a program does."""
    async with open_mongo(uri, pace) as store:
        yield store


def test_a_killed_program_is_taken_for_dead_within_a_minute() -> None:
    """A living one renews its lease several times in that period."""
    assert 3 * LeasePace().beat <= LeasePace().silence < 60


async def test_a_second_program_is_refused_and_told_what_to_do(mongodb_uri: str, tmp_path: Path) -> None:
    """As with a data folder; once the first has ended, the second can start."""
    async with leased(mongodb_uri):
        with pytest.raises(StoreInUse) as caught:
            async with leased(mongodb_uri):
                pass
    assert f"process {os.getpid()}" in at_start(caught.value)
    assert "end it, or name another database" in at_start(caught.value)
    async with leased(mongodb_uri):
        pass


async def test_a_program_that_was_killed_here_is_no_hindrance(mongodb_uri: str, tmp_path: Path) -> None:
    """We notice at once that its process is gone."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, mongodb_uri), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert program.stdout is not None
        assert await program.stdout.readline() == b"ready\n"
        with pytest.raises(StoreInUse):
            async with leased(mongodb_uri):
                pass
    finally:
        program.kill()
        await program.wait()
    async with leased(mongodb_uri, replace(QUICK, silence=600.0)):  # it does not wait that long
        pass


async def test_one_elsewhere_is_waited_for_until_it_has_been_silent(
    mongodb_uri: str, identity: Any, tmp_path: Path
) -> None:
    """A program killed on another machine loses its lease after a while; one that renews it keeps it."""
    identity.insert_one({"_id": "lease", "beat": 7} | ELSEWHERE)

    async def beat() -> None:
        while True:
            await asyncio.sleep(0.2)
            identity.update_one({"_id": "lease"}, {"$inc": {"beat": 1}})

    beating = asyncio.create_task(beat())
    with pytest.raises(StoreInUse, match="process 1 on far"):
        async with leased(mongodb_uri):
            pass
    beating.cancel()
    await asyncio.wait([beating])
    async with leased(mongodb_uri):
        assert identity.find_one({"_id": "lease"})["pid"] == os.getpid()


async def test_one_that_has_lost_its_lease_writes_nothing_until_it_has_it_back(
    mongodb_uri: str, identity: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a laptop's sleep: until then, its writes wait as if the database were away."""
    async with leased(mongodb_uri) as store:
        await until(lambda: identity.find_one({"_id": "lease"})["beat"] > 0)
        identity.update_one({"_id": "lease"}, {"$set": ELSEWHERE})
        beats = asyncio.create_task(_keep_beating(identity))
        await until(lambda: "nothing is written" in caplog.text)
        with pytest.raises(StoreUnavailable):
            await store.identity.id()
        with pytest.raises(StoreUnavailable):
            await store.sessions.unfinished(datetime(2030, 1, 1, tzinfo=UTC))
        beats.cancel()
        await asyncio.wait([beats])
        identity.update_one({"_id": "lease"}, {"$set": {"holder": ""}})
        await until(lambda: "ours again" in caplog.text)
        assert await store.identity.id()


async def _keep_beating(identity: Any) -> None:
    while True:
        identity.update_one({"_id": "lease"}, {"$inc": {"beat": 1}})
        await asyncio.sleep(0.05)


async def test_a_starting_program_leaves_others_running_cells_and_files_alone(
    mongodb_uri: str, clock: Any
) -> None:
    """Rows name their data folder: a program with another folder ends no cell and deletes no row of it."""
    async with open_mongo(mongodb_uri) as one, open_mongo(mongodb_uri) as other:
        await one.identity.begin_run("folder of one", "1")
        await other.identity.begin_run("folder of other", "2")
        cell = await one.transcripts.begin_cell("u7", "dm", "Ann", "1", clock.now)
        assert await other.transcripts.unfinished("u7") == []
        assert await one.transcripts.unfinished("u7") == [cell]
