"""After whatever was done, what the store knows of the disk is what is there, and nobody has too much."""

import os
import random
import threading
from pathlib import Path

import pytest

from kernels.state.errors import StateError
from kernels.state.store import StateStore
from tests.kernels.state.saves import MONTH, chunk, chunk_files, everything, give_up, loaded, noise, save

SESSIONS = ("u1-a", "u1-b", "u2-a", "u2-b", "x")
BLOCK = 4096
QUOTA, DISK, HISTORY = 24 * BLOCK, 40 * BLOCK, 4


def make(root: Path) -> StateStore:
    """A store in which there is never enough room."""
    return StateStore(root, quota=QUOTA, disk=DISK, history=HISTORY)


def act(store: StateStore, chance: random.Random, cell: int) -> None:
    """Do something to some session, which may be refused; what comes back is what was saved last."""
    session = chance.choice(SESSIONS)
    state = store.session(session)
    data = [noise(chance.choice((0, 9, 5000, 9000)), chance.randrange(9)) for _ in range(chance.randrange(5))]
    match chance.randrange(12):
        case 0:
            store.forget(session)
        case 1:
            give_up(state, *filter(None, data))
        case 2:
            store.tidy(MONTH)
        case 3:
            if (newest := state.newest()) is not None:
                loaded(state, newest)
        case _:
            before = state.newest()
            try:
                saved = save(state, cell, *data)
            except StateError:
                assert state.newest() == before
            else:
                assert state.newest() == saved
                assert loaded(state, saved) == data


def used(root: Path, sessions: tuple[str, ...]) -> int:
    """The blocks that chunks and manifests of these sessions take."""
    files = [path for session in sessions for path in everything(root / session) if path.is_file()]
    return sum(-(-path.stat().st_size // BLOCK) for path in files)


def check(root: Path, store: StateStore) -> None:
    """Limits are kept, no chunk is there in vain, and another store that counts finds the same room."""
    assert used(root, SESSIONS) * BLOCK <= DISK
    for person in (SESSIONS[:2], SESSIONS[2:4], SESSIONS[4:]):
        assert used(root, person) * BLOCK <= QUOTA
    counted = make(root)
    for session in (*SESSIONS, "u1-c", "u3-a"):
        assert store.session(session).room() == counted.session(session).room(), session
    for session in filter(lambda name: (root / name).exists(), SESSIONS):
        state, named, before = store.session(session), set(), None
        while (manifest := state.newest(before=before)) is not None:
            named |= {each.digest for buffer in manifest.buffers for each in buffer}
            before = manifest.number
        assert named == chunk_files(root, session), session


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is not waited for: that is tested elsewhere."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def test_the_account_agrees_with_the_disk(tmp_path: Path) -> None:
    """After each of many random steps, with new programs in between."""
    chance = random.Random(7)
    store = make(tmp_path)
    for cell in range(60):
        act(store, chance, cell)
        check(tmp_path, store)
        if chance.random() < 0.05:
            store = make(tmp_path)


def test_threads_that_save_at_once_agree_in_the_end(tmp_path: Path) -> None:
    """Sessions of the same people, which throw each other's saves away: nobody waits for ever or fails."""
    store = make(tmp_path)
    failed: list[Exception] = []

    def work(session: str) -> None:
        state = store.session(session)
        try:
            for cell in range(15):
                data = noise(6000, f"{session} {cell}")
                try:
                    saved = save(state, cell, data, b"shared")
                except StateError:  # others have the room
                    continue
                assert loaded(state, saved) == [data, b"shared"]
        except Exception as error:  # noqa: BLE001  the test tells
            failed.append(error)

    threads = [threading.Thread(target=work, args=(session,)) for session in SESSIONS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for session in SESSIONS:  # what was in use when it should have gone
        save(store.session(session), 99, b"last")
    check(tmp_path, store)
    assert chunk(b"last").digest in chunk_files(tmp_path, "x")
