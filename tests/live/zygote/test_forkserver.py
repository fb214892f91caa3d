"""The zygote and its children: what ends with what, and that no kernel finds anything of another's."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import sleep

import pytest
import pytest_asyncio

from kernels.errors import KernelStartFailed
from kernels.kernel import Kernel
from kernels.pool import Pool
from kernels.provisioner import ConfinedProvisioner
from kernels.sandbox.forkserver import Forkserver
from kernels.sandbox.limits.cgroup import Group, Groups
from kernels.sandbox.policy import Tier
from tests.conftest import KERNEL_PYTHON
from tests.live.cells import NoFiles, children, pooled, processes, run, until, value, zygote

TIERS = [Tier.A, Tier.B] if os.getuid() else [Tier.S, Tier.A, Tier.B]
pytestmark = pytest.mark.asyncio(loop_scope="module")

SCAN = """
found = 0
with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:
    for line in maps:
        start, end = (int(part, 16) for part in line.split()[0].split('-'))
        if line.split()[1].startswith('r') and '[v' not in line:
            memory.seek(start)
            try:
                part = memory.read(end - start)
            except OSError:  # a page beyond the end of its file
                continue
            found += part.count(bytes(byte ^ 255 for byte in {hidden!r}))
            del part
found
"""


@pytest.fixture(scope="module", params=TIERS)
def tier(request: pytest.FixtureRequest) -> Tier:
    """Each tier, or those available to an ordinary user."""
    return Tier(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(tmp_path_factory: pytest.TempPathFactory, tier: Tier) -> AsyncIterator[Pool]:
    """A pool with one zygote and few libraries."""
    async with pooled(tmp_path_factory.mktemp("pool"), tier=tier) as pool:
        yield pool


@pytest.fixture
def first(pool: Pool) -> Kernel:
    """One kernel of the zygote."""
    return pool.kernel("first", NoFiles())


@pytest.fixture
def second(pool: Pool) -> Kernel:
    """Another."""
    return pool.kernel("second", NoFiles())


def key(kernel: Kernel) -> bytes:
    """The secret with which a kernel authenticates its messages."""
    assert kernel._process is not None
    return kernel._process.wire._session.key


def hidden(text: bytes) -> bytes:
    """A scrambled text that a kernel can be given without having the text itself in its memory."""
    return bytes(byte ^ 255 for byte in text)


async def test_memory_holds_no_other_kernels_key(first: Kernel, second: Kernel) -> None:
    """A kernel that reads all of its own memory finds its own key, but none of an earlier kernel's."""
    await run(first, "1")
    await run(second, "1")
    assert await value(second, SCAN.format(hidden=hidden(key(second)))) != "0"
    assert await value(second, SCAN.format(hidden=hidden(key(first)))) == "0"


async def test_environment_is_what_was_said(first: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """It contains nothing of ours, and neither does the environment the zygote was started with."""
    canary = "canary-of-the-environment"
    monkeypatch.setenv("KERNELCORD_TEST", canary)
    code = """
import os
def read():
    try: return open('/proc/self/environ').read()
    except PermissionError: return ''  # in tier B the rule was made for the init's own
[os.environ.get('KERNELCORD_TEST'), read().count('canary')]"""
    assert await value(first, code) == "[None, 0]"
    assert await value(first, "sorted(set(os.environ) & {'PYTEST_CURRENT_TEST', 'SSH_AUTH_SOCK'})") == "[]"


async def test_descriptors_are_its_own(first: Kernel) -> None:
    """A kernel has its own sockets, pipes and files open, and nothing of the zygote's."""
    code = """
import os
held = []
for number in os.listdir('/proc/self/fd'):
    try: held.append(os.readlink(f'/proc/self/fd/{number}'))
    except OSError: pass
known = ('socket:', 'pipe:', 'anon_inode:', '/dev/null', '/memfd:', '/proc/')
sorted(path for path in held if not path.startswith(known) and not path.startswith(os.environ['TMPDIR']))
"""
    told = await value(first, code)
    assert "zygote.log" not in told
    assert told.count("'") <= 2, told  # it writes to `start.log` in its own run folder until it is up


async def test_references_to_what_is_shared_are_not_counted(first: Kernel) -> None:
    """Objects of the zygote are immortal, so their pages stay shared; what a cell makes is not."""
    code = """
import argparse, ctypes
def counted(one): return ctypes.c_uint64.from_address(id(one)).value
before = counted(argparse.ArgumentParser)
kept = [argparse.ArgumentParser] * 1000
mine = type('Mine', (), {})
[counted(argparse.ArgumentParser) - before, counted(mine) < 100]"""
    assert await value(first, code) == "[0, True]"


async def test_a_full_collection_frees_what_a_cell_made(first: Kernel) -> None:
    """The collector still finds garbage, even after frozen objects are unfrozen."""
    code = """
import gc, weakref
class Ring: pass
def lost():
    ring = Ring(); ring.ring = ring
    return weakref.ref(ring)
one = lost(); gc.collect()
two = lost(); gc.unfreeze(); gc.collect()
[one(), two()]"""
    assert await value(first, code) == "[None, None]"


async def test_zygote_has_one_thread(pool: Pool) -> None:
    """With more it must not fork: children would inherit locks that nobody releases."""
    assert len(list(Path(f"/proc/{zygote(pool)}/task").iterdir())) == 1


async def test_kernels_outlive_the_zygote(pool: Pool, first: Kernel) -> None:
    """The next kernel gets a new one; earlier kernels keep their variables, and end as usual."""
    await run(first, "x = 7")
    before = zygote(pool)
    os.kill(before, signal.SIGKILL)
    third = pool.kernel("third", NoFiles())
    assert await value(third, "1 + 1") == "2"
    assert zygote(pool) != before
    assert await value(first, "x") == "7"
    ran = await run(first, "import os; os._exit(3)")
    assert (ran.status, ran.result.exit_code) == ("died", 3)


async def test_a_closed_control_socket_ends_the_kernel_and_its_children(pool: Pool) -> None:
    """As when we are killed: nobody is left to end it, so it ends itself."""
    kernel = pool.kernel("control", NoFiles())
    mark = f"96{os.getpid()}"
    await run(kernel, f"import subprocess\nsubprocess.Popen(['sleep', '{mark}'], start_new_session=True)")
    assert processes(f"sleep\0{mark}")
    assert kernel._process is not None
    provisioner = kernel._process.provisioner
    assert isinstance(provisioner, ConfinedProvisioner)
    assert provisioner._kernel is not None
    child = provisioner._kernel.child
    child._control.shutdown(2)
    await until(lambda: kernel.dead and not processes(f"sleep\0{mark}"))
    await until(lambda: child.pid not in children(zygote(pool)))


async def test_what_a_killed_init_leaves_is_ended_without_groups_and_namespaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for an ordinary user in tier B: the kernel and its sessions end, and a kernel beside it does not."""
    monkeypatch.setattr(Groups, "found", classmethod(lambda _cls, _name: None))
    async with pooled(tmp_path, tier=Tier.B) as pool:
        beside, killed = pool.kernel("beside", NoFiles()), pool.kernel("killed", NoFiles())
        await run(beside, "x = 1")
        code = (
            "import subprocess, os\nchild = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
            "child.pid, os.getpid()"
        )
        pids = [int(number) for number in (await value(killed, code)).strip("()").split(", ")]
        assert killed._process is not None
        os.kill(killed._process.provisioner.pid, signal.SIGKILL)
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
        assert await value(beside, "x") == "1"


async def test_every_process_of_a_kernel_has_its_limits(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel confines itself while its group is being made, and forks nothing before it is in the group."""
    taken: list[Group] = []
    take = Group.add_process

    def late(group: Group, pid: int) -> None:
        sleep(0.5)
        take(group, pid)
        taken.append(group)

    monkeypatch.setattr(Group, "add_process", late)
    kernel = pool.kernel("late", NoFiles())
    assert await value(kernel, "1 + 1") == "2"
    assert kernel._process is not None
    init = kernel._process.provisioner.pid
    if not taken:
        pytest.skip("there are no control groups here")
    (group,) = taken
    held = {int(pid) for pid in (group.folders[0] / "cgroup.procs").read_text("ascii").split()}
    assert {init, *children(init)} <= held
    assert children(init)
    await pool.release("late")


async def test_only_what_is_said_is_imported(tmp_path: Path) -> None:
    """Requested modules are loaded before the first cell, others are not; a missing one is no error."""
    libraries = ("xml.dom.minidom", "no_such_library")
    async with pooled(tmp_path, libraries=libraries) as pool:
        kernel = pool.kernel("a", NoFiles())
        asked = "[name in __import__('sys').modules for name in ('xml.dom.minidom', 'pandas', 'numpy')]"
        assert await value(kernel, asked) == "[True, False, False]"


async def test_libraries_are_imported_as_in_a_cell(tmp_path: Path) -> None:
    """A library that checks on import finds a kernel's shell; if its import fails, the cell can retry."""
    libraries = ("pandas", "idlelib.idle")  # the second one needs a screen
    async with pooled(tmp_path, libraries=libraries) as pool:
        kernel = pool.kernel("a", NoFiles())
        assert await value(kernel, "import pandas; pandas.get_option('display.max_columns')") == "20"
        assert await value(kernel, "type(get_ipython()).__name__") == "'ZMQInteractiveShell'"


async def test_an_environment_behind_a_link_works(tmp_path: Path, tier: Tier) -> None:
    """Modules that are only imported in a cell are found, too."""
    (tmp_path / "link").symlink_to(KERNEL_PYTHON.parent.parent)
    linked = tmp_path / "link" / "bin" / "python"
    async with pooled(tmp_path / "pool", tier=tier, python=linked) as pool:
        assert await value(pool.kernel("a", NoFiles()), "import tabulate; tabulate.__name__") == "'tabulate'"


@pytest.mark.parametrize(
    ("python", "words"),
    [("missing", "No such file"), ("bare", "No module named")],
)
async def test_an_interpreter_that_cannot_is_told(tmp_path: Path, python: str, words: str) -> None:
    """A missing one and one without ipykernel are reported with the words of the system or their own."""
    (tmp_path / "bare").write_text(f'#!/bin/sh\nexec "{os.path.realpath(sys.executable)}" -I -S "$@"\n')
    (tmp_path / "bare").chmod(0o755)
    with Forkserver(tmp_path / python, tmp_path / "folder", environment={}) as forkserver:
        for _ in range(2):
            with pytest.raises(KernelStartFailed, match=words):
                await forkserver.fork(0)


async def test_a_child_without_a_spawn_request_ends_with_its_control_socket(tmp_path: Path) -> None:
    """A fork whose spawn request never comes leaves no process."""
    with Forkserver(KERNEL_PYTHON, tmp_path, environment={}, libraries=()) as forkserver:
        child = await forkserver.fork(0)
        assert forkserver._process is not None
        assert child.pid in children(forkserver._process.pid)
        assert child.poll() is None
        child.close()
        await until(lambda: child.pid not in children(forkserver._process.pid))
