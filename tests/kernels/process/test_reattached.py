"""Nodes, and processes that another program started, while this program has very many files open."""

import asyncio
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernels.client.spawn import local_node
from kernels.errors import NodeUnavailable
from kernels.inside.procfs import started
from kernels.node.settings import NodeSettings
from kernels.process.reattached import Process
from tests.contract.conftest import node_settings

MANY = 1024  # from this number on select(2) accepts no descriptor


@pytest.fixture
def _many_open_files() -> Iterator[None]:
    """Make the next descriptor a large one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < 2 * MANY:
        pytest.skip("this user may not open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * MANY, hard))
    held = [os.open(os.devnull, os.O_RDONLY)]
    while held[-1] < MANY:
        held.append(os.open(os.devnull, os.O_RDONLY))
    yield
    for descriptor in held:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_many_open_files")
async def test_a_process_is_watched_beside_many_open_files() -> None:
    """It is known whether the process lives, and its end is noticed."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE
    )
    process = Process(running.pid, started(running.pid))
    assert process.poll() is None
    running.kill()
    assert await process.wait() == -9
    await running.wait()
    process.close()


@pytest.mark.usefixtures("_many_open_files")
async def test_a_node_is_started_beside_many_open_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer is read; the node here only says why it does not start."""
    monkeypatch.setattr(NodeSettings, "to_json", lambda _: "{}")
    with pytest.raises(NodeUnavailable, match="settings"):
        await local_node(node_settings(tmp_path))(True)
