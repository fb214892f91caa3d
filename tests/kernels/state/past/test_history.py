"""The saves of a session as a way back."""

import errno
import os
from pathlib import Path

import pytest

from kernels.errors import CheckpointRefused, NoSuchSave
from kernels.state import session_state
from kernels.state.index import counted
from kernels.state.manifest import Manifest, Meta, Portrait
from kernels.state.past import pins
from kernels.state.past.history import SaveHistory
from kernels.state.store import StateStore
from kernels.workspace.copies.listing import Listing
from kernels.workspace.safe_open import folder as opened
from tests.kernels.state.saves import SESSION, chunk_files, loaded, noise, numbers, save


class Scene:
    """A session with a history of three saves, and its workspace."""

    def __init__(self, folder: Path, *, quota: int = 1 << 30) -> None:
        self.root, self.workspace = folder / "states", folder / "workspace"
        self.workspace.mkdir(exist_ok=True)
        self.store = StateStore(self.root, quota=quota, disk=1 << 40, history=3)
        self.state = self.store.session(SESSION)
        self.saves = SaveHistory(self.state, Listing(self.workspace, max_file=1 << 20))

    def save(self, cell: int) -> Manifest:
        """Save something, the way a kernel does."""
        self.saves.files()
        return save(self.state, cell, noise(5000, cell))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A scene."""
    return Scene(tmp_path)


def cells(scene: Scene) -> list[tuple[int, int]]:
    """The number and the cell of each save that is listed."""
    return [(each.number, each.cell) for each in scene.saves.saves()]


def test_a_manifest_has_the_files_and_what_the_values_are(scene: Scene) -> None:
    """As it was written."""
    (scene.workspace / "a").write_bytes(b"1")
    meta = Meta(names=("x", "y"), values={"x": Portrait("int", "1", "0123456789abcdef")})
    files = scene.saves.files()
    with scene.state.writing() as writing:
        written = writing.commit(1, [], meta, files=files)
    read = scene.state.newest()
    assert read == written
    assert read is not None
    assert [file.name for file in read.files] == ["a"]
    assert read.meta.values == meta.values


def test_the_beginning_is_saved_with_the_first_save(scene: Scene) -> None:
    """With the files as they were then; it stays, however many saves come after it."""
    (scene.workspace / "upload").write_bytes(b"1")
    scene.saves.note_beginning()
    (scene.workspace / "made").write_bytes(b"2")
    for cell in range(1, 8):
        scene.save(cell)
    assert cells(scene) == [(1, 0), (6, 5), (7, 6), (8, 7)]
    beginning = scene.saves.find(0)
    assert (beginning.number, beginning.is_empty) == (1, True)
    assert [file.name for file in beginning.files] == ["upload"]


def test_a_save_that_is_repeated_is_the_newest_and_is_not_listed(scene: Scene) -> None:
    """It takes no bytes but its own; repeating does not push other saves out of the history."""
    first, second = scene.save(1), scene.save(2)
    before = chunk_files(scene.root)
    for _ in range(4):
        for manifest in (first, second, first):
            repeated = scene.saves.repeat(manifest)
    newest = scene.state.newest()
    assert newest is not None
    assert (newest.number, newest.cell, loaded(scene.state, newest)) == (
        repeated.number,
        1,
        [noise(5000, 1)],
    )
    assert chunk_files(scene.root) == before
    assert cells(scene) == [(1, 1), (2, 2)]
    assert scene.saves.original(newest) == 1
    assert len(numbers(scene.root)) == 2 + 3
    for cell in (3, 4, 5):
        scene.save(cell)
    assert [cell for _, cell in cells(scene)] == [2, 1, 3, 4, 5]  # copies stand for the first two


def test_a_save_that_is_not_there_is_not_found(scene: Scene) -> None:
    """Or one of which a chunk is gone."""
    number = scene.save(1).number
    scene.save(2)
    assert scene.saves.find(number).cell == 1
    with pytest.raises(NoSuchSave):
        scene.saves.find(99)
    for path in (scene.root / SESSION / "chunks").rglob("*"):
        if path.is_file() and path.read_bytes() == noise(5000, 1):
            path.unlink()
    with pytest.raises(NoSuchSave):
        scene.saves.find(number)


def test_checkpoints_outlive_the_history_and_programs(scene: Scene, tmp_path: Path) -> None:
    """A name is given to one save at a time; forgotten, it goes like the others."""
    for cell in range(1, 3):
        scene.saves.checkpoint("first" if cell == 1 else "second", scene.save(cell))
    for cell in range(3, 9):
        scene.save(cell)
    again = Scene(tmp_path)
    assert [(name, one.cell) for name, one in again.saves.checkpoints().items()] == [
        ("first", 1),
        ("second", 2),
    ]
    again.saves.forget_checkpoint("first")
    again.saves.checkpoint("second", again.saves.find(8))
    assert [(name, one.cell) for name, one in again.saves.checkpoints().items()] == [("second", 8)]
    assert [cell for _, cell in cells(again)] == [2, 6, 7, 8]  # three, and the pinned one


def test_no_save_is_read_that_is_not_wanted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may list thousands of files, and the names of checkpoints are asked for with each key."""
    for cell in range(1, 4):
        saved = scene.save(cell)
    scene.saves.checkpoint("good", saved)
    read, read_manifest = list[int](), session_state.read_manifest

    def noted(here: int, number: int) -> tuple[Manifest, os.stat_result]:
        read.append(number)
        return read_manifest(here, number)

    monkeypatch.setattr(session_state, "read_manifest", noted)
    assert scene.saves.find(2).cell == 2
    assert scene.saves.original(saved) == 3
    assert list(scene.saves.checkpoints()) == ["good"]
    assert read == [2, 3]


def test_there_are_at_most_twenty_checkpoints(scene: Scene) -> None:
    """The name of one that is there can be given again."""
    saved = scene.save(1)
    for number in range(20):
        scene.saves.checkpoint(f"name {number}", saved)
    with pytest.raises(CheckpointRefused):
        scene.saves.checkpoint("one more", saved)
    scene.saves.checkpoint("name 3", saved)
    assert len(scene.saves.checkpoints()) == 20


def test_pinned_saves_go_last_when_there_is_no_room(tmp_path: Path) -> None:
    """But they do go: the quota holds."""
    scene = Scene(tmp_path, quota=300_000)
    pinned = save(scene.state, 1, noise(80_000, 1))
    scene.saves.checkpoint("kept", pinned)
    save(scene.state, 2, noise(80_000, 2))
    save(scene.state, 3, noise(80_000, 3))
    save(scene.state, 4, noise(80_000, 4))
    assert [cell for _, cell in cells(scene)] == [1, 3, 4]
    save(scene.state, 5, noise(200_000, 5))
    assert [cell for _, cell in cells(scene)] == [1, 5]
    save(scene.state, 6, noise(250_000, 6))
    assert ([cell for _, cell in cells(scene)], scene.saves.checkpoints()) == ([6], {})


def test_what_is_forgotten_is_forgotten_with_its_checkpoints(scene: Scene) -> None:
    """And with its beginning."""
    scene.saves.note_beginning()
    scene.saves.checkpoint("name", scene.save(1))
    scene.state.forget()
    assert (scene.saves.saves(), scene.saves.checkpoints()) == ([], {})


def test_checkpoints_that_cannot_be_read_just_now_are_not_lost(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is saved or given a name meanwhile; once the disk can tell again, all of them are there."""
    scene.saves.note_beginning()
    scene.saves.checkpoint("good", scene.save(1))
    newest = scene.save(2)
    before = numbers(scene.root)

    def refuses(name: str, _: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files", name)

    with monkeypatch.context() as patch:
        patch.setattr(pins, "open_plain", refuses)
        for work in (
            lambda: scene.saves.checkpoint("other", newest),
            lambda: scene.state.pin("other", newest.number),
            lambda: scene.saves.forget_checkpoint("good"),
            lambda: save(scene.state, 3, noise(5000, 3)),
            scene.saves.checkpoints,
        ):
            with pytest.raises(OSError, match="Too many"):
                work()
        assert numbers(scene.root) == before
        with opened(scene.root / SESSION) as here:
            held = counted(here)  # nobody else is kept from saving, and these go last
        assert held.pinned == frozenset(before)
    assert scene.state.newest() == newest
    for cell in range(3, 9):
        scene.save(cell)
    assert list(scene.saves.checkpoints()) == ["good"]
    assert scene.saves.find(0).number == 1
