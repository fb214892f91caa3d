"""What a kernel uses, counted from outside, although it may do its best not to be counted.

    size(workspace)                     # bytes on the disk; UNCOUNTABLE if it is made to be uncountable
    pids = tree(init)                   # of `kernels.inside.procfs`: of the kernel, its init first
    hidden(pids[1:], [workspace], mapped=False)     # bytes of files without a name that they hold open
    memory(pids), exactly(memory), threads(pids)

Counting takes 0.1 ms for a quiet kernel; `mapped` also reads each process's maps, 1 ms a process. Whatever a
kernel does, there is a limit on what is read at one look.
"""

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from kernels.inside.procfs import PROC, fields, sizes
from kernels.limits import DEEPEST, MOST_ENTRIES
from kernels.workspace.safe_open import folder, unlock

BLOCK = 512  # bytes that st_blocks counts in
MOST_OPEN = 20_000  # open files of one kernel that are looked at, in 0.1 s: 200 for each process
# Bytes of /proc/PID/maps of one kernel that are read at one look, in 0.2 s; a process with pandas has 150 KB.
# One area can have 4 KiB, since its line has the file's path.
MOST_MAPS = 16 << 20
MOST_NAMELESS = 1000  # mapped files without a name that are looked at
UNSEEN = 4  # of them that we may not look at, and that may be larger than their mapped parts
PIECE = 1 << 16  # bytes that are read at a time
UNCOUNTABLE = 1 << 62
CROWDED = UNCOUNTABLE << 1  # likewise, for a process with more areas of memory than MOST_AREAS
# Areas of memory of one process: Linux allows 65,530, and each change to all of them locks the memory for
# 0.1 s. A process with pandas, scipy and scikit-learn has 2,000, and each thread three more.
MOST_AREAS = 8192
BESIDE = b"VmPTE", b"VmSwap"  # memory that is not resident: page tables, and what was swapped out
# A file that was deleted, in /proc/PID/maps: its range, offset, device, inode and path.
DELETED = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) (\S+) ([0-9]+) +(/.*) \(deleted\)$",
    re.MULTILINE,
)


class _Uncountable(Exception):
    pass


def size(workspace: Path, *, most_entries: int = MOST_ENTRIES) -> int:
    """Bytes on the disk in the workspace; 0 if it is being removed. With more entries it is UNCOUNTABLE."""
    try:
        unlock(workspace)
        with folder(workspace) as top:
            return sum(_blocks(top, [most_entries], DEEPEST))
    except _Uncountable:
        return UNCOUNTABLE
    except OSError:
        return 0


def owned(uid: int) -> Iterator[int]:
    """All processes of a user that we can see."""
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


def memory(pids: Iterable[int]) -> dict[int, int]:
    """Bytes of each process, with page tables and swap; what several share counts for each of them."""
    return {pid: _field(pid, "status", b"RssAnon", b"RssShmem", *BESIDE) for pid in pids}


def exactly(held: Mapping[int, int]) -> int:
    """Bytes that the processes of `memory` have together; this takes 0.02 ms for each MiB."""
    return sum(_exactly(pid, rough) for pid, rough in held.items())


def hidden(pids: Iterable[int], places: Sequence[Path], *, mapped: bool, doubt: bool = True) -> int:
    """Bytes of the files that the processes hold open or run, and that have no name.

    With `mapped`, also of the files that they have mapped, and of their working folders: a deleted folder
    keeps the room for all names that it ever had.

    `places` are the workspace's paths, outside and inside. A deleted program or library from elsewhere is not
    the person's: an upgrade deleted it.

    CROWDED if a process has too many areas of memory, which only `mapped` finds out. UNCOUNTABLE if a process
    lets nobody look, or there is more than can be looked at. Without root we cannot see the size of a file
    that is only mapped, so its mapped part counts; no more than 4 such files are accepted, and none without
    `doubt`. Without `doubt`, a deleted file on the disk of the first of `places` is not accepted either: it
    keeps the folders above it on the disk, deleted ones too, which nobody can see.
    """
    files: dict[tuple[int, int], int] = {}
    below = tuple(os.fsencode(os.path.realpath(place)) + b"/" for place in places)
    left = MOST_OPEN
    for pid in pids:
        for found in _held(pid, below, folders=mapped):
            left -= 1
            if found is None or left < 0:
                return UNCOUNTABLE
            if found.st_nlink == 0:
                files[found.st_dev, found.st_ino] = found.st_blocks * BLOCK
    known = {inode for _, inode in files}
    held = sum(files.values()) + (_mapped(pids, below, known, doubt=doubt) if mapped else 0)
    if not doubt and files and _device(places) in {device for device, _ in files}:
        return UNCOUNTABLE
    return held


def _held(pid: int, below: tuple[bytes, ...], *, folders: bool) -> Iterator[os.stat_result | None]:
    """What a process has open, its program if that is the person's, and with `folders` where it works."""
    with suppress(OSError):  # it has ended, or may not be looked into, which `opened` tells
        if _leads_below(program := f"{live(pid)}/exe", below):
            yield os.stat(program)
    with suppress(OSError):
        for task in os.listdir(f"{PROC}/{pid}/task") if folders else ():  # each thread can have its own
            with suppress(OSError):
                yield os.stat(f"{PROC}/{pid}/task/{task}/cwd")
    yield from (found for _, found in opened(pid))


def _device(places: Sequence[Path]) -> int | None:
    """The device number of the first of the places."""
    with suppress(OSError):  # it is being removed
        return os.stat(places[0]).st_dev
    return None


def _leads_below(link: str, below: tuple[bytes, ...]) -> bool:
    """Whether a link of /proc leads there; one that is too long to be read does, since no system has such."""
    try:
        return os.fsencode(os.readlink(link)).startswith(below)
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG


def _mapped(pids: Iterable[int], below: tuple[bytes, ...], known: set[int], *, doubt: bool) -> int:
    """Bytes of the mapped files without a name, except those with a known inode."""
    sizes: dict[tuple[bytes, bytes], int] = {}  # by device and inode, as maps tells them
    unseen: dict[tuple[bytes, bytes], int] = {}
    left = MOST_MAPS
    for pid in pids:
        areas = 0
        for lines in pieces(f"{live(pid)}/maps"):
            left -= len(lines)
            areas += lines.count(b"\n")
            if areas > MOST_AREAS:
                return CROWDED
            if left < 0:
                return UNCOUNTABLE
            for start, end, offset, *file, path in DELETED.findall(lines) if b" (deleted)\n" in lines else ():
                place, most = (file[0], file[1]), int(offset, 16) + int(end, 16) - int(start, 16)
                if place in unseen:
                    unseen[place] = max(unseen[place], most)
                elif path.startswith(below) and place not in sizes and int(file[1]) not in known:
                    try:
                        found = os.stat(f"{PROC}/{pid}/map_files/{int(start, 16):x}-{int(end, 16):x}")
                        sizes[place] = 0 if found.st_nlink else found.st_blocks * BLOCK
                    except OSError:  # only root may look, and not where a first thread has ended
                        unseen[place] = most
            if len(sizes) + len(unseen) > MOST_NAMELESS or len(unseen) > (UNSEEN if doubt else 0):
                return UNCOUNTABLE
    return sum(sizes.values()) + sum(unseen.values())


def pieces(path: str) -> Iterator[bytes]:
    """The whole lines of a file of /proc, some at a time; none if it is gone."""
    rest = b""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a file object takes three times as long
        try:
            while piece := os.read(descriptor, PIECE):
                lines, end, rest = (rest + piece).rpartition(b"\n")
                yield lines + end
        finally:
            os.close(descriptor)
    if rest:
        yield rest


def opened(pid: int) -> Iterator[tuple[str, os.stat_result | None]]:
    """The descriptors of a process, as names, each with its file; None for a file says that it hides them."""
    here = live(pid)
    try:
        for descriptor in os.listdir(here / "fd"):
            with suppress(OSError):  # closed meanwhile
                yield descriptor, os.stat(f"{here}/fd/{descriptor}")
    except PermissionError:
        # A process that nobody may look into (PR_SET_DUMPABLE, or a program that it may not read) belongs to
        # root in /proc. One of another user, which we may not look into, is not to blame. Nor is one that has
        # ended and was not reaped: it has no memory any more.
        with suppress(OSError):
            hides = (here / "fd").stat().st_uid == 0 and os.geteuid() != 0
            if hides and _field(pid, "status", b"VmSize"):
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
    """As `_blocks`, of the folder `name` in `here`, which is made accessible first if it is not."""
    try:
        if not os.access(name, os.R_OK | os.X_OK, dir_fd=here, effective_ids=True, follow_symlinks=False):
            unlock(name, here)
        with folder(name, inside=here) as inner:
            yield from _blocks(inner, left, depth)
    except PermissionError:
        raise _Uncountable from None
    except OSError:  # it is gone, or no folder any more
        return


def _exactly(pid: int, rough: int) -> int:
    """Bytes of memory of a process, with its part of shared memory; `rough` if it lets nobody look."""
    own = _field(pid, "smaps_rollup", b"Pss")
    if own:
        return own + _field(pid, "status", *BESIDE)
    return rough if _field(pid, "status", b"VmSize") else 0  # it has ended since


def live(pid: int) -> Path:
    """Where in /proc to look at a process: at a living thread, if the first one has ended before the others.

    Memory and descriptors are the process's, but Linux does not show them for a thread that has ended.
    """
    first = PROC / str(pid)
    with suppress(OSError):
        if fields(first / "stat")[:1] == [b"Z"]:
            return next((task for task in (first / "task").iterdir() if task.name != str(pid)), first)
    return first


def _field(pid: int, file: str, *names: bytes) -> int:
    """The sum in bytes of these fields of a process's file."""
    try:
        told = sizes(PROC / str(pid) / file)
        if file == "status" and b"VmSize" not in told:
            told = sizes(live(pid) / file)
    except OSError:
        return 0
    return sum(told.get(name, 0) for name in names)
