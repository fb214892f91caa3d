"""Which kernels a pool ends for those who wait, and how many slots one person holds, without real kernels."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from kernels import pool as pool_module
from kernels.concurrency.cancellation import stop
from kernels.errors import KernelClosed
from kernels.kernel import Kernel
from kernels.limits import Limits
from kernels.pool import Pool, PoolTimes
from kernels.process import eviction as module
from kernels.sandbox.limits.machine import Memory
from kernels.state.store import StateStore
from kernels.workspace.folder import owner
from tests.kernels.state.saves import save
from tests.live.cells import NoFiles

NOW = 1000.0
PLENTY = Memory(1 << 40, 1 << 40)


class FakeKernel:
    """A kernel that is alive and idle, unless it is busy, and gives up its slot when it is ended.

    Its process holds `pid` bytes, if a test says so with `sized`.
    """

    dead = False

    def __init__(
        self,
        pool: Pool,
        session_id: str,
        last_used: float = 0.0,
        *,
        busy: bool = False,
        unsavable: bool = False,
        pid: int = 0,
    ) -> None:
        self.session_id, self.last_used, self.busy = session_id, last_used, busy
        self.at_risk, self.pid = unsavable, pid
        self.slot = pool._slots.enter(owner(session_id))
        self.ended: list[str] = []
        pool._kernels[session_id] = self  # type: ignore[assignment]

    @property
    def alive(self) -> bool:
        """As `Kernel.alive`."""
        return self.slot.served and not self.ended

    async def cull(self, reason: str) -> None:
        """As `Kernel.cull`."""
        self.ended.append(reason)
        self.slot.leave()


def a_pool(folder: Path, size: int, memory: Callable[[], Memory] = lambda: PLENTY, **options: Any) -> Pool:
    """One that is never entered, on a machine with plenty of memory, unless `memory` tells less."""
    return Pool(
        python=folder,
        workspaces=folder,
        limits=Limits(),
        size=size,
        idle=None,
        memory=memory,
        **{"times": PoolTimes(spared=5.0), **options},
    )


@pytest.fixture
def sized(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A fake kernel holds as many bytes as its process id says; returns the ids that were asked for."""
    asked: list[int] = []

    def held(pids: list[int]) -> list[int]:
        asked.extend(pids)
        return pids

    monkeypatch.setattr(module, "_held", held)
    return asked


def test_the_sessions_of_one_person_have_one_owner() -> None:
    """In any place, and no session of somebody else."""
    assert {owner(name) for name in ("u7", "u7-dm-1", "u7-channel-7")} == {"u7"}
    for alone in ("u77", "u77-dm-1", "a", "a-b", "u7x-1", "renderer-0"):
        assert owner(alone) not in ("u7", "a") or alone == "a"
    assert owner("u77-dm-1") == "u77"


@pytest.mark.parametrize(("size", "most"), [(1, 1), (2, 1), (3, 2), (4, 3), (16, 12)])
async def test_a_newcomer_finds_a_slot_however_many_cells_one_person_runs(
    tmp_path: Path, size: int, most: int
) -> None:
    """One person leaves a quarter to others, at least one slot of several, and does not go first again."""
    pool = a_pool(tmp_path, size)
    busy = [FakeKernel(pool, f"u7-thread-{number}", NOW, busy=True) for number in range(size + 2)]
    assert sum(kernel.slot.served for kernel in busy) == most
    newcomer = FakeKernel(pool, "u8", NOW, busy=True)
    assert newcomer.slot.served == (size > 1)
    if size == 1:
        assert newcomer.slot.position == 1
    busy[0].slot.leave()
    assert sum(kernel.slot.served for kernel in busy) == (most if size > 1 else 0)
    assert newcomer.slot.served


async def test_who_waits_gives_up_a_kernel_of_their_own_first(tmp_path: Path) -> None:
    """The one that was idle the longest, even if others' were idle for longer."""
    pool = a_pool(tmp_path, 3)
    other = FakeKernel(pool, "u8", 1.0)
    newer, older = FakeKernel(pool, "u7-b", 30.0), FakeKernel(pool, "u7-a", 20.0)
    waits = FakeKernel(pool, "u7-c", NOW, busy=True)
    await pool.sweep(NOW)
    assert [bool(one.ended) for one in (other, newer, older)] == [False, False, True]
    assert "others needed its place" in older.ended[0]
    assert waits.slot.served
    stranger = FakeKernel(pool, "u9", NOW, busy=True)
    await pool.sweep(NOW)  # somebody with no kernel takes the longest idle
    assert [bool(one.ended) for one in (other, newer)] == [True, False]
    assert stranger.slot.served


async def test_the_line_is_sorted_only_for_kernels_that_may_give_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand who wait: not for one that was just used, nor where nobody waits."""
    pool = a_pool(tmp_path, 3)
    old = FakeKernel(pool, "u7", NOW - 100)
    asked: list[str] = []

    def wants(person: str, _: list[str]) -> bool:
        asked.append(person)
        return False

    monkeypatch.setattr(pool._slots, "wants", wants)
    await pool.sweep(NOW)
    assert asked == []
    for number in range(3):
        FakeKernel(pool, f"u8-{number}", NOW)
    await pool.sweep(NOW)
    assert asked == ["u7"]
    assert not old.ended


async def test_nobody_elses_kernel_ends_for_who_holds_their_share(tmp_path: Path) -> None:
    """It would help nobody."""
    pool = a_pool(tmp_path, 3)
    others = FakeKernel(pool, "u8", 1.0)
    mine = [FakeKernel(pool, f"u7-{number}", NOW, busy=True) for number in range(4)]
    await pool.sweep(NOW)
    assert not others.ended
    assert [kernel.slot.served for kernel in mine] == [True, True, False, False]


async def test_kernels_whose_variables_cannot_be_saved_give_way_last(
    tmp_path: Path, sized: list[int]
) -> None:
    """They follow if that is not enough; without a lack of memory nobody measures them."""
    pool = a_pool(tmp_path, 2)
    lossy = FakeKernel(pool, "u7", 1.0, unsavable=True, pid=1)
    saved = FakeKernel(pool, "u8", 900.0, pid=2)
    FakeKernel(pool, "u9", NOW, busy=True)
    await pool.sweep(NOW)
    assert (bool(lossy.ended), bool(saved.ended)) == (False, True)
    FakeKernel(pool, "u10", NOW, busy=True)
    await pool.sweep(NOW)
    assert lossy.ended
    assert sized == []


async def test_when_memory_is_short_the_largest_idle_kernel_gives_way_first(
    tmp_path: Path, sized: list[int]
) -> None:
    """Then the next one, until there is enough; a busy kernel stays, however large it is."""
    left = 0
    pool = a_pool(tmp_path, 8, lambda: Memory(left, 8 << 30))
    sizes = {"small": 100 << 20, "huge": 800 << 20, "middle": 300 << 20, "large": 500 << 20}
    idle = {name: FakeKernel(pool, name, 10.0, pid=size) for name, size in sizes.items()}
    busy = FakeKernel(pool, "busy", 0.0, busy=True, pid=4 << 30)
    order: list[str] = []
    for name, kernel in idle.items():

        async def cull(reason: str, name: str = name, kernel: FakeKernel = kernel) -> None:
            nonlocal left
            order.append(name)
            kernel.ended.append(reason)
            left += kernel.pid

        kernel.cull = cull  # type: ignore[method-assign]
    await pool.sweep(NOW)
    assert order == ["huge", "large"]  # a kernel may use 1 GiB
    assert idle["huge"].ended == ["it was not in use and the server is short of memory"]
    assert not busy.ended
    assert busy.pid not in sized


class SlowKernel(FakeKernel):
    """One whose variables take until `saved` to save when it is ended."""

    def __init__(self, pool: Pool, session_id: str, last_used: float, *, pid: int = 0) -> None:
        super().__init__(pool, session_id, last_used, pid=pid)
        self.asked, self.saved = asyncio.Event(), asyncio.Event()

    async def cull(self, reason: str) -> None:
        """As `Kernel.cull`."""
        self.asked.set()
        await self.saved.wait()
        await super().cull(reason)


async def test_kernels_are_ended_side_by_side(tmp_path: Path) -> None:
    """Somebody's kernels that take long to save keep others' from being ended at most until one is done."""
    pool = a_pool(tmp_path, 20)
    pool._idle = timedelta(hours=1)
    slow = [
        SlowKernel(pool, f"u7-{number}", NOW - 9000 + number) for number in range(pool_module.ENDED_AT_ONCE)
    ]
    others = [FakeKernel(pool, f"u8-{number}", NOW - 5000) for number in range(3)]
    sweeping = asyncio.create_task(pool.sweep(NOW))
    for kernel in slow:
        await kernel.asked.wait()
    assert not any(kernel.ended for kernel in others)
    slow[0].saved.set()
    while not all(kernel.ended for kernel in others):  # noqa: ASYNC110  it tells nobody
        await asyncio.sleep(0)
    await pool.sweep(NOW)  # those that are being ended are left alone
    assert [bool(kernel.ended) for kernel in slow] == [True, False, False, False]
    for kernel in slow:
        kernel.saved.set()
    await sweeping
    assert not pool._ending


async def test_no_more_places_are_made_at_once_than_are_wanted(tmp_path: Path) -> None:
    """What those give up counts that are being ended."""
    pool = a_pool(tmp_path, 3)
    kernels = [SlowKernel(pool, f"u{number}", NOW - 100 + number) for number in range(3)]
    FakeKernel(pool, "u9", NOW, busy=True)
    sweeping = asyncio.create_task(pool.sweep(NOW))
    await kernels[0].asked.wait()
    await pool.sweep(NOW)
    assert [kernel.asked.is_set() for kernel in kernels] == [True, False, False]
    kernels[0].saved.set()
    await sweeping
    assert not pool._ending


async def test_a_save_that_takes_long_holds_up_no_relief_of_memory(tmp_path: Path, sized: list[int]) -> None:
    """Another kernel is ended after a while, unless what the first one holds will be enough."""
    left = 0
    options: Any = {"states": StateStore(tmp_path / "states", quota=1 << 20)}
    pool = a_pool(
        tmp_path, 3, lambda: Memory(left, 8 << 30), times=PoolTimes(relief=0.05, recent=0.0), **options
    )
    kernels = [SlowKernel(pool, f"u{number}", NOW - 100 + number, pid=600 << 20) for number in range(3)]
    sweeping = asyncio.create_task(pool.sweep(NOW))
    await kernels[0].asked.wait()
    assert not kernels[1].asked.is_set()
    await kernels[1].asked.wait()
    await pool.sweep(NOW)
    assert [kernel.asked.is_set() for kernel in kernels] == [True, True, False]
    left = 8 << 30
    for kernel in kernels:
        kernel.saved.set()
    await sweeping
    assert len(sized) == 4


@pytest.mark.parametrize("loop", ["_relieve_often", "_sweep_often"])
async def test_a_kernel_that_is_being_ended_keeps_no_others_from_being_looked_at(
    tmp_path: Path, sized: list[int], monkeypatch: pytest.MonkeyPatch, loop: str
) -> None:
    """It may save for long, and meanwhile memory may be short again. It does not outlive its pool."""
    monkeypatch.setattr(pool_module, "LOOK", 0.01)
    left = 0
    states = StateStore(tmp_path / "states", quota=1 << 20)
    times = PoolTimes(sweep=0.01, relief=0.01, recent=0.0)
    pool = a_pool(tmp_path, 3, lambda: Memory(left, 8 << 30), times=times, states=states)
    used = monotonic() - 100
    first = SlowKernel(pool, "u1", used, pid=2 << 30)
    second = SlowKernel(pool, "u2", used, pid=1 << 30)
    second.busy = True
    looking = asyncio.create_task(getattr(pool, loop)())
    await first.asked.wait()
    second.busy, left = False, -(4 << 30)
    async with asyncio.timeout(30):
        await second.asked.wait()
    await stop(looking)
    assert len(pool._ending) == 2
    await pool._stop_endings()
    assert not pool._ending
    assert not first.ended


async def test_saves_of_a_kernel_that_lives_stay_however_old_they_are(tmp_path: Path) -> None:
    """Its variables are needed when it ends."""
    store = StateStore(tmp_path / "states", quota=1 << 20)
    pool = a_pool(tmp_path, 3, states=store, states_kept=timedelta(seconds=-1))
    FakeKernel(pool, "u7")
    for name in ("u7", "u8"):
        save(store.session(name), 12, b"a graph")
    tidying = asyncio.create_task(pool._tidy_states())
    while store.session("u8").newest() is not None:  # noqa: ASYNC110  it tells nobody
        await asyncio.sleep(0.01)
    await stop(tidying)
    store.tidy(timedelta(seconds=-1), spared=pool._lives)
    assert store.session("u7").newest() is not None


async def test_of_two_as_large_the_longest_idle_gives_way_first(tmp_path: Path, sized: list[int]) -> None:
    """And a small one that was idle for an hour before a larger one that was used a moment ago."""
    memory = Memory(0, 8 << 30)
    pool = a_pool(tmp_path, 8, lambda: memory)
    idle = [
        FakeKernel(pool, "late", NOW - 20, pid=100),
        FakeKernel(pool, "early", NOW - 40, pid=100),
        FakeKernel(pool, "larger", NOW - 2, pid=800),
    ]
    assert [one.session_id for one in await pool._giving_way(NOW)] == ["early", "late", "larger"]  # type: ignore[comparison-overlap]
    assert sorted(sized) == sorted(one.pid for one in idle)


def test_what_a_process_holds_counts_what_it_has_started() -> None:
    """A kernel's values may be in its children."""
    code = "import subprocess, sys; {}; print(flush=True); sys.stdin.read()"
    child = code.format("x = b'x' * (64 << 20)")
    start = f"subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE).stdout.readline()"
    with subprocess.Popen(
        [sys.executable, "-c", code.format(f"p = {start}")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        held, none = module._held([process.pid, 0])
    assert held > 64 << 20
    assert none == 0


async def test_where_variables_are_saved_kernels_give_way_sooner(tmp_path: Path) -> None:
    """Whoever comes back has them again."""
    for states, expected in ((None, False), (StateStore(tmp_path / "states", quota=1 << 20), True)):
        pool = Pool(
            python=tmp_path,
            workspaces=tmp_path,
            limits=Limits(),
            size=1,
            idle=timedelta(hours=1),
            memory=lambda: PLENTY,
            states=states,
        )
        kernel = FakeKernel(pool, "u7", NOW - 3)
        FakeKernel(pool, "u8", NOW, busy=True)
        await pool.sweep(NOW)
        assert bool(kernel.ended) == expected


async def test_a_workspace_goes_although_the_saves_cannot_be_deleted(tmp_path: Path) -> None:
    """Whoever asked is told, and tries again; nothing more than necessary stays until then."""

    class Broken:
        """Saved variables on a disk that fails."""

        def forget(self, session_id: str) -> None:
            """Fail."""
            raise OSError(5, "Input/output error")

    pool = a_pool(tmp_path, 1)
    pool._states = Broken()  # type: ignore[assignment]
    workspace = pool.workspace("u7")
    (workspace.path / "a.csv").write_text("1")
    with pytest.raises(OSError, match="Input/output error"):
        await pool.remove("u7")
    assert not workspace.path.exists()


async def test_no_cell_begins_in_a_kernel_that_is_shut_down(tmp_path: Path) -> None:
    """It may be saving just now, and nobody would tell the cell of its end."""
    pool = a_pool(tmp_path, 1)
    pool._run_root = tmp_path
    kernel = pool.kernel("u7", NoFiles())
    run = kernel.run("1")
    saving: Any = object()
    kernel._process, kernel._closed = saving, True
    kernel.execute(run)
    assert run.over


async def test_nothing_takes_the_place_of_the_save_of_a_shutdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a sweep that had found the kernel before, nor a cell that stood in line."""
    pool = a_pool(tmp_path, 1)
    pool._run_root = tmp_path
    kernel = pool.kernel("u7", NoFiles())
    asked: list[str] = []

    async def asks(*_: object) -> bool:
        asked.append("a save")
        return True

    for name in ("save_now", "make_way", "stop"):
        monkeypatch.setattr(kernel._keeper, name, asks)
    process: Any = object()
    kernel._process, kernel._closed = process, True
    monkeypatch.setattr(Kernel, "dead", False)
    await kernel.cull("it was idle")
    with pytest.raises(KernelClosed):
        async for _ in kernel.ready():
            pass
    assert asked == []


async def test_a_process_whose_start_has_failed_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its variables are not back: a cell would find none, and nobody would have said so."""
    pool = a_pool(tmp_path, 1)
    pool._run_root = tmp_path
    kernel = pool.kernel("u7", NoFiles())
    ended: list[bool] = []
    process: Any = object()

    async def start() -> None:
        kernel._process = process
        raise ValueError("a fault of ours")

    async def end(*, now: bool = False) -> None:
        kernel._process = None
        ended.append(now)

    monkeypatch.setattr(kernel, "_start", start)
    monkeypatch.setattr(kernel, "_end", end)
    with pytest.raises(ValueError, match="of ours"):
        async for _ in kernel.ready():
            pass
    assert ended == [True]
