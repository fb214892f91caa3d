"""The name of a journal's file says whose it is, so that a deletion finds it whatever has become of it."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from bot.sessions import Sessions
from filestore.blobs.store import Blobs
from filestore.errors import BytesStay, NotRecordedYet
from filestore.files import FileStore
from filestore.records import EPOCH, UsageRecord, person_of
from filestore.spool import spooled
from filestore.spool.file_names import digest, theirs
from tests.bot.worlds import World
from tests.filestore.faults import full
from tests.filestore.people import ANN, BOB, put
from tests.filestore.spool.conftest import PLACE, SESSION, Opened

NOISE = b"\x00\xff" * 50 + b"\n"


@pytest.mark.parametrize("scope", ["user", "place"])
@pytest.mark.parametrize("user_id", [7, 12, -3])
def test_the_id_of_a_session_tells_its_person(tmp_path: Path, scope: Any, user_id: int) -> None:
    """As the bot makes these ids; any other id belongs to nobody."""
    nothing: Any = object()
    sessions = Sessions(nothing, nothing, nothing, clock=World(tmp_path).clock, scope=scope, ledger=nothing)
    assert person_of(sessions.id_of(user_id, "dm-9")) == user_id
    assert [person_of(other) for other in ("", "u", "7", "u7x", "x-u7-dm", "mu7")] == [None] * 6


@pytest.mark.parametrize("damage", [lambda _: NOISE, lambda whole: whole + NOISE])
async def test_a_damaged_journal_goes_with_its_person_though_no_record_leads_to_it(
    store: Opened, clock: Any, damage: Any
) -> None:
    """It may have held the session's record, and even the line that says which session it is."""
    async with full():
        for user_id, session_id in ((ANN, "u7-new"), (BOB, f"u{BOB}-new"), (77, "u77")):
            await store.kept.sessions.get_or_create(session_id, user_id, PLACE, clock())
            await store.cell("secret", session_id=session_id)
    for path in store.folder.iterdir():
        path.write_bytes(damage(path.read_bytes().splitlines(keepends=True)[0]))
    async with spooled(store.raw, store.data / "spool", clock=clock) as again:
        assert len(list(store.folder.glob("*.broken"))) == 3
        await FileStore(again, Blobs(store.data / "files"), clock=clock).forget_person(ANN)
        await again.usage.forget_person(ANN)
        assert theirs(store.folder, ANN) == []
        assert len(theirs(store.folder, BOB)) == len(theirs(store.folder, 77)) == 1


async def test_what_waits_of_a_session_that_nobody_knows_goes_with_its_person(
    store: Opened, clock: Any
) -> None:
    """Such as a note that came after the session had been deleted."""
    async with full():
        await store.cell("secret", session_id="u7-gone")
    async with spooled(store.raw, store.data / "spool", clock=clock, first_pause=1000.0) as again:
        async with full():
            await again.sessions.set_kernel("u7-gone", "df")
        assert len(theirs(store.folder, ANN)) == 1
        await again.usage.forget_person(ANN)
        assert theirs(store.folder, ANN) == []
        assert again.transcripts.waiting("u7-gone") is None


async def test_what_an_earlier_version_has_left_gets_the_name_of_today(store: Opened, clock: Any) -> None:
    """A journal is brought in as ever; what was set aside is found by whatever in it can still be read."""
    await store.kept.sessions.get_or_create("u8-dm", BOB, PLACE, clock())
    async with full():
        await store.cell("mine")
        await store.cell("other", session_id="u8-dm")
        await store.kept.usage.add(UsageRecord(ANN, clock(), "m", 1, 2, 0.25, 0.5))
        journals = store.kept.transcripts._spool
        mine, others, usage = (
            journals.journal(key).path for key in (f"session {SESSION}", "session u8-dm", f"person {ANN}")
        )
        for key, path in (
            (f"session {SESSION}", mine),
            ("session u8-dm", others),
            (f"person {ANN}", usage),
        ):
            path.rename(path.with_name(f"{digest(key)}.jsonl"))
        without_first = [path.with_name(path.name[2:]) for path in (others, usage)]
        for path in without_first:
            line = path.read_bytes().splitlines(keepends=True)[1]
            path.unlink()
            path.with_suffix(".broken").write_bytes(NOISE + line)
        unknown = store.folder / f"{'0' * 32}.broken"
        unknown.write_bytes(NOISE + b'{"session_id": "u8"}\n')
    async with spooled(store.raw, store.data / "spool", clock=clock) as again:
        assert len(await again.transcripts.entries(SESSION)) == 1
        names = {path.name for path in store.folder.iterdir()}
        assert names == {unknown.name, *(path.with_suffix(".broken").name for path in (others, usage))}
        await again.usage.forget_person(ANN)
        assert not usage.with_suffix(".broken").exists()


@pytest.mark.parametrize("told", [b'{"key": "person 7x"}', b'{"user_id": ' + b"7" * 5000 + b"}"])
async def test_an_old_journal_that_names_no_person_any_more_is_set_aside(
    store: Opened, clock: Any, told: bytes
) -> None:
    """The bot starts all the same."""
    old = store.folder / f"{digest(f'person {ANN}')}.jsonl"
    old.write_bytes(told + b"\n")
    async with spooled(store.raw, store.data / "spool", clock=clock):
        assert not old.exists()
        assert old.with_suffix(".broken").read_bytes() == told + b"\n"


async def test_what_was_set_aside_without_a_name_of_today_goes_with_its_session(store: Opened) -> None:
    """Nothing in the file tells whose it is, but its name stands for the session that is deleted."""
    old = [store.folder / f"{digest(key)}.broken" for key in (f"session {SESSION}", f"person {ANN}")]
    for path in old:
        path.write_bytes(NOISE)
    await store.kept.sessions.delete(SESSION)
    assert [path.exists() for path in old] == [False, True]
    await store.kept.usage.forget_person(ANN)
    assert not old[1].exists()


async def test_a_name_that_is_that_of_another_session_drops_no_line_of_it(store: Opened) -> None:
    """A person can call a file anything, the id of their other session included."""
    files = FileStore(store.kept, Blobs(store.data / "files"), clock=store.clock)
    journal = store.kept.transcripts._spool.journal(f"person {ANN}")
    async with full():
        for session_id, name in (("u7-1", "u7"), ("u7", "a"), ("u77", 'a"session_id": "u7"')):
            with pytest.raises(NotRecordedYet):
                await put(files, name, session_id=session_id, source="generated")
    named, own, tricky = journal.path.read_bytes().splitlines(keepends=True)[1:]
    await store.kept.catch_up.bring_in()
    aside = journal.path.with_suffix(".broken")
    aside.write_bytes(named + own + tricky)
    await files.condemn_all_of("u7", ANN)
    assert aside.read_bytes() == named + tricky


async def test_what_the_disk_keeps_of_what_was_set_aside_is_told_and_keeps_nothing_else(
    store: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and usage are deleted all the same, and once more deletes the rest."""
    files = FileStore(store.kept, Blobs(store.data / "files"), clock=store.clock)
    await put(files, session_id=SESSION)
    await store.kept.usage.add(UsageRecord(ANN, store.clock(), "m", 1, 2, 0.25, 0.5))
    aside = store.kept.transcripts._spool.journal(f"person {ANN}").path.with_suffix(".broken")
    aside.write_bytes(b'{"session_id": "u7"}\n')

    def refuse(_path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr("filestore.spool.journal._remove", refuse)
        with pytest.raises(BytesStay):
            await files.delete_all_of(SESSION, ANN)
        assert await store.raw.files.batch() == []
        assert await files.forget_person(ANN) > 0
        with pytest.raises(BytesStay):
            await store.kept.usage.forget_person(ANN)
        assert (await store.raw.usage.total(ANN, EPOCH)).turns == 0
    assert aside.exists()
    await store.kept.usage.forget_person(ANN)
    assert not aside.exists()
