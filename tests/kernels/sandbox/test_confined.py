"""What our own program needs, so that no kernel of the same user can stop it from starting others."""

import asyncio
import resource
import signal
import socket
import threading
from pathlib import Path

import pytest

from kernels.limits import Limits
from kernels.sandbox.confined import Sandbox
from kernels.sandbox.forkserver import Child
from kernels.sandbox.limits.cgroup import Group, Groups
from kernels.sandbox.policy import Tier
from tests.conftest import KERNEL_PYTHON


def test_we_may_have_more_open_files_than_any_kernel_sends(tmp_path: Path) -> None:
    """Otherwise 1,250 files in transit would keep us from sending any, and each kernel start sends one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("the limit cannot be raised here")
    in_the_way = tmp_path / "folder"
    in_the_way.touch()
    sandbox = Sandbox(Tier.B, python=KERNEL_PYTHON, folder=in_the_way, workspaces=tmp_path, limits=Limits())
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        with pytest.raises(OSError, match="folder"):  # it does not start, but has raised the limit
            sandbox.__enter__()
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert raised >= 4096


@pytest.fixture
def grouped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Sandbox, list[str], threading.Event]:
    """A sandbox whose groups are folders, what is done with them, and what lets a process be put in."""
    done: list[str] = []
    go = threading.Event()

    def do(what: str) -> None:
        assert threading.current_thread() is not threading.main_thread(), "the event loop stands still"
        done.append(what)

    def take(_: Group, pid: int) -> None:
        do(f"take {pid}")
        assert go.wait(60)

    monkeypatch.setattr(Group, "add_process", take)
    monkeypatch.setattr(Group, "remove", lambda _: do("remove"))
    sandbox = Sandbox(Tier.S, python=KERNEL_PYTHON, folder=tmp_path, workspaces=tmp_path, limits=Limits())
    sandbox._groups = Groups({"": tmp_path})
    return sandbox, done, go


async def test_no_event_loop_waits_while_a_process_is_put_into_its_group(
    grouped: tuple[Sandbox, list[str], threading.Event],
) -> None:
    """Linux takes tens of milliseconds for it, and everybody's cells are on that loop."""
    sandbox, done, go = grouped
    making = asyncio.create_task(sandbox._grouped("a", 7))
    while not done:  # noqa: ASYNC110  nothing tells from the other thread
        await asyncio.sleep(0.001)
    assert not making.done()
    go.set()
    assert isinstance(await making, Group)
    assert done == ["take 7"]


async def test_a_start_that_is_given_up_leaves_no_group(
    grouped: tuple[Sandbox, list[str], threading.Event],
) -> None:
    """However often it is cancelled while its process is put into the group."""
    sandbox, done, go = grouped
    making = asyncio.create_task(sandbox._grouped("a", 7))
    while not done:  # noqa: ASYNC110  nothing tells from the other thread
        await asyncio.sleep(0.001)
    for _ in range(2):
        making.cancel()
        await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert done == ["take 7", "remove"]


async def test_a_process_that_has_died_is_begun_and_grouped_without_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wrote why it could not confine itself, and that is read at its end."""

    def take(_: Group, pid: int) -> None:
        raise ProcessLookupError(pid)

    monkeypatch.setattr(Group, "add_process", take)
    sandbox = Sandbox(Tier.S, python=KERNEL_PYTHON, folder=tmp_path, workspaces=tmp_path, limits=Limits())
    sandbox._groups = Groups({"": tmp_path})
    assert isinstance(await sandbox._grouped("a", 7), Group)
    ours, theirs = socket.socketpair()
    theirs.close()
    child = Child(7, -1, ours)
    with ours:
        child.begin()
        assert await child.wait() == -signal.SIGKILL
