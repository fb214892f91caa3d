"""What a kernel in this process does beside running cells."""

import threading
from pathlib import Path

from kernels.limits import Limits
from kernels.local import LocalKernel
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
