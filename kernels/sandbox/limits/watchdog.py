"""Enforces the limits that Linux does not: it looks at each kernel, and ends those that are over a limit.

    with Watchdog(limits, workspaces, memory=True) as watchdog:
        watchdog.watch(watched := Watched(pid, workspace, too_much, began=size))
        watched.cell_started()          # it is looked at often again
        watchdog.look(watched)          # what a cell has left is seen before the next one starts
        watched.cell_finished(minutes)  # what runs on may use so much processor time
        watchdog.unwatch(watched)

Few file systems can limit a workspace, and nothing in Linux limits what it keeps itself for a kernel; without
control groups, nothing limits memory and processes either. A cell has its deadline, and what it leaves
running a budget of processor time.

How often it looks, what a look may cost, and what happens if one has to wait, is in SECURITY.md. One thread
looks at kernels that are quick to look at, a second one at the others, and a third ends those that make a
look wait.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic, thread_time
from typing import Self

from kernels.inside.procfs import tree
from kernels.limits import Fault, Limits, MiB
from kernels.sandbox.limits import objects, usage
from kernels.sandbox.limits.held_up import OngoingLooks, waits_for_disk
from kernels.sandbox.limits.machine import memory_left
from kernels.sandbox.limits.processor_time import Spent
from kernels.sandbox.limits.still import Still, ran_since_start
from kernels.sandbox.policy import WORKSPACE as WORKSPACE_INSIDE

__all__ = ["STEP", "Watchdog", "Watched"]

log = logging.getLogger(__name__)

FIRST, LAST = 0.2, 3.2  # seconds between looks: while something changes, and the longest
STARTING = 1 << 20  # bytes that IPython may write at its start, if its folder is in the workspace
QUICK = 0.01  # seconds of work that a look may take in the first thread, and at the end of each cell
LONG = 0.1  # seconds that a look at memory may take at the end of each cell
MUCH = 4 << 30  # bytes of processes, with shared ones counted for each; exact counting takes as long
MAPPED = 10.0  # seconds between looks at what is mapped, which take 1 ms a process
SHARE = 4  # times the duration of a look that the kernel is left alone: at most a fifth of the time
POLITE = 1.0  # seconds of processor time after which what a cell has left running gets low priority,
NICE = 10  # with this nice value
FELL = 4  # everything is looked at when the machine has lost a quarter of one kernel's limit
STEP = 0.1  # seconds between checks whether looks are waiting
PATIENCE = 15.0  # seconds that a look may wait for locks of its kernel
LOST = 0.5  # likewise, if the machine loses much meanwhile
# Seconds that looks at one kernel may wait for the locks of its folders, in all. A tenth of all time is
# forgiven, and only a quarter counts while one of its threads waits for the disk, holding its locks.
AT_FOLDERS, FORGIVEN, AT_DISK = 4.0, 10, 4
TWICE = 1.5 * STEP  # seconds of waiting that were seen twice
FAILURES = 5  # failed looks in a row after which the kernel is taken to be the cause
SHORT = 8  # with less than an eighth of its memory or disk left, nobody gets the benefit of the doubt


class Watched:
    """One watched kernel: `init` is its first process, `began` the size of its workspace at the start."""

    def __init__(
        self, init: int, workspace: Path, too_much: Callable[[Fault], None], *, began: int = 0
    ) -> None:
        self.init, self.workspace = init, workspace
        self.too_much = too_much
        self.began = began
        self.due = self.size_due = 0.0
        self.pause = FIRST
        self.seen = (0, 0)
        self.size = began
        self.nameless = 0  # bytes of it that belong to files without a name
        self.still = Still()
        self.took = self.size_took = 0.0  # seconds that the last look at memory, and at the workspace, took
        self.slow = self.size_slow = False  # whether a look took long; then the second thread looks at it
        self.thorough = self.size_thorough = False  # whether the next look is thorough
        self.mapped_due = 0.0
        self.failed: dict[str, int] = {}  # how many looks of a kind have failed in a row
        self.at_folders = 0.0  # seconds that looks have waited for its folders' locks
        self.told = False  # whether a failed look is in the log
        self.passing = False  # whether files may have been hidden in sockets when the machine last lost much
        self.cells = 0  # that have started
        self.budget: tuple[Spent, float] | None = None  # while no cell runs: what was spent, and the limit

    def cell_started(self) -> None:
        """A cell has started: look often again."""
        self.cells += 1
        self.budget, self.pause = None, FIRST
        self.due = self.size_due = 0.0

    def cell_finished(self, budget: timedelta | None) -> None:
        """A cell has finished: what runs on may use `budget` of processor time until the next (None: any)."""
        self.budget = None if budget is None else (Spent(), budget.total_seconds())
        self.due, self.pause = 0.0, FIRST


class Watchdog:
    """Looks at all kernels in turn. With `memory` it counts memory and processes too.

    `alone`: each kernel has a network of its own, so all sockets in it are the kernel's. `nice`: what a cell
    has left running gets this nice value.
    """

    def __init__(
        self, limits: Limits, workspaces: Path, *, memory: bool, alone: bool = False, nice: int = NICE
    ) -> None:
        self._limits = limits
        self._memory = memory
        self._alone = alone
        self._nice = nice
        self._machine = _Machine(limits, workspaces)
        # Without processes: many forks at the same time make looks wait, and are seen anyway.
        self._meanwhile = _Machine(replace(limits, processes=1 << 30), workspaces)
        self._looks: OngoingLooks[Watched] = OngoingLooks()
        self._watched: set[Watched] = set()
        self._ending = threading.Lock()
        self._stop = threading.Event()
        rounds = {
            "quick": (self._round, FIRST),
            "slow": (self._slow_round, FIRST),
            "held up": (self._end_who_holds_up, STEP),
        }
        self._threads = [
            threading.Thread(target=self._run, args=args, name=f"kernel watchdog, {name}", daemon=True)
            for name, args in rounds.items()
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def watch(self, watched: Watched) -> None:
        """Look at this kernel too; its `too_much` is called at most once, in the thread that looked."""
        self._watched.add(watched)

    def unwatch(self, watched: Watched) -> None:
        """Stop looking at it."""
        self._watched.discard(watched)

    def look(self, watched: Watched) -> None:
        """Look at this kernel now, in the caller's thread, unless that takes long."""
        if self._memory and watched.took < LONG:
            self._try(watched, partial(self._look_at_memory, quick=True), "memory")
        with self._ending:
            lives = watched in self._watched
        if lives and watched.size_took < QUICK:
            self._try(watched, self._look_at_size, "size")

    def _run(self, look: Callable[[], None], usual: float) -> None:
        pause = usual
        while not self._stop.wait(pause):
            try:
                look()
                pause = usual
            except Exception:  # whatever failed this time, the kernels must still be watched
                log.exception("a round of the watchdog failed")
                pause = LAST

    def _round(self) -> None:
        """Look at the memory of every kernel that is quick to look at, and then at their workspaces."""
        if self._machine.fell():
            for each in list(self._watched):
                each.thorough = each.size_thorough = True
                each.due = each.size_due = 0.0
        now = monotonic()
        watched = list(self._watched)
        for each in watched:
            if now >= each.due and not each.slow:
                self._try(each, self._look_at_memory, "memory")
        for each in watched:
            if now >= each.size_due and not each.size_slow and each in self._watched:
                self._try(each, self._look_at_size, "size")

    def _slow_round(self) -> None:
        """One look at each of the slow kernels, first at those that have waited longest."""
        now = monotonic()
        waiting: list[tuple[float, Watched, Callable[[Watched], None], str]] = []
        for each in list(self._watched):
            waiting += [(each.due, each, self._look_at_memory, "memory")] if each.slow else []
            waiting += [(each.size_due, each, self._look_at_size, "size")] if each.size_slow else []
        for due, each, look, kind in sorted(waiting, key=lambda one: one[0]):
            if now >= due and each in self._watched and not self._stop.is_set():
                self._try(each, look, kind)

    def _end_who_holds_up(self) -> None:
        waiting = self._looks.waiting(STEP)
        lost = bool(waiting) and self._meanwhile.fell()
        for each in list(self._watched):
            each.at_folders = max(0.0, each.at_folders - STEP / FORGIVEN)
        for look in waiting:
            whom = look.whom
            look.patience = min(look.patience, LOST) if lost else look.patience
            if look.at_folder:
                whom.at_folders += STEP / (AT_DISK if waits_for_disk(tree(whom.init)) else 1)
            if look.waited > TWICE:  # looks at other kernels will not wait for it again
                whom.slow = whom.size_slow = True
                whom.mapped_due = 0.0  # many areas of memory may be why the lock was held so long
            if look.waited > look.patience or whom.at_folders > AT_FOLDERS:
                self._end(whom, Fault.HIDING)

    def _try(self, watched: Watched, look: Callable[[Watched], None], kind: str) -> None:
        """Look. If a `kind` of look fails again and again, the kernel is ended, since nobody can count it."""
        try:
            with self._looks.at(watched, patience=PATIENCE):
                look(watched)
        except Exception:  # whatever one kernel does, the others must still be watched
            failed = watched.failed[kind] = watched.failed.get(kind, 0) + 1
            if not watched.told:  # no kernel may fill the log
                watched.told = True
                log.exception("the watchdog could not look at %s (said once)", watched.workspace)
            watched.due = watched.size_due = monotonic() + FIRST
            if failed >= FAILURES:
                self._end(watched, Fault.HIDING)
        else:
            watched.failed.pop(kind, None)

    def _look_at_size(self, watched: Watched) -> None:
        if self._limits.workspace is None:
            watched.size_due = monotonic() + LAST
            return
        began, worked, cells = monotonic(), thread_time(), watched.cells
        thorough, watched.size_thorough = watched.size_thorough, False
        mapped = thorough or began >= watched.mapped_due
        pids = tree(watched.init)
        ran = ran_since_start(watched.init, pids)
        short = thorough and self._machine.disk_is_short
        depth = mapped + thorough + short
        named = usage.size(watched.workspace)
        if still := watched.still.known("size", ran, depth):
            nameless = watched.nameless
        else:
            places = watched.workspace, WORKSPACE_INSIDE
            nameless = watched.nameless = usage.hidden(pids[1:], places, mapped=mapped, doubt=not short)
        if mapped:
            watched.mapped_due = began + MAPPED
        watched.size = named + nameless
        if watched.size > max(self._limits.workspace, watched.began + STARTING):
            hides = Fault.HIDING if nameless >= usage.UNCOUNTABLE else Fault.WORKSPACE
            hides = Fault.SYSTEM if nameless >= usage.CROWDED else hides
            self._end(watched, Fault.FOLDERS if named >= usage.UNCOUNTABLE else hides)
        elif thorough and not still and self._passes_on(watched):
            self._end(watched, Fault.HIDING)
        elif not still:
            watched.still.note("size", ran, 1 if watched.passing else depth)
        watched.size_took = thread_time() - worked
        watched.size_slow = watched.size_slow or watched.size_took > QUICK
        pause = max(self._paused(watched), SHARE * (monotonic() - began))
        if watched.at_folders:  # a kernel that makes us wait must not be left alone for it
            pause = FIRST
        if cells == watched.cells:
            watched.size_due = monotonic() + pause

    def _passes_on(self, watched: Watched) -> bool:
        """Whether it may hide files on their way through a socket: some were there at both of the last looks.

        Those looks come when the machine has lost much; in a shortage one is enough. Code that merely sends
        an open file, or has not accepted a connection yet, has finished by the next look.
        """
        before = watched.passing
        watched.passing = objects.in_flight(tree(watched.init), alone=self._alone)
        return watched.passing and (before or self._machine.short)

    def _look_at_memory(self, watched: Watched, *, quick: bool = False) -> None:
        worked, since = thread_time(), (watched.cells, watched.budget)
        thorough = watched.thorough and not quick
        watched.thorough = watched.thorough and quick
        pids = tree(watched.init)
        ran = None if quick else ran_since_start(watched.init, pids)
        if watched.still.known("memory", ran, thorough):
            self._leave_alone(watched, self._paused(watched), since)
            return
        held = 0
        if self._memory:
            if usage.threads(pids) > self._limits.processes:
                self._end(watched, Fault.PROCESSES)
            of_each = usage.memory(pids)
            held = sum(of_each.values())
            if held > max(MUCH, self._limits.memory) and (quick or not watched.slow):
                watched.slow, watched.due = True, 0.0  # the second thread looks at it
                watched.thorough = watched.thorough or thorough
                return
            held = held if held <= self._limits.memory else usage.exactly(of_each)
            if held > self._limits.memory:
                self._end(watched, Fault.MEMORY)
        if thorough or objects.many(pids, alone=self._alone):  # little is not worth counting
            kept = objects.kept(pids, alone=self._alone, passed=self._limits.file, thorough=thorough)
            if held + kept > self._limits.memory:
                self._end(watched, Fault.SYSTEM if kept > held else Fault.MEMORY)
            held += kept
        watched.took = thread_time() - worked
        if quick:
            return
        self._look_at_rest(watched, pids)
        watched.still.note("memory", ran, thorough)
        watched.slow = watched.slow or watched.took > QUICK
        pause = max(self._paused(watched, held), SHARE * (thread_time() - worked))
        self._leave_alone(watched, pause, since)

    def _leave_alone(self, watched: Watched, pause: float, since: tuple[int, object]) -> None:
        """Look again after a pause, unless a cell has started or finished since: that was not seen."""
        if since == (watched.cells, watched.budget):
            watched.due = monotonic() + pause

    def _look_at_rest(self, watched: Watched, pids: list[int]) -> None:
        """Limit what works on after a cell: first it gets low priority, and in the end it is ended."""
        if (budget := watched.budget) is not None:
            spent = budget[0].look(pids)
            if spent > POLITE:
                _lower_priority(pids[2:], self._nice)
            if spent > budget[1] and budget is watched.budget:
                self._end(watched, Fault.BACKGROUND)

    def _paused(self, watched: Watched, held: int | None = None) -> float:
        """How long to leave it alone: twice as long each time that nothing has changed."""
        seen = watched.size, watched.seen[1] if held is None else held
        watched.pause = FIRST if seen != watched.seen else min(watched.pause * 2, LAST)
        watched.seen = seen
        return watched.pause

    def _end(self, watched: Watched, fault: Fault) -> None:
        with self._ending:  # another thread may end it at the same time
            if watched in self._watched:
                self.unwatch(watched)
                watched.too_much(fault)


def _lower_priority(pids: Iterable[int], nice: int) -> None:
    """Lower the priority of these processes; not the kernel's own, since it could not be raised again."""
    for pid in pids:
        with suppress(OSError):  # it has ended
            for task in os.listdir(f"/proc/{pid}/task"):
                os.setpriority(os.PRIO_PROCESS, int(task), nice)


class _Machine:
    """What the machine has left: three reads of 0.02 ms."""

    def __init__(self, limits: Limits, workspaces: Path) -> None:
        self._workspaces = workspaces
        self._steps = limits.memory // FELL, (limits.workspace or MiB << 9) // FELL, limits.processes // FELL
        self._last: list[int] | None = None
        self.short = self.disk_is_short = False

    def fell(self) -> bool:
        """Whether there is less than the last time this was true, by one step."""
        try:
            memory, disk = memory_left(), os.statvfs(self._workspaces)
            running = int(Path("/proc/loadavg").read_text("ascii").split()[3].partition("/")[2])
        except OSError:  # the folder is gone, so nothing is written to it
            return False
        free, room = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        self.disk_is_short = free * SHORT < room
        self.short = memory.left * SHORT < memory.whole or self.disk_is_short
        left = [memory.left, free, -running]
        last = self._last = self._last or left
        fell = any(now <= before - step for now, before, step in zip(left, last, self._steps, strict=True))
        self._last = left if fell else [max(pair) for pair in zip(left, last, strict=True)]
        return fell
