"""One data folder, several databases and clocks: every start works, and nothing wanted is deleted."""

import asyncio
import errno
import fcntl
import io
import json
import os
import sqlite3
import zipfile
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.compose import compose
from bot.errors import NodeLives
from bot.notebooks.bundle import bundle
from bot.wording.error_messages import at_start
from config.settings import Settings, load
from filestore.blobs.store import Blobs
from filestore.errors import StoreFull
from filestore.sqlite.identity import SqliteIdentity
from kernels.errors import NodeUnavailable
from kernels.inside.procfs import started
from kernels.node.encoding import encode
from kernels.node.settings import ALIVE, RECORD, NodeRecord
from tests.filestore.faults import full

MINE, THEIRS = "belong to another database", "is not as it was"


def settings_of(data: Path, node: str = "none") -> Settings:
    """Settings for kernels without any isolation, since none is started."""
    token = {} if node == "none" else {"node_token": "secret"}
    return load(data=data, preload="none", node=node, sandbox="none", **token)


async def test_a_database_that_is_forgotten_once_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """MONGODB_URI, for instance: the bot starts and warns; with the right database all files are there."""
    data, away = tmp_path / "data", tmp_path / "away"
    database = data / "kernelcord.db"
    async with compose(settings_of(data)) as sessions:
        stored = await sessions.upload("a.csv", b"a,b\n", 1)
    assert MINE not in caplog.text
    database.rename(away)
    async with compose(settings_of(data)) as sessions:
        await sessions.upload("b.csv", b"b\n", 1)
    (warning,) = [record.getMessage() for record in caplog.records if MINE in record.getMessage()]
    assert "MONGODB_URI" in warning
    assert str(data / "files/.database") in warning
    assert THEIRS not in caplog.text
    away.rename(database)
    for suffix in ("-wal", "-shm"):
        assert not Path(f"{database}{suffix}").exists()
    async with compose(settings_of(data)) as sessions:
        loaded = await sessions.load_file(stored.file_id, 1)
        assert loaded.data == b"a,b\n"
        assert (data / "workspaces" / sessions.id_of(1, "terminal") / "b.csv").exists()
    assert caplog.text.count(MINE) == 1
    assert caplog.text.count(THEIRS) == 1


async def test_a_clock_that_jumps_ahead_removes_no_workspace_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it is corrected before the next sweep, nothing is lost; otherwise the next sweep believes it."""
    async with compose(settings_of(tmp_path / "data")) as sessions:
        await sessions.upload("a.csv", b"a\n", 1)
        placed = tmp_path / "data/workspaces" / sessions.id_of(1, "terminal") / "a.csv"
        looks: asyncio.Queue[None] = asyncio.Queue()
        ahead = timedelta()

        def look() -> datetime:
            looks.put_nowait(None)
            return datetime.now(UTC) + ahead

        monkeypatch.setattr(sessions, "_clock", look)
        sweeping = asyncio.create_task(sessions.sweep_often(timedelta(milliseconds=50)))
        try:
            for ahead in (timedelta(), timedelta(hours=49), timedelta(), timedelta()):  # noqa: B007
                await looks.get()
            assert placed.exists()
            ahead = timedelta(hours=49)
            while placed.exists():
                await looks.get()
        finally:
            sweeping.cancel()
            await asyncio.wait([sweeping])


async def test_a_cell_is_resumed_though_the_clock_was_ahead_when_it_began(tmp_path: Path) -> None:
    """According to its record, the session was last used tomorrow."""
    async with compose(settings_of(tmp_path / "data")) as sessions:
        tomorrow, session_id = datetime.now(UTC) + timedelta(days=1), sessions.id_of(1, "terminal")
        await sessions.store.sessions.get_or_create(session_id, 1, "terminal", tomorrow)
        await sessions.store.transcripts.begin_cell(session_id, "terminal", "Ann", "1", tomorrow)
        await sessions.resume()
        assert await sessions.store.transcripts.unfinished(session_id) == []


async def test_a_bundle_has_each_version_by_its_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock said: the oldest version is beside the notebook, which runs from its start."""
    async with compose(settings_of(tmp_path / "data")) as sessions:
        session = await sessions.session(1, "terminal")
        ahead = timedelta(hours=5)
        monkeypatch.setattr(sessions.files, "_clock", lambda: datetime.now(UTC) + ahead)
        older = await sessions.upload("a.csv", b"older", 1)
        ahead = timedelta()
        newer = await sessions.upload("a.csv", b"newer", 1)
        code = f"load_file('{older.file_id}'), load_file('{newer.file_id}')"
        await sessions.store.transcripts.begin_cell(
            session.record.session_id, "terminal", "Ann", code, datetime.now(UTC)
        )
        zipped = io.BytesIO()
        await bundle(session, sessions.files, zipped)
        with zipfile.ZipFile(zipped) as packed:
            assert packed.read("a.csv") == b"older"
            assert packed.read("files/a.csv") == b"newer"
            paths = {entry["file_id"]: entry["path"] for entry in json.loads(packed.read("files.json"))}
        assert paths == {older.file_id: "a.csv", newer.file_id: "files/a.csv"}


async def test_a_mark_that_cannot_be_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is deleted meanwhile; without the mark, the database that knows the files claims the folder."""
    data = tmp_path / "data"
    mark = data / "files/.database"
    async with compose(settings_of(data)) as sessions:
        stored = await sessions.upload("a.csv", b"a,b\n", 1)
    mark.write_text("{")
    async with compose(settings_of(data)) as sessions:
        (warning,) = [one.getMessage() for one in caplog.records if str(mark) in one.getMessage()]
        assert "Remove it and start again" in warning
        assert (await sessions.load_file(stored.file_id, 1)).data == b"a,b\n"
    mark.unlink()
    caplog.clear()
    async with compose(settings_of(data)) as sessions:
        assert (await sessions.load_file(stored.file_id, 1)).data == b"a,b\n"
    assert str(mark) not in caplog.text


@pytest.mark.parametrize(
    ("kind", "verb", "full"),
    [
        (SqliteIdentity, "begin_run", StoreFull("kernelcord.db: database or disk is full")),
        (Blobs, "set_mark", OSError(errno.ENOSPC, "No space left on device")),
    ],
)
async def test_a_start_on_a_full_disk_is_told_and_works(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: type,
    verb: str,
    full: Exception,
) -> None:
    """As after a crash, which leaves the database's log files behind: cells can make room again."""
    settings = settings_of(tmp_path / "data")
    async with compose(settings) as sessions:
        stored = await sessions.upload("a.csv", b"a,b\n", 1)

    async def refuse(*_: object) -> str:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(kind, verb, refuse)
        async with compose(settings) as sessions:
            assert "The disk is full: make room on it." in caplog.text
            assert (await sessions.load_file(stored.file_id, 1)).data == b"a,b\n"
    async with compose(settings) as sessions:
        assert (await sessions.load_file(stored.file_id, 1)).data == b"a,b\n"
    assert MINE not in caplog.text


async def test_what_is_brought_in_at_a_start_says_whose_bytes_it_has(tmp_path: Path) -> None:
    """Even if the folder has no mark, and all that the database will know about it is still waiting."""
    data = tmp_path / "data"
    async with AsyncExitStack() as outage, compose(settings_of(data)) as sessions:
        await sessions.execute_code("1", 1)
        await outage.enter_async_context(full())
        await sessions.execute_code("open('a.txt', 'w').write('abc')", 1)
    (data / "files/.database").unlink()
    async with compose(settings_of(data)) as sessions:
        mark = json.loads((data / "files/.database").read_text())
        assert mark["database"] == await sessions.store.identity.id()
        (file,) = (await sessions.list_user_files(1)).files
        assert file.folder == mark["folder"]
    with closing(sqlite3.connect(data / "kernelcord.db")) as database:
        assert database.execute("SELECT folder FROM entries WHERE seq = 2").fetchall() == [(mark["folder"],)]


@pytest.mark.parametrize("node", ["none", "http://127.0.0.1:9", "/another/socket"])
async def test_no_node_but_the_one_that_is_used_may_live_in_the_folder(tmp_path: Path, node: str) -> None:
    """Its kernels would go on in workspaces that others use, and no deletion would reach them."""
    settings = settings_of(tmp_path, node)
    folder = tmp_path / "node-3"
    folder.mkdir()
    record = NodeRecord("/socket", "secret", os.getpid(), started(os.getpid()))
    (folder / RECORD).write_bytes(encode(record))
    alive = os.open(folder / ALIVE, os.O_CREAT | os.O_RDWR)
    fcntl.flock(alive, fcntl.LOCK_EX)
    with pytest.raises(NodeLives) as refused:
        async with compose(settings):
            pass
    assert f"process {os.getpid()}, keeps kernels in this data folder. Set NODE to auto" in at_start(
        refused.value
    )
    if node != "none":
        (folder / RECORD).write_bytes(encode(replace(record, address=node)))
        with pytest.raises(NodeUnavailable):  # it is the one that is used, and does not answer
            async with compose(settings):
                pass
    os.close(alive)  # the node has ended
    if node == "none":
        async with compose(settings):
            pass
