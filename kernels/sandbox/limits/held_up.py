"""Notices when a kernel holds up a look of the watchdog, with a lock for which the look has to wait.

    looks = OngoingLooks()
    with looks.at(watched, patience=15.0): ...       # in the thread that looks
    looks.waiting(0.1)      # in another thread, every 0.1 s: the looks that wait, and for how long so far

To tell what a process has in memory, Linux takes the lock of that memory. The process's own threads can keep
the lock for half a minute, in which nobody would count what the kernel's other processes do. They can do the
same with the lock of a folder, by listing it into such memory. A thread that waits for a lock or for the disk
is in state D of proc_pid_stat(5). One that waits for a processor or for Python's lock is not, and no kernel
is to blame for that. Nor is it when the thread waits for memory or the disk, as the function of Linux shows
in which it waits (proc_pid_wchan(5)).
"""

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kernels.inside.procfs import PROC, fields

__all__ = ["OngoingLook", "OngoingLooks", "waits_for_disk"]

# In the names of functions of Linux that wait for the disk, or for memory to be freed or read back.
ELSEWHERE = re.compile(
    r"transaction|folio|page_|buffer|bio|blk|wait_on|io_sched|jbd2|swap|reclaim|shrink|throttle|mem_cgroup"
)
# In those that wait for the lock of a folder.
AT_FOLDER = re.compile(r"iterate_dir|walk_component|lookup|path_openat|chmod_common|unlinkat")
MOST = 500  # threads of one kernel that are looked at


@dataclass(eq=False)
class OngoingLook[T]:
    """A look at `whom`: how many seconds it has waited, and how long it may (`patience`)."""

    whom: T
    patience: float
    waited: float = 0.0
    at_folder: bool = False  # whether it waits for the lock of a folder


class OngoingLooks[T]:
    """The looks that are under way, at most one in each thread. See the module's text."""

    def __init__(self) -> None:
        self._going: dict[int, OngoingLook[T]] = {}

    @contextmanager
    def at(self, whom: T, *, patience: float) -> Iterator[None]:
        """While entered, this thread looks at `whom`."""
        thread = threading.get_native_id()
        self._going[thread] = OngoingLook(whom, patience)
        try:
            yield
        finally:
            del self._going[thread]

    def waiting(self, passed: float) -> list[OngoingLook[T]]:
        """The looks that wait now; `passed` seconds have passed since the last call."""
        waiting = []
        for thread, look in list(self._going.items()):
            here = Path(f"/proc/self/task/{thread}")
            if _waits(here):
                look.waited += passed
                look.at_folder = AT_FOLDER.search(_place(here)) is not None
                waiting.append(look)
        return waiting


def waits_for_disk(pids: Iterable[int], *, proc: Path = PROC) -> bool:
    """Whether a thread of these processes waits for the disk, as far as can be seen, with its locks."""
    threads = (thread for pid in pids for thread in _threads(proc / str(pid)))
    return any(ELSEWHERE.search(_place(thread)) for thread in islice(threads, MOST))


def _threads(process: Path) -> Iterator[Path]:
    with suppress(OSError):  # it has ended
        yield from (process / "task").iterdir()


def _waits(here: Path) -> bool:
    """Whether a thread of ours waits for somebody else's lock."""
    with suppress(OSError):  # it has ended
        return fields(here / "stat")[:1] == [b"D"] and not ELSEWHERE.search(_place(here))
    return False


def _place(thread: Path) -> str:
    """The function of Linux in which a thread waits; "0" if it does not wait, "" if that is not told."""
    with suppress(OSError):
        return (thread / "wchan").read_text("ascii", "replace")
    return ""
