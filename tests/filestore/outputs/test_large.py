"""Large outputs are stored outside their records, count towards the quota, and go with their transcript."""

import asyncio
import errno
import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from filestore import open_store
from filestore.blobs.store import Blobs
from filestore.errors import BytesStay, QuotaExceeded, StoreUnavailable
from filestore.files import FileStore
from filestore.janitor import Janitor, Swept
from filestore.mongo.database import Collection
from filestore.outputs.large import LARGE, with_large_outputs
from filestore.outputs.short import LIMIT, MADE_ROOM, NO_ROOM, short, size_of
from filestore.ownership import begin_run
from filestore.records import ENTRY, CellRecord
from filestore.spool import SpooledStore
from filestore.sqlite import open_sqlite
from filestore.sqlite.schema import MIGRATIONS
from filestore.store import Store
from tests.filestore.conftest import Clock
from tests.filestore.faults import full
from tests.filestore.outputs.conftest import (
    ANN,
    BOB,
    KIB,
    QUOTA,
    brief,
    on_disk,
    on_each,
    on_sqlite,
    run,
    stream,
    whole,
)


@on_each
async def test_large_outputs_lie_outside_and_read_whole(
    kept: SpooledStore, raw: Store, blobs: Blobs, clock: Clock
) -> None:
    """The record has only a few lines of each; all outputs can be read back, in order, late ones too."""
    small, big = stream("small"), [stream("x" * LARGE), stream("last")]
    cell = await run(kept, clock, *big)
    await kept.transcripts.append_outputs(f"u{ANN}", cell.seq, [small], batch="0" * 24)
    await kept.transcripts.append_outputs(f"u{ANN}", cell.seq, big, batch="1" * 24)
    await kept.transcripts.append_outputs(f"u{ANN}", cell.seq, big, batch="1" * 24)  # tried again
    (record,) = await brief(kept)
    assert [part.count for part in record.outside] == [2, 2]
    assert len(json.dumps(record.outputs)) < LARGE // 2
    assert await whole(kept) == [(*big, small, *big)]
    assert [output async for output in kept.transcripts.outputs(record)] == [*big, small, *big]
    assert {entry.key for entry in await on_disk(blobs)} == {part.blob_key for part in record.outside}
    assert all(entry.key.startswith(f"{ANN}/") for entry in await on_disk(blobs))
    assert await raw.files.known_keys([record.outside[0].blob_key, "7/other"]) == {record.outside[0].blob_key}
    await kept.transcripts.finish_cell(f"u{ANN}", cell.seq, status="ok", outputs=[small])
    assert (await whole(kept), await on_disk(blobs)) == ([(small,)], [])


@pytest.mark.parametrize("raw", ["mongodb"], indirect=True)
async def test_a_try_that_came_to_its_end_unheard_loses_no_bytes(
    kept: SpooledStore, raw: Store, blobs: Blobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks after the server has written late output: a retry finds all of it."""
    cell = await run(kept, clock)
    append = raw.transcripts.append_outputs

    async def unheard(*args: Any, **more: Any) -> Any:
        await append(*args, **more)
        raise StoreUnavailable("connection closed")

    big = stream("x" * LARGE)
    monkeypatch.setattr(raw.transcripts, "append_outputs", unheard)
    await kept.transcripts.append_outputs(f"u{ANN}", cell.seq, [big])
    monkeypatch.undo()
    await kept.catch_up.bring_in()
    assert await whole(kept) == [(big,)]
    assert len(await on_disk(blobs)) == 1
    assert await raw.files.recount() == 0


@pytest.mark.parametrize("raw", ["mongodb"], indirect=True)
async def test_outputs_are_recorded_though_those_before_them_cannot_be_deleted(
    kept: SpooledStore, blobs: Blobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server goes away between the two: the entry refers to the new bytes, which must stay."""
    cell = await run(kept, clock, stream("o" * LARGE))
    late, end = stream("l" * LARGE), stream("n" * LARGE)
    await kept.transcripts.append_outputs(f"u{ANN}", cell.seq, [stream("in a row")])

    async def away(*_: Any) -> int:
        raise StoreUnavailable("connection closed")

    with monkeypatch.context() as patched:
        patched.setattr(Collection, "delete", away)
        await kept.transcripts.finish_cell(f"u{ANN}", cell.seq, status="ok", outputs=[end])
    for failing in (False, True):
        with monkeypatch.context() as patched:
            if failing:
                patched.setattr(Collection, "delete", away)
            await kept.transcripts.append_outputs(f"u{ANN}", cell.seq, [late], batch="1" * 24)
    assert kept.transcripts.waiting(f"u{ANN}") is None
    assert await whole(kept) == [(end, late)]
    (record,) = await brief(kept)
    assert {entry.key for entry in await on_disk(blobs)} == {part.blob_key for part in record.outside}
    await kept.sessions.delete(f"u{ANN}")
    assert await on_disk(blobs) == []


@on_each
async def test_outputs_that_were_written_unheard_are_whole_when_they_are_written_again(
    kept: SpooledStore, raw: Store, blobs: Blobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer is cancelled once the database has the late outputs, as at the end of the program."""
    big = [stream("x" * LARGE), stream("last")]
    cell = await run(kept, clock)
    large = with_large_outputs(raw, blobs, quota=QUOTA, clock=clock)
    append = raw.transcripts.append_outputs

    async def cut_off(*which: Any, **options: Any) -> None:
        await append(*which, **options)
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(raw.transcripts, "append_outputs", cut_off)
        with pytest.raises(asyncio.CancelledError):
            await large.transcripts.append_outputs(f"u{ANN}", cell.seq, big, batch="1" * 24)
    await large.transcripts.append_outputs(f"u{ANN}", cell.seq, big, batch="1" * 24)
    assert await whole(kept) == [tuple(big)]
    (record,) = await brief(kept)
    assert [entry.key for entry in await on_disk(blobs)] == [part.blob_key for part in record.outside]


@on_each
async def test_the_newest_come_first_page_by_page(kept: SpooledStore, clock: Clock) -> None:
    """For a question to the model: the latest entries of one place, without large outputs."""
    for number in range(5):
        await kept.transcripts.say(f"u{ANN}", f"place {number % 2}", "Ann", str(number), clock.now)
    cell = await run(kept, clock, stream("y" * LARGE * 2))
    (first, second) = await kept.transcripts.newest(f"u{ANN}", limit=2)
    assert [first.seq, second.seq] == [cell.seq, 5]
    assert isinstance(first, CellRecord)
    assert len(first.outputs[0]["text"]) < LARGE // 4
    found = await kept.transcripts.newest(f"u{ANN}", before=5, place="place 0")
    assert [entry.seq for entry in found] == [3, 1]
    async with full():
        waiting = await kept.transcripts.say(f"u{ANN}", "place 0", "Ann", "later", clock.now)
        found = await kept.transcripts.newest(f"u{ANN}", place="place 0", limit=2)
        assert [entry.seq for entry in found] == [waiting.seq, 5]


@on_each
async def test_outputs_count_and_the_oldest_make_room(
    kept: SpooledStore, raw: Store, blobs: Blobs, clock: Clock
) -> None:
    """Six cells cannot write beyond the quota: the oldest large ones become short, and say so."""
    first = [stream(f"{number}" * 30 * KIB) for number in range(10)]
    before = [await run(kept, clock, *first)]
    before += [await run(kept, clock, stream(f"{number}" * 300 * KIB)) for number in (1, 2)]
    other = await run(kept, clock, stream("b" * 300 * KIB), user_id=BOB)
    assert 900 * KIB < await kept.files.used(ANN, clock.now) < QUOTA
    await run(kept, clock, stream("small"))
    new = await run(kept, clock, stream("3" * 300 * KIB))
    assert await kept.files.used(ANN, clock.now) < QUOTA
    records = {record.seq: record for record in await brief(kept)}
    assert not records[before[0].seq].outside
    # The new short form is made from the full output, not from the previous short form.
    assert list(records[before[0].seq].outputs) == short(first, MADE_ROOM)
    assert all(records[cell.seq].outside for cell in (*before[1:], new))
    assert (await brief(kept, BOB))[0].seq == other.seq
    assert len(await on_disk(blobs)) == 4
    assert await raw.files.recount() == 0  # the sums are what is there


@on_each
async def test_room_is_made_only_between_writes(
    kept: SpooledStore, raw: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes are written before the entry that refers to them, and would otherwise count as the oldest."""
    for number in range(2):
        await run(kept, clock, stream(f"{number}" * 300 * KIB))
    finish, writing, go_on = raw.transcripts.finish_cell, asyncio.Event(), asyncio.Event()
    order = []

    async def slowly(*cell: Any, **ending: Any) -> Any:
        writing.set()
        await go_on.wait()
        order.append("written")
        return await finish(*cell, **ending)

    async def room() -> None:
        await kept.transcripts.make_room(ANN, 300 * KIB, QUOTA, clock.now)
        order.append("room")

    monkeypatch.setattr(raw.transcripts, "finish_cell", slowly)
    work = [asyncio.create_task(run(kept, clock, stream("3" * 300 * KIB)))]
    await writing.wait()
    work.append(asyncio.create_task(room()))
    await asyncio.wait(work, timeout=0.2)
    go_on.set()
    await asyncio.gather(*work)
    assert order == ["written", "room"]
    assert [bool(cell.outside) for cell in await brief(kept)] == [False, True, True]


@pytest.mark.parametrize(
    "output",
    [
        stream("😀" * 30_000),
        {"output_type": "display_data", "data": {"k" * 900 + str(n): "" for n in range(40)}, "metadata": {}},
        {"output_type": "display_data", "data": {}, "metadata": {"a": {"b": ["x" * 40_000]}}},
        {"output_type": "display_data", "data": {"text/x": [1 << 9000] * 30}, "metadata": {}},
    ],
    ids=["emoji", "keys", "metadata", "numbers"],
)
def test_all_of_an_output_counts(output: dict[str, Any]) -> None:
    """Whatever makes it large is counted, whether text, keys, metadata or numbers."""
    assert size_of([output]) > LARGE
    assert size_of([stream("é")]) == len(json.dumps([stream("é")]))


@on_each
async def test_what_comes_late_is_no_way_around_the_quota(kept: SpooledStore, clock: Clock) -> None:
    """However small its pieces are."""
    cell = await run(kept, clock)
    for number in range(QUOTA // 20_000 + 20):
        piece = stream(f"{number}" + "x" * 20_000)
        await kept.transcripts.append_outputs(f"u{ANN}", cell.seq, [piece], batch=f"{number:024}")
    (outputs,) = await whole(kept)
    assert len(json.dumps(outputs)) < QUOTA + 20_000
    assert NO_ROOM in outputs[-1]["text"]


@on_each
async def test_a_file_takes_room_of_old_outputs_and_files_alone_are_refused(
    kept: SpooledStore, blobs: Blobs, clock: Clock
) -> None:
    """Outputs never keep a file from being stored: they are shortened, and say so."""
    files = FileStore(kept, blobs, clock=clock, quota=QUOTA)
    await run(kept, clock, stream("0" * 600 * KIB))
    await files.put(ANN, f"u{ANN}", "a.bin", b"x" * 800 * KIB, source="uploaded")
    assert "made room" in (await brief(kept))[0].outputs[-1]["text"]
    with pytest.raises(QuotaExceeded):
        await files.put(ANN, f"u{ANN}", "b.bin", b"y" * 300 * KIB, source="uploaded")
    cell = await kept.transcripts.begin_cell(f"u{ANN}", "dm", "Ann", "1", clock.now)
    finished = await kept.transcripts.finish_cell(
        f"u{ANN}", cell.seq, status="ok", outputs=[stream("head" + "1" * 600 * KIB + "tail")]
    )
    assert not finished.whole
    shown = (await brief(kept))[1].outputs
    assert shown[0]["text"].startswith("head")
    assert shown[0]["text"].endswith("tail")
    assert "no room" in shown[1]["text"]
    with pytest.raises(QuotaExceeded):
        await kept.transcripts.begin_cell(f"u{ANN}", "dm", "Ann", "#" * 300 * KIB, clock.now)
    said = await kept.transcripts.say(f"u{ANN}", "dm", "Ann", "w" * 300 * KIB, clock.now)
    assert len(said.markdown) < LARGE
    assert len(await on_disk(blobs)) == 1


@on_each
@pytest.mark.parametrize("how", ["clear", "delete", "forget"])
async def test_nothing_is_left_of_a_transcript_that_is_deleted(
    kept: SpooledStore, raw: Store, blobs: Blobs, clock: Clock, how: str
) -> None:
    """No bytes, rows or sums stay, whether it is cleared, retired or its person forgotten; others' do."""
    await run(kept, clock, stream("x" * LARGE))
    await run(kept, clock, stream("y" * LARGE), user_id=BOB)
    match how:
        case "clear":
            await kept.transcripts.clear(f"u{ANN}")
        case "delete":
            await kept.sessions.delete(f"u{ANN}")
        case "forget":
            await FileStore(kept, blobs, clock=clock).forget_person(ANN)
    assert [entry.key.split("/")[0] for entry in await on_disk(blobs)] == [str(BOB)]
    assert await kept.files.used(ANN, clock.now) == 0
    assert await whole(kept, BOB) == [(stream("y" * LARGE),)]
    assert await raw.files.recount() == 0


@on_each
async def test_the_words_of_a_deletion_go_though_the_disk_keeps_bytes(
    kept: SpooledStore, raw: Store, blobs: Blobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person is told, nothing refers to the bytes any more, and the janitor tries these again."""
    clock.now = datetime.now(UTC)
    await begin_run(kept, blobs, clock.now)
    await run(kept, clock, stream("x" * LARGE))

    async def refuse(_key: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "delete", refuse)
        with pytest.raises(BytesStay):
            await kept.sessions.delete(f"u{ANN}")
    assert await raw.sessions.get(f"u{ANN}") is None
    assert await raw.transcripts.entries(f"u{ANN}") == []
    assert await kept.files.used(ANN, clock.now) == 0
    assert len(await on_disk(blobs)) == 1
    await kept.sessions.get_or_create(f"u{ANN}", ANN, "dm", clock.now)
    announced = list[CellRecord]()
    again = await kept.transcripts.begin_cell(f"u{ANN}", "dm", "Ann", "1", clock.now, announced.append)
    assert (again.seq, announced) == (1, [])  # the numbers have started again
    swept = await Janitor(kept, blobs, clock=clock).sweep(clock.now + timedelta(hours=2))
    assert swept == Swept(thrown=1)
    assert await on_disk(blobs) == []


@on_each
async def test_the_janitor_keeps_what_transcripts_refer_to(
    kept: SpooledStore, blobs: Blobs, clock: Clock
) -> None:
    """Outputs of a transcript are not orphans; bytes that a crash left without one are."""
    clock.now = datetime.now(UTC)
    await begin_run(kept, blobs, clock.now)
    await run(kept, clock, stream("x" * LARGE))
    await blobs.put("7/out-lost", b"x", limit=10)
    swept = await Janitor(kept, blobs, clock=clock).sweep(clock.now + timedelta(hours=2))
    assert swept == Swept(thrown=1)
    assert await whole(kept) == [(stream("x" * LARGE),)]


@on_sqlite
async def test_missing_bytes_read_as_what_is_left(
    kept: SpooledStore, blobs: Blobs, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """If the disk has lost the bytes, the transcript can still be read."""
    await run(kept, clock, stream("begin" + "x" * LARGE))
    for entry in await on_disk(blobs):
        await blobs.delete(entry.key)
    ((shown, told),) = await whole(kept)
    assert shown["text"].startswith("begin")
    assert "missing" in told["text"]
    assert "missing" in caplog.text


@on_sqlite
async def test_a_disk_without_room_for_outputs_keeps_others_cells_direct(
    kept: SpooledStore, blobs: Blobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One person's large output waits in the spool and is tried again; others are recorded as usual."""
    put = blobs.put

    async def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blobs, "put", refuse)
    await run(kept, clock, stream("x" * LARGE))
    waiting = kept.transcripts.waiting(f"u{ANN}")
    assert waiting is not None
    assert (waiting.full, waiting.durable) == (True, True)
    await run(kept, clock, stream("1"), user_id=BOB)
    assert kept.transcripts.waiting(f"u{BOB}") is None
    assert await whole(kept) == [(stream("x" * LARGE),)]
    monkeypatch.setattr(blobs, "put", put)
    await kept.catch_up.bring_in()
    assert kept.transcripts.waiting(f"u{ANN}") is None
    assert await whole(kept) == [(stream("x" * LARGE),)]
    assert len(await on_disk(blobs)) == 1


@on_sqlite
async def test_what_waited_for_the_database_lies_outside_in_the_end(
    kept: SpooledStore, blobs: Blobs, clock: Clock
) -> None:
    """The spool keeps the full output; the record that is written later has it outside."""
    async with full():
        await run(kept, clock, stream("x" * LARGE))
        assert await whole(kept) == [(stream("x" * LARGE),)]
    await kept.catch_up.bring_in()
    assert len((await brief(kept))[0].outside) == len(await on_disk(blobs)) == 1


async def test_a_data_folder_of_before_is_read_counted_and_shortened(tmp_path: Path, clock: Clock) -> None:
    """An older database is brought up without loss; what is large in it can make room like all else."""
    path = tmp_path / "kernelcord.db"
    big, late, code = stream("x" * 250 * KIB), stream("late"), "#" * 2000
    with closing(sqlite3.connect(path)) as old:
        for statements in MIGRATIONS[:6]:
            for statement in statements:
                old.execute(statement)
        old.execute("PRAGMA user_version = 6")
        old.execute("INSERT INTO sessions VALUES ('u7', 7, 'dm', NULL, '{}', 0, 0)")
        old.execute("INSERT INTO counters VALUES ('u7', 1)")
        old.execute(
            "INSERT INTO entries VALUES ('u7', 1, 'cell', 'dm', 'Ann', ?, 0, 'ok', 1.5, 1, '[]')", (code,)
        )
        for position, output in enumerate((big, big, late), start=1):
            old.execute("INSERT INTO outputs VALUES ('u7', 1, ?, ?, '')", (position, json.dumps(output)))
        end = int(clock.now.timestamp() * 1000) + 1000
        old.execute(
            """INSERT INTO user_files
               VALUES ('f', 7, 'u7', 'a', 1, '7/f', 1000, '', 'text', 'generated', 0, ?, 1, 1)""",
            (end,),
        )
        old.commit()
    async with open_sqlite(path, at_once=1) as raw:
        blobs = Blobs(tmp_path / "files")
        store = with_large_outputs(raw, blobs, quota=QUOTA, clock=clock)
        assert await whole(store) == [(big, big, late)]
        (record,) = await brief(store)
        assert len(record.outputs[0]["text"]) < LARGE
        assert [output async for output in store.transcripts.outputs(record)] == [big, big, late]
        shown = 2 * len(json.dumps(big)) + len(json.dumps(late))
        assert await store.files.used(ANN, clock.now) == 1000 + ENTRY + len(code) + shown
        assert await raw.files.recount() == 0
        await run(store, clock, stream("y" * 900 * KIB))
        shortened = (await whole(store))[0]
        assert ["made room" in output["text"] for output in shortened] == [False, True, False, True, False]
        assert shortened[-1] == late


async def test_a_mongodb_of_before_is_counted(mongodb_uri: str, tmp_path: Path, clock: Clock) -> None:
    """After the first start, sessions, entries and files of an earlier version have sums."""
    from pymongo import MongoClient

    big = stream("x" * 300 * KIB)
    async with open_store(tmp_path, mongodb_uri=mongodb_uri) as raw:
        await raw.sessions.get_or_create("u7", ANN, "dm", clock.now)
        cell = await raw.transcripts.begin_cell("u7", "dm", "Ann", "code", clock.now)
        await raw.transcripts.finish_cell("u7", cell.seq, status="ok", outputs=[big])
        files = FileStore(raw, Blobs(tmp_path), clock=clock)
        await files.put(ANN, "u7", "a.txt", b"abc", source="generated")
        used = await raw.files.used(ANN, clock.now)
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client.get_default_database()
        database["quotas"].delete_many({})
        database["identity"].delete_one({"_id": "sums"})
        new = ("owner", "folder", "text_size", "output_size", "large_size")
        database["entries"].update_many({}, {"$unset": dict.fromkeys(new, "")})
    async with open_store(tmp_path, mongodb_uri=mongodb_uri) as raw:
        assert await raw.files.used(ANN, clock.now) == used
        store = with_large_outputs(raw, Blobs(tmp_path), quota=QUOTA, clock=clock)
        (record,) = await brief(store)
        assert len(record.outputs[0]["text"]) < LARGE
        assert [output async for output in store.transcripts.outputs(record)] == [big]
        assert await whole(store) == [(big,)]
        await store.transcripts.clear("u7")
        assert await store.files.used(ANN, clock.now) == 3


async def test_outputs_that_are_read_while_they_are_replaced_are_read_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader gets the old outputs or the new ones, never the remains of deleted bytes."""
    async with open_store(tmp_path) as raw:
        blobs = Blobs(tmp_path / "files")
        store = with_large_outputs(raw, blobs, quota=QUOTA, clock=clock)
        await store.sessions.get_or_create("u7", ANN, "dm", clock.now)
        cell = await run(store, clock, stream("o" * LARGE))
        opened, new = blobs.open, [stream("n" * LARGE)]

        async def interrupted(key: str) -> Any:
            monkeypatch.setattr(blobs, "open", opened)
            await store.transcripts.finish_cell("u7", cell.seq, status="ok", outputs=new)
            return await opened(key)

        monkeypatch.setattr(blobs, "open", interrupted)
        assert await whole(store) == [tuple(new)]


@pytest.mark.parametrize(
    "output",
    [
        stream("é\ud83d" * 100_000),
        {"output_type": "error", "ename": "E" * 9999, "evalue": "v" * 9999, "traceback": ["t\n" * 9999] * 50},
        {"output_type": "display_data", "data": {"image/png": "A" * 99_999, "text/plain": "<Figure>"}},
        {"output_type": "display_data", "data": {"application/x": {"a": [1] * 9999}}, "metadata": {}},
        {"output_type": "execute_result", "data": {"text/plain": ["not", "text"]}, "execution_count": 1},
        {"output_type": "stream", "text": None},
    ],
)
def test_a_short_form_is_short_whatever_the_outputs_are(output: dict[str, Any]) -> None:
    """One output, or two thousand, become at most a few kilobytes that a notebook can hold."""
    for outputs in ([output], [output] * 2000):
        made = short(outputs, "a note")
        assert len(json.dumps(made)) <= LIMIT + 100
        assert made[-1]["text"] == "[a note]\n"
        assert {one["output_type"] for one in made} <= {"stream", "error", "display_data"}


@on_each
@pytest.mark.parametrize("at_once", [2])
async def test_room_is_made_piece_by_piece(kept: SpooledStore, raw: Store, clock: Clock) -> None:
    """One who makes much room at once holds the database's one writer for a few rows at a time."""
    for _ in range(10):
        await run(kept, clock, stream("x" * 90 * KIB))
    room = await raw.transcripts.make_room(ANN, 700 * KIB, QUOTA, clock.now)
    assert (room.fits, room.shortened, len(room.dropped)) == (False, 2, 2)
    await run(kept, clock, stream("y" * 700 * KIB))
    assert await kept.files.used(ANN, clock.now) <= QUOTA
    assert len([record for record in await brief(kept) if record.outside]) > 1
    nothing = await raw.transcripts.make_room(ANN, 2 * QUOTA, QUOTA, clock.now)
    assert (nothing.fits, nothing.shortened, nothing.dropped) == (False, 0, ())
