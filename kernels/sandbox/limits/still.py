"""A kernel that has not run since it was last looked at has nothing new to be seen.

    ran = ran_since_start(init, pids)       # before anything is looked at; None where nobody can tell
    if not still.known(KIND, ran, depth):   # nothing of it has run since a look of this depth found no fault
        ...                                 # look
        still.note(KIND, ran, depth)        # no fault was found

Whoever opens, maps, sends or locks something has to run for it. Linux tells for each thread how long it has
run, to the nanosecond, and how often it has begun to. To ask takes 0.15 ms for a kernel, and a thorough look
6 ms; a kernel between two cells runs once in ten seconds. So kernels at rest cost nobody anything. Without
this, looks at 75 of them took half a second whenever the machine had lost memory or processes, as it does by
every few kernels that start: in the process that serves all cells, and holding the interpreter's lock.

https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
"""

import os
from collections.abc import Iterable

from kernels.inside.procfs import PROC, tree

__all__ = ["Ran", "Still", "have_run", "ran_since_start"]

MOST = 1000  # threads that are asked about; more are looked at each time
NEVER = b"0 0 0\n"  # a system that keeps no account tells this of every thread

type Ran = dict[str, bytes]  # what each thread's file tells, by its path


def have_run(pids: Iterable[int]) -> Ran | None:
    """How much each thread of these processes has run; None where that is not told."""
    found: Ran = {}
    try:
        for pid in pids:
            for task in os.listdir(f"{PROC}/{pid}/task"):
                path = f"{PROC}/{pid}/task/{task}/schedstat"
                with open(path, "rb", buffering=0) as file:
                    found[path] = file.read(100)
            if len(found) > MOST:
                return None
    except OSError:  # one has ended, or this system has no such files
        return None
    return None if NEVER in found.values() else found


def ran_since_start(init: int, pids: list[int]) -> Ran | None:
    """As `have_run`, of the processes of a kernel; None where there are others by now."""
    ran = have_run(pids)
    return ran if tree(init) == pids else None


class Still:
    """What one kernel had run when looks of a kind last found no fault with it, and how deep they went."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Ran, int]] = {}

    def known(self, kind: str, ran: Ran | None, depth: int) -> bool:
        """Whether it has not run since a look of this kind that went at least so deep."""
        then, deep = self._known.get(kind, (None, 0))
        return ran is not None and ran == then and deep >= depth

    def note(self, kind: str, ran: Ran | None, depth: int) -> None:
        """A look of this depth has found no fault; `ran` was told before it."""
        self._known.pop(kind, None)
        if ran is not None:
            self._known[kind] = ran, depth
