"""What a copy of a workspace may take of the disk."""

from collections import namedtuple
from pathlib import Path

import pytest

from kernels.sandbox.limits import usage
from kernels.travel import branching
from kernels.travel.branching import Branching, branch
from kernels.workspace.folder import Workspace

Disk = namedtuple("Disk", ["free"])


async def test_a_copy_leaves_others_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise nothing of it is there, and what was there stays."""
    source = Workspace.open(tmp_path, "u1")
    (source.path / "file").write_bytes(bytes(50_000))
    target = Workspace.named(tmp_path, "u1-branch-1")
    size = usage.size(source.path)
    monkeypatch.setattr(branching.shutil, "disk_usage", lambda _: Disk(2 * size - 1))
    with pytest.raises(OSError, match="No space"):
        await branch(Branching(source, target, None, None), None)
    assert not target.path.exists()
    monkeypatch.setattr(branching.shutil, "disk_usage", lambda _: Disk(2 * size))
    assert await branch(Branching(source, target, None, None), None) == 0
    assert (target.path / "file").read_bytes() == (source.path / "file").read_bytes() == bytes(50_000)


async def test_a_copy_takes_no_more_than_a_workspace_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written while it is copied is not there when its size is looked at."""
    source = Workspace.open(tmp_path, "u1")
    (source.path / "file").write_bytes(b"x" * 50_000)
    target = Workspace.named(tmp_path, "u1-branch-1")
    monkeypatch.setattr(usage, "size", lambda _: 0)
    with pytest.raises(OSError, match="No space"):
        await branch(Branching(source, target, None, 49_999), None)
    assert not target.path.exists()
    assert await branch(Branching(source, target, None, 50_000), None) == 0
    assert (target.path / "file").read_bytes() == b"x" * 50_000


async def test_a_workspace_over_its_limit_is_copied(tmp_path: Path) -> None:
    """One that has grown no further than it may, but had more than that when its kernel started."""
    source = Workspace.open(tmp_path, "u1")
    (source.path / "file").write_bytes(b"x" * 50_000)
    target = Workspace.named(tmp_path, "u1-branch-1")
    assert await branch(Branching(source, target, None, 100), None) == 0
    assert (target.path / "file").read_bytes() == b"x" * 50_000
