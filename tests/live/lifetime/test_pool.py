"""The pool: places, culling, starts that fail, and nothing left behind."""

import asyncio
import fcntl
import gc
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import product
from pathlib import Path
from time import monotonic

import pytest

from kernels.cell.events import InputRequest, Queued
from kernels.errors import KernelClosed, KernelStartFailed, Misconfigured
from kernels.pool import PoolTimes
from kernels.sandbox.forkserver import Child
from kernels.sandbox.limits.machine import Memory
from kernels.sandbox.policy import Tier
from kernels.workspace.folder import scratch_id
from kernels.workspace.temporary import ALIVE, LOCK, PREFIX
from tests.conftest import ROOT
from tests.live.cells import PATIENCE, NoFiles, holding, inits, pooled, processes, run, until, value, zygote


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of our own with a short path, so that run folders can be counted."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


async def test_a_pool_of_one_serves_three_sessions(tmp_path: Path) -> None:
    """Those who wait are told their position; a spare kernel gives its place, and its owner hears of it."""
    async with pooled(tmp_path, size=1, times=PoolTimes(spared=0.2)) as pool:
        first, second, third = (pool.kernel(name, NoFiles()) for name in ("a", "b", "c"))
        await run(first, "x = 1")
        rans = await asyncio.gather(run(second, "2"), run(third, "3"))
        assert [ran.output for ran in rans] == ["2\n", "3\n"]
        assert [Queued(1) in ran.events for ran in rans] == [True, True]
        assert sorted(Queued(2) in ran.events for ran in rans) == [False, True]  # for the one behind
        again = await run(first, "x")
        (restarted,) = again.restarts
        assert restarted.lost == ("x",)
        assert "others needed its place" in restarted.reason
        assert again.status == "error"


async def test_kernels_stay_until_memory_is_short(tmp_path: Path) -> None:
    """Then the longest idle are ended, as many as it takes, none that is busy, and their owners hear why."""
    times = PoolTimes(sweep=1000.0, brief=0.0)  # the shortage itself is what makes us look
    memory = Memory(1 << 40, 1 << 40)
    async with pooled(tmp_path, memory=lambda: memory, times=times) as pool:
        busy, *idle = kernels = [pool.kernel(name, NoFiles()) for name in ("busy", "a", "b", "c")]
        for kernel in kernels:
            await run(kernel, "x = 1")
        async with busy.run("input()") as cell:
            async for event in cell:
                if isinstance(event, InputRequest):
                    pool._memory = lambda: Memory(
                        0 if sum(k.alive for k in kernels) > 2 else 1 << 40, 1 << 40
                    )
                    await until(lambda: sum(kernel.alive for kernel in kernels) == 2)
                    await pool.sweep(monotonic())
                    assert [kernel.alive for kernel in kernels] == [True, False, False, True]
                    cell.answer("on")
        assert await value(idle[2], "x") == "1"
        pool._memory = lambda: memory
        (restarted,) = (await run(idle[0], "x")).restarts
        assert restarted.lost == ("x",)
        assert restarted.reason == "it was not in use and the server is short of memory"


async def test_who_was_here_of_late_keeps_their_kernel_while_there_is_some_memory(tmp_path: Path) -> None:
    """A machine that is always a little short must not take everybody's variables between cells."""
    little, nothing = Memory(3 << 28, 8 << 30), Memory(1 << 28, 8 << 30)
    async with pooled(tmp_path, memory=lambda: little) as pool:
        late, early = (pool.kernel(name, NoFiles()) for name in ("late", "early"))
        for kernel in (late, early):
            await run(kernel, "x = 1")
        early.last_used -= PoolTimes.recent
        late.last_used -= 60
        await pool.sweep(monotonic())
        assert (late.alive, early.alive) == (True, False)
        pool._memory = lambda: nothing
        await pool.sweep(monotonic())
        assert not late.alive


async def test_a_helper_takes_no_place(tmp_path: Path) -> None:
    """With one place for persons, work for somebody's picture ends nobody's kernel and waits for none."""
    async with pooled(tmp_path, size=1, times=PoolTimes(spared=0.0)) as pool:
        person = pool.kernel("person", NoFiles())
        await run(person, "x = 1")
        drawn = await run(pool.kernel(scratch_id("renderer-0"), NoFiles()), "1")
        assert [type(event) for event in drawn.events if isinstance(event, Queued)] == []
        assert await value(person, "x") == "1"
        await run(pool.kernel("another", NoFiles()), "2")
        assert pool.kernel(scratch_id("renderer-0"), NoFiles()).alive  # and it gives its place to nobody


async def test_an_idle_kernel_is_ended_and_its_owner_is_told(tmp_path: Path) -> None:
    """After the idle time the process is gone but not the files, and the next cell says what was lost."""
    async with pooled(tmp_path, idle=timedelta(minutes=5)) as pool:
        kernel = pool.kernel("a", NoFiles())
        await run(kernel, "x = 1\nopen('kept.txt', 'w').write('kept')")
        await pool.sweep(monotonic() + 299)
        assert kernel.alive
        await pool.sweep(monotonic() + 301)
        assert not kernel.alive
        kernel.workspace_changed()  # the observer may still give hints; there is nothing to find
        ran = await run(kernel, "open('kept.txt').read()")
        assert ran.output == "'kept'\n"
        assert ran.restarts[0].lost == ("x",)
        assert (await run(kernel, "1")).restarts == []


async def test_a_busy_kernel_is_never_culled(tmp_path: Path) -> None:
    """However long a cell runs, it is not idle."""
    async with pooled(tmp_path, idle=timedelta(seconds=1)) as pool:
        kernel = pool.kernel("a", NoFiles())
        async with kernel.run("print('up', flush=True)\ninput()") as cell:
            async for event in cell:
                if isinstance(event, InputRequest):
                    await pool.sweep(monotonic() + 1000)
                    assert kernel.alive
                    cell.answer("on")
        assert cell.result.status == "ok"


@pytest.mark.parametrize("tier", [None, Tier.NONE])
async def test_a_start_that_fails_is_told_and_the_next_try_works(
    tmp_path: Path, temporary: Path, tier: Tier | None
) -> None:
    """A missing interpreter, one that ends at once, and a missing folder cost no place and leave nothing."""
    async with pooled(tmp_path, size=1, tier=tier) as pool:
        kernel = pool.kernel("a", NoFiles())
        for python in (tmp_path / "missing", Path("/bin/false")):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(pool, "python", python)
                if pool._sandbox:
                    patch.setattr(pool._sandbox._forkserver, "_command", [str(python)])
                    with suppress(AssertionError, ProcessLookupError):  # the previous one does not start
                        os.kill(zygote(pool), signal.SIGKILL)
                for _ in range(2):
                    with pytest.raises(KernelStartFailed):
                        await run(kernel, "1")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernel, "_run_root", tmp_path / "no such folder")
            with pytest.raises(KernelStartFailed):
                await run(kernel, "1")
        (root,) = temporary.glob(f"{PREFIX}*")
        assert {entry.name for entry in root.iterdir()} - {f"sandbox-{pool.tier}"} == {"lock"}
        assert await value(kernel, "1 + 1") == "2"


@pytest.mark.parametrize("tier", [None, Tier.NONE])
async def test_a_start_that_fails_tells_its_last_words(tmp_path: Path, tier: Tier | None) -> None:
    """The error contains what the process wrote before it ended, wherever the failure was noticed."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho cannot find my mind >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises((Misconfigured, KernelStartFailed), match="cannot find my mind"):
        async with pooled(tmp_path / "w", python=python, tier=tier) as pool:
            await run(pool.kernel("a", NoFiles()), "1")


async def test_a_cell_can_be_withdrawn_while_its_kernel_starts(tmp_path: Path) -> None:
    """An interrupt does not wait for the start; the next cell starts again, and there is one process."""
    async with pooled(tmp_path, size=1) as pool:
        kernel = pool.kernel("a", NoFiles())
        async with kernel.run("1") as cell:
            taking = asyncio.create_task(anext(aiter(cell), None))
            await until(lambda: kernel._starting is not None)
            await cell.interrupt()
            assert await taking is None
        assert cell.result.status == "interrupted"
        assert await value(kernel, "2") == "2"
        assert len(inits(pool)) == 1


@pytest.mark.parametrize("delays", [(0.01, 0, 0.03), (0.1, 0.2, 0.3), (0.5, 0.8, 1.2)])
async def test_a_cancelled_cell_leaves_a_working_session(tmp_path: Path, delays: Sequence[float]) -> None:
    """If it is cancelled once or twice at any time after its start, the pool's only place comes back."""
    async with pooled(tmp_path, size=1) as pool:  # the first one finds a pool that is starting as well
        for delay, times in product(delays, (1, 2)):
            kernel = pool.kernel(name := f"s{delay}-{times}".replace(".", "-"), NoFiles())
            cell = asyncio.create_task(run(kernel, "import time\ntime.sleep(30)"))
            await asyncio.wait([cell], timeout=delay)
            for _ in range(times):
                cell.cancel()
                await asyncio.sleep(0)
            await asyncio.wait([cell])
            assert cell.cancelled()
            assert await value(kernel, "1") == "1"
            assert len(inits(pool)) == 1
            await pool.release(name)
        assert inits(pool) == set()


async def test_closing_ends_a_running_cell_and_those_that_wait(tmp_path: Path) -> None:
    """A kernel that is shut down tells the running cell, and refuses waiting and later cells."""
    async with pooled(tmp_path) as pool:
        kernel = pool.kernel("a", NoFiles())
        running = asyncio.create_task(run(kernel, "import time\ntime.sleep(30)"))
        await until(lambda: kernel.alive)
        waiting = asyncio.create_task(run(kernel, "2"))
        await until(lambda: kernel.queue.waiting == 1)
        await pool.release("a")
        assert (await running).status == "died"
        with pytest.raises(KernelClosed):
            await waiting
        with pytest.raises(KernelClosed):
            kernel.run("3")
        assert inits(pool) == set()
        assert await value(pool.kernel("a", NoFiles()), "4") == "4"


async def test_closing_while_a_kernel_starts_leaves_no_process(tmp_path: Path) -> None:
    """A start in progress when the pool is closed is called off; its cell is told."""
    async with pooled(tmp_path) as pool:
        kernel = pool.kernel("a", NoFiles())
        cell = asyncio.create_task(run(kernel, "1"))
        await until(lambda: kernel._starting is not None)
        root = pool._run_root
    with pytest.raises(KernelClosed):
        await cell
    assert holding(root) == set()
    assert not root.exists()


async def test_kernels_that_wait_for_the_zygote_hold_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While many starts wait for it, cells that write and read files finish in running kernels."""
    async with pooled(tmp_path) as pool, asyncio.timeout(PATIENCE):
        living = pool.kernel("living", NoFiles())
        await run(living, "1")
        assert pool._sandbox is not None
        forkserver, waiting = pool._sandbox._forkserver, asyncio.Semaphore(0)
        fork_now, loop = forkserver.fork_now, asyncio.get_running_loop()

        def counted(clone_flags: int) -> Child:
            loop.call_soon_threadsafe(waiting.release)
            return fork_now(clone_flags)

        monkeypatch.setattr(forkserver, "fork_now", counted)
        with forkserver._turn:  # as while the zygote starts
            starting = [
                asyncio.create_task(run(pool.kernel(f"new-{number}", NoFiles()), "1")) for number in range(8)
            ]
            # As many as the loop has threads, in case the waiting used those.
            for _ in range(min(8, (os.cpu_count() or 1) + 4)):
                await waiting.acquire()
            async with asyncio.timeout(20):
                ran = await run(living, "for n in range(20): open(f'{n}.txt', 'w').write('text')")
            assert len(ran.result.captured) == 20
        assert [ran.status for ran in await asyncio.gather(*starting)] == ["ok"] * 8


async def test_restart_loses_the_variables_on_purpose(tmp_path: Path) -> None:
    """After `restart` the next cell has a fresh kernel and the files, and no loss is reported."""
    async with pooled(tmp_path) as pool:
        kernel = pool.kernel("a", NoFiles())
        await run(kernel, "x = 1\nopen('kept', 'w').close()")
        await kernel.restart()
        assert kernel.variables == ()
        ran = await run(kernel, "import os\nos.path.exists('kept'), 'x' in globals()")
        assert (ran.output, ran.restarts) == ("(True, False)\n", [])


DOOMED = """
import asyncio, sys
from pathlib import Path
from tests.live.cells import NoFiles, pooled, run
async def main():
    async with pooled(Path(sys.argv[1])) as pool:
        code = f"import subprocess; child = subprocess.Popen(['sleep', '{sys.argv[2]}'])"
        await run(pool.kernel("a", NoFiles()), code)
        print(pool._run_root, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_kernels_end_with_a_parent_that_is_killed(tmp_path: Path, temporary: Path) -> None:
    """After a kill -9 of the service no kernel lives on for long, and the next pool clears its folders."""
    mark = f"97{os.getpid()}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DOOMED, str(tmp_path / "workspaces"), mark),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    root = Path((await process.stdout.readline()).decode().strip())
    assert len(holding(root)) > 1
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await until(lambda: not holding(root))
    await until(lambda: not processes(f"sleep\0{mark}"))
    assert root.exists()
    async with pooled(tmp_path / "workspaces"):
        await until(lambda: not root.exists())


async def test_what_kernels_of_a_dead_program_still_hold_goes_after_them(
    tmp_path: Path, temporary: Path
) -> None:
    """They take some time to die; the pool looks again, and does not leave it to the next one."""
    held, free = (temporary / f"{PREFIX}{name}" for name in "ab")
    for folder in (held, free):
        (folder / "k").mkdir(parents=True)
        for name in (LOCK, f"k/{ALIVE}"):
            (folder / name).touch()
    with (held / "k" / ALIVE).open("rb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        async with pooled(tmp_path, tier=Tier.NONE, times=PoolTimes(tidy=0.05)):
            await until(lambda: not free.exists())
            assert held.exists()
            fcntl.flock(alive, fcntl.LOCK_UN)
            await until(lambda: not held.exists())


async def start_and_end(workspaces: Path, number: int) -> None:
    """Start this many kernels, a few at a time, each with a cell; then everything is as before."""

    def held() -> tuple[int, int]:
        gc.collect()
        ours = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]
        return len(os.listdir("/proc/self/fd")), len(ours)  # the loop's own thread pool may still grow

    async with pooled(workspaces) as pool:  # things the first kernel creates for good
        await run(pool.kernel("warm", NoFiles()), "1")
    before = held()
    async with pooled(workspaces, size=4) as pool:

        async def one(session: int) -> None:
            kernel = pool.kernel(f"s{session}", NoFiles())
            assert await value(kernel, str(session)) == str(session)
            if session % 2:
                await pool.release(f"s{session}")

        waiting = list(range(number))

        async def some() -> None:
            while waiting:
                session = waiting.pop()
                await one(session)
                await pool.release(f"s{session}")

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(some())
        root = pool._run_root
        assert inits(pool) == set()
        assert {entry.name for entry in root.iterdir()} == {"lock", f"sandbox-{pool.tier}"}
    assert not root.exists()
    await until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))


@pytest.mark.timeout(300)
async def test_twenty_kernels_leave_nothing_behind(tmp_path: Path) -> None:
    """The numbers of processes, sockets, folders, descriptors and threads are back to what they were."""
    await start_and_end(tmp_path, 20)


async def test_twenty_sessions_at_once_lose_nothing(tmp_path: Path) -> None:
    """20 people with 10 cells each, 8 at a time: everybody gets their own numbers, in order."""
    turns = asyncio.Semaphore(8)
    async with pooled(tmp_path, size=8) as pool:

        async def person(number: int) -> list[str]:
            kernel = pool.kernel(f"p{number}", NoFiles())
            async with turns:
                outputs = [(await run(kernel, f"print({number}, {cell})")).output for cell in range(10)]
                await pool.release(f"p{number}")
                return outputs

        outputs = await asyncio.gather(*map(person, range(20)))
    assert outputs == [[f"{number} {cell}\n" for cell in range(10)] for number in range(20)]
