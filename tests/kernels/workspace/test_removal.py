"""Folders that are thrown away: nobody waits for the deletion, and nothing of them stays."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernels.limits import Limits
from kernels.pool import Pool
from kernels.sandbox.policy import Tier
from kernels.workspace import removal as module
from kernels.workspace.folder import Workspace
from kernels.workspace.removal import Removal
from tests.conftest import KERNEL_PYTHON
from tests.live.cells import NoFiles, until


def filled(root: Path, name: str, files: int = 3) -> Workspace:
    """A workspace with files and a folder without permissions."""
    workspace = Workspace.open(root, name)
    for number in range(files):
        (workspace.path / f"{number}.txt").touch()
    (workspace.path / "closed" / "deep").mkdir(parents=True)
    (workspace.path / "closed").chmod(0)
    return workspace


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """An event that deletions wait for."""
    event, remove = threading.Event(), Workspace.remove

    def held_remove(workspace: Workspace, stopped=lambda: False) -> None:
        while not event.wait(0.01):
            if stopped():
                break
        remove(workspace, stopped)

    monkeypatch.setattr(Workspace, "remove", held_remove)
    yield event
    event.set()  # let a thread left by a failed test end


async def test_the_name_is_free_at_once_and_the_folder_goes_later(
    tmp_path: Path, held: threading.Event
) -> None:
    """Many can be thrown away while the first is still being deleted, even under the same name."""
    with Removal(tmp_path) as removal:
        for _ in range(3):
            await removal.throw_away(filled(tmp_path, "u1").path)
            assert not (tmp_path / "u1").exists()
        await removal.throw_away(tmp_path / "absent")
        assert len(os.listdir(tmp_path)) == 3
        assert not removal.idle
        filled(tmp_path, "u1")
        held.set()
        await until(lambda: removal.idle)
        assert os.listdir(tmp_path) == ["u1"]


async def test_a_program_that_ends_leaves_the_rest_to_the_next(tmp_path: Path, held: threading.Event) -> None:
    """It does not wait for 60,000 files to go, and none of them is forgotten."""
    with Removal(tmp_path) as removal:
        for name in ("u1", "u2"):
            await removal.throw_away(filled(tmp_path, name).path)
        filled(tmp_path, "u3")
    assert len(os.listdir(tmp_path)) == 3
    held.set()
    with Removal(tmp_path) as removal:
        await until(lambda: removal.idle)
        assert os.listdir(tmp_path) == ["u3"]


async def test_one_that_cannot_be_deleted_keeps_no_other_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong with it; the failure is logged once."""
    remove, tried = Workspace.remove, 0

    def odd(workspace: Workspace, stopped=lambda: False) -> None:
        nonlocal tried
        if (workspace.path / "odd").exists():
            tried += 1
            if tried < 4:
                raise RuntimeError("odd")
        remove(workspace, stopped)

    monkeypatch.setattr(Workspace, "remove", odd)
    with Removal(tmp_path, again=0.05) as removal:
        first = filled(tmp_path, "u1")
        (first.path / "odd").touch()
        await removal.throw_away(first.path)
        await removal.throw_away(filled(tmp_path, "u2").path)
        await until(lambda: len(os.listdir(tmp_path)) == 1)
        await until(lambda: not os.listdir(tmp_path))
    assert caplog.text.count("cannot be deleted") == 1


def test_a_deletion_stops_when_it_is_told_to(tmp_path: Path) -> None:
    """Even in the middle of many files, wherever they are; the rest stays."""
    workspace = filled(tmp_path, "u1", files=50)
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 20

    with pytest.raises(module.Stopped):
        workspace.remove(stopped)
    assert 25 < len(os.listdir(workspace.path)) < 40
    workspace.remove()
    assert not workspace.path.exists()


async def test_a_rename_that_waits_for_the_disk_keeps_nobody_else_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs neither on the event loop nor in the loop's thread pool."""
    go_on, rename = threading.Event(), os.rename

    def slow(*args, **kwargs) -> None:
        assert threading.current_thread().name.startswith(("apart: ", "folders "))
        go_on.wait(20)
        rename(*args, **kwargs)

    monkeypatch.setattr(os, "rename", slow)
    with Removal(tmp_path) as removal:
        throwing = asyncio.create_task(removal.throw_away(filled(tmp_path, "u1").path))
        await asyncio.gather(*(asyncio.to_thread(lambda: None) for _ in range(20)))
        assert not throwing.done()
        go_on.set()
        await throwing
        await until(lambda: removal.idle)


async def test_a_pool_waits_for_no_deletion(tmp_path: Path, held: threading.Event) -> None:
    """Sessions are removed one after the other while the first folder is still being deleted."""
    async with Pool(python=KERNEL_PYTHON, workspaces=tmp_path, limits=Limits(), tier=Tier.NONE) as pool:
        for name in ("u1", "u2"):
            pool.kernel(name, NoFiles())
            (tmp_path / name / "a.txt").touch()
            async with asyncio.timeout(20):
                await pool.remove(name)
            assert not (tmp_path / name).exists()
        await pool.remove("absent")
        assert len(os.listdir(tmp_path)) == 2
        held.set()
        await until(lambda: not os.listdir(tmp_path))


async def test_a_kernel_that_learns_its_workspace_tidies_it(tmp_path: Path) -> None:
    """Whether or not a cell broke off before; the removed files are nobody's news."""
    async with Pool(python=KERNEL_PYTHON, workspaces=tmp_path, limits=Limits(), tier=Tier.NONE) as pool:
        for name, since in (("u1", None), ("u2", 0.0)):
            kernel = pool.kernel(name, NoFiles())
            (tmp_path / name / f".placing-{'0' * 16}").write_bytes(b"half")
            (tmp_path / name / "a.txt").write_bytes(b"whole")
            async with kernel.catch_up(since):
                assert os.listdir(tmp_path / name) == ["a.txt"]
