"""Folders in the temporary folder: those of dead programs go, however many; those of living ones stay."""

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernels.workspace.folder import Workspace
from kernels.workspace.temporary import (
    ALIVE,
    LOCK,
    PREFIX,
    SURELY,
    all_folders,
    create_locked,
    own_folder,
    remove_dead,
)
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of our own, its path as short as the real one's: a socket's ends at 107 bytes."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr("kernels.workspace.temporary.short_temporary", lambda: Path(folder))
        yield Path(folder)


def aged(folder: Path) -> Path:
    """The folder as it will be after more than an hour."""
    at = folder.stat().st_mtime - SURELY - 60
    os.utime(folder, (at, at))
    return folder


def made(folder: Path, *files: str) -> Path:
    """A folder with these files, all empty."""
    for file in (folder / name for name in files):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    folder.mkdir(exist_ok=True)
    return folder


def sweep() -> int:
    """Look at all folders; return how many were removed."""
    return sum(remove_dead(folder) for folder in all_folders())


@pytest.fixture
def deep(temporary: Path) -> Iterator[Path]:
    """A folder of a dead program, deeper than Python recurses."""
    folder = here = made(temporary / f"{PREFIX}deep", LOCK)
    descriptor = os.open(here, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    yield folder
    for left in temporary.iterdir():  # pytest cannot remove it
        Workspace(left).remove()


def test_a_folder_is_there_while_it_is_used_and_gone_afterwards(temporary: Path) -> None:
    """Nobody else removes it in the meantime, and nothing of it stays."""
    with own_folder("selftest-") as folder:
        assert folder.name.startswith(f"{PREFIX}selftest-")
        made(folder, "a/b")
        assert sweep() == 0
        assert (folder / "a/b").exists()
    assert list(temporary.iterdir()) == []


def test_what_many_dead_programs_have_left_goes(temporary: Path) -> None:
    """Hundreds at once, including kernels' folders."""
    for number in range(300):
        made(temporary / f"{PREFIX}{number:03}", LOCK, f"k/{ALIVE}", "sandbox-S/log")
    assert sweep() == 300
    assert list(temporary.iterdir()) == []


def test_a_deep_folder_goes_too(deep: Path) -> None:
    """However deep a kernel made it."""
    assert remove_dead(deep)
    assert not deep.exists()


def test_a_killed_program_lets_go(temporary: Path) -> None:
    """The lock, which ends with its process, shows it."""
    program = (
        "from kernels.workspace import temporary\nfrom pathlib import Path\nimport sys\n"
        "temporary.short_temporary = lambda: Path(sys.argv[1])\n"
        "with temporary.own_folder() as folder:\n    print(flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(temporary)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert sweep() == 0
        process.kill()
        process.wait()
    assert sweep() == 1
    assert list(temporary.iterdir()) == []


def test_a_folder_stays_while_one_of_its_kernels_lives(temporary: Path) -> None:
    """Until the kernel has died, after its program."""
    folder = made(temporary / f"{PREFIX}a", LOCK, f"k/{ALIVE}", f"l/{ALIVE}")
    with (folder / "l" / ALIVE).open("rb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        assert sweep() == 0
    assert sweep() == 1


def test_a_lock_is_shared_with_whoever_has_its_descriptor() -> None:
    """A kernel that outlives its program keeps the folder."""
    folder, lock = create_locked("jupyter-")
    copy = os.dup(lock.fileno())
    lock.close()
    assert sweep() == 0
    os.close(copy)
    assert sweep() == 1
    assert not folder.exists()


MAKERS: dict[str, Callable[[Path], Path]] = {
    "killed before it had its lock": lambda top: made(top / f"{PREFIX}a", "taking"),
    "killed before it had anything": lambda top: made(top / f"{PREFIX}a"),
    "an earlier self-test": lambda top: made(top / f"{PREFIX}selftest-a", "secret", "own/x"),
    "a node's socket, with nobody there": lambda top: made(top / f"{PREFIX}node-0-a", "socket"),
    "a node's folder without one": lambda top: made(top / f"{PREFIX}node-0-a"),
}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_what_has_no_lock_goes_when_it_surely_is_nobodys(temporary: Path, maker: Any) -> None:
    """Not before: its program may be just about to take the lock, or to listen."""
    folder = maker(temporary)
    if (folder / "socket").exists():
        (folder / "socket").unlink()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(folder / "socket"))
    assert sweep() == 0
    aged(folder)
    assert sweep() == 1
    assert list(temporary.iterdir()) == []


def test_a_half_removed_folder_goes_at_once(temporary: Path) -> None:
    """Whoever began to remove it was killed."""
    made(temporary / f"{PREFIX}removed-a", "k/x")
    assert sweep() == 1


def test_what_is_not_ours_or_cannot_be_told_stays(temporary: Path) -> None:
    """Files, links, a node's socket with a node, a folder without a lock that holds something."""
    inside = made(temporary / f"{PREFIX}jupyter-a", "s-1", "kernel.json")
    (temporary / f"{PREFIX}link").symlink_to(inside)
    (temporary / f"{PREFIX}file").touch()
    node = made(temporary / f"{PREFIX}node-0-a")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(node / "socket"))
        listening.listen()
        for folder in (inside, node):
            aged(folder)
        before = sorted(temporary.rglob("*"))
        assert sweep() == 0
        assert sorted(temporary.rglob("*")) == before


def test_anothers_folder_stays(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner decides, even for root."""
    made(temporary / f"{PREFIX}a", LOCK)
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    assert sweep() == 0
