"""Journals: waiting writes are on the disk, private and complete, as far as there is room."""

import asyncio
import errno
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from filestore import open_store
from filestore.blobs.store import Blobs
from filestore.errors import BytesStay
from filestore.files import FileStore
from filestore.records import CellRecord, Waiting
from filestore.spool import spooled
from filestore.spool.journal import Journal
from tests.filestore.faults import full, no_room
from tests.filestore.people import ANN
from tests.filestore.spool.conftest import PLACE, SESSION, Opened, opened, printed


async def test_what_waits_outlives_a_kill(tmp_path: Path, clock: Any) -> None:
    """The program is killed right after its writes return; the next one brings them all in first."""
    program = f"""
import asyncio, os
from pathlib import Path
from datetime import UTC, datetime
from tests.filestore.faults import full
from tests.filestore.spool.conftest import Opened, opened, printed
async def main():
    clock = lambda: datetime(2030, 1, 1, tzinfo=UTC)
    async with opened(Path({str(tmp_path)!r}), clock) as store, full():
        for number in range(3):
            await store.cell(f"print({{number}})", printed(str(number)))
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == -9
    async with open_store(tmp_path) as raw:
        assert await raw.transcripts.entries(SESSION) == []
    async with opened(tmp_path, clock) as store:
        cells = await store.raw.transcripts.entries(SESSION)
        assert [cell.outputs for cell in cells if isinstance(cell, CellRecord)] == [
            (printed(str(number)),) for number in range(3)
        ]
        assert (await store.cell()).seq == 4


async def test_half_a_line_is_cut_off_and_a_broken_journal_is_set_aside(store: Opened, clock: Any) -> None:
    """The complete lines before the damage are brought in; the broken file is kept for inspection."""
    async with full():
        await store.cell("mine")
        await store.cell("other", session_id="u8")
        half, broken = (
            store.kept.transcripts._spool.journal(f"session {one}").path for one in (SESSION, "u8")
        )
        for path, rest in ((half, b'{"write": "CellFin'), (broken, b'{"write": "Nothing"}\nmore\n')):
            path.write_bytes(path.read_bytes() + rest)
    async with spooled(store.raw, store.data / "spool", clock=clock):
        for session_id in (SESSION, "u8"):
            (cell,) = await store.raw.transcripts.entries(session_id)
            assert getattr(cell, "status", "") == "ok"
    assert [path.suffix for path in store.folder.iterdir()] == [".broken"]


async def test_what_is_added_to_half_a_line_can_be_read(store: Opened, clock: Any) -> None:
    """The outage continues while the next program runs."""
    async with full():
        await store.cell("before")
        path = store.kept.transcripts._spool.journal(f"session {SESSION}").path
        path.write_bytes(path.read_bytes() + b'{"write": "' + b"x" * 5000)
        async with spooled(store.raw, store.data / "spool", clock=clock) as again:
            after = await again.transcripts.begin_cell(SESSION, PLACE, "Ann", "after", clock())
            assert after.seq == 2
    async with spooled(store.raw, store.data / "spool", clock=clock):
        entries = await store.raw.transcripts.entries(SESSION)
    assert [getattr(entry, "code", "") for entry in entries] == ["before", "after"]
    assert list(store.folder.iterdir()) == []


async def test_a_full_disk_leaves_it_in_memory_until_there_is_room(
    store: Opened, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    """The state says so, and once there is room, everything is on the disk, in order."""
    async with full():
        await store.cell("first")
        with no_room(monkeypatch):
            await store.cell("second")
            state = store.kept.transcripts.waiting(SESSION)
            assert state is not None
            assert not state.durable
        assert not await store.kept.catch_up.bring_in()
        assert store.kept.transcripts.waiting(SESSION) == Waiting(full=True, durable=True)
        await store.cell("third")
    async with spooled(store.raw, store.data / "spool", clock=clock):
        entries = await store.raw.transcripts.entries(SESSION)
    assert [getattr(entry, "code", "") for entry in entries] == ["first", "second", "third"]


async def test_a_file_in_which_nothing_was_ever_whole_is_no_broken_one(
    store: Opened, clock: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk leaves no such file; one left by an earlier version or a kill goes at the next start."""
    async with full():
        with no_room(monkeypatch):
            await store.cell("first")
            assert list(store.folder.iterdir()) == []
        await store.kept.catch_up.bring_in()
    await store.kept.catch_up.bring_in()
    header = b'{"key": "session u9"}'
    for number, left in enumerate((b"", header[:4], header)):
        (store.folder / f"{number}.jsonl").write_bytes(left)
    (store.folder / "strange.jsonl").write_bytes(b"who knows")
    other = store.folder.with_name("another database")
    other.mkdir()
    (other / "0.jsonl").touch()
    async with spooled(store.raw, store.data / "spool", clock=clock):
        assert not other.exists()
    assert [path.name for path in store.folder.iterdir()] == ["strange.broken"]
    told = [record.getMessage() for record in caplog.records]
    assert len([one for one in told if "is broken" in one]) == 1
    assert not any("for another database" in one for one in told)


async def test_what_is_only_in_memory_comes_in_all_the_same(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database may have room before the spool's disk does."""
    with no_room(monkeypatch):
        async with full():
            await store.cell("first")
        await store.kept.catch_up.bring_in()
    assert [getattr(entry, "status", "") for entry in await store.raw.transcripts.entries(SESSION)] == ["ok"]


async def test_the_spool_is_private(store: Opened) -> None:
    """Folders are 0700 and files 0600, since they contain what people ran."""
    async with full():
        await store.cell()
        (journal,) = store.folder.iterdir()
        assert stat.S_IMODE(journal.stat().st_mode) == 0o600
        assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


async def test_what_waits_for_another_database_is_named_and_empty_folders_go(
    tmp_path: Path, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not lost, and the operator is told about it at each start."""
    for name in ("kept", "empty"):
        (tmp_path / "spool" / name).mkdir(parents=True)
    (tmp_path / "spool/kept/a.jsonl").write_text("{}")
    async with opened(tmp_path, clock) as store:
        own = await store.raw.identity.id()
    assert {path.name for path in (tmp_path / "spool").iterdir()} == {"kept", own}
    assert str(tmp_path / "spool/kept") in caplog.text
    assert "for another database" in caplog.text


async def test_what_waits_for_one_database_never_comes_into_another(tmp_path: Path, clock: Any) -> None:
    """Not even if it is in the same place; the right one gets it, even under another name."""
    spool, first, second = (tmp_path / name for name in ("spool", "first", "second"))
    async with open_store(first) as raw, spooled(raw, spool, clock=clock) as kept, full():
        await kept.transcripts.say(SESSION, PLACE, "Ann", "words", clock())
    (first / "kernelcord.db").rename(tmp_path / "away")
    async with open_store(first) as raw, spooled(raw, spool, clock=clock):
        assert await raw.transcripts.entries(SESSION) == []
    second.mkdir()
    (tmp_path / "away").rename(second / "kernelcord.db")
    async with open_store(second) as raw, spooled(raw, spool, clock=clock):
        assert len(await raw.transcripts.entries(SESSION)) == 1


async def test_a_journal_that_was_half_rewritten_leaves_nothing(
    store: Opened, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is killed before the new file replaces the old one; the half-written file is deleted."""

    def killed(*_: object) -> None:
        raise SystemExit

    async with full():
        await store.cell("mine", printed("secret"))
        journal = store.kept.transcripts._spool.journal(f"session {SESSION}")
        with monkeypatch.context() as patched:
            patched.setattr("filestore.spool.journal.os.replace", killed)
            with pytest.raises(SystemExit):
                await journal.rewrite()
    assert sorted(path.suffix for path in store.folder.iterdir()) == [".jsonl", ".part"]
    async with spooled(store.raw, store.data / "spool", clock=clock) as again:
        assert len(await again.transcripts.entries(SESSION)) == 1
    assert list(store.folder.iterdir()) == []


async def test_a_rewritten_journal_goes_on_although_its_folder_is_not_synced(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is the new one, and shorter: what comes next must follow its end, with nothing in between."""

    def fail(folder: Path) -> None:
        if not list(folder.glob("*.part")):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with full():
        await store.cell("a long line of code")
        journal = store.kept.transcripts._spool.journal(f"session {SESSION}")
        await journal.drop_first()
        with monkeypatch.context() as patched:
            patched.setattr("filestore.spool.journal.sync_folder", fail)
            await journal.rewrite()
        await store.cell("the next")
    loaded = Journal.load(journal.path)
    assert loaded is not None
    assert loaded.writes == journal.writes
    assert len(loaded.writes) == 3
    assert [path.suffix for path in store.folder.iterdir()] == [".jsonl"]


@pytest.mark.parametrize("brought_in", [True, False])
async def test_a_journal_that_the_disk_keeps_is_no_deletion(
    store: Opened, clock: Any, monkeypatch: pytest.MonkeyPatch, brought_in: bool
) -> None:
    """Otherwise the next program would bring in again what a person has deleted, waiting or not."""
    async with full():
        await store.cell("mine")

    def refuse(_path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr("filestore.spool.journal._remove", refuse)
        if brought_in:
            await store.kept.catch_up.bring_in()
        with pytest.raises(BytesStay):
            await store.kept.sessions.delete(SESSION)
    assert len(list(store.folder.iterdir())) == 1
    assert await store.raw.sessions.get(SESSION) is None
    await store.kept.sessions.delete(SESSION)
    assert list(store.folder.iterdir()) == []
    async with spooled(store.raw, store.data / "spool", clock=clock):
        assert await store.raw.sessions.get(SESSION) is None
        assert await store.raw.transcripts.entries(SESSION) == []


@pytest.mark.parametrize("emptied", [True, False])
async def test_what_is_deleted_does_not_come_back_unseen(
    store: Opened, blobs: Blobs, clock: Any, monkeypatch: pytest.MonkeyPatch, emptied: bool
) -> None:
    """The disk keeps a journal: it is emptied, or what the next program finds in it can be deleted."""
    async with full():
        await store.cell("mine")

    def refuse(_path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("filestore.spool.journal._remove", refuse)
        if not emptied:
            patch.setattr("filestore.spool.journal._empty", refuse)
        with pytest.raises(BytesStay):
            await store.kept.sessions.delete(SESSION)
    async with spooled(store.raw, store.data / "spool", clock=clock) as again:
        assert len(await store.raw.transcripts.entries(SESSION)) == (0 if emptied else 1)
        assert [one.session_id for one in await store.raw.sessions.of_user(ANN)] == [SESSION] * (not emptied)
        assert await FileStore(again, blobs, clock=clock).forget_person(ANN) == 0
        assert await store.raw.transcripts.entries(SESSION) == []
    assert list(store.folder.iterdir()) == []
