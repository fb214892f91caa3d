"""Notices a look at a kernel that the kernel itself holds up, with a lock that the look waits for.

    looks = Looks()
    with looks.at(watched, patience=15.0): ...       # in the thread that looks
    looks.waiting(0.1)      # in another thread, every 0.1 s: the looks that wait, and for how long by now

Linux tells what a process has in memory to whoever has the lock of that memory. Its own threads can keep it
for half a minute, in which nobody would count what other processes of the kernel do. A thread that waits for
a lock, or for the disk, is in state D of proc_pid_stat(5); one that waits for a processor or for Python's
lock is not, and for that no kernel is to blame. Nor is one when the thread waits for memory or the disk, as
the place in Linux tells where it waits (proc_pid_wchan(5)).
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kernels.procfs import fields

__all__ = ["Look", "Looks"]

# In the names of functions of Linux that wait for the disk, or for memory that is being freed or read back.
ELSEWHERE = re.compile(
    r"folio|page_|buffer|bio|blk|wait_on|io_sched|jbd2|swap|reclaim|shrink|throttle|mem_cgroup"
)


@dataclass(eq=False)
class Look[T]:
    """A look at `whom`, which has waited for so many seconds of the `patience` that there is with it."""

    whom: T
    patience: float
    waited: float = 0.0

    @property
    def held_up(self) -> bool:
        """Whether it has waited for too long."""
        return self.waited > self.patience


class Looks[T]:
    """The looks that go on, at most one a thread. See the module's text."""

    def __init__(self) -> None:
        self._going: dict[int, Look[T]] = {}

    @contextmanager
    def at(self, whom: T, *, patience: float) -> Iterator[None]:
        """While entered, this thread looks at `whom`; within another look it has a patience of its own."""
        thread = threading.get_native_id()
        around = self._going.get(thread)
        self._going[thread] = Look(whom, patience)
        try:
            yield
        finally:
            if around is None:
                del self._going[thread]
            else:
                self._going[thread] = around

    def waiting(self, passed: float) -> list[Look[T]]:
        """The looks that wait now; so many seconds have passed since this was asked last."""
        waiting = [look for thread, look in list(self._going.items()) if _waits(thread)]
        for look in waiting:
            look.waited += passed
        return waiting


def _waits(thread: int) -> bool:
    """Whether a thread of ours waits for somebody else's lock."""
    with suppress(OSError):  # it has ended
        here = Path(f"/proc/self/task/{thread}")
        return fields(here / "stat")[:1] == [b"D"] and not ELSEWHERE.search(
            (here / "wchan").read_text("ascii", "replace")
        )
    return False
