"""Everybody's saves: quotas, expiry, what is left over, and what is forgotten."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kernels.state import manifest as manifest_module
from kernels.state import session_state
from kernels.state.errors import StateFull
from kernels.state.store import StateStore
from kernels.workspace.folder import BadSessionId
from tests.kernels.state.saves import (
    MONTH,
    QUOTA,
    SESSION,
    chunk,
    chunk_files,
    everything,
    loaded,
    noise,
    numbers,
    save,
)

BLOCK = 4096


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The store's folder, which is not there yet."""
    return tmp_path / "data" / "states"


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch):
    """Sets the time at which saves are made."""

    def set_time(moment: datetime) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return moment

        monkeypatch.setattr(manifest_module, "datetime", Clock)

    return set_time


def aged(root: Path, session: str, number: int, seconds: float) -> None:
    """Let a save be this old, for the order in which saves go."""
    time = 1_700_000_000 - seconds
    os.utime(root / session / "saves" / f"{number:012}.json", (time, time))


@pytest.mark.parametrize("session_id", ["", ".", "..", "a/b", ".hidden", "a" * 101, "a\0", "ä", "a\n"])
def test_ids_that_cannot_name_a_folder_are_refused(root: Path, session_id: str) -> None:
    """Nobody's id leads out of the store."""
    with pytest.raises(BadSessionId):
        StateStore(root, quota=QUOTA).session(session_id)


def test_one_object_serves_all_who_ask_for_a_session(root: Path) -> None:
    """So its index is built once, and goes with the last of them."""
    store = StateStore(root, quota=QUOTA)
    state = store.session(SESSION)
    assert store.session(SESSION) is state
    assert store.session("u7-dm-10") is not state
    assert root.stat().st_mode & 0o777 == 0o700


def test_a_persons_older_saves_make_room(root: Path) -> None:
    """The oldest first, whichever session they are of; no newest one, and no other person's."""
    store = StateStore(root, quota=12 * BLOCK)
    one, two, other = (store.session(name) for name in ("u1-a", "u1-b", "u2-a"))
    for cell in range(3):
        save(other, cell, noise(BLOCK, f"other {cell}"))
    save(one, 1, noise(BLOCK, "one 1"))
    save(one, 2, noise(BLOCK, "one 2"))
    save(two, 1, noise(BLOCK, "two 1"))
    save(two, 2, noise(BLOCK, "two 2"))  # 8 blocks with the manifests
    for session, number, age in (("u1-a", 1, 10), ("u1-b", 1, 20), ("u1-a", 2, 99), ("u1-b", 2, 0)):
        aged(root, session, number, age)
    store = StateStore(root, quota=12 * BLOCK)  # it counts what is there
    two = store.session("u1-b")
    save(two, 3, noise(4 * BLOCK, "two 3"))  # one too many
    assert numbers(root, "u1-b") == [2, 3]
    assert numbers(root, "u1-a") == [1, 2]
    save(two, 4, noise(9 * BLOCK, "two 4"))  # with its manifest and the newest of the other: all there is
    assert numbers(root, "u1-b") == [4]
    assert numbers(root, "u1-a") == [2]
    assert numbers(root, "u2-a") == [1, 2, 3]
    assert two.room() == 10 * BLOCK - 10 * BLOCK // 16
    assert loaded(store.session("u1-a"), store.session("u1-a").newest()) == [noise(BLOCK, "one 2")]


def test_a_save_that_cannot_fit_costs_nothing_older(root: Path) -> None:
    """It is refused when it is announced, and also if it is not announced."""
    store = StateStore(root, quota=12 * BLOCK)
    state = store.session("u1-a")
    for cell in range(2):
        save(state, cell, b"%d" % cell)
    save(store.session("u1-b"), 1, noise(4 * BLOCK))
    assert state.room() == 7 * BLOCK - 7 * BLOCK // 16
    files = {path for path in everything(root) if path.is_file()}
    data = noise(7 * BLOCK, "large")  # its manifest does not fit
    with pytest.raises(StateFull) as full:
        save(state, 3, data)
    assert full.value.limit == "quota"
    with pytest.raises(StateFull):
        state.missing([[chunk(noise(7 * BLOCK + 1))]])
    assert {path for path in everything(root) if path.is_file()} == files
    assert numbers(root, "u1-a") == [1, 2]
    save(state, 3, noise(6 * BLOCK, "fits"))
    assert numbers(root, "u1-a") == [3]


def test_everybodys_older_saves_make_room_on_the_disk(root: Path) -> None:
    """But a newest one never goes for another's."""
    store = StateStore(root, quota=QUOTA, disk=8 * BLOCK)
    save(store.session("u1-a"), 1, noise(BLOCK, 1))
    save(store.session("u1-a"), 2, noise(BLOCK, 2))
    save(store.session("u2-a"), 1, noise(4 * BLOCK, 3))
    assert numbers(root, "u1-a") == [2]
    with pytest.raises(StateFull) as full:
        save(store.session("u3-a"), 1, noise(2 * BLOCK, 4))
    assert full.value.limit == "disk"
    save(store.session("u3-a"), 1, b"")
    assert [numbers(root, name) for name in ("u1-a", "u2-a", "u3-a")] == [[2], [1], [1]]


def test_a_tenth_of_the_disk_is_used_unless_told_otherwise(root: Path) -> None:
    """The rest is people's files, and the machine's."""
    root.mkdir(parents=True)
    status = os.statvfs(root)
    room = StateStore(root, quota=1 << 60).session(SESSION).room()
    assert room == pytest.approx(status.f_blocks * status.f_frsize / 10 * 15 / 16)


def test_a_session_in_use_keeps_its_saves_for_now(root: Path) -> None:
    """A save does not wait for another's reader; what is too much goes after the next one."""
    store = StateStore(root, quota=6 * BLOCK)
    one, two = store.session("u1-a"), store.session("u1-b")
    save(one, 1, noise(BLOCK, 1))
    saved = save(one, 2, noise(BLOCK, 2))
    read = one.read(saved, 0)
    next(read)
    save(two, 1, noise(3 * BLOCK, 3))
    assert numbers(root, "u1-a") == [1, 2]
    read.close()
    save(two, 2, b"")
    assert numbers(root, "u1-a") == [2]
    assert numbers(root, "u1-b") == [2]


def test_old_sessions_go(root: Path, at) -> None:
    """By their newest save, and nothing else does."""
    store = StateStore(root, quota=QUOTA)
    now = datetime.now(UTC)
    at(now - timedelta(days=31))
    save(store.session("u1-a"), 1, b"1")
    save(store.session("u1-b"), 1, b"1")
    at(now - timedelta(days=29))
    save(store.session("u1-b"), 2, b"2")
    store.tidy(MONTH)
    assert os.listdir(root) == ["u1-b"]
    assert numbers(root, "u1-b") == [1, 2]
    store.tidy(timedelta(days=28))
    assert os.listdir(root) == []
    assert store.session("u1-c").room() == QUOTA * 15 // 16


def leave_over(root: Path) -> None:
    """What programs that were killed may leave in a session with a save."""
    (root / SESSION / "chunks" / ("ab" + "0" * 30)).write_bytes(noise(10_000))
    (root / SESSION / "unfinished").mkdir()
    (root / SESSION / "unfinished" / ("a" * 32)).write_bytes(b"half")
    (root / SESSION / "unfinished" / "manifest").touch()


@pytest.mark.parametrize("known", [True, False])
def test_what_is_left_over_goes(root: Path, known: bool) -> None:
    """With the next save, or when it is tidied: unfinished files, unused chunks, sessions that only begin."""
    store = StateStore(root, quota=QUOTA)
    state = store.session(SESSION)
    save(state, 1, b"one")
    for tidy in (True, False):
        leave_over(root)
        if not known:
            store = StateStore(root, quota=QUOTA)
            state = store.session(SESSION)
        if tidy:
            store.tidy(MONTH)
        else:
            save(state, 1, b"one")
        assert chunk_files(root) == {chunk(b"one").digest}
        assert not (root / SESSION / "unfinished").exists()
    (root / ".forgotten-0123456789abcdef" / "chunks").mkdir(parents=True)
    (root / "u8-empty").mkdir()
    (root / "u8-begun" / "chunks").mkdir(parents=True)
    (root / "u8-begun" / "unfinished").mkdir()
    (root / "README.txt").touch()
    (root / ".other").mkdir()
    store.tidy(MONTH)
    assert sorted(os.listdir(root)) == [".other", "README.txt", SESSION]
    assert loaded(state, state.newest()) == [b"one"]


def test_an_orphan_without_other_traces_goes_when_it_is_tidied(root: Path) -> None:
    """As of a program that was killed while it threw a save away."""
    store = StateStore(root, quota=QUOTA)
    save(store.session(SESSION), 1, b"one")
    (root / SESSION / "chunks" / ("ab" + "0" * 30)).touch()
    store.tidy(MONTH)
    assert chunk_files(root) == {chunk(b"one").digest}


def test_tidying_touches_no_session_that_is_in_use(root: Path) -> None:
    """Neither one that is being saved for the first time nor what it has unfinished."""
    store, other = StateStore(root, quota=QUOTA), StateStore(root, quota=QUOTA)
    state = store.session(SESSION)
    with state.writing() as writing:
        for number in range(70):
            writing.add(chunk(b"%d" % number), b"%d" % number)
        store.tidy(timedelta(0))
        other.tidy(timedelta(0))
        writing.commit(1, [[chunk(b"%d" % number) for number in range(70)]], manifest_module.Meta())
    assert len(loaded(state, state.newest())[0]) == 10 + 2 * 60


def test_what_goes_wrong_with_one_session_stops_no_other(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log tells."""
    store = StateStore(root, quota=QUOTA)
    (root / "u1").touch()
    (root / "u2").symlink_to("/etc")
    (root / "u3").mkdir()
    store.tidy(MONTH)
    assert sorted(os.listdir(root)) == ["u1", "u2"]
    assert len(caplog.records) == 2


def test_a_forgotten_session_is_gone_whatever_is_in_it(root: Path) -> None:
    """Also read-only folders, links and strange names; what links lead to stays."""
    store = StateStore(root, quota=QUOTA)
    save(store.session(SESSION), 1, b"one", noise(5000))
    (root / "kept").write_text("x")
    strange = root / SESSION / "chunks" / "a\n\x1b"
    (strange / "deep").mkdir(parents=True)
    (strange / "link").symlink_to(root / "kept")
    os.mkfifo(strange / "pipe")
    (root / SESSION / "saves" / "000000000001.json").chmod(0)
    strange.chmod(0)
    (root / SESSION / "saves").chmod(0o500)
    store.forget(SESSION)
    store.forget(SESSION)
    assert os.listdir(root) == ["kept"]
    (root / SESSION).symlink_to(root / "kept")
    store.forget(SESSION)
    assert os.listdir(root) == ["kept"]
    assert store.session(SESSION).newest() is None


def test_what_cannot_be_deleted_has_no_name_and_is_tried_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is never half a state under the session's name."""
    store = StateStore(root, quota=QUOTA)
    state = store.session(SESSION)
    save(state, 1, b"one")

    def refuse(_: object) -> None:
        raise OSError("busy")

    with monkeypatch.context() as patch:
        patch.setattr(session_state.Workspace, "remove", refuse)
        with pytest.raises(OSError, match="busy"):
            store.forget(SESSION)
    assert state.newest() is None
    (aside,) = os.listdir(root)
    assert aside.startswith(".forgotten-")
    save(state, 1, b"new")
    store.tidy(MONTH)
    assert os.listdir(root) == [SESSION]
    assert loaded(state, state.newest()) == [b"new"]
