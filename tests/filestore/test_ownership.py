"""Who owns the bytes, on every backend: a database must not delete files that it does not know."""

import json
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from filestore.blobs.store import Blobs
from filestore.files import FileStore
from filestore.janitor import Janitor, Swept
from filestore.ownership import DOUBT, begin_run
from filestore.sqlite import open_sqlite
from filestore.store import Store
from tests.filestore.people import ANN, put


@pytest.fixture(autouse=True)
def present(clock) -> None:
    """The clock starts at the real time, which files on disk have."""
    clock.now = datetime.now(UTC)


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Store]:
    """Another, empty database for the same folder."""
    async with open_sqlite(tmp_path / "other" / "kernelcord.db") as store:
        yield store


def on_disk(tmp_path: Path) -> set[str]:
    """The paths of all files of bytes."""
    root = tmp_path / "files"
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return found - {".database"}


def another(store: Store, blobs: Blobs, clock) -> tuple[FileStore, Janitor]:
    """A file store and a janitor for another database with the same bytes."""
    return FileStore(store, blobs, clock=clock), Janitor(store, blobs, clock=clock)


async def test_an_id_is_the_databases_own_and_stays(store: Store, other: Store) -> None:
    """Two databases never have the same id."""
    assert await store.identity.id() == await store.identity.id() != await other.identity.id()
    assert await store.identity.begin_run("f", "1") == ""
    assert await store.identity.begin_run("f", "2") == "1"
    assert await store.identity.begin_run("g", "3") == ""


@pytest.mark.parametrize("marked", [True, False])
async def test_an_empty_database_deletes_nothing_of_another(
    store: Store, other: Store, files: FileStore, blobs: Blobs, clock, tmp_path: Path, marked: bool
) -> None:
    """MONGODB_URI forgotten once: everything is still there days later, even if no mark named the owner."""
    if marked:
        assert (await begin_run(store, blobs, clock.now)).ours
    stored = await put(files)
    (tmp_path / "files/7/.half.0123.part").write_bytes(b"x")
    theirs, janitor = another(other, blobs, clock)
    assert not (await begin_run(other, blobs, clock.now)).ours
    mine = await put(theirs, "b.csv")
    for _ in range(4):
        clock.advance(hours=12)  # neither file expires
        await theirs.extend(mine.file_id, ANN, timedelta(hours=12))
        assert await janitor.sweep(clock.now) == Swept()
    assert not (await begin_run(other, blobs, clock.now)).ours  # though it knows a file by now
    assert on_disk(tmp_path) == {stored.blob_key, mine.blob_key, "7/.half.0123.part"}
    clock.now -= timedelta(hours=40)
    assert (await begin_run(store, blobs, clock.now)).ours
    assert (await files.load_file(stored.file_id, ANN)).record == stored


async def test_a_strangers_own_files_still_expire(
    store: Store, other: Store, files: FileStore, blobs: Blobs, clock, tmp_path: Path
) -> None:
    """A database may delete its own files, whoever owns the folder."""
    await begin_run(store, blobs, clock.now)
    stored = await put(files)
    theirs, janitor = another(other, blobs, clock)
    await begin_run(other, blobs, clock.now)
    await put(theirs, "b.csv")
    clock.advance(hours=49)
    assert (await janitor.sweep(clock.now)).files == 1
    assert on_disk(tmp_path) == {stored.blob_key}


async def test_a_folder_of_before_goes_to_the_database_that_knows_a_file(
    store: Store, other: Store, files: FileStore, blobs: Blobs, clock, tmp_path: Path
) -> None:
    """Without a mark, one known id is proof enough; a stranger that came first does not get the folder."""
    await put(files)
    await blobs.put("7/unknown", b"x", limit=9)
    assert not (await begin_run(other, blobs, clock.now)).ours
    assert (await begin_run(store, blobs, clock.now)).ours
    assert not (await begin_run(other, blobs, clock.now)).ours
    clock.advance(hours=2)
    assert (await another(other, blobs, clock)[1].sweep(clock.now)) == Swept()
    assert (await another(store, blobs, clock)[1].sweep(clock.now)).thrown == 1


async def test_a_folder_without_files_goes_to_whoever_comes(
    store: Store, blobs: Blobs, files: FileStore, clock
) -> None:
    """A new or empty folder belongs to the first database that comes, and stays its own."""
    assert (await begin_run(store, blobs, clock.now)).ours
    await blobs.put("7/unknown", b"x", limit=9)
    assert (await begin_run(store, blobs, clock.now)).ours


async def test_what_an_older_database_does_not_know_comes_back(
    store: Store, files: FileStore, blobs: Blobs, clock, tmp_path: Path
) -> None:
    """If a backup is restored by mistake, the files that it does not know can be recovered for a day."""
    await begin_run(store, blobs, clock.now)
    kept, later = await put(files), await put(files, "later.csv")
    row = next(file for file in await store.files.batch() if file.file_id == later.file_id)
    await store.files.remove([later.file_id])  # the database as it was before that file
    janitor = Janitor(store, blobs, clock=clock)
    clock.advance(hours=2)
    assert (await janitor.sweep(clock.now)).thrown == 1
    clock.advance(hours=20)
    assert await janitor.sweep(clock.now) == Swept()
    assert on_disk(tmp_path) == {kept.blob_key, f".trash/{later.blob_key}"}
    await store.files.add(row, quota=100)
    assert (await janitor.sweep(clock.now)).returned == 1
    assert (await files.load_file(later.file_id, ANN)).data == b"a,b\n1,2\n"
    assert not (tmp_path / "files/.trash").exists()


async def test_a_restored_database_takes_no_session_for_idle_and_no_file_for_expired_at_once(
    tmp_path: Path, blobs: Blobs, clock
) -> None:
    """It cannot know what was used since the backup, so it waits a day."""
    path, copy = tmp_path / "kernelcord.db", tmp_path / "backup.db"
    async with open_sqlite(path) as store:
        assert (await begin_run(store, blobs, clock.now)).continued
        files = FileStore(store, blobs, clock=clock)
        stored = await put(files)
        await store.sessions.get_or_create("s", ANN, "dm", clock.now)
    shutil.copy(path, copy)
    clock.advance(hours=40)
    async with open_sqlite(path) as store:
        assert (await begin_run(store, blobs, clock.now)).continued
        await FileStore(store, blobs, clock=clock).extend(stored.file_id, ANN)
    clock.advance(hours=20)
    shutil.copy(copy, path)
    async with open_sqlite(path) as store:
        ownership = await begin_run(store, blobs, clock.now)
        assert (ownership.ours, ownership.continued) == (True, False)
        assert await store.sessions.idle_since(clock.now) == []
        janitor = Janitor(store, blobs, clock=clock)
        assert await janitor.sweep(clock.now) == Swept()
        assert on_disk(tmp_path) == {stored.blob_key}
        clock.advance(hours=DOUBT / timedelta(hours=1))
        assert (await janitor.sweep(clock.now)).files == 1
    async with open_sqlite(path) as store:
        assert (await begin_run(store, blobs, clock.now)).continued


async def test_who_comes_back_after_another_takes_no_session_for_idle(
    store: Store, other: Store, blobs: Blobs, clock
) -> None:
    """The person may have gone on in the same workspace with the other database."""
    await begin_run(store, blobs, clock.now)
    await store.sessions.get_or_create("s", ANN, "dm", clock.now)
    await begin_run(other, blobs, clock.now)
    clock.advance(hours=72)
    assert not (await begin_run(store, blobs, clock.now)).continued
    assert await store.sessions.idle_since(clock.now) == []
    clock.advance(hours=1)
    assert (await begin_run(store, blobs, clock.now)).continued


async def test_another_data_folder_costs_no_row(
    store: Store, files: FileStore, blobs: Blobs, clock, tmp_path: Path
) -> None:
    """The reverse case: if a folder does not have the bytes, that does not prove that they are gone."""
    await begin_run(store, blobs, clock.now)
    stored = await put(files)
    elsewhere = Blobs(tmp_path / "elsewhere")
    await begin_run(store, elsewhere, clock.now)
    await another(store, elsewhere, clock)[1].sweep(clock.now)
    assert (await files.load_file(stored.file_id, ANN)).record == stored


@pytest.mark.parametrize("text", ["", "{}", "[]", "\x00", '{"folder": 1}'])
async def test_a_mark_that_cannot_be_read_lets_nothing_be_deleted(
    store: Store, files: FileStore, blobs: Blobs, clock, tmp_path: Path, text: str
) -> None:
    """Somebody may have edited it, or a disk damaged it; it is left as it is."""
    stored = await put(files)
    await blobs.put("7/unknown", b"x", limit=9)
    await blobs.set_mark(text)
    assert not (await begin_run(store, blobs, clock.now)).ours
    clock.advance(hours=30)
    assert await Janitor(store, blobs, clock=clock).sweep(clock.now) == Swept()
    assert on_disk(tmp_path) == {stored.blob_key, "7/unknown"}
    assert await blobs.mark() == text


async def test_whoever_sets_the_database_in_the_mark_gives_it_the_folder(
    store: Store, other: Store, files: FileStore, blobs: Blobs, clock
) -> None:
    """The warning recommends this if the other database is gone for good."""
    await begin_run(store, blobs, clock.now)
    await put(files)
    theirs = await begin_run(other, blobs, clock.now)
    mark = json.loads(await blobs.mark() or "")
    await blobs.set_mark(json.dumps(mark | {"database": theirs.own}))
    assert (await begin_run(other, blobs, clock.now)).ours
    assert not (await begin_run(store, blobs, clock.now)).ours


async def test_a_janitor_judges_only_files_whose_bytes_are_in_its_folder(
    store: Store, files: FileStore, blobs: Blobs, clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same database from another folder: rows whose bytes it cannot see are neither deleted nor named."""
    await begin_run(store, blobs, clock.now)
    stored = await put(files)
    assert stored.folder
    elsewhere = Blobs(tmp_path / "elsewhere")
    await begin_run(store, elsewhere, clock.now)
    here = await put(FileStore(store, elsewhere, clock=clock), "b.csv")
    janitor = Janitor(store, elsewhere, clock=clock)
    clock.advance(hours=1)
    assert await janitor.sweep(clock.now) == Swept()
    assert "gone" not in caplog.text
    clock.advance(days=4)
    assert (await janitor.sweep(clock.now)).files == 1
    assert [file.file_id for file in await store.files.batch()] == [stored.file_id] != [here.file_id]
    await begin_run(store, blobs, clock.now)
    clock.advance(days=4)
    assert (await Janitor(store, blobs, clock=clock).sweep(clock.now)).files == 1
    assert await store.files.batch() == []
