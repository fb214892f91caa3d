"""Notices a look at a kernel that the kernel itself holds up, with a lock that the look waits for.

    looks = Looks()
    with looks.at(watched, patience=15.0): ...       # in the thread that looks
    looks.waiting(0.1)      # in another thread, every 0.1 s: the looks that wait, and for how long by now

Linux tells what a process has in memory to whoever has the lock of that memory. Its own threads can keep it
for half a minute, in which nobody would count what other processes of the kernel do. So can they with the
lock of a folder of theirs, by a listing of it that is written to such memory. A thread that waits for
a lock, or for the disk, is in state D of proc_pid_stat(5); one that waits for a processor or for Python's
lock is not, and for that no kernel is to blame. Nor is one when the thread waits for memory or the disk, as
the place in Linux tells where it waits (proc_pid_wchan(5)).
"""

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kernels.inside.procfs import PROC, fields

__all__ = ["Look", "Looks", "waits_for_disk"]

# In the names of functions of Linux that wait for the disk, or for memory that is being freed or read back.
ELSEWHERE = re.compile(
    r"transaction|folio|page_|buffer|bio|blk|wait_on|io_sched|jbd2|swap|reclaim|shrink|throttle|mem_cgroup"
)
# Of those that wait for the lock of a folder.
AT_FOLDER = re.compile(r"iterate_dir|walk_component|lookup|path_openat|chmod_common|unlinkat")
MOST = 500  # threads of one kernel that are asked what they wait for


@dataclass(eq=False)
class Look[T]:
    """A look at `whom`, which has waited for so many seconds of the `patience` that there is with it."""

    whom: T
    patience: float
    waited: float = 0.0
    at_folder: bool = False  # whether it waits for the lock of a folder

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
        waiting = []
        for thread, look in list(self._going.items()):
            here = Path(f"/proc/self/task/{thread}")
            if _waits(here):
                look.waited += passed
                look.at_folder = AT_FOLDER.search(_place(here)) is not None
                waiting.append(look)
        return waiting


def waits_for_disk(pids: Iterable[int]) -> bool:
    """Whether a thread of these processes does, as far as can be seen: what it has locked waits with it."""
    threads = (thread for pid in pids for thread in _threads(pid))
    return any(ELSEWHERE.search(_place(thread)) for thread in islice(threads, MOST))


def _threads(pid: int) -> Iterator[Path]:
    with suppress(OSError):  # it has ended
        yield from (PROC / str(pid) / "task").iterdir()


def _waits(here: Path) -> bool:
    """Whether a thread of ours waits for somebody else's lock."""
    with suppress(OSError):  # it has ended
        return fields(here / "stat")[:1] == [b"D"] and not ELSEWHERE.search(_place(here))
    return False


def _place(thread: Path) -> str:
    """The function of Linux in which a thread waits; "" where that is not told, "0" of one that does not."""
    with suppress(OSError):
        return (thread / "wchan").read_text("ascii", "replace")
    return ""
