"""What a kernel uses, counted from outside, and hostile to being counted.

    size(workspace)                     # bytes on the disk; UNCOUNTABLE for what is made not to be counted
    pids = processes(init)              # of the kernel, its init first
    hidden(pids[1:], thorough=False)    # bytes of files without a name that they hold
    memory(pids, most), threads(pids)

Counting costs 0.1 ms for a quiet kernel. `thorough` reads each process's maps too, 1 ms a process. What the
system itself holds for a kernel is counted in `kernels.sandbox.objects`.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from kernels.nofollow import folder, unlock

__all__ = [
    "PROC",
    "UNCOUNTABLE",
    "hidden",
    "live",
    "memory",
    "opened",
    "owned",
    "processes",
    "size",
    "threads",
]

BLOCK = 512  # bytes that st_blocks counts in
MOST_ENTRIES = 100_000  # files and folders of a workspace, which cost room that no size tells
DEEPEST = 64  # folders within each other; what is deeper cannot be counted
MOST_PROCESSES = 10_000  # looked at; one kernel has none so many for long
UNCOUNTABLE = 1 << 62
BESIDE = "VmPTE:", "VmSwap:"  # of memory, what is not resident: page tables, and what was swapped out
PROC = Path("/proc")
# A file that was deleted, in /proc/PID/maps: its range, and not one of memory only.
DELETED = re.compile(
    r"^(\w+)-(\w+) \S+ \S+ (\S+) (\d+) +(?!/dev/zero|/memfd:|/SYSV|/dev/shm/)/.* \(deleted\)$"
)


class _Uncountable(Exception):
    pass


def size(workspace: Path) -> int:
    """Bytes on the disk below the workspace; 0 where it is being removed."""
    try:
        unlock(workspace)
        with folder(workspace) as top:
            return sum(_blocks(top, [MOST_ENTRIES], DEEPEST))
    except _Uncountable:
        return UNCOUNTABLE
    except OSError:
        return 0


def processes(init: int) -> list[int]:
    """A process and all that it has started, and theirs."""
    found = [init]
    for pid in found:  # grows as we go
        with suppress(OSError):  # it has ended
            for task in os.listdir(f"{PROC}/{pid}/task"):
                with open(f"{PROC}/{pid}/task/{task}/children", encoding="ascii") as children:
                    found += map(int, children.read().split())
        if len(found) > MOST_PROCESSES:
            break
    return found


def owned(uid: int) -> Iterator[int]:
    """All processes of a user that can be seen."""
    with os.scandir(PROC) as entries:
        for entry in entries:
            with suppress(OSError):  # it has ended
                if entry.name.isdigit() and entry.stat().st_uid == uid:
                    yield int(entry.name)


def threads(pids: Iterable[int]) -> int:
    """All threads of the processes."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += len(os.listdir(PROC / str(pid) / "task"))
    return total


def memory(pids: list[int], most: int) -> int:
    """Bytes that the processes have to themselves, exact from `most` on; with page tables and swap."""
    held = {pid: _field(pid, "status", "RssAnon:", "RssShmem:", *BESIDE) for pid in pids}
    if sum(held.values()) <= most:
        return sum(held.values())
    # That counts what is shared with the zygote for each of them. One that lets nobody look is not believed.
    return sum(_exactly(pid) or held[pid] for pid in pids)


def hidden(pids: Iterable[int], *, thorough: bool) -> int:
    """Bytes of the files that the processes hold open, or (`thorough`) mapped, and that have no name."""
    files: dict[tuple[int, int], int] = {}
    for pid in pids:
        for _, found in opened(pid):
            if found is None:
                return UNCOUNTABLE
            if found.st_nlink == 0:
                files[found.st_dev, found.st_ino] = found.st_blocks * BLOCK
    ranges: dict[tuple[str, str], int] = {}
    for pid in pids if thorough else ():
        with suppress(OSError):
            for line in (live(pid) / "maps").read_text("utf-8", "replace").splitlines():
                if deleted := DELETED.match(line):
                    start, end, device, inode = deleted.groups()
                    ranges[device, inode] = max(ranges.get((device, inode), 0), int(end, 16) - int(start, 16))
    open_inodes = {str(inode) for _, inode in files}
    return sum(files.values()) + sum(s for (_, inode), s in ranges.items() if inode not in open_inodes)


def opened(pid: int) -> Iterator[tuple[str, os.stat_result | None]]:
    """The descriptors of a process, as names, each with its file; a file of None says that it hides them."""
    here = live(pid)
    try:
        for descriptor in os.listdir(here / "fd"):
            with suppress(OSError):  # closed meanwhile
                yield descriptor, os.stat(f"{here}/fd/{descriptor}")
    except PermissionError:
        # A process that may not be looked into (PR_SET_DUMPABLE, or a program that it may not read) belongs
        # to root in /proc. One that merely is another user's, where we may not look, is not to blame.
        # Nor is one that has ended and was not reaped yet: it has no memory any more.
        with suppress(OSError):
            hides = (here / "fd").stat().st_uid == 0 and os.geteuid() != 0
            if hides and _field(pid, "status", "VmSize:"):
                yield "", None
    except OSError:  # it has ended
        return


def _blocks(here: int, left: list[int], depth: int) -> Iterator[int]:
    with os.scandir(here) as entries:
        for entry in entries:
            left[0] -= 1
            if left[0] < 0 or depth == 0:
                raise _Uncountable
            try:
                yield entry.stat(follow_symlinks=False).st_blocks * BLOCK
                is_folder = entry.is_dir(follow_symlinks=False)
            except OSError:  # it is gone
                continue
            if is_folder:
                yield from _blocks_below(entry.name, here, left, depth - 1)


def _blocks_below(name: str, here: int, left: list[int], depth: int) -> Iterator[int]:
    """Those of the folder `name` in `here`, which is opened first where it was closed to us."""
    try:
        if not os.access(name, os.R_OK | os.X_OK, dir_fd=here, effective_ids=True, follow_symlinks=False):
            unlock(name, here)
        with folder(name, inside=here) as inner:
            yield from _blocks(inner, left, depth)
    except PermissionError:
        raise _Uncountable from None
    except OSError:  # it is gone, or no folder any more
        return


def _exactly(pid: int) -> int:
    """Bytes of memory of a process, its share of what it shares; 0 when it cannot be looked into."""
    own = _field(pid, "smaps_rollup", "Pss:")
    return own and own + _field(pid, "status", *BESIDE)


def live(pid: int) -> Path:
    """Where a process is looked at: at a thread that lives, when its first one has ended before the others.

    Memory and descriptors are the process's, and Linux shows none of either at a thread that has ended.
    """
    first = PROC / str(pid)
    with suppress(OSError, IndexError):
        if (first / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] == "Z":
            return next((task for task in (first / "task").iterdir() if task.name != str(pid)), first)
    return first


def _field(pid: int, file: str, *names: str) -> int:
    """Bytes that a file of a process tells under these names."""
    try:
        lines = (PROC / str(pid) / file).read_text("ascii", "replace").splitlines()
        if file == "status" and not any(line.startswith("VmSize:") for line in lines):
            lines = (live(pid) / file).read_text("ascii", "replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(names))
