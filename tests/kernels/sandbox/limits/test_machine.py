"""How much memory is left: the machine's, or less if a control group around us has a limit."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import pytest

from kernels.sandbox.limits import machine as module
from kernels.sandbox.limits.cgroup import own_groups
from kernels.sandbox.limits.machine import Machine, Memory, kernels_for
from tests.conftest import KERNEL_PYTHON, ROOT

MiB = 1 << 20
LIMIT = 640 * MiB
PROGRAM = """
import asyncio, json, os, sys
from pathlib import Path
own, limit, python, workspaces = sys.argv[1:]
(Path(own) / "cgroup.procs").write_text(str(os.getpid()))
from kernels.cell.events import InputRequest
from kernels.limits import Limits
from kernels.sandbox.limits.machine import Machine
from kernels.pool import Pool, PoolTimes
from tests.live.cells import NoFiles, run

async def main():
    times = PoolTimes(recent=0.0)  # as if its person had left long ago
    pool = Pool(python=Path(python), workspaces=Path(workspaces), limits=Limits(), libraries=(), times=times)
    async with pool:
        told = {"whole": Machine().memory().whole}
        first, second, third = kernels = [pool.kernel(name, NoFiles()) for name in "abc"]
        for kernel in kernels:
            await run(kernel, "x = bytearray(%d)" % (100 << 20))
        async with third.run("y = bytearray(%d)\\nwhile input() != 'end': pass" % (120 << 20)) as cell:
            async for event in cell:
                if isinstance(event, InputRequest):
                    while first.alive:
                        await asyncio.sleep(0.05)
                    told["alive"] = [kernel.alive for kernel in kernels]
                    cell.answer("end")
        told["reason"] = (await run(first, "1")).restarts[0].reason
        ran = await run(third, "y = bytearray(%d)" % (900 << 20))
        told["status"] = [ran.status, ran.result.cause, [one.reason for one in ran.restarts]]
        print(json.dumps(told))

asyncio.run(main())
"""


def group(kind: str, limit: int, used: int, dropped: int, folder: Path) -> Path:
    """The files of a control group of version 1 or 2."""
    names = module.VERSIONS[0 if kind == "2" else 1]
    folder.mkdir()
    for name, number in ((names[0], limit), (names[1], used)):
        (folder / name).write_text(f"{number}\n")
    inactive, active = names[2]
    told = f"anon 1\n{inactive} {dropped // 3}\n{active} {dropped - dropped // 3}\n"
    (folder / "memory.stat").write_text(told)
    return folder


@pytest.mark.parametrize("kind", ["1", "2"])
def test_the_least_of_all_limits_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Of the machine, our own group and those around it; mere cache counts as free."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  2097152 kB\nMemFree: 3 kB\nMemAvailable:  1048576 kB\n")
    outer = group(kind, 1000 * MiB, 900 * MiB, 300 * MiB, tmp_path / "outer")
    own = group(kind, 1 << 62, 500 * MiB, 0, outer / "own")
    monkeypatch.setattr(module, "own_groups", lambda: {"memory" if kind == "1" else "": own})
    assert Machine(meminfo).memory() == Memory(400 * MiB, 1000 * MiB)
    (own / module.VERSIONS[0][0]).write_text("max\n")
    meminfo.write_text("MemTotal:  2097152 kB\nMemFree: 3 kB\nMemAvailable:  4096 kB\n")
    assert Machine(meminfo).memory() == Memory(4 * MiB, 2048 * MiB)
    monkeypatch.setattr(module, "own_groups", dict)
    meminfo.unlink()
    assert not Machine(meminfo).memory().is_short(1 << 40)


def test_what_is_short() -> None:
    """Less than one more kernel may take; on a small machine, less than a quarter."""
    assert Memory(1000 * MiB, 24_000 * MiB).is_short(1024 * MiB)
    assert not Memory(1100 * MiB, 24_000 * MiB).is_short(1024 * MiB)
    assert not Memory(300 * MiB, 1024 * MiB).is_short(1024 * MiB)
    assert Memory(200 * MiB, 1024 * MiB).is_short(1024 * MiB)
    assert not Memory(200 * MiB, 1024 * MiB).is_short(1024 * MiB, 2)
    assert Memory(100 * MiB, 1024 * MiB).is_short(1024 * MiB, 2)


@pytest.fixture
def limited() -> Iterator[Path]:
    """A control group of our own with a memory limit; removed when its processes have ended."""
    found = own_groups()
    version = 1 if "memory" in found else 2
    own = found["memory" if version == 1 else ""] / f"kernelcord-test-{secrets.token_hex(4)}"
    try:
        own.mkdir()
    except OSError:
        pytest.skip("we may make no control group here")
    try:
        (own / ("memory.limit_in_bytes" if version == 1 else "memory.max")).write_text(str(LIMIT))
        yield own
    except FileNotFoundError:
        pytest.skip("groups have no limit on memory here")
    finally:
        until = monotonic() + 10
        while own.exists() and monotonic() < until:
            for folder in (*own.glob("*/"), own):
                with suppress(OSError):
                    folder.rmdir()
            sleep(0.01)


def test_in_a_small_group_idle_kernels_end_first_and_the_lack_is_told_as_it_is(
    limited: Path, tmp_path: Path
) -> None:
    """A cell that takes too much ends the longest idle kernel and, if need be, itself, for that reason."""
    arguments = [str(limited), str(LIMIT), str(KERNEL_PYTHON), str(tmp_path / "workspaces")]
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = json.loads(ran.stdout)
    assert told["whole"] == LIMIT
    assert told["alive"] == [False, True, True]
    assert told["reason"] == "it was not in use and the server is short of memory"
    assert told["status"] == [
        "out of memory",
        "machine",
        ["the server ran out of memory; it was within its own limit"],
    ]


def test_a_machine_has_as_many_kernels_as_its_memory_takes() -> None:
    """One for each 32 MiB, at least one, and no more than the rest of a machine can serve."""
    assert [kernels_for(whole) for whole in (0, 1 << 30, 8 << 30, 1 << 62)] == [1, 32, 256, 500]


def test_the_whole_is_the_smallest_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the machine itself has less left than a container that is full."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  4194304 kB\nMemFree: 3 kB\nMemAvailable:  1024 kB\n")
    monkeypatch.setattr(module, "own_groups", lambda: {"": group("2", 1000 * MiB, 0, 0, tmp_path / "own")})
    assert Machine(meminfo).whole() == 1000 * MiB
