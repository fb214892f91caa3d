"""The watchdog sees what a kernel holds, however it is hidden: real files, real processes, no waiting."""

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from kernels.inside.procfs import tree
from kernels.limits import Fault, Limits, MiB
from kernels.sandbox.limits import objects, usage
from kernels.sandbox.limits import watchdog as module
from kernels.sandbox.limits.watchdog import (
    STEP,
    Watchdog,
    Watched,
)
from tests.kernels.sandbox.limits.trees import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, init, without

LIMITS = Limits(workspace=1 * MiB, memory=64 * MiB, processes=20)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace."""
    (tmp_path / "workspace").mkdir(mode=0o700)
    return tmp_path / "workspace"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy a look takes long; the test's process is quick to look at all the same."""
    monkeypatch.setattr(module, "QUICK", 600.0)


def seen(workspace: Path, pid: int = 0, *, began: int = 0, limits: Limits = LIMITS) -> list[str]:
    """What the watchdog reports after one look, for a cell that began with this many bytes."""
    faults: list[str] = []
    watchdog = Watchdog(limits, workspace, memory=pid != 0)
    watchdog.watch(Watched(pid or os.getpid(), workspace, faults.append, began=began))
    watchdog._round()
    return faults


def test_files_over_the_limit_are_seen(workspace: Path) -> None:
    """One file, or many together, in any folder."""
    (workspace / "a").write_bytes(b"x" * 900_000)
    assert seen(workspace) == []
    (workspace / "folder").mkdir()
    (workspace / "folder" / "b").write_bytes(b"x" * 200_000)
    assert seen(workspace) == [Fault.WORKSPACE]


def test_a_look_can_be_asked_for_and_tells_once(workspace: Path) -> None:
    """When a cell has ended nobody waits for the next round, which then does not repeat the report."""
    faults: list[str] = []
    watchdog = Watchdog(LIMITS, workspace, memory=False)
    watched = Watched(os.getpid(), workspace, faults.append)
    watchdog.watch(watched)
    watchdog.look(watched)
    assert faults == []
    (workspace / "a").write_bytes(b"x" * 2_000_000)
    watchdog.look(watched)
    watchdog.look(watched)
    watchdog._round()
    assert faults == [Fault.WORKSPACE]


def test_a_large_workspace_is_not_looked_at_after_each_cell(workspace: Path) -> None:
    """Of 100,000 files that would cost more than most cells; the next round sees to it."""
    faults: list[str] = []
    watchdog = Watchdog(LIMITS, workspace, memory=False)
    watchdog.watch(watched := Watched(os.getpid(), workspace, faults.append))
    watched.size_took = module.QUICK
    (workspace / "a").write_bytes(b"x" * 2_000_000)
    watchdog.look(watched)
    assert faults == []
    watchdog._round()
    assert faults == [Fault.WORKSPACE]


def test_a_workspace_without_a_limit_is_left_alone(workspace: Path) -> None:
    """It is a person's own folder, with a Jupyter notebook: nothing is counted, no closed folder opened."""
    (workspace / "a").write_bytes(b"x" * 2_000_000)
    (workspace / "closed").mkdir(mode=0)
    assert seen(workspace, limits=Limits(workspace=None)) == []
    assert (workspace / "closed").stat().st_mode & 0o777 == 0


@pytest.mark.parametrize("kind", ["_look_at_memory", "_look_at_size"])
def test_a_kernel_at_which_looks_fail_is_ended(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Its use cannot be checked. The others are looked at all the time, and the log says so once."""
    faults: list[str] = []
    looked: list[Watched] = []
    watchdog = Watchdog(LIMITS, workspace, memory=True)
    bad, good = (Watched(os.getpid(), workspace, faults.append) for _ in range(2))

    def look(watched: Watched) -> None:
        if watched is bad:
            raise IndexError("list index out of range")
        looked.append(watched)

    monkeypatch.setattr(watchdog, kind, look)
    other = "_look_at_size" if kind == "_look_at_memory" else "_look_at_memory"
    monkeypatch.setattr(watchdog, other, lambda watched: None)
    watchdog.watch(bad)
    watchdog.watch(good)
    for number in range(module.FAILURES):
        assert (faults, len(looked)) == ([], number)
        for each in (bad, good):
            each.due = each.size_due = 0.0
        watchdog._round()
    assert faults == [Fault.HIDING]
    assert looked == [good] * module.FAILURES
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        f"the watchdog could not look at {workspace} (said once)"
    ]


def test_a_look_that_fails_once_ends_nobody(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A successful look between two failures shows that the kernel can be checked."""
    faults: list[str] = []
    watchdog = Watchdog(LIMITS, workspace, memory=False)
    watchdog.watch(watched := Watched(os.getpid(), workspace, faults.append))
    failing = iter([False, True] * module.FAILURES)

    def look(watched: Watched) -> None:
        if next(failing):
            raise IndexError

    monkeypatch.setattr(watchdog, "_look_at_size", look)
    for _ in range(2 * module.FAILURES):
        watched.size_due = 0.0
        watchdog._round()
    assert faults == []


def test_a_hole_is_no_file(workspace: Path) -> None:
    """Only space on the disk counts: a sparse terabyte takes none."""
    with (workspace / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert seen(workspace) == []


def test_a_link_leads_nowhere(workspace: Path, tmp_path: Path) -> None:
    """Files outside do not count as the person's, and a loop does not stop the count."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "large").write_bytes(b"x" * 2_000_000)
    (workspace / "link").symlink_to(tmp_path / "outside")
    (workspace / "loop").symlink_to(workspace)
    assert seen(workspace) == []


def test_a_workspace_that_was_too_large_before_may_stay_so(workspace: Path) -> None:
    """The person can delete files again; a kernel is ended only if they grow further."""
    (workspace / "a").write_bytes(b"x" * 2_000_000)
    assert seen(workspace, began=3_000_000) == []
    assert seen(workspace, began=500_000) == [Fault.WORKSPACE]


def test_very_deep_folders_are_too_much(workspace: Path) -> None:
    """Anything could be hidden deeper than is counted."""
    deep = workspace
    for _ in range(usage.DEEPEST + 1):
        deep /= "d"
        deep.mkdir()
    assert seen(workspace) == [Fault.FOLDERS]


def test_who_cannot_be_looked_into_is_told_that(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason given is not that its files are too large, since nobody knows."""
    monkeypatch.setattr(usage, "opened", lambda _: iter([("0", None)]))
    with init() as pid:
        assert seen(workspace, pid) == [Fault.HIDING]


def test_a_closed_folder_hides_nothing(workspace: Path) -> None:
    """What is still written in a folder without permissions is counted, even if we are not root."""
    (workspace / "closed").mkdir()
    (workspace / "closed" / "large").write_bytes(b"x" * 2_000_000)
    (workspace / "closed").chmod(0)
    workspace.chmod(0)
    with without(CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        assert seen(workspace) == [Fault.WORKSPACE]


def test_a_workspace_that_is_gone_is_no_fault(workspace: Path) -> None:
    """The session may have ended first."""
    workspace.rmdir()
    assert seen(workspace) == []


@pytest.mark.parametrize(
    "hidden",
    [
        "f = open('deleted', 'wb'); f.write(b'x' * 2_000_000); f.flush(); os.unlink('deleted')",
        "f = os.fdopen(os.memfd_create('x'), 'wb'); f.write(b'x' * 2_000_000); f.flush()",
    ],
    ids=["deleted", "in memory"],
)
def test_what_has_no_name_is_counted_too(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    """A deleted file that is still open takes disk space, and one in memory takes memory."""
    monkeypatch.chdir(workspace)
    with init(hidden) as pid:
        assert seen(workspace, pid, limits=Limits(workspace=1 * MiB)) == [Fault.WORKSPACE]


def test_memory_is_summed_over_the_tree(workspace: Path) -> None:
    """Grandchildren count too."""
    with init("x = bytearray(os.urandom(1 << 20) * 100)") as pid:
        assert seen(workspace, pid) == [Fault.MEMORY]
        assert seen(workspace, pid, limits=Limits(memory=512 * MiB)) == []


def test_memory_that_is_shared_is_counted_once(workspace: Path) -> None:
    """Forks that only read what their parent made are not each charged for it."""
    code = """x = bytearray(os.urandom(1 << 20) * 40)
    [os.fork() or time.sleep(100) for _ in range(5)]"""
    with init(code) as pid:
        assert seen(workspace, pid, limits=Limits(memory=120 * MiB)) == []


def test_memory_that_takes_long_to_be_told_apart_holds_up_nobody(workspace: Path) -> None:
    """Of many processes that share much, whose it is is found out where nobody else waits."""
    faults: list[str] = []
    watchdog = Watchdog(replace(LIMITS, processes=100), workspace, memory=True)
    code = """x = bytearray(os.urandom(1 << 20) * 100)
    [os.fork() or time.sleep(100) for _ in range(45)]"""
    with init(code) as pid:
        assert sum(usage.memory(tree(pid)).values()) > module.MUCH
        watchdog.watch(watched := Watched(pid, workspace, faults.append))
        watchdog.look(watched)
        watched.slow, watched.thorough = False, True
        watchdog._round()
        assert (faults, watched.slow, watched.thorough) == ([], True, True)
        watchdog._slow_round()
    assert faults == [Fault.MEMORY]


def test_who_ends_while_memory_is_counted_has_none(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many that end at once are not taken for many that refuse to be looked at."""
    field = usage._field

    def ends(pid: int, file: str, *names: bytes) -> int:
        if file == "smaps_rollup":
            os.kill(pid, signal.SIGKILL)
            while field(pid, "status", b"VmSize"):
                os.sched_yield()
        return field(pid, file, *names)

    with init("x = bytearray(os.urandom(1 << 20) * 100)") as pid:
        pids = tree(pid)
        held = usage.memory(pids)
        assert usage.exactly(held) > 100 * MiB
        monkeypatch.setattr(usage, "_field", ends)
        assert usage.exactly(held) == 0


def test_processes_and_threads_are_counted(workspace: Path) -> None:
    """All that a kernel runs at one time."""
    code = "import threading; [threading.Thread(target=time.sleep, args=(100,)).start() for _ in range(30)]"
    with init(code) as pid:
        assert seen(workspace, pid) == [Fault.PROCESSES]
    with init("[os.fork() or time.sleep(100) for _ in range(30)]") as pid:
        assert seen(workspace, pid) == [Fault.PROCESSES]


def test_a_long_line_of_descent_is_followed_to_its_end(workspace: Path) -> None:
    """Each is the child of the one before: no depth makes the watchdog stumble."""
    script = 'n=$1; [ $n -eq 0 ] && { echo; sleep 100; }; sh "$0" $((n-1)) & wait'
    (workspace / "deeper").write_text(script)
    with subprocess.Popen(
        ["sh", str(workspace / "deeper"), "300"], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert len(tree(process.pid)) > 300
        assert seen(workspace, process.pid) == [Fault.PROCESSES]
        os.killpg(process.pid, signal.SIGKILL)


def test_the_memory_of_a_process_whose_first_thread_has_ended_is_counted(workspace: Path) -> None:
    """Linux shows it only at the other threads."""
    code = """x = bytearray(os.urandom(1 << 20) * 100)
    first = f"/proc/{os.getpid()}/stat"
    def wait():
        while open(first).read().rpartition(")")[2].split()[0] != "Z": time.sleep(0.001)
        print(flush=True)
        time.sleep(100)
    threading.Thread(target=wait).start()
    ctypes.CDLL(None).syscall(60, 0)"""
    with init(code) as pid:
        assert seen(workspace, pid) == [Fault.MEMORY]


def test_what_the_system_keeps_is_counted_with_memory_or_without(workspace: Path) -> None:
    """Sockets count in full, even where a control group limits the processes' own memory."""
    limits = Limits(memory=64 * MiB, processes=20)
    for memory in (True, False):
        faults: list[str] = []
        watchdog = Watchdog(limits, workspace, memory=memory)
        with init("held = [socket.socketpair() for _ in range(100)]") as pid:
            watchdog.watch(Watched(pid, workspace, faults.append))
            watchdog._round()
        assert faults == [Fault.SYSTEM]


def test_the_larger_part_of_what_is_too_much_is_told(workspace: Path) -> None:
    """A kernel that fills the memory is told about memory, even if it has many sockets."""
    limits = Limits(memory=220 * MiB, processes=20)
    hold = "x = bytearray(os.urandom(1 << 20) * 150); held = [socket.socketpair() for _ in range(110)]"
    with init(hold) as pid:
        assert seen(workspace, pid, limits=limits) == [Fault.MEMORY]


def test_little_that_is_open_is_counted_when_the_machine_has_lost_much(workspace: Path) -> None:
    """A look takes 1 ms, and in any other round it would find little."""
    for thorough, expected in ((False, []), (True, [Fault.SYSTEM])):
        faults: list[str] = []
        watchdog = Watchdog(Limits(memory=64 * MiB, processes=20), workspace, memory=True)
        with init("held = [socket.socketpair() for _ in range(90)]") as pid:
            watchdog.watch(watched := Watched(pid, workspace, faults.append))
            watchdog.look(watched)
            watched.thorough = thorough
            watchdog._look_at_memory(watched)
        assert faults == expected


SPIN = "if os.fork() == 0:\n        while True: pass"


def test_what_goes_on_after_a_cell_has_a_budget(workspace: Path) -> None:
    """Its processor time counts from the cell's end to the next cell's start, each time from zero."""
    faults: list[str] = []
    watchdog = Watchdog(Limits(), workspace, memory=False)
    with init(SPIN) as pid:
        watchdog.watch(watched := Watched(pid, workspace, faults.append))
        watched.cell_finished(timedelta(hours=1))
        first = watched.budget
        assert first is not None
        while first[0].seconds < 0.2:  # this hangs only if nothing is counted
            watched.due = 0.0
            watchdog._round()
        watched.cell_started()
        assert watched.budget is None
        watched.due = 0.0
        watchdog._round()
        assert faults == []
        watched.cell_finished(timedelta(seconds=0.1))
        while not faults:
            watched.due = 0.0
            watchdog._round()
    assert faults == [Fault.BACKGROUND]


def test_what_works_on_after_a_cell_lets_others_go_first(workspace: Path) -> None:
    """Its processes, and their threads; the kernel's own process keeps its priority, for its next cell."""
    watchdog = Watchdog(Limits(), workspace, memory=False, nice=17)  # we may run with the usual one ourselves
    with init(SPIN) as pid:
        watchdog.watch(watched := Watched(pid, workspace, lambda _: None))
        watched.cell_finished(timedelta(hours=1))
        assert watched.budget is not None
        watched.budget[0].seconds = module.POLITE - 0.2  # as if it had worked for so long
        _, kernel, spinning = tree(pid)
        before = os.getpriority(os.PRIO_PROCESS, kernel)
        while os.getpriority(os.PRIO_PROCESS, spinning) != 17:  # this hangs if it is not set
            watched.due = 0.0
            watchdog._round()
        assert os.getpriority(os.PRIO_PROCESS, kernel) == before


def test_who_only_waits_after_a_cell_goes_on(workspace: Path) -> None:
    """A sleeping thread uses nothing, and without a budget one may work on for ever."""
    faults: list[str] = []
    watchdog = Watchdog(Limits(), workspace, memory=False)
    for code, budget in (("pass", timedelta(seconds=0.1)), (SPIN, None)):
        with init(code) as pid:
            watchdog.watch(watched := Watched(pid, workspace, faults.append))
            watched.cell_finished(budget)
            until = time.monotonic() + 0.3
            while time.monotonic() < until:
                watched.due = 0.0
                watchdog._round()
                time.sleep(0.02)
            watchdog.unwatch(watched)
    assert faults == []


def test_a_process_that_ended_is_no_fault(workspace: Path) -> None:
    """A zombie holds nothing."""
    code = "[os.fork() or os._exit(0) for _ in range(3)]"
    with init(code) as pid:
        assert seen(workspace, pid) == []
    assert seen(workspace, pid) == []


def test_the_thread_tells_once(workspace: Path) -> None:
    """While entered it looks by itself, and reports each fault once."""
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    (workspace / "a").write_bytes(b"x" * 100)
    with Watchdog(LIMITS, workspace, memory=False) as watchdog:
        watched = Watched(os.getpid(), workspace, told.put)
        watchdog.watch(watched)
        while not watched.size_due:
            os.sched_yield()
        (workspace / "large").write_bytes(b"x" * 2_000_000)
        assert told.get(timeout=30) == Fault.WORKSPACE
    assert told.empty()
    assert watched not in watchdog._watched


def test_a_look_that_fails_does_not_stop_the_others(
    workspace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happens with one kernel, all the others are still looked at."""

    def fails(_fault: str) -> None:
        raise RuntimeError("the sky has fallen")

    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    (tmp_path / "other").mkdir()
    with Watchdog(LIMITS, workspace, memory=False) as watchdog:
        for place, tell in ((workspace, fails), (tmp_path / "other", told.put)):
            watched = Watched(os.getpid(), place, tell)
            watchdog.watch(watched)
            while not watched.size_due:
                os.sched_yield()
            (place / "large").write_bytes(b"x" * 2_000_000)
        assert told.get(timeout=30) == Fault.WORKSPACE
    assert "the sky has fallen" in caplog.text


def two(workspace: Path, tmp_path: Path, tell: Callable[[str], None]) -> tuple[Watched, Watched]:
    """A kernel with a workspace, and one with too much in its own."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "large").write_bytes(b"x" * 2_000_000)
    first = Watched(os.getpid(), workspace, tell)
    return first, Watched(os.getpid(), tmp_path / "other", tell)


def test_who_is_slow_to_look_at_holds_up_nobody(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the look at one kernel goes on, another one's fault is found."""
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    looking, end = threading.Event(), threading.Event()
    size = usage.size

    def hostile(folder: Path) -> int:
        if folder != workspace:
            return size(folder)
        looking.set()
        end.wait()
        return 0

    monkeypatch.setattr(usage, "size", hostile)
    with Watchdog(LIMITS, workspace, memory=False) as watchdog:
        slow, other = two(workspace, tmp_path, told.put)
        slow.size_slow = True
        watchdog.watch(slow)
        assert looking.wait(30)
        watchdog.watch(other)
        try:
            assert told.get(timeout=30) == Fault.WORKSPACE
        finally:
            end.set()


@pytest.mark.parametrize("lost", [True, False])
def test_who_makes_a_look_wait_is_ended(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, *, lost: bool
) -> None:
    """In the look after a cell as well as in a round, and sooner if the machine loses much meanwhile."""
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    looking, end = threading.Event(), threading.Event()
    monkeypatch.setattr(usage, "memory", lambda _: looking.set() or (end.wait() and {}))
    waits = {"S": True}
    monkeypatch.setattr("kernels.sandbox.limits.held_up._waits", lambda _: not waits["S"])
    watchdog = Watchdog(LIMITS, workspace, memory=True)
    monkeypatch.setattr(watchdog._meanwhile, "fell", lambda: lost)
    watchdog.watch(watched := Watched(os.getpid(), workspace, told.put))
    with init() as pid:
        watched.init = pid
        thread = threading.Thread(target=watchdog.look, args=(watched,))
        thread.start()
        assert looking.wait(30)
        for _ in range(1000):
            watchdog._end_who_holds_up()
        assert told.empty()  # it waits for a processor
        waits["S"] = False
        steps = 0
        while told.empty():
            watchdog._end_who_holds_up()
            steps += 1
        end.set()
        thread.join()
    assert told.get() == Fault.HIDING
    assert round(steps * STEP, 1) in ((0.5, 0.6) if lost else (15.0, 15.1))
    assert watchdog._looks.waiting(1.0) == []


def waiting_for_folders(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, *, at_disk: bool
) -> tuple[Watchdog, Watched, list[str]]:
    """A watchdog whose every look waits for a folder of its kernel; the kernel, and its faults."""
    faults: list[str] = []
    watchdog = Watchdog(LIMITS, workspace, memory=False)
    monkeypatch.setattr(watchdog._meanwhile, "fell", lambda: False)  # whatever else the machine does
    watchdog.watch(watched := Watched(os.getpid(), workspace, faults.append))
    monkeypatch.setattr("kernels.sandbox.limits.held_up._waits", lambda _: True)
    monkeypatch.setattr("kernels.sandbox.limits.held_up._place", lambda _: "iterate_dir")
    monkeypatch.setattr(module, "waits_for_disk", lambda _: at_disk)
    return watchdog, watched, faults


@pytest.mark.parametrize("at_disk", [True, False])
def test_who_holds_its_folders_is_ended_after_several_short_waits(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, *, at_disk: bool
) -> None:
    """No single look waits for long, but all of them wait. A busy disk is hardly its kernel's fault."""
    watchdog, watched, faults = waiting_for_folders(workspace, monkeypatch, at_disk=at_disk)
    waited, watched.mapped_due = 0, 1e9
    while not faults and waited < 150:
        with watchdog._looks.at(watched, patience=module.PATIENCE):
            for _ in range(10):  # for one second, then the look is over
                watchdog._end_who_holds_up()
        waited += 10
    assert (faults, waited) == (([], 150) if at_disk else ([Fault.HIDING], 50))
    assert (watched.slow, watched.size_slow, watched.mapped_due) == (True, True, 0.0)


def test_a_wait_for_a_folder_now_and_then_is_forgiven(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that makes many files keeps locking its folder for moments, even for years."""
    watchdog, watched, faults = waiting_for_folders(workspace, monkeypatch, at_disk=False)
    for _ in range(200):
        with watchdog._looks.at(watched, patience=module.PATIENCE):
            watchdog._end_who_holds_up()
        for _ in range(10):
            watchdog._end_who_holds_up()
    assert faults == []
    assert not watched.slow


@pytest.mark.parametrize(("number", "faults"), [(7000, []), (usage.MOST_AREAS, [Fault.SYSTEM])])
def test_a_process_with_too_many_areas_of_memory_ends_its_kernel(
    workspace: Path, number: int, faults: list[str]
) -> None:
    """By them it could keep its memory locked for long, and a folder with it."""
    code = f"""libc = ctypes.CDLL(None)
    for n in range({number}): libc.mmap(None, ctypes.c_size_t(4096), 1 + 2 * (n & 1), 0x22, -1, 0)"""
    with init(code) as pid:
        assert seen(workspace, pid, limits=replace(LIMITS, memory=1 << 30)) == faults


def test_whose_look_took_long_is_looked_at_apart_from_then_on(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For memory as for the workspace; each has one look per turn, the longest waiting first."""
    looks: list[Path] = []
    monkeypatch.setattr(module, "thread_time", count(step=3600).__next__)  # each look takes hours
    watchdog = Watchdog(LIMITS, workspace, memory=True)
    pair = two(workspace, tmp_path, lambda _: None)
    for each in pair:
        watchdog.watch(each)
        watchdog._look_at_memory(each)
        watchdog._look_at_size(each)
        each.due = each.size_due = 0.0
        watchdog.watch(each)
    assert all(each.slow and each.size_slow for each in pair)
    monkeypatch.setattr(watchdog, "_look_at_memory", lambda each: looks.append(each.workspace))
    monkeypatch.setattr(watchdog, "_look_at_size", lambda each: looks.append(each.workspace))
    watchdog._round()
    assert looks == []
    pair[1].due = pair[1].size_due = -1.0
    watchdog._slow_round()
    assert looks == [pair[1].workspace] * 2 + [pair[0].workspace] * 2


def test_when_the_machine_has_lost_much_the_next_look_at_each_is_thorough(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even for kernels whose turn comes later."""
    thorough: list[bool] = []
    watchdog = Watchdog(LIMITS, workspace, memory=False)
    watched, _ = two(workspace, tmp_path, lambda _: None)
    watched.slow = watched.size_slow = True
    watched.due = watched.size_due = watched.mapped_due = time.monotonic() + 1000
    watchdog.watch(watched)
    monkeypatch.setattr(watchdog._machine, "fell", lambda: True)
    doubts: list[bool] = []
    monkeypatch.setattr(
        usage, "hidden", lambda *_, mapped, doubt: doubts.append(doubt) or thorough.append(mapped) or 0
    )
    monkeypatch.setattr(objects, "kept", lambda *_, **told: thorough.append(told["thorough"]) or 0)
    watchdog._round()
    assert thorough == []
    watchdog._machine.short = watchdog._machine.disk_is_short = True
    watchdog._slow_round()
    assert (thorough, doubts) == ([True, True], [False])
    watched.due = watched.size_due = 0.0
    watchdog._slow_round()
    assert thorough == [True, True, False]  # and the system holds little for it


def test_who_has_files_under_way_each_time_that_the_machine_loses_much_hides_them(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once may be chance, unless the machine is short of what it has lost."""
    for short, times, under_way in (
        (False, 2, [True, True]),
        (True, 1, [True]),
        (False, 4, [True, False] * 2),
    ):
        faults: list[str] = []
        watchdog = Watchdog(LIMITS, workspace, memory=False)
        watchdog.watch(watched := Watched(os.getpid(), workspace, faults.append))
        monkeypatch.setattr(watched.still, "known", lambda *_: False)  # it has worked, if less than a tick
        told = iter(under_way)
        monkeypatch.setattr(objects, "in_flight", lambda *_, told=told, **__: next(told))
        monkeypatch.setattr(watchdog._machine, "fell", lambda: True)
        watchdog._machine.short = short
        for looks in range(times):
            assert faults == [], looks
            watchdog._round()
        assert faults == ([Fault.HIDING] if all(under_way) else [])
        assert not watched.passing or all(under_way)


def test_what_is_mapped_is_looked_at_now_and_then(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the machine seems to lose nothing, since as much may be deleted elsewhere."""
    mapped: list[bool] = []
    monkeypatch.setattr(usage, "hidden", lambda *_, mapped, doubt: told(mapped) or 0)
    told = mapped.append
    watchdog = Watchdog(LIMITS, workspace, memory=False)
    watched = Watched(os.getpid(), workspace, lambda _: None)
    for due in (0.0, time.monotonic() + 1000, time.monotonic()):
        watched.mapped_due = due
        watchdog._look_at_size(watched)
    assert mapped == [True, False, True]
    assert watched.mapped_due > time.monotonic()


def test_who_is_forgotten_is_not_looked_at(workspace: Path) -> None:
    """After a kernel has ended, its process id may belong to another process."""
    watchdog = Watchdog(LIMITS, workspace, memory=False)
    watched = Watched(os.getpid(), workspace, lambda _: None)
    watchdog.watch(watched)
    watchdog.unwatch(watched)
    watchdog.unwatch(watched)
    assert watched not in watchdog._watched


def test_a_round_that_fails_ends_no_thread(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that cannot be asked must not leave all kernels without their limits."""
    pauses: list[float] = []

    def wait(pause: float) -> bool:
        pauses.append(pause)
        return len(pauses) == 4

    def fell() -> bool:
        if len(pauses) < 3:
            raise OSError("odd")
        return False

    watchdog = Watchdog(LIMITS, workspace, memory=False)
    monkeypatch.setattr(watchdog._machine, "fell", fell)
    monkeypatch.setattr(watchdog._stop, "wait", wait)
    watchdog._run(watchdog._round, module.FIRST)
    assert pauses == [module.FIRST, module.LAST, module.LAST, module.FIRST]
    assert caplog.text.count("a round of the watchdog failed") == 2
