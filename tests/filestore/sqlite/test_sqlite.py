"""What SQLite alone promises: a private file, whole transactions, migrations, several processes."""

import asyncio
import multiprocessing
import os
import sqlite3
import stat
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from filestore import open_store
from filestore.errors import StoreDamaged, StoreFull, StoreTooNew, StoreUnavailable
from filestore.records import MessageCell, StoredFile
from filestore.sqlite import open_sqlite
from filestore.sqlite.database import SMALL, TIDIED, Waits, opened
from filestore.sqlite.files import SqliteFiles
from filestore.sqlite.schema import MIGRATIONS
from filestore.sqlite.transcripts import SqliteTranscripts
from tests.live.cells import until

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LATER = datetime(2031, 1, 1, tzinfo=UTC)


async def test_database_is_private_and_durable(tmp_path: Path) -> None:
    """Only we can read the file and its log, and a commit returns only once it is synced."""
    async with open_store(tmp_path / "new" / "data") as store:
        await store.transcripts.say("s", "p", "Ann", "hi", NOW)
        files = list((tmp_path / "new/data").iterdir())
        assert {path.name for path in files} >= {"kernelcord.db", "kernelcord.db-wal"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    async with opened(tmp_path / "other.db") as database:
        modes = await database.write(
            lambda connection: [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        )
    assert modes == ["wal", 2, 1]


@pytest.mark.parametrize("size", [0, SMALL, SMALL + 1])
async def test_write_soon_is_on_disk_right_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """It does not wait for the disk, its data is visible, the log is synced next, and `write` still waits."""
    synced: list[str] = []
    monkeypatch.setattr("os.fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
    path = tmp_path / "a.db"
    mode = "PRAGMA synchronous"
    async with opened(path) as database:
        modes: list[int] = []

        threads: set[int] = set()

        def work(connection: sqlite3.Connection) -> None:
            threads.add(threading.get_ident())
            modes.append(connection.execute(mode).fetchone()[0])
            connection.execute("INSERT INTO counters VALUES ('s', 7)")

        await database.write_soon(work, size)
        assert (threads == {threading.get_ident()}) == (size <= SMALL)
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT seq FROM counters").fetchall() == [(7,)]
        await database.write(lambda connection: modes.append(connection.execute(mode).fetchone()[0]))
        assert modes == [1, 2]
        await until(lambda: synced == [f"{path}-wal"])


async def test_writings_at_one_moment_share_a_sync_and_an_end_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The five writes of a Discord turn, or those of a crowd, share one sync, at the end at the latest."""
    synced: list[str] = []
    monkeypatch.setattr("os.fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
    async with open_sqlite(tmp_path / "kernelcord.db", Waits(soon=600.0)) as store:
        for message in range(10):
            await store.message_cells.set(MessageCell(message, "s", 0, turn="t"))
            cell = await store.transcripts.begin_cell("s", "p", "Ann", "1", NOW)
            await store.message_cells.set(MessageCell(message, "s", cell.seq, turn="t"))
            await store.transcripts.finish_cell("s", cell.seq, status="ok", outputs=[])
            await store.message_cells.set(MessageCell(message, "s", cell.seq))
        assert synced == []
    assert synced == [f"{tmp_path / 'kernelcord.db'}-wal"]


async def test_the_loop_waits_for_no_other_writer(tmp_path: Path) -> None:
    """During another transaction, small writes are left to the thread, and the event loop keeps running."""
    async with opened(tmp_path / "a.db") as database:
        began, goes_on = threading.Event(), threading.Event()

        def long(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO counters VALUES ('s', 1)")
            began.set()
            goes_on.wait()

        writing = asyncio.create_task(database.write(long))
        await asyncio.to_thread(began.wait)
        add = "UPDATE counters SET seq = seq + 1 WHERE session_id = 's' RETURNING seq"
        soon = asyncio.create_task(database.write_soon(lambda each: each.execute(add).fetchone()[0], 0))
        await asyncio.sleep(0.05)
        assert not soon.done()
        goes_on.set()
        await writing
        assert await soon == 2


async def test_the_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    """What the event loop writes is checkpointed into the file now and then, so that the log starts over."""
    path = tmp_path / "a.db"
    sizes = []

    def replace(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM counters")
        connection.execute("INSERT INTO counters VALUES (?, 1)", ("x" * 4000,))

    async with opened(path) as database:
        for _ in range(3):
            for _ in range(2 * TIDIED):
                await database.write_soon(replace, 4000)
                await database.write(lambda _: None)  # waits until the thread has done its work
            sizes.append(path.with_name("a.db-wal").stat().st_size)
    assert sizes[2] < 1.5 * sizes[0]


async def test_who_reads_what_was_there_before_holds_no_writer_up(tmp_path: Path) -> None:
    """During a long backup, only the checkpoint of the log has to wait, and no writer."""
    add = "INSERT INTO counters VALUES ('s', 1) ON CONFLICT DO UPDATE SET seq = seq + 1 RETURNING seq"
    async with opened(tmp_path / "a.db", Waits(busy=120_000)) as database, asyncio.timeout(30):
        with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as backup:
            backup.execute("BEGIN")
            assert backup.execute("SELECT count(*) FROM counters").fetchone() == (0,)
            for _ in range(2 * TIDIED):
                await database.write_soon(lambda each: each.execute(add).fetchone()[0], 0)
            assert await database.write(lambda each: each.execute(add).fetchone()[0]) == 2 * TIDIED + 1


@pytest.mark.parametrize(
    "output",
    [
        {"data": {"application/json": ["x"] * SMALL}},
        {"text": "x" * SMALL},
        {"evalue": "x" * SMALL, "ename": "E", "traceback": []},
        {"traceback": ["x" * SMALL]},
    ],
)
async def test_the_loop_writes_no_large_output(tmp_path: Path, output: dict[str, Any]) -> None:
    """Whichever part of the output is large; nor does the event loop write many small ones."""
    threads: set[int] = set()

    def note(statement: str) -> None:
        if "INTO outputs" in statement:
            threads.add(threading.get_ident())

    async with opened(tmp_path / "a.db") as database:
        await database.write_soon(lambda each: each.set_trace_callback(note), 0)
        await database.write(lambda each: each.set_trace_callback(note))
        transcripts = SqliteTranscripts(database)
        for outputs in ([output], [{"text": ""}] * 2000):
            cell = await transcripts.begin_cell("s", "p", "a", "x", NOW)
            await transcripts.finish_cell("s", cell.seq, status="ok", outputs=outputs)
    assert threads
    assert threading.get_ident() not in threads


async def test_what_is_written_soon_outlives_the_program(tmp_path: Path) -> None:
    """A finished cell stays finished, even if the program exits right after the write returns."""
    program = f"""
import asyncio, os
from datetime import UTC, datetime
from pathlib import Path
from filestore import open_store
async def main():
    async with open_store(Path({str(tmp_path)!r})) as store:
        cell = await store.transcripts.begin_cell("s", "p", "Ann", "1", datetime.now(UTC))
        await store.transcripts.finish_cell("s", cell.seq, status="ok")
        os._exit(9)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == 9
    async with open_store(tmp_path) as store:
        assert [getattr(entry, "status", "") for entry in await store.transcripts.entries("s")] == ["ok"]


async def test_store_is_there_after_it_was_closed(tmp_path: Path) -> None:
    """The next run can read what was stored."""
    async with open_store(tmp_path) as store:
        said = await store.transcripts.say("s", "p", "Ann", "hi", NOW)
    async with open_store(tmp_path) as store:
        assert await store.transcripts.entries("s") == [said]


async def test_old_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    """A file without any tables gets them all, once."""
    sqlite3.connect(tmp_path / "kernelcord.db").close()
    for _ in range(2):
        async with open_store(tmp_path) as store:
            assert await store.sessions.get("s") is None
    connection = sqlite3.connect(tmp_path / "kernelcord.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    kinds = connection.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
    connection.close()
    assert {name for name, strict in kinds if not strict} == {"sqlite_schema"}


async def test_newer_schema_is_left_alone(tmp_path: Path) -> None:
    """A file of a later version is not touched, and the error says what to do."""
    connection = sqlite3.connect(tmp_path / "kernelcord.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreTooNew, match="update the program") as caught:
        async with open_store(tmp_path):
            pass
    assert (caught.value.found, caught.value.known) == (99, len(MIGRATIONS))


async def test_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    """A broken file, or a place where none can be created, raises StoreUnavailable."""
    (tmp_path / "kernelcord.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        async with open_store(tmp_path):
            pass
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        async with open_store(tmp_path / "file"):
            pass


async def test_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    """A transaction that raises halfway changes nothing, and the next one works."""
    async with opened(tmp_path / "a.db") as database:

        def fail(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO counters VALUES ('s', 1)")
            raise KeyError("in the middle")

        with pytest.raises(KeyError):
            await database.write(fail)
        with pytest.raises(StoreUnavailable, match="no such table"):
            await database.write(lambda connection: connection.execute("SELECT * FROM absent"))
        count = await database.read(
            lambda connection: connection.execute("SELECT count(*) FROM counters").fetchone()[0]
        )
        assert count == 0


async def test_cancelled_writes_leave_no_transaction_open(tmp_path: Path) -> None:
    """A cancelled write is complete or not done at all, and others can go on writing."""
    async with open_store(tmp_path) as store:
        tasks = [asyncio.create_task(store.transcripts.say("s", "p", "Ann", f"{n}", NOW)) for n in range(100)]
        await tasks[10]
        for task in tasks[11:]:
            task.cancel()
        await asyncio.wait(tasks)
        await store.transcripts.say("s", "p", "Ann", "last", NOW)
        seqs = [entry.seq for entry in await store.transcripts.entries("s")]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) >= 12


def _talk(folder: Path) -> None:
    async def talk() -> None:
        async with open_store(folder) as store:
            for _ in range(10):
                await store.transcripts.say("s", "p", "Ann", "hi", NOW)

    asyncio.run(talk())


async def test_several_processes_share_the_file(tmp_path: Path) -> None:
    """Processes that open and write at the same moment wait for each other and lose nothing."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_talk, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join)
        assert process.exitcode == 0
        process.close()
    async with open_store(tmp_path) as store:
        assert [entry.seq for entry in await store.transcripts.entries("s")] == list(range(1, 31))


async def test_files_of_before_are_numbered_as_their_versions_and_times_say(tmp_path: Path) -> None:
    """A file with the third schema opens; a version dated by a clock that was ahead stays below the next."""
    rows = [  # session, name, version, uploaded
        ("s", "a", 1, 1),
        ("s", "b", 1, 2),
        ("s", "a", 2, 9),  # a clock that was ahead
        ("s", "a", 3, 3),
        ("t", "a", 1, 4),
    ]
    with closing(sqlite3.connect(tmp_path / "kernelcord.db")) as old:
        for statements in MIGRATIONS[:3]:
            for statement in statements:
                old.execute(statement)
        for number, (session, name, version, uploaded) in enumerate(rows):
            for user in (7, 8):
                key = f"{user}-{number}"
                values = (key, user, session, name, version, key, 1, "", "text", "generated", uploaded)
                old.execute(
                    f"INSERT INTO user_files VALUES ({', '.join('?' * 13)})", (*values, 1 << 42, None)
                )
        old.execute("PRAGMA user_version = 3")
        old.commit()
    async with open_store(tmp_path) as store:
        page = await store.files.page(7, NOW, limit=9)
        assert [(file.number, file.file_id) for file in page] == [
            (5, "7-3"),
            (4, "7-2"),
            (3, "7-4"),
            (2, "7-1"),
            (1, "7-0"),
        ]
        named = await store.files.named("a", 7, NOW, "s")
        assert named is not None
        assert named.version == 3
        assert len(await store.identity.id()) == 32
        added = await store.files.add(replace(named, file_id="new", blob_key="new", sha256="1"), quota=99)
        assert (added.version, added.number) == (4, 6)


async def _with_many_rows(data: Path) -> Path:
    """A database of a few hundred pages."""
    async with open_store(data) as store:
        for number in range(50):
            await store.transcripts.say("s", "p", "Ann", f"{number} " * 5000, NOW)
    return data / "kernelcord.db"


async def test_a_file_that_was_overwritten_in_its_middle_is_noticed_at_the_start(tmp_path: Path) -> None:
    """Not only when somebody reads the damaged part."""
    path = await _with_many_rows(tmp_path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 8 * 4096)
    with pytest.raises(StoreDamaged, match=r"kernelcord\.db: ") as caught:
        async with open_store(tmp_path):
            pass
    assert "\n" not in str(caught.value)


async def test_a_large_file_is_looked_through_for_a_while_only(tmp_path: Path) -> None:
    """The check at the start stops after its time limit, and all connections work afterwards."""
    await _with_many_rows(tmp_path)
    for _ in range(3):
        async with open_sqlite(tmp_path / "kernelcord.db", Waits(check=0.0)) as store:
            assert len(await store.transcripts.entries("s")) == 50
            await store.transcripts.say("t", "p", "Ann", "x", NOW)


async def test_no_cursor_leaves_its_thread_open(tmp_path: Path) -> None:
    """A cursor's end resets its connection: a full disk was once reported as a missing transaction."""
    async with opened(tmp_path / "a.db") as database:
        for run in (database.write, database.read, lambda work: database.write_soon(work, 0)):
            cursor = await run(lambda each: each.execute("SELECT 1"))
            with pytest.raises(sqlite3.ProgrammingError, match="closed"):
                cursor.fetchone()


async def test_a_file_that_may_not_grow_is_full(tmp_path: Path) -> None:
    """In the event loop and in the thread; reads work, and so do writes once there is room."""
    async with opened(tmp_path / "a.db") as database:
        add = "INSERT INTO counters VALUES (hex(randomblob(20000)), 0)"
        for write in (database.write, lambda work: database.write_soon(work, 0)):
            await write(lambda each: each.execute("PRAGMA max_page_count = 1"))
            with pytest.raises(StoreFull, match="full"):
                await write(lambda each: each.execute(add))
            assert await database.read(lambda each: each.execute("SELECT * FROM counters").fetchall()) == []
        for write in (database.write, lambda work: database.write_soon(work, 0)):
            await write(lambda each: each.execute("PRAGMA max_page_count = 100000"))
            await write(lambda each: each.execute(add))


async def test_an_open_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    """Otherwise a full disk would keep the program from starting."""
    async with open_store(tmp_path) as store:
        await store.transcripts.say("s", "p", "Ann", "x", NOW)
    before = (tmp_path / "kernelcord.db").read_bytes()
    async with opened(tmp_path / "kernelcord.db"):
        assert (tmp_path / "kernelcord.db-wal").stat().st_size == 0
    assert (tmp_path / "kernelcord.db").read_bytes() == before


async def test_a_lock_is_waited_for_once_and_not_by_everybody_in_line(tmp_path: Path) -> None:
    """Once one write has waited in vain, those queued behind it fail soon."""
    async with opened(tmp_path / "a.db", Waits(busy=60_000, locked=1)) as database:
        database._locked_until = time.monotonic() + 60
        with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(30):
                for failed in await asyncio.gather(
                    *(database.write(lambda _: None) for _ in range(10)), return_exceptions=True
                ):
                    assert isinstance(failed, StoreUnavailable)


async def test_a_put_takes_no_longer_beside_many_files(tmp_path: Path) -> None:
    """Each person's sums are stored, so SQLite needs no more steps for a put than beside ten files."""
    row = """INSERT INTO user_files (file_id, user_id, session_id, filename, version, blob_key, file_size,
             sha256, file_type, source, uploaded_at, expires_at, number)
             VALUES (?, 7, 's', ?, 1, ?, 1, '', 'text', 'generated', 0, 4000000000000, ?)"""
    async with opened(tmp_path / "a.db") as database:
        files = SqliteFiles(database)

        async def steps_of_a_put_beside(first: int, last: int) -> int:
            """How many tens of SQLite instructions a put takes beside these files."""
            others = ((f"{n}", f"{n}", f"7/{n}", n) for n in range(first, last))
            await database.write(lambda connection: connection.executemany(row, others))
            steps: list[None] = []
            await database.write(
                lambda connection: connection.set_progress_handler(lambda: steps.append(None), 10)
            )
            new = f"new{first}"
            file = StoredFile(new, 7, "s", new, 1, f"7/{new}", 5, "", "text", "generated", NOW, LATER)
            await files.add(file, quota=10**9, most=10**6)
            await database.write(lambda connection: connection.set_progress_handler(None, 0))
            return len(steps)

        few = await steps_of_a_put_beside(1, 11)
        assert 0 < await steps_of_a_put_beside(100, 10_000) <= few + 10
        assert await files.used(7, NOW) == 10 + 9_900 + 2 * 5


async def test_an_entry_counts_from_when_its_session_has_a_record(tmp_path: Path) -> None:
    """Whatever is taken off when it is deleted has been added: the person's other sums stay as they are."""
    async with open_sqlite(tmp_path / "kernelcord.db") as store:
        await store.sessions.get_or_create("s1", 7, "p", NOW)
        await store.transcripts.say("s1", "p", "Ann", "x" * 1000, NOW)
        others = await store.files.used(7, NOW)
        for number in range(3):
            await store.transcripts.say("s2", "p", "Ann", "y" * 100 * number, NOW)
        assert (others, await store.files.used(7, NOW)) == (1256, 1256)
        for _ in range(2):
            await store.sessions.get_or_create("s2", 7, "p", NOW)
            assert await store.files.used(7, NOW) == others + 300 + 3 * 256
        await store.transcripts.say("s3", "p", "Bob", "z", NOW)
        await store.sessions.get_or_create("s3", 8, "p", NOW)
        assert await store.files.used(8, NOW) == 257
        assert await store.files.recount() == 0
        await store.sessions.delete("s2")
        assert await store.files.used(7, NOW) == others
        assert await store.files.recount() == 0
