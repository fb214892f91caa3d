"""Processes that have not run since the last look are left alone; real processes, real rounds."""

import os
import signal
from pathlib import Path

import pytest

from kernels.inside.procfs import tree
from kernels.limits import Fault, Limits, MiB
from kernels.sandbox.limits import still as module
from kernels.sandbox.limits.still import Still, have_run
from kernels.sandbox.limits.watchdog import Watchdog, Watched
from tests.kernels.sandbox.limits.trees import init
from tests.live.cells import until

LIMITS = Limits(workspace=1 * MiB, memory=64 * MiB, processes=20)
WAKES = "signal.signal(signal.SIGUSR1, lambda *_: os.mkdir('woken'))"
PASSES = "a, b = socket.socketpair(); socket.send_fds(a, [b'.'], [os.open('/dev/null', 0)])"


async def at_rest(pid: int) -> list[int]:
    """The processes of a tree, once all their threads sleep."""

    def sleeps() -> bool:
        tasks = (task for one in tree(pid) for task in Path(f"/proc/{one}/task").iterdir())
        return all(
            (task / "stat").read_bytes().rpartition(b")")[2].split()[0] in (b"S", b"Z") for task in tasks
        )

    await until(sleeps)
    return tree(pid)


def count(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the looks taken from now on."""
    looks: list[str] = []

    def counted(name: str) -> None:
        module_, _, function = name.partition(".")
        there = __import__(f"kernels.sandbox.limits.{module_}", fromlist=[function])
        real = getattr(there, function)

        def look(*args: object, **more: object) -> object:
            looks.append(function)
            return real(*args, **more)

        monkeypatch.setattr(there, function, look)

    for name in ("usage.hidden", "objects.kept", "objects.in_flight"):
        counted(name)
    return looks


async def test_a_loss_of_the_machine_costs_nothing_for_kernels_at_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the machine loses much, each is looked at once, and again only when it has run."""
    looks = count(monkeypatch)
    monkeypatch.chdir(tmp_path)
    watchdog = Watchdog(LIMITS, tmp_path, memory=False)
    monkeypatch.setattr(watchdog._machine, "fell", lambda: True)
    with init(WAKES) as pid:
        child = (await at_rest(pid))[1]
        watchdog.watch(Watched(pid, tmp_path, pytest.fail))
        for _ in range(5):
            watchdog._round()
        assert sorted(looks) == ["hidden", "in_flight", "kept"]
        os.kill(child, signal.SIGUSR1)
        await until((tmp_path / "woken").exists)
        await at_rest(pid)
        for _ in range(5):
            watchdog._round()
        assert sorted(looks) == ["hidden", "hidden", "in_flight", "in_flight", "kept", "kept"]


async def test_a_look_that_went_less_deep_counts_for_none_that_goes_deeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look read neither its maps nor what is on its way through sockets."""
    looks = count(monkeypatch)
    watchdog = Watchdog(LIMITS, tmp_path, memory=False)
    lost = [False, True, False]
    monkeypatch.setattr(watchdog._machine, "fell", lambda: lost.pop(0))
    with init() as pid:
        await at_rest(pid)
        watchdog.watch(watched := Watched(pid, tmp_path, pytest.fail))
        for expected in (["hidden"], ["kept", "hidden", "in_flight"], []):
            watched.due = watched.size_due = 0.0
            looks.clear()
            watchdog._round()
            assert looks == expected


async def test_who_hides_files_on_their_way_and_sleeps_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not run between two looks, and both have seen the files."""
    faults: list[str] = []
    watchdog = Watchdog(LIMITS, tmp_path, memory=False)
    monkeypatch.setattr(watchdog._machine, "fell", lambda: True)
    watchdog._machine.short = False
    with init(PASSES) as pid:
        await at_rest(pid)
        watchdog.watch(Watched(pid, tmp_path, faults.append))
        watchdog._round()
        assert faults == []
        watchdog._round()
        assert faults == [Fault.HIDING]


async def test_a_system_that_keeps_no_account_has_everybody_looked_at() -> None:
    """So it is with a process that ends meanwhile, and with more threads than are asked about."""
    with init() as pid:
        pids = await at_rest(pid)
        ran = have_run(pids)
        assert ran is not None
        assert ran == have_run(pids)
        assert have_run(pids, most=1) is None
        assert have_run(pids, never=next(iter(ran.values()))) is None
    assert have_run(pids) is None
    still = Still()
    still.note("size", None, 0)
    assert not still.known("size", None, 0)


def test_nobody_is_still_whose_processes_have_changed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process forked between the two readings was not asked, however little the others have run."""
    own = os.getpid()
    monkeypatch.setattr(module, "tree", lambda init: [init, 1])
    assert module.ran_since_start(own, [own]) is None
    monkeypatch.setattr(module, "tree", lambda init: [init])
    assert module.ran_since_start(own, [own]) is not None


def test_a_cell_that_begins_during_a_look_is_not_left_alone(tmp_path: Path) -> None:
    """The look did not see what it does, so the next one is due at once."""
    watchdog, watched = Watchdog(LIMITS, tmp_path, memory=True), Watched(os.getpid(), tmp_path, print)
    before = watched.cells, watched.budget
    watched.cell_started()
    watchdog._leave_alone(watched, 9.0, before)
    assert watched.due == 0.0
    watchdog._leave_alone(watched, 9.0, (watched.cells, watched.budget))
    assert watched.due > 0.0
