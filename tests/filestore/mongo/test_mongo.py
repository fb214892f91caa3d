"""What MongoDB alone needs: clear errors, no operators from outside, no document too big."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from filestore.blobs.store import Blobs
from filestore.errors import QuotaExceeded, StoreFull, StoreUnavailable
from filestore.files import FileStore
from filestore.mongo import open_mongo
from filestore.mongo.database import Collection, Taken, connected
from filestore.mongo.lease import LeasePace
from filestore.mongo.quotas import CLAIM, FIELDS
from filestore.records import ENTRY, CellRecord, Cursor, Said, StoredFile, UsageRecord
from filestore.spool import spooled
from filestore.store import Store
from tests.live.cells import until
from tests.mongodb import mongodb_server


def a_file(clock, **changes: Any) -> StoredFile:
    """A row of Ann's."""
    file = StoredFile(
        file_id="aaaaaaaaaa",
        user_id=7,
        session_id="s",
        filename="a.txt",
        version=1,
        blob_key="7/aaaaaaaaaa",
        file_size=10,
        sha256="00",
        file_type="text",
        source="generated",
        uploaded_at=clock.now,
        expires_at=clock.now + timedelta(hours=48),
    )
    return replace(file, **changes)


async def test_server_that_is_down_is_one_clear_error() -> None:
    """A server that does not answer and an invalid URI both raise StoreUnavailable."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for uri in (
            f"mongodb://127.0.0.1:{closed.getsockname()[1]}/x",
            "http://nowhere",
            "mongodb://[",
            "nothing",
        ):
            with pytest.raises(StoreUnavailable) as caught:
                async with open_mongo(uri, server_selection=200):
                    pass
            assert len(str(caught.value)) < 300


def test_server_that_is_down_is_waited_for_five_seconds_at_most() -> None:
    """The driver's default of thirty seconds would keep people waiting."""
    from filestore.mongo import database

    assert database.SERVER_SELECTION <= 5_000


async def test_a_server_that_stops_answering_is_noticed_within_seconds() -> None:
    """With the driver's default its question whether the server lives waits for 20 s more."""
    async with connected("mongodb://127.0.0.1") as database:
        options = database._database.client.options.pool_options
        assert options.connect_timeout == 5.0
        assert options.socket_timeout is None  # indexing many documents may take long


async def test_database_is_named_by_the_uri_or_kernelcord() -> None:
    """A URI without a database means "kernelcord"."""
    for uri, name in (("mongodb://127.0.0.1/mine", "mine"), ("mongodb://127.0.0.1", "kernelcord")):
        async with connected(uri) as database:
            assert database._database.name == name


async def test_writes_wait_for_majority_and_journal() -> None:
    """An acknowledged write survives the server's crash."""
    async with connected("mongodb://127.0.0.1") as database:
        assert database._database.write_concern.document == {"w": "majority", "j": True}


async def test_values_from_outside_are_never_operators(mongodb_uri: str, clock) -> None:
    """Even where a type was not checked, an operator in a value is only a value."""
    operator: Any = {"$ne": ""}
    async with open_mongo(mongodb_uri) as store:
        await store.files.add(a_file(clock), quota=100)
        await store.sessions.get_or_create("s", 7, "dm", clock.now)
        await store.transcripts.begin_cell("s", "dm", "Ann", "1", clock.now)
        assert await store.files.readable(operator, 7, clock.now) is None
        assert await store.files.readable("aaaaaaaaaa", operator, clock.now) is None
        assert await store.files.named(operator, 7, clock.now) is None
        assert await store.files.page(operator, clock.now, limit=10) == []
        assert await store.files.condemn(operator, 7, clock.now) is None
        assert await store.sessions.get(operator) is None
        assert await store.sessions.of_user(operator) == []
        assert await store.transcripts.entries(operator) == []
        await store.transcripts.clear(operator)
        await store.sessions.delete(operator)
        assert len(await store.transcripts.entries("s")) == 1
        assert await store.sessions.get("s") is not None


async def test_retried_insert_that_meets_its_own_document_is_done(mongodb_uri: str) -> None:
    """A cancelled insert may have been written; retrying it succeeds, inserting another document fails."""
    async with connected(mongodb_uri) as database:
        things = database["things"]
        await things.index("key", unique=True)
        await things.insert({"key": 1, "value": "mine"}, key=["key"])
        await things.insert({"key": 1, "value": "mine"}, key=["key"])
        with pytest.raises(Taken):
            await things.insert({"key": 1, "value": "other"}, key=["key"])
        assert [thing["value"] for thing in await things.many({}, [("key", 1)])] == ["mine"]


async def test_cancelled_adds_leave_rows_that_can_be_added_again(mongodb_uri: str, clock) -> None:
    """Whatever a cancelled add has written, repeating it gives exactly one row."""
    async with open_mongo(mongodb_uri) as store:
        for number in range(20):
            file = a_file(
                clock, file_id=f"a{number}", blob_key=f"7/a{number}", filename=f"{number}", sha256=f"{number}"
            )
            adding = asyncio.create_task(store.files.add(file, quota=200))
            for _ in range(number):
                await asyncio.sleep(0)  # each time it gets a little further
            adding.cancel()
            await asyncio.wait([adding])
            assert (await store.files.add(file, quota=200)).file_id == file.file_id
        assert await store.files.used(7, clock.now) == 200
        assert {file.version for file in await store.files.page(7, clock.now, limit=50)} == {1}


async def test_files_of_before_have_no_number_and_are_older_than_all_that_have(
    mongodb_uri: str, clock
) -> None:
    """Documents of an earlier version are listed by their time, page by page, below the newer ones."""
    with MongoClient(mongodb_uri, tz_aware=True) as client:
        rows = client.get_default_database()["user_files"]
        for number in range(4):
            file = a_file(clock, file_id=f"a{number}", blob_key=f"7/a{number}", version=number + 1)
            document = asdict(file) | {"uploaded_at": clock.now + timedelta(hours=number // 2)}
            del document["number"]
            rows.insert_one(document | {"shared_with": []})
        client.get_default_database()["quotas"].insert_one({"_id": 7, "revision": 30, "claims": []})
    async with open_mongo(mongodb_uri) as store:
        for number in (5, 6):
            file = a_file(clock, file_id=f"a{number}", blob_key=f"7/a{number}", sha256=f"{number}")
            assert (await store.files.add(file, quota=100)).number > 30
        seen, after = [], None
        while page := await store.files.page(7, clock.now, limit=1, after=after):
            (file,) = page
            seen.append(file.file_id)
            after = Cursor(file.number, file.uploaded_at, file.file_id)
        assert seen == ["a6", "a5", "a3", "a2", "a1", "a0"]
        for session_id in ("s", None):
            named = await store.files.named("a.txt", 7, clock.now, session_id)
            assert named is not None
            assert named.file_id == "a6"


async def test_claim_of_a_dead_process_lapses(mongodb_uri: str, clock) -> None:
    """Bytes that a put claimed before its process died count for a minute, then no more."""
    with MongoClient(mongodb_uri, tz_aware=True) as client:
        claim = {"file_id": "dead", "size": 95, "until": clock.now + CLAIM}
        client.get_default_database()["quotas"].insert_one({"_id": 7, "revision": 3, "claims": [claim]})
    async with open_mongo(mongodb_uri) as store:
        with pytest.raises(QuotaExceeded) as caught:
            await store.files.add(a_file(clock), quota=100)
        assert caught.value.used == 95
        clock.now += CLAIM
        await store.files.add(a_file(clock), quota=100)


async def test_claim_of_a_clock_that_was_ahead_counts_no_more(mongodb_uri: str, clock) -> None:
    """Otherwise it would not lapse until the time of that clock."""
    with MongoClient(mongodb_uri, tz_aware=True) as client:
        claim = {"file_id": "dead", "size": 95, "until": clock.now + timedelta(days=3)}
        client.get_default_database()["quotas"].insert_one({"_id": 7, "revision": 3, "claims": [claim]})
    async with open_mongo(mongodb_uri) as store:
        await store.files.add(a_file(clock), quota=100)


async def test_quota_holds_over_several_processes(mongodb_uri: str, clock, tmp_path) -> None:
    """Two bots that store one person's files at the same moment stay within the quota together."""
    async with open_mongo(mongodb_uri) as one, open_mongo(mongodb_uri) as other:
        stores = [FileStore(store, Blobs(tmp_path), clock=clock, quota=50) for store in (one, other)]
        results = await asyncio.gather(
            *(stores[n % 2].put(7, "s", f"{n}.txt", b"%010d" % n, source="generated") for n in range(12)),
            return_exceptions=True,
        )
        assert sum(isinstance(result, StoredFile) for result in results) == 5
        assert sum(isinstance(result, QuotaExceeded) for result in results) == 7


async def test_no_document_comes_near_the_limit_and_nothing_stays_after_forget(
    mongodb_uri: str, clock, tmp_path
) -> None:
    """Long texts are stored in pieces, which are deleted when replaced, and all go with the person."""
    async with open_mongo(mongodb_uri) as store:
        await store.sessions.get_or_create("s", 7, "dm", clock.now)
        cell = await store.transcripts.begin_cell("s", "dm", "Ann", "é" * 3_000_000, clock.now)
        output = {"output_type": "stream", "name": "stdout", "text": "x" * 3_000_000}
        for _ in range(2):
            await store.transcripts.append_outputs("s", cell.seq, [output])
            await store.transcripts.finish_cell("s", cell.seq, status="ok", outputs=[output])
        with MongoClient(mongodb_uri) as client:
            database = client.get_default_database()
            pieces = list(database["texts"].find())
            assert max(len(piece["piece"].encode()) for piece in pieces) <= 1024 * 1024
            assert len({piece["text"] for piece in pieces}) == 2
            files = FileStore(store, Blobs(tmp_path), clock=clock)
            await files.put(7, "s", "a.txt", b"x", source="generated")
            await files.forget_person(7)
            left = {name: database[name].count_documents({}) for name in database.list_collection_names()}
            assert {name for name, count in left.items() if count} == {"identity"}


async def test_cell_finished_again_while_it_is_read_is_read_again(
    mongodb_uri: str, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader whose pieces are replaced between its two queries gets the new outputs, not an error."""
    old, new = ([{"output_type": "stream", "name": "stdout", "text": mark * 1_000_000}] for mark in "on")
    async with open_mongo(mongodb_uri) as store:
        cell = await store.transcripts.begin_cell("s", "dm", "Ann", "1", clock.now)
        await store.transcripts.finish_cell("s", cell.seq, status="ok", outputs=old)
        many, interruptions = store.transcripts._entries.many, [new]

        async def interrupted(*arguments: Any) -> list[dict[str, Any]]:
            found = await many(*arguments)
            if interruptions:
                outputs = interruptions.pop()
                await store.transcripts.finish_cell("s", cell.seq, status="ok", outputs=outputs)
            return found

        monkeypatch.setattr(store.transcripts._entries, "many", interrupted)
        (read,) = await store.transcripts.entries("s")
        assert isinstance(read, CellRecord)
        assert read.outputs == tuple(new)


async def test_dates_are_dates_and_no_index_expires(mongodb_uri: str, clock) -> None:
    """Expiry is a BSON date, the id is unique, and no TTL index deletes a row before its bytes."""
    async with open_mongo(mongodb_uri) as store:
        await store.files.add(a_file(clock), quota=100)
    with MongoClient(mongodb_uri, tz_aware=True) as client:
        rows = client.get_default_database()["user_files"]
        assert rows.find_one({}, {"_id": 0})["expires_at"] == clock.now + timedelta(hours=48)  # type: ignore[index]
        indexes = rows.index_information().values()
    assert [("file_id", 1)] in [index["key"] for index in indexes if index.get("unique")]
    assert not any("expireAfterSeconds" in index for index in indexes)


def test_sqlite_never_loads_the_mongodb_driver() -> None:
    """Those who do not use MongoDB need not wait for its driver to load."""
    program = "import filestore, sys; sys.exit('motor' in sys.modules or 'pymongo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_cells_go_on_while_the_server_is_killed_and_come_in_when_it_is_back(tmp_path, clock) -> None:
    """Cells that end or begin while it is down are recorded, in order, once it is back."""
    output = {"output_type": "stream", "name": "stdout", "text": "x" * 300_000}  # in pieces of their own
    with mongodb_server() as server:
        async with (
            open_mongo(f"{server.uri}/x", LeasePace(), server_selection=300) as raw,
            spooled(raw, tmp_path / "spool", clock=clock) as kept,
        ):
            await kept.sessions.get_or_create("s", 7, "dm", clock.now)
            first = await kept.transcripts.begin_cell("s", "dm", "Ann", "first", clock.now)
            server.kill()
            await kept.transcripts.finish_cell("s", first.seq, status="ok", outputs=[output])
            new = await kept.sessions.get_or_create("t", 8, "dm", clock.now)
            for seq, session_id in ((2, "s"), (3, new.session_id)):
                cell = await kept.transcripts.begin_cell(session_id, "dm", "Ann", "second", clock.now)
                await kept.transcripts.append_outputs(session_id, cell.seq, [output])
                await kept.transcripts.finish_cell(session_id, cell.seq, status="error")
                assert cell.seq == seq  # its session cannot be looked up: numbered after the highest of all
            with pytest.raises(StoreUnavailable):  # part of it would look like all of it
                await kept.transcripts.entries("s")
            await asyncio.to_thread(server.start)
            await until(lambda: kept.transcripts.waiting("s") is None is kept.transcripts.waiting("t"))
            cells = await raw.transcripts.entries("s")
            assert [
                (cell.seq, cell.status, cell.outputs) for cell in cells if isinstance(cell, CellRecord)
            ] == [
                (1, "ok", (output,)),
                (2, "error", (output,)),
            ]
            assert len(await raw.transcripts.entries("t")) == 1
            assert (await kept.transcripts.begin_cell("s", "dm", "Ann", "third", clock.now)).seq == 3


async def test_what_was_brought_in_is_not_brought_in_twice(mongodb_uri: str, clock) -> None:
    """A program that does not know that entries, outputs and turns were written can write them again."""
    output = {"output_type": "stream", "name": "stdout", "text": "tick"}
    used = UsageRecord(7, clock.now, "m", 10, 2, 0.1, 1.5)
    async with open_mongo(mongodb_uri) as store:
        cell = CellRecord("s", 5, "dm", "Ann", "x" * 300_000, (), "running", clock.now)
        said = Said("s", 4, "dm", "Ann", "words", clock.now)
        for _ in range(2):
            assert [await store.transcripts.restore(entry) for entry in (said, cell)] == [4, 5]
            for batch in ("a" * 24, "b" * 24):
                await store.transcripts.append_outputs("s", 5, [output], batch=batch)
            await store.usage.add(used, again=True)
        _, found = await store.transcripts.entries("s")
        assert found == replace(cell, outputs=(output, output))
        assert (await store.usage.total(7, clock.now)).turns == 1
        assert [await store.transcripts.last_seq(one) for one in ("s", "other", None)] == [5, 0, 5]
        assert await store.transcripts.restore(replace(cell, author="Bob")) == 6
        assert (await store.transcripts.begin_cell("s", "dm", "Ann", "1", clock.now)).seq == 7


async def test_a_server_without_room_is_told_from_one_that_is_away() -> None:
    """People can do something about a full disk."""
    async with connected("mongodb://127.0.0.1") as database:
        for code, kind in ((14031, StoreFull), (11600, StoreUnavailable)):
            with pytest.raises(StoreUnavailable) as caught, database["entries"]._answering():
                raise OperationFailure("no", code)
            assert type(caught.value) is kind


async def _sums(uri: str) -> dict[str, Any]:
    with MongoClient(uri) as client:
        return client.get_default_database()["quotas"].find_one({"_id": 7}) or {}


WRITES: dict[str, Callable[[Store, Any], Awaitable[Any]]] = {
    "put": lambda store, clock: store.files.add(a_file(clock), quota=10_000),
    "removal": lambda store, _: store.files.remove(["old"]),
    "code": lambda store, clock: store.transcripts.begin_cell("s", "dm", "Ann", "x" * 5000, clock.now),
    "outputs": lambda store, _: store.transcripts.finish_cell("s", 1, status="ok", outputs=[{"a": "b"}]),
    "late outputs": lambda store, _: store.transcripts.append_outputs("s", 1, [{"a": "b"}]),
    "deletion": lambda store, _: store.transcripts.clear("s"),
}


@pytest.mark.parametrize("write", WRITES)
async def test_what_is_just_written_is_not_counted_twice(
    mongodb_uri: str, clock, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    """The janitor counts at a moment when a row has changed but its sum has not yet."""
    changed, goes_on = asyncio.Event(), asyncio.Event()
    async with open_mongo(mongodb_uri) as store:
        await store.sessions.get_or_create("s", 7, "dm", clock.now)
        await store.transcripts.begin_cell("s", "dm", "Ann", "y" * 5000, clock.now)
        await store.transcripts.finish_cell("s", 1, status="ok", outputs=[{"an": "output"}])
        await store.files.add(a_file(clock, file_id="old", blob_key="7/old", sha256="11"), quota=10_000)
        assert await store.files.recount() == 0
        change = Collection.change

        async def later(collection: Collection, *given: Any, **more: Any) -> Any:
            if collection._collection.name == "quotas" and any(
                name in given[1].get("$inc", {}) for name in FIELDS
            ):
                changed.set()
                await goes_on.wait()
            return await change(collection, *given, **more)

        with monkeypatch.context() as patch:
            patch.setattr(Collection, "change", later)
            writing = asyncio.create_task(WRITES[write](store, clock))
            await changed.wait()
            patch.undo()
            await store.files.recount()
            goes_on.set()
            await writing
        kept = await _sums(mongodb_uri)
        assert await store.files.recount() == 0
        assert await _sums(mongodb_uri) == kept


async def test_sums_that_a_crash_has_left_wrong_are_set_right(mongodb_uri: str, clock) -> None:
    """Also for a person who has no sums yet; correct sums are left alone."""
    async with open_mongo(mongodb_uri) as store:
        await store.files.add(a_file(clock), quota=100)
        await store.files.add(a_file(clock, file_id="b", blob_key="8/b", user_id=8), quota=100)
        with MongoClient(mongodb_uri) as client:
            quotas = client.get_default_database()["quotas"]
            quotas.update_one({"_id": 7}, {"$set": {"file_bytes": 1_000}})
            quotas.delete_one({"_id": 8})
        assert await store.files.recount() == 2
        assert [await store.files.used(user_id, clock.now) for user_id in (7, 8)] == [10, 10]
        assert await store.files.recount() == 0


async def test_sums_stay_right_while_a_person_is_forgotten(mongodb_uri: str, clock) -> None:
    """Words of another session come in between: what is left is what counts, and never less than nothing."""
    async with open_mongo(mongodb_uri) as store:
        for session_id in "st":
            await store.sessions.get_or_create(session_id, 7, "dm", clock.now)
        for number in range(3):
            file = a_file(
                clock, file_id=f"a{number}", blob_key=f"7/a{number}", filename=f"{number}", file_size=1000
            )
            await store.files.add(file, quota=10_000)
        await store.files.condemn_all(7)
        assert await store.files.used(7, clock.now) == 0
        await store.transcripts.say("s", "dm", "Ann", "words", clock.now)
        assert await store.files.remove(["a0", "a1"]) == 2
        assert await store.files.used(7, clock.now) == ENTRY + len("words")
        assert await store.files.remove(["a2"]) == 1
        assert await store.files.recount() == 0
        await store.sessions.delete("s")
        assert await _sums(mongodb_uri) == {}
        await store.transcripts.say("t", "dm", "Ann", "more", clock.now)
        assert await store.files.used(7, clock.now) == ENTRY + len("more")


async def test_no_sums_are_left_of_who_has_nothing(
    mongodb_uri: str, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by a count that began before the deletion, nor by a claim, dead or refused."""
    async with open_mongo(mongodb_uri) as store:
        await store.files.add(a_file(clock), quota=100)
        many = Collection.many

        async def forgotten_meanwhile(collection: Collection, *given: Any) -> Any:
            found = await many(collection, *given)
            if collection._collection.name == "quotas":
                await store.files.condemn_all(7)
                await store.files.remove(["aaaaaaaaaa"])
            return found

        with MongoClient(mongodb_uri, tz_aware=True) as client:
            with monkeypatch.context() as patch:
                patch.setattr(Collection, "many", forgotten_meanwhile)
                await store.files.recount()
            assert await _sums(mongodb_uri) == {}
            with pytest.raises(QuotaExceeded):
                await store.files.add(a_file(clock), quota=5)
            assert await store.files.recount() == 0
            assert await _sums(mongodb_uri) == {}
            dead = {"file_id": "dead", "size": 95, "until": clock.now + CLAIM}
            client.get_default_database()["quotas"].insert_one({"_id": 7, "revision": 3, "claims": [dead]})
            await store.files.recount()
            assert await _sums(mongodb_uri) != {}
            await store.files.condemn_all(7)
            assert await _sums(mongodb_uri) == {}


async def test_an_entry_that_was_there_before_its_session_takes_nothing_off_when_it_goes(
    mongodb_uri: str, clock
) -> None:
    """It has counted as nobody's: the person's other sums stay as they are."""
    async with open_mongo(mongodb_uri) as store:
        await store.sessions.get_or_create("s1", 7, "dm", clock.now)
        await store.transcripts.say("s1", "dm", "Ann", "x" * 1000, clock.now)
        await store.transcripts.say("s2", "dm", "Ann", "y" * 500, clock.now)
        await store.sessions.get_or_create("s2", 7, "dm", clock.now)
        await store.transcripts.say("s2", "dm", "Ann", "z", clock.now)
        assert await store.files.used(7, clock.now) == 2 * ENTRY + 1001
        await store.sessions.delete("s2")
        assert await store.files.used(7, clock.now) == ENTRY + 1000
        assert await store.files.recount() == 0
