"""Finding, listing, sharing and deleting files, on every backend: for their owner only."""

import errno
import os
from datetime import timedelta
from pathlib import Path

import pytest

from filestore.blobs.store import Blobs
from filestore.errors import BytesStay, NoSuchFile
from filestore.files import FileStore
from filestore.ownership import begin_run
from filestore.records import UsageRecord
from filestore.store import Store
from tests.filestore.people import ANN, BOB, SESSION, bytes_on_disk, put

HOSTILE_IDS = [
    "",
    "k7m3q9x2va",
    "x" * 10_000,
    '{"$ne": 1}',
    "../../etc/passwd",
    "\x00",
    "\ud800",
    None,
    {"$ne": 1},
    5,
]


async def test_open_gives_a_real_read_only_descriptor(files: FileStore) -> None:
    """The broker passes the descriptor on, so it must be a real one that cannot be written to."""
    opened = await files.open((await put(files)).file_id, ANN)
    with opened.file:
        assert os.pread(opened.file.fileno(), 100, 0) == b"a,b\n1,2\n"
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(opened.file.fileno(), b"x")


async def test_ids_may_be_typed_in_any_case(files: FileStore) -> None:
    """An id is found whatever its case and the spaces around it."""
    stored = await put(files)
    assert (await files.load_file(f" {stored.file_id.upper()} ", ANN)).record == stored


@pytest.mark.parametrize("wanted", HOSTILE_IDS)
async def test_malformed_and_absent_ids_are_one_error(files: FileStore, wanted) -> None:
    """Whatever is asked for as an id, the answer is NoSuchFile with a short, printable text."""
    await put(files)
    for attempt in (
        files.load_file(wanted, ANN),
        files.open(wanted, ANN),
        files.find(wanted, ANN, SESSION),
        files.extend(wanted, ANN),
        files.delete(wanted, ANN),
        files.share(wanted, ANN, BOB),
        files.unshare(wanted, ANN, BOB),
    ):
        with pytest.raises(NoSuchFile) as caught:
            await attempt
        assert str(caught.value).endswith(": it expired, or is not yours")
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 100


async def test_foreign_expired_and_absent_read_the_same(files: FileStore, clock) -> None:
    """Nobody learns from the answer whether an id exists."""
    stored = await put(files)
    texts = set()
    for user_id, later in ((BOB, 0), (ANN, 48), (BOB, 48)):
        clock.advance(hours=later)
        with pytest.raises(NoSuchFile) as caught:
            await files.load_file(stored.file_id, user_id)
        texts.add(str(caught.value))
    assert texts == {f"no file {stored.file_id}: it expired, or is not yours"}


async def test_foreign_person_can_neither_find_extend_delete_nor_share(files: FileStore) -> None:
    """Every method checks the owner."""
    stored = await put(files)
    for attempt in (
        files.find(stored.file_id, BOB, SESSION),
        files.find("a.csv", BOB, SESSION),
        files.extend(stored.file_id, BOB),
        files.delete(stored.file_id, BOB),
        files.share(stored.file_id, BOB, BOB),
        files.unshare(stored.file_id, BOB, ANN),
    ):
        with pytest.raises(NoSuchFile):
            await attempt
    assert (await files.load_file(stored.file_id, ANN)).record == stored


async def test_file_whose_bytes_are_gone_is_no_file(files: FileStore, blobs: Blobs) -> None:
    """A row without bytes reads as an expired file, not as a broken disk."""
    stored = await put(files)
    await blobs.delete(stored.blob_key)
    with pytest.raises(NoSuchFile):
        await files.load_file(stored.file_id, ANN)


async def test_name_finds_the_newest_version_in_the_session_then_anywhere(files: FileStore, clock) -> None:
    """A name means the newest file of that name here, and elsewhere only when there is none here."""
    here = [await put(files, content=content) for content in (b"old", b"new")]
    clock.advance(seconds=1)
    there = await put(files, content=b"there", session_id="other")
    assert await files.find("a.csv", ANN, SESSION) == here[1]
    assert await files.find("a.csv", ANN, "other") == there
    assert await files.find("a.csv", ANN, "a third") == there
    assert await files.find(here[0].file_id, ANN, "other") == here[0]


async def test_newest_is_what_was_put_last_whatever_the_clock_said(files: FileStore, clock) -> None:
    """A clock that was ahead and is corrected makes no older file the newest, by name or in a list."""
    clock.advance(hours=5)
    first = await put(files, content=b"older")
    elsewhere = await put(files, content=b"elsewhere", session_id="other")
    other = await put(files, "other.txt")
    clock.advance(hours=-5)
    newest = await put(files, content=b"newer")
    last = await put(files, "last.txt")
    assert await files.find("a.csv", ANN, SESSION) == newest
    assert await files.find("a.csv", ANN, "a third") == newest
    assert await files.find("a.csv", ANN, "other") == elsewhere
    listed = [last, newest, other, elsewhere, first]
    assert list((await files.list_user_files(ANN)).files) == listed
    seen, cursor = [], None
    for _ in range(len(listed)):
        page = await files.list_user_files(ANN, limit=1, after=cursor)
        seen += page.files
        cursor = page.next
    assert seen == listed
    assert cursor is None
    assert [file.version for file in (newest, first)] == [2, 1]


async def test_deleted_newest_version_leaves_the_one_before(files: FileStore) -> None:
    """The name then leads to the version before."""
    first, second = [await put(files, content=content) for content in (b"1", b"2")]
    await files.delete(second.file_id, ANN)
    assert await files.find("a.csv", ANN, SESSION) == first


async def test_pages_list_all_files_newest_first(files: FileStore, clock) -> None:
    """Pages neither repeat nor miss a file, even if several have the same time."""
    stored = []
    for number in range(7):
        stored.append(await put(files, f"{number}.txt"))
        clock.advance(seconds=number % 2)
    seen, cursor = [], None
    while True:
        page = await files.list_user_files(ANN, limit=2, after=cursor)
        seen += page.files
        if (cursor := page.next) is None:
            break
        assert len(page.files) == 2
    assert sorted(seen, key=lambda file: file.file_id) == sorted(stored, key=lambda file: file.file_id)
    assert [file.uploaded_at for file in seen] == sorted((file.uploaded_at for file in seen), reverse=True)


async def test_list_holds_own_unexpired_files_of_the_session_asked_for(files: FileStore, clock) -> None:
    """Other people's files, other sessions' and expired ones are not listed."""
    await put(files, "old.txt")
    clock.advance(hours=47)
    mine = await put(files, "mine.txt")
    other = await put(files, "other.txt", session_id="other")
    await put(files, "bob.txt", user_id=BOB)
    clock.advance(hours=1)
    assert {file.file_id for file in (await files.list_user_files(ANN)).files} == {
        mine.file_id,
        other.file_id,
    }
    assert (await files.list_user_files(ANN, session_id=SESSION)).files == (mine,)


async def test_extend_prolongs_and_never_shortens(files: FileStore, clock) -> None:
    """Extending adds to a file's remaining life, or gives it a whole one from now."""
    stored = await put(files)
    assert (
        await files.extend(stored.file_id, ANN, timedelta(hours=5))
    ).expires_at == stored.expires_at + timedelta(hours=5)
    clock.advance(hours=1)
    assert (await files.extend(stored.file_id, ANN)).expires_at == stored.expires_at + timedelta(hours=5)
    clock.advance(hours=50)
    assert (await files.extend(stored.file_id, ANN)).expires_at == clock.now + timedelta(hours=48)
    clock.advance(hours=48)
    with pytest.raises(NoSuchFile):
        await files.extend(stored.file_id, ANN)


async def test_delete_leaves_neither_row_nor_bytes_nor_folder(
    files: FileStore, store: Store, tmp_path: Path
) -> None:
    """A deleted file is gone at once, everywhere."""
    stored = await put(files)
    await files.delete(stored.file_id, ANN)
    assert await store.files.batch() == []
    assert list((tmp_path / "files").iterdir()) == []
    with pytest.raises(NoSuchFile):
        await files.delete(stored.file_id, ANN)


async def test_share_lets_another_read_until_it_ends(files: FileStore, store: Store, clock) -> None:
    """With a share, one finds and reads the file by id, does not own it, and loses access with the share."""
    stored = await put(files)
    await files.share(stored.file_id, ANN, BOB)
    await files.share(stored.file_id, ANN, BOB)
    assert await store.shares.people(stored.file_id) == (BOB,)
    assert (await files.load_file(stored.file_id, BOB)).data == b"a,b\n1,2\n"
    assert await files.find(stored.file_id, BOB, "his") == stored
    assert (await files.list_user_files(BOB)).files == ()
    for attempt in (files.delete(stored.file_id, BOB), files.extend(stored.file_id, BOB)):
        with pytest.raises(NoSuchFile):
            await attempt
    await files.unshare(stored.file_id, ANN, BOB)
    with pytest.raises(NoSuchFile):
        await files.load_file(stored.file_id, BOB)
    await files.share(stored.file_id, ANN, BOB)
    clock.advance(hours=48)
    with pytest.raises(NoSuchFile):
        await files.load_file(stored.file_id, BOB)


async def test_forget_deletes_everything_of_a_person_and_nothing_else(
    files: FileStore, store: Store, clock, tmp_path: Path
) -> None:
    """After both verbs no row and no byte of the person is left; others keep theirs."""
    for user_id in (ANN, BOB):
        session_id = f"user:{user_id}"
        await store.sessions.get_or_create(session_id, user_id, "dm", clock.now)
        await store.transcripts.say(session_id, "dm", "someone", "hello", clock.now)
        await store.usage.add(UsageRecord(user_id, clock.now, "m", 1, 2, 0.5, 3.0))
    mine = await put(files)
    his = await put(files, user_id=BOB, session_id="user:8")
    await files.share(his.file_id, BOB, ANN)
    await files.share(mine.file_id, ANN, BOB)
    await files.forget_person(ANN)
    await store.usage.forget_person(ANN)
    assert await store.files.batch() == [his]
    assert bytes_on_disk(tmp_path) == [his.file_id]
    assert await store.shares.people(his.file_id) == ()
    assert await store.sessions.get("user:7") is None
    assert await store.transcripts.entries("user:7") == []
    assert (await store.usage.total(ANN, clock.now)).turns == 0
    assert await store.sessions.get("user:8") is not None
    assert len(await store.transcripts.entries("user:8")) == 1
    assert (await store.usage.total(BOB, clock.now)).turns == 1


async def test_forget_deletes_bytes_of_the_person_that_no_record_names(
    files: FileStore, store: Store, tmp_path: Path, clock
) -> None:
    """A crash can leave such bytes complete, half written or in the trash; other people's stay."""
    await put(files)
    theirs = await put(files, user_id=BOB, session_id="user:8")
    await begin_run(store, Blobs(tmp_path / "files"), clock.now)
    for folder in (tmp_path / "files" / str(ANN), tmp_path / "files" / ".trash" / str(ANN)):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("k7m3q9x2va", ".k7m3q9x2vb.12ab34cd.part"):
            (folder / name).write_bytes(b"of Ann")
    await files.forget_person(ANN)
    assert bytes_on_disk(tmp_path) == [".database", theirs.file_id]
    assert not (tmp_path / "files" / ".trash" / str(ANN)).exists()


@pytest.mark.parametrize("large", [False, True])
async def test_forget_says_so_when_the_disk_keeps_bytes(
    files: FileStore, tmp_path: Path, store: Store, clock, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """Otherwise the person would be told that everything is deleted; the next attempt deletes the rest."""
    if large:
        await store.sessions.get_or_create(SESSION, ANN, "dm", clock())
        cell = await store.transcripts.begin_cell(SESSION, "dm", "Ann", "1", clock())
        shown = {"output_type": "stream", "name": "stdout", "text": "x" * 100_000}
        await store.transcripts.finish_cell(SESSION, cell.seq, status="ok", outputs=[shown])
    else:
        await put(files)
    await begin_run(store, Blobs(tmp_path / "files"), clock.now)
    before = bytes_on_disk(tmp_path)

    def refuse(_path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("filestore.blobs.store.unlink", refuse)
        patch.setattr("filestore.blobs.space.unlink", refuse)
        if len(before) > 1:  # a bare database keeps large outputs in its rows
            assert await files.forget_person(ANN) > 0
    assert bytes_on_disk(tmp_path) == before
    assert await files.forget_person(ANN) == 0
    assert bytes_on_disk(tmp_path) == [".database"]


@pytest.mark.parametrize("what", ["session", "mark"])
async def test_what_the_disk_keeps_of_one_session_keeps_no_other(
    files: FileStore, store: Store, blobs: Blobs, clock, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """All sessions are tried before the person is told; an unreadable mark is reported in the same way."""
    for number in (1, 2):
        await store.sessions.get_or_create(f"s{number}", ANN, "dm", clock())
    theirs = await put(files, user_id=BOB, session_id="user:8")
    await files.share(theirs.file_id, BOB, ANN)
    await begin_run(store, blobs, clock.now)
    delete = store.sessions.delete

    async def refuse(session_id: str = "") -> None:
        if session_id == "s2":
            return await delete(session_id)
        raise BytesStay("no") if session_id else OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        if what == "session":
            patch.setattr(store.sessions, "delete", refuse)
        else:
            patch.setattr(blobs, "mark", refuse)
        assert await files.forget_person(ANN) == 1
    left = [record.session_id for record in await store.sessions.of_user(ANN)]
    assert left == (["s1"] if what == "session" else [])
    with pytest.raises(NoSuchFile):
        await files.open(theirs.file_id, ANN)
    assert await files.forget_person(ANN) == 0
    assert await store.sessions.of_user(ANN) == []


async def test_deleting_a_session_tries_each_file(
    files: FileStore, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that the disk keeps is gone for its person, the others altogether, and the person is told."""
    other, kept = await put(files), await put(files, "b.csv")  # the newest comes first
    delete = blobs.delete

    async def refuse(key: str) -> None:
        if key == kept.blob_key:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        await delete(key)

    elsewhere = await put(files, session_id="another")
    with monkeypatch.context() as patch:
        patch.setattr(blobs, "delete", refuse)
        for _ in range(2):  # the second try finds it, too
            with pytest.raises(BytesStay):
                await files.delete_all_of(SESSION, ANN)
            assert (await files.list_user_files(ANN)).files == (elsewhere,)
            assert await blobs.missing([kept.blob_key, other.blob_key]) == {other.blob_key}
    await files.delete_all_of(SESSION, ANN)
    assert await blobs.missing([kept.blob_key, elsewhere.blob_key]) == {kept.blob_key}
