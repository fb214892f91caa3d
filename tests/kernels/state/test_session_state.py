"""A session's saves: whole or not there, shared chunks, damage that is seen, one user at a time."""

import errno
import json
import os
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from kernels.state import chunks, session_state
from kernels.state.errors import StateBusy, StateDamaged, StateFull, StateGone
from kernels.state.manifest import Chunk, LostValue, Meta
from kernels.state.session_state import SessionState
from kernels.state.store import StateStore
from tests.kernels.state.saves import (
    CHUNK,
    MONTH,
    QUOTA,
    SESSION,
    chunk,
    chunk_files,
    chunks_of,
    everything,
    give_up,
    loaded,
    noise,
    numbers,
    save,
    send,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The store's folder."""
    return tmp_path / "states"


@pytest.fixture
def store(root: Path) -> StateStore:
    """A store with room."""
    return StateStore(root, quota=QUOTA)


@pytest.fixture
def state(store: StateStore) -> SessionState:
    """A session without saves."""
    return store.session(SESSION)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a session that is in use."""
    monkeypatch.setattr(session_state, "PATIENCE", 0.05)


def chunk_path(root: Path, data: bytes) -> Path:
    """Where the chunk with these bytes is."""
    return root / SESSION / "chunks" / chunk(data).digest


def test_a_save_comes_back(state: SessionState, root: Path) -> None:
    """Buffers of several chunks, of one byte and of none, with the cell and what the kernel told."""
    buffers = [b"graph", noise(2 * CHUNK + 5), b"", b"x"]
    meta = Meta(("df",), (LostValue("f", 2, "an open file"),), {"python": "3.12.3"})
    assert state.newest() is None
    assert state.missing(chunks_of(buffers)) == [0, 1, 2, 3, 4]
    assert not (root / SESSION).exists()
    saved = save(state, 12, *buffers, meta=meta)
    assert (saved.cell, saved.number, saved.meta) == (12, 1, meta)
    assert state.newest() == saved
    assert loaded(state, saved) == buffers
    again = StateStore(root, quota=QUOTA).session(SESSION)
    assert again.newest() == saved
    assert loaded(again, saved) == buffers


def test_a_save_may_have_no_buffers(state: SessionState) -> None:
    """It says what was lost, at least."""
    saved = save(state, 1, meta=Meta(lost=(LostValue("f", 1, "an open file"),)))
    assert state.newest() == saved
    assert loaded(state, saved) == []


def test_files_are_ours_alone(state: SessionState, root: Path) -> None:
    """Folders 0700, files 0600, and nothing unfinished is left."""
    save(state, 1, b"graph", noise(CHUNK + 1))
    for path in everything(root.parent):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert sorted(path.name for path in (root / SESSION).iterdir()) == ["chunks", "lock", "saves"]
    assert [path.name for path in (root / SESSION / "saves").iterdir()] == ["000000000001.json"]


def test_chunks_are_shared_and_sent_once(state: SessionState, root: Path) -> None:
    """Within a save, and by the saves of a session."""
    first, second = noise(CHUNK, 1), noise(CHUNK, 2)
    save(state, 1, b"one", first, first)
    assert len(chunk_files(root)) == 2
    before = chunk_path(root, first).stat()
    assert state.missing(chunks_of([b"two", first, second, first])) == [0, 2]
    save(state, 2, b"two", first, second)
    assert chunk_path(root, first).stat().st_mtime_ns == before.st_mtime_ns
    assert loaded(state, state.newest()) == [b"two", first, second]
    assert loaded(state, state.newest(before=2)) == [b"one", first, first]
    assert state.newest(before=1) is None


def test_a_save_leaves_descriptors_to_others(state: SessionState, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel can send small chunks and then keep its save waiting with all of their files open."""
    buffers = [b"%d" % number for number in range(5)]
    listed = chunks_of(buffers)
    monkeypatch.setattr(chunks, "leaves_spare", lambda _descriptor: False)
    with state.writing() as writing:
        before = os.listdir("/proc/self/fd")
        for (one,), data in zip(listed, buffers, strict=True):
            writing.add(one, data)
            assert len(os.listdir("/proc/self/fd")) == len(before)
        writing.commit(1, listed, Meta())
    assert loaded(state, state.newest()) == buffers


def test_memory_for_chunks_is_used_again_once_they_are_written(
    state: SessionState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel may send faster than the disk writes: nothing is written over, nor is more kept."""
    monkeypatch.setattr(chunks, "CHUNK", 5000)
    write = os.write
    monkeypatch.setattr(os, "write", lambda *given: time.sleep(0.001) or write(*given))
    buffers = [noise(5000 - number, number) for number in range(30)]
    listed = chunks_of(buffers)

    def fill(memory: memoryview, data: bytes) -> None:
        memory[:] = data

    def refuse(_: memoryview) -> None:
        raise ConnectionError

    with state.writing() as writing:
        for (one,), data in zip(listed, buffers, strict=True):
            with pytest.raises(ConnectionError):
                writing.receive(one, refuse)
            writing.receive(one, partial(fill, data=data))
            writing.receive(one, partial(fill, data=data))
        writing.commit(1, listed, Meta())
        assert writing._buffers._made <= chunks.BUFFERS
    assert loaded(state, state.newest()) == buffers


def test_chunks_go_with_the_last_save_that_names_them(root: Path) -> None:
    """The history has as many saves as it may, and numbers go on growing."""
    store = StateStore(root, quota=QUOTA, history=2)
    state = store.session(SESSION)
    kept, gone = noise(5000, 1), noise(5000, 2)
    save(state, 1, b"1", kept, gone)
    save(state, 2, b"2", kept)
    assert chunk(gone).digest in chunk_files(root)
    save(state, 3, b"3", kept)
    assert numbers(root) == [2, 3]
    assert chunk_files(root) == {chunk(data).digest for data in (b"2", b"3", kept)}
    state = StateStore(root, quota=QUOTA, history=1).session(SESSION)
    save(state, 4, b"4")
    assert numbers(root) == [4]
    assert chunk_files(root) == {chunk(b"4").digest}


def test_many_saves_of_many_chunks_read_each_manifest_once(
    state: SessionState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work for a save grows with that save, not with the history."""
    read = []
    real = session_state.Index.of
    monkeypatch.setattr(session_state.Index, "of", lambda here: read.append(here) or real(here))
    for cell in range(23):
        save(state, cell, *(b"%d" % number for number in range(cell, cell + 3)))
    assert len(read) == 1


def test_chunks_that_are_not_what_they_say_are_refused(state: SessionState, root: Path) -> None:
    """By digest and by size; nothing of the attempt stays."""
    save(state, 1, b"graph")
    for given, data in (
        (chunk(b"a"), b"b"),
        (Chunk(chunk(b"ab").digest, 1), b"ab"),
        (Chunk(chunk(b"ab").digest, 2), b"abc"),
        (chunk(b"a"), b""),
    ):
        with pytest.raises(StateDamaged):
            send(state, (chunk(b"good"), b"good"), (given, data))
    assert chunk_files(root) == {chunk(b"graph").digest}


def test_a_save_of_chunks_that_were_not_sent_is_refused(state: SessionState, root: Path) -> None:
    """Also if another session of the same folder has them, or with a size that is not theirs."""
    save(state, 1, b"graph")
    for listed in ([[chunk(b"other")]], [[Chunk(chunk(b"graph").digest, 4)]], [[chunk(b"a"), chunk(b"b")]]):
        with pytest.raises(StateDamaged):
            send(state, (chunk(b"a"), b"a"), listed=listed)
    with pytest.raises(StateDamaged):
        state.missing([[Chunk("a" * 32, 1), Chunk("a" * 32, 2)]])
    assert numbers(root) == [1]
    assert chunk_files(root) == {chunk(b"graph").digest}


def test_a_save_that_is_given_up_leaves_nothing(state: SessionState, root: Path) -> None:
    """More chunks than are held open, some of which another save names; nor does one added in vain."""
    kept = noise(1000, "kept")
    save(state, 1, kept)
    files = {path for path in everything(root) if path.is_file()}
    give_up(state, kept, *(b"%d" % number for number in range(70)))
    with state.writing() as writing:
        writing.add(chunk(b"x"), b"x")
    assert {path for path in everything(root) if path.is_file()} == files
    send(state, (chunk(b"unused"), b"unused"), listed=[[chunk(kept)]])
    assert chunk_files(root) == {chunk(kept).digest}
    assert not (root / SESSION / "unfinished").exists()


def test_nothing_gets_its_name_before_it_is_on_the_disk(
    state: SessionState, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    """Each chunk is synced before its name, all names before the manifest's, and that before we return."""
    done: list[tuple[str, str]] = []
    sync, rename = os.fsync, os.rename

    def path_of(descriptor: int) -> str:
        return os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), root)

    def synced(descriptor: int) -> None:
        done.append(("sync", path_of(descriptor)))
        sync(descriptor)

    def renamed(source: str, target: str, **folders: int) -> None:
        rename(source, target, **folders)
        done.append(("name", f"{SESSION}/{target}"))

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    save(state, 1, *(b"%d" % number for number in range(100)))
    (manifest,) = (
        place for place, each in enumerate(done) if each[1].endswith(".json") and each[0] == "name"
    )
    for number in range(100):
        digest = chunk(b"%d" % number).digest
        named = done.index(("name", f"{SESSION}/chunks/{digest}"))
        assert ("sync", f"{SESSION}/unfinished/{digest}") in done[:named]
        assert ("sync", f"{SESSION}/chunks") in done[named:manifest]
    assert {("sync", "."), ("sync", SESSION)} <= {*done[:manifest]}
    assert ("sync", f"{SESSION}/unfinished/manifest") in done[:manifest]
    assert done[manifest + 1 :] == [("sync", f"{SESSION}/saves")]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        *((call, errno.ENOSPC) for call in ("open", "write", "fsync", "rename")),
        ("write", errno.EDQUOT),
        ("open", errno.EROFS),
    ],
)
def test_a_full_disk_leaves_what_was_there(
    store: StateStore, root: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    """Wherever it is noticed: the save says why, and the one before is whole."""
    state = store.session(SESSION)
    first = [b"one", noise(5000)]
    saved = save(state, 1, *first)
    files = {path for path in everything(root) if path.is_file()}
    real, left = getattr(os, call), [4]

    def refused(*args: object, **kwargs: object) -> object:
        if call == "open" and not args[1] & os.O_CREAT:
            return real(*args, **kwargs)
        left[0] -= 1
        if left[0] < 0:
            raise OSError(code, os.strerror(code))
        return real(*args, **kwargs)

    for left[0] in range(5):  # where it is noticed
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refused)
            with pytest.raises(StateFull) as full:
                save(state, 2, *(noise(100, number) for number in range(8)))
        assert full.value.limit == "device"
        assert str(full.value) == os.strerror(code)
        assert {path for path in everything(root) if path.is_file()} == files
        assert state.newest() == saved
        assert loaded(state, saved) == first
    save(state, 3, b"two")
    assert loaded(state, state.newest()) == [b"two"]


def test_a_manifest_that_may_not_be_on_the_disk_is_taken_back(
    state: SessionState, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk fails after it got its name: nobody was told that there is such a save."""
    saved = save(state, 1, b"one")
    real = chunks.sync_folder

    def failing(name: str, here: int | None = None) -> None:
        if name == "saves":
            raise OSError(errno.EIO, "broken")
        real(name, here)

    with monkeypatch.context() as patch:
        patch.setattr(chunks, "sync_folder", failing)
        with pytest.raises(OSError, match="broken"):
            save(state, 2, b"two")
    assert state.newest() == saved
    assert chunk_files(root) == {chunk(b"one").digest}
    assert save(state, 3, b"three").number == 2


def test_damaged_bytes_are_never_given_out(state: SessionState, root: Path) -> None:
    """The caller falls back to the save before; the next save sends the chunk again, which heals both."""
    data = noise(3 * CHUNK)
    save(state, 1, b"one")
    save(state, 2, b"two", data)
    path = chunk_path(root, data[CHUNK : 2 * CHUNK])
    path.write_bytes(noise(CHUNK, "other"))
    manifest = state.newest()
    assert manifest is not None
    read = state.read(manifest, 1)
    assert next(read) == data[:CHUNK]
    with pytest.raises(StateDamaged):
        next(read)
    assert loaded(state, state.newest(before=manifest.number)) == [b"one"]
    assert loaded(state, state.newest()) == [b"one"]
    assert state.missing(chunks_of([b"three", data])) == [0, 2]
    save(state, 3, b"three", data)
    assert loaded(state, state.newest()) == [b"three", data]
    assert loaded(state, state.newest(before=3)) == [b"two", data]


@pytest.mark.parametrize("damage", ["gone", "short", "link", "folder", "pipe"])
def test_a_save_without_all_its_chunks_is_no_save(
    state: SessionState, root: Path, caplog: pytest.LogCaptureFixture, damage: str, tmp_path: Path
) -> None:
    """`newest` goes on to the one before, the log says it once, and no link is followed."""
    data = noise(5000)
    save(state, 1, b"one")
    newest = save(state, 2, b"two", data)
    path = chunk_path(root, data)
    path.unlink()
    match damage:
        case "short":
            path.write_bytes(data[:-1])
        case "link":
            (tmp_path / "target").write_bytes(data)
            path.symlink_to(tmp_path / "target")
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
    for _ in range(3):
        assert loaded(state, state.newest()) == [b"one"]
    assert len(caplog.records) == 1
    with pytest.raises(StateDamaged):
        loaded(state, newest)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format":2}', b"\xff", b"[]", None])
def test_a_broken_manifest_is_skipped(
    state: SessionState, root: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    """The log says it once, and the next save is a later one all the same. (None: a folder has the name.)"""
    save(state, 1, b"one")
    path = root / SESSION / "saves" / "000000000007.json"
    path.mkdir() if content is None else path.write_bytes(content)
    for name in ("x.json", "7.json", "٣" * 12 + ".json"):
        (path.parent / name).touch()
    for _ in range(2):
        assert loaded(state, state.newest()) == [b"one"]
    assert len(caplog.records) == 1
    assert save(state, 2, b"two").number == 8
    assert loaded(state, state.newest()) == [b"two"]


def test_a_newer_programs_saves_are_kept_with_their_chunks(root: Path, state: SessionState) -> None:
    """It is not known which those are; they go when the history has no such save any more."""
    save(state, 1, b"one", b"shared")
    path = root / SESSION / "saves" / "000000000001.json"
    members = json.loads(path.read_bytes())
    path.write_text(json.dumps({**members, "format": 2}))
    store = StateStore(root, quota=QUOTA, history=2)
    state = store.session(SESSION)
    assert state.newest() is None
    store.tidy(MONTH)
    save(state, 2, b"two")
    (root / SESSION / "unfinished").mkdir()  # as of a program that was killed
    give_up(state, b"x")
    assert numbers(root) == [1, 2]
    assert chunk_files(root) == {chunk(data).digest for data in (b"one", b"shared", b"two")}
    save(state, 3, b"three")
    assert chunk_files(root) == {chunk(b"two").digest, chunk(b"three").digest}


def test_a_session_is_used_by_one_at_a_time(root: Path, impatient: None) -> None:
    """Programs (here: stores) refuse clearly; readers do not keep each other out."""
    one, two = (StateStore(root, quota=QUOTA).session(SESSION) for _ in range(2))
    saved = save(one, 1, b"one", noise(2 * CHUNK))
    with one.writing() as writing:
        for use in (two.newest, lambda: two.missing([]), lambda: loaded(two, saved), lambda: save(two, 2)):
            with pytest.raises(StateBusy):
                use()
        assert one.newest() == saved  # its own thread may
        writing.add(chunk(b"two"), b"two")
        writing.commit(2, [[chunk(b"two")]], Meta())
    read = one.read(saved, 1)
    next(read)
    assert loaded(two, saved) == loaded(one, saved)
    with pytest.raises(StateBusy):
        save(two, 3, b"three")
    read.close()
    save(two, 3, b"three")
    assert save(one, 4, b"four").number == 4


def test_one_who_waits_gets_the_session_when_it_is_free(state: SessionState) -> None:
    """Such as a save that meets the hourly tidying."""
    entered, done = threading.Event(), []

    def wait() -> None:
        entered.set()
        done.append(save(state, 2, b"two").number)

    with state.writing() as writing:
        thread = threading.Thread(target=wait)
        thread.start()
        entered.wait()
        writing.add(chunk(b"one"), b"one")
        writing.commit(1, [[chunk(b"one")]], Meta())
    thread.join()
    assert done == [2]


def test_one_who_waits_saves_into_no_folder_that_was_forgotten(state: SessionState, root: Path) -> None:
    """The lock that it waited for is that of a folder which has no name any more."""
    waiting, done = threading.Event(), []
    other = StateStore(root, quota=QUOTA).session(SESSION)
    is_free = session_state.acquired

    def acquired(lock: int, kind: int) -> bool:
        free = is_free(lock, kind)
        if not free:
            waiting.set()
        return free

    with pytest.MonkeyPatch.context() as patch, state.writing():
        patch.setattr(session_state, "acquired", acquired)
        thread = threading.Thread(target=lambda: done.append(save(other, 2, b"two")))
        thread.start()
        waiting.wait()
        state.forget()
    thread.join()
    assert done == [state.newest()]
    assert loaded(state, done[0]) == [b"two"]


def test_another_programs_saves_are_seen(root: Path) -> None:
    """An index is made anew when the saves on the disk are not those that it knows."""
    one, two = (StateStore(root, quota=QUOTA, history=2).session(SESSION) for _ in range(2))
    save(one, 1, b"one")
    save(two, 2, b"two")
    save(one, 3, b"three")  # throws the first away
    assert two.missing(chunks_of([b"one", b"two", b"three"])) == [0]
    save(two, 4, b"one")
    assert chunk_files(root) == {chunk(b"one").digest, chunk(b"three").digest}
    assert loaded(one, one.newest()) == [b"one"]


def test_a_session_can_be_forgotten_while_it_is_saved(
    store: StateStore, state: SessionState, root: Path
) -> None:
    """Nothing of it comes back, the save is told, and the room is free."""
    save(state, 1, b"one")
    for sent in ([], [b"two"]):  # a manifest alone, or a chunk
        with state.writing() as writing:
            for data in sent:
                writing.add(chunk(data), data)
            state.forget()
            assert os.listdir(root) == []
            with pytest.raises(StateGone):
                writing.commit(2, [[chunk(data) for data in sent]], Meta())
        assert os.listdir(root) == []
    assert store.session("u7-dm-10").room() == QUOTA * 15 // 16
    assert state.newest() is None
    assert save(state, 3, b"three").number == 1


def test_a_save_takes_no_more_than_half_of_what_the_disk_has_left(
    state: SessionState, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All others need it too. What is here already takes nothing."""
    save(state, 1, b"0", b"1")

    def left(_: int) -> os.statvfs_result:
        return os.statvfs_result((4096, 4096, 100, 9, 6, 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "fstatvfs", left)
    with pytest.raises(StateFull) as full:
        save(state, 2, *(b"%d" % number for number in range(6)))
    assert full.value.limit == "device"
    save(state, 2, *(b"%d" % number for number in range(5)))


def test_a_save_counts_once_it_is_committed(store: StateStore, state: SessionState) -> None:
    """Not only when the session is free again."""
    other = store.session("u7-dm-10")
    with state.writing() as writing:
        writing.commit(1, [], Meta())
        assert other.room() < QUOTA * 15 // 16


def test_chunks_beyond_the_room_are_refused_as_they_come(root: Path) -> None:
    """A kernel cannot fill the disk with chunks of which it makes no save; each costs whole blocks."""
    state = StateStore(root, quota=40 * 4096).session(SESSION)
    give_up(state, *(b"%d" % number for number in range(40)))
    with pytest.raises(StateFull):
        give_up(state, *(b"%d" % number for number in range(41)))
    assert chunk_files(root) == set()
    with pytest.raises(StateFull):
        state.missing([[chunk(b"%d" % number) for number in range(41)]])


def test_descriptors_are_given_back(state: SessionState) -> None:
    """After saves, refusals and reads that are left half-way."""
    saved = save(state, 1, noise(3 * CHUNK))
    before = os.listdir("/proc/self/fd")
    for number in range(3):
        with pytest.raises(StateDamaged):
            send(state, (chunk(b"%d" % number), b"%d" % number), (chunk(b"a"), b"b"))
        next(state.read(saved, 0))
        state.newest()
        state.missing([])
        save(state, 2, b"%d" % number)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_what_the_room_allows_fits(root: Path) -> None:
    """A kernel that sends buffers from 64 KiB on, and as many bytes as it was told, is not refused."""
    state = StateStore(root, quota=(1 << 20) - 1).session(SESSION)
    sizes = [64 * 1024 + 1] * (state.room() // (64 * 1024 + 1))
    sizes.append(state.room() - sum(sizes))
    saved = save(
        state, 1, *(noise(size, number) for number, size in enumerate(sizes)), meta=Meta(("df",) * 50)
    )
    assert sum(chunk.size for buffer in saved.buffers for chunk in buffer) == state.room()
