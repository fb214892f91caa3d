"""Each workspace gets a user of its own, permanently."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from kernels.sandbox.users import FREE, SMALL, claim, numbers

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def test_the_range_is_one_that_the_system_has() -> None:
    """All ids where all are available, otherwise those of the container, and none in a one-user namespace."""
    assert numbers("         0          0 4294967295\n") == FREE
    assert numbers("0 100000 65536\n") == SMALL
    assert numbers("0 1000 1\n") == range(0)
    assert numbers("0 1000 1\n1 100000 65536\n") == SMALL
    assert numbers("") == range(0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of all workspaces, containing two."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir(mode=0o700)
    return tmp_path


@as_root
def test_a_workspace_keeps_its_user(root: Path) -> None:
    """The second call finds what the first assigned; another workspace has another user."""
    first = claim(root, root / "one", range(70_000, 70_010))
    assert claim(root, root / "one", range(70_000, 70_010)) == first
    assert claim(root, root / "two", range(70_000, 70_010)) != first
    assert (root / "one").stat().st_uid == (root / "one").stat().st_gid == first


@as_root
def test_all_that_is_in_it_is_given_too_and_nothing_outside(root: Path) -> None:
    """Files in folders become the user's; a link does too, but not its target."""
    (root / "one" / "folder").mkdir()
    (root / "one" / "folder" / "file").touch()
    (root / "one" / "link").symlink_to(root / "two")
    (root / "secret").touch()
    (root / "one" / "folder" / "secret").symlink_to(root / "secret")
    uid = claim(root, root / "one", range(70_000, 70_010))
    given = [root / "one" / name for name in ("folder", "folder/file", "link", "folder/secret")]
    assert {path.lstat().st_uid for path in given} == {uid}
    assert {(root / name).stat().st_uid for name in ("two", "secret")} == {os.geteuid()}


@as_root
def test_when_all_are_taken_it_is_an_error(root: Path) -> None:
    """No two workspaces ever share a user."""
    claim(root, root / "one", range(70_000, 70_001))
    with pytest.raises(OSError, match="every one of 1 users"):
        claim(root, root / "two", range(70_000, 70_001))


@as_root
def test_each_root_begins_elsewhere(tmp_path: Path) -> None:
    """Programs on one machine rarely assign the same user, which would share its limit on processes."""
    given = set()
    for name in map(str, range(20)):
        (tmp_path / name / "one").mkdir(parents=True)
        given.add(claim(tmp_path / name, tmp_path / name / "one", FREE))
    assert len(given) > 15


@as_root
def test_a_workspace_that_is_just_being_removed_fails_nobody(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be listed and then be gone when it is looked at."""
    scandir = os.scandir

    def removing(path):
        listed = list(scandir(path))
        with suppress(FileNotFoundError):  # it was already gone
            (root / "two").rmdir()
        return listed

    monkeypatch.setattr(os, "scandir", removing)
    assert claim(root, root / "one", range(70_000, 70_001)) == 70_000
