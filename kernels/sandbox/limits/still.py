"""Whether a kernel has run at all since it was last looked at: if not, there is nothing new to see.

    ran = ran_since_start(init, pids)       # before anything is looked at; None if that cannot be told
    if not still.known(KIND, ran, depth):   # False: it has not run since a look as deep found no fault
        ...                                 # look
        still.note(KIND, ran, depth)        # no fault was found

To open, map, send or lock something, a thread has to run. Linux tells how long each thread has run, to the
nanosecond, and how often it was scheduled. Asking takes 0.15 ms for a kernel, a thorough look 6 ms, and a
kernel between two cells runs once in ten seconds. Without this, looks at 75 idle kernels took half a second
whenever a few more started.

https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
"""

import os
from collections.abc import Iterable

from kernels.inside.procfs import PROC, tree

__all__ = ["Ran", "Still", "have_run", "ran_since_start"]

MOST = 1000  # threads of a kernel that are asked about; one with more is always looked at
NEVER = b"0 0 0\n"  # what a system tells for every thread that does not keep these statistics

type Ran = dict[str, bytes]  # the content of each thread's file, by its path


def have_run(pids: Iterable[int], *, most: int = MOST, never: bytes = NEVER) -> Ran | None:
    """How much each thread of these processes has run; None if that cannot be told.

    It cannot with over `most` threads, or where the system says `never`.
    """
    found: Ran = {}
    try:
        for pid in pids:
            for task in os.listdir(f"{PROC}/{pid}/task"):
                path = f"{PROC}/{pid}/task/{task}/schedstat"
                with open(path, "rb", buffering=0) as file:
                    found[path] = file.read(100)
            if len(found) > most:
                return None
    except OSError:  # one has ended, or this system has no such files
        return None
    return None if never in found.values() else found


def ran_since_start(init: int, pids: list[int]) -> Ran | None:
    """As `have_run`, for the processes of a kernel; None if they are no longer the same."""
    ran = have_run(pids)
    return ran if tree(init) == pids else None


class Still:
    """How much one kernel had run when looks of each kind last found no fault, and how deep they went."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Ran | None, int]] = {}

    def known(self, kind: str, ran: Ran | None, depth: int) -> bool:
        """Whether it has not run since a look of this kind that was at least as deep."""
        then, deep = self._known.get(kind, (None, 0))
        return ran is not None and ran == then and deep >= depth

    def note(self, kind: str, ran: Ran | None, depth: int) -> None:
        """A look of this depth has found no fault; `ran` is from before the look."""
        self._known[kind] = ran, depth
