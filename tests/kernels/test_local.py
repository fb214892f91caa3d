"""What a kernel in this process does beside running cells."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from kernels.limits import Limits
from kernels.local import LocalKernel
from kernels.sandbox.limits import usage
from kernels.workspace.folder import Workspace
from kernels.workspace.scan import Capture


async def test_a_workspace_gets_its_owner_in_a_thread_and_before_its_first_file(tmp_path: Path) -> None:
    """A hundred thousand files take seconds, in which everybody else would wait."""
    workspace = Workspace.open(tmp_path, "u1")
    claimed: list[tuple[threading.Thread, list[Path]]] = []

    def claim() -> None:
        claimed.append((threading.current_thread(), list(workspace.path.iterdir())))

    kernel = LocalKernel(workspace, Capture(workspace.path, max_file=1 << 20, max_files=9), Limits(), claim)
    await kernel.place("a.csv", b"a\n")
    await kernel.know()
    assert [[path.name for path in files] for _, files in claimed] == [[], ["a.csv"]]
    assert threading.main_thread() not in [thread for thread, _ in claimed]


async def test_workspaces_are_counted_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many kernels have files placed: each count may take a processor for a third of a second."""
    counting = most = 0

    def count(_: Path) -> int:
        nonlocal counting, most
        counting += 1
        most = max(most, counting)
        time.sleep(0.01)
        counting -= 1
        return 0

    monkeypatch.setattr(usage, "size", count)
    placed = []
    for number in range(8):
        workspace = Workspace.open(tmp_path, f"u{number}")
        capture = Capture(workspace.path, max_file=1 << 20, max_files=9)
        kernel = LocalKernel(workspace, capture, Limits(), lambda: None)
        placed.append(kernel.place("a.csv", b"a\n"))
    assert await asyncio.gather(*placed) == ["a.csv"] * 8
    assert most == 1
