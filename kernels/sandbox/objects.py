"""What the system itself holds in memory for a kernel, and counts as no process's.

    kept(pids, alone=True, passed=50 << 20, thorough=False)     # bytes, at most
    many(pids, alone=True)          # whether it is worth counting
    in_flight(pids)                 # whether open files are on their way through a socket

What a socket or a pipe holds cannot be seen from outside, so each counts as if it were as full as it can be:
what it could hold is no more than that, whoever has closed its other end. `thorough` counts the locks of each
file and the areas of memory too. Counting costs 1 ms for a quiet kernel, 10 us an open file.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from kernels.sandbox.usage import PROC, UNCOUNTABLE, live, opened

__all__ = ["in_flight", "kept", "many", "socket_size"]

PIPE = 16 * os.sysconf("SC_PAGE_SIZE")  # bytes: as many pages as one has unless it is resized (pipe(7))
DESCRIPTOR = 1024  # bytes of an open file itself, with what it is of
RECORD = 256  # bytes of a lock, a file that is watched, or an area of memory; Linux 6.18 takes 184 to 208
MANY = 200  # open files and sockets; a kernel that has imported pandas has 40
MOST_DESCRIPTORS = 20_000  # of one kernel that are counted: 200 for each of its 96 processes
MOST_RECORDS = 200_000  # of one kernel that are read; one with more is not counted to the end
MOST_AREAS = 400_000  # of all processes; each may have 65,530, and one with pandas has 2,000
SHARE = 8  # an eighth of what may be watched by all programs of one user (epoll(7)) is one kernel's
SOCKETS = "sockets: used"
PIECE = 1 << 16  # bytes that are read at a time


def kept(pids: list[int], *, alone: bool, passed: int, thorough: bool) -> int:
    """Bytes that the system may hold for the processes, of which the first is the init.

    `alone`: their network is their own, and all its sockets are theirs. An open file that is on its way
    through a socket counts as `passed` bytes, since nobody can see what it is. UNCOUNTABLE where they hide
    what they have open, or have more open files, locks, watches or areas than are counted.
    """
    sockets: set[int] = set()
    pipes: set[tuple[int, int]] = set()
    descriptors = records = under_way = areas = 0
    for pid in pids[1:]:
        here = live(pid)
        told = f"{here}/fdinfo"
        areas += _lines(f"{here}/maps", MOST_AREAS - areas) if thorough else 0
        for name, file in opened(pid):
            descriptors += 1
            if file is None or descriptors > MOST_DESCRIPTORS:
                return UNCOUNTABLE
            kind = stat.S_IFMT(file.st_mode)
            if kind == stat.S_IFSOCK:
                sockets.add(file.st_ino)
                under_way += _under_way(f"{told}/{name}")
            elif kind == stat.S_IFIFO:
                pipes.add((file.st_dev, file.st_ino))
            elif kind == 0 or (thorough and kind == stat.S_IFREG):  # epoll has no kind
                records += _lines(f"{told}/{name}", _most_records() - records)
            if records >= _most_records():
                return UNCOUNTABLE
        if areas >= MOST_AREAS:
            return UNCOUNTABLE
    number = max(len(sockets), _in_network(pids[0]) if alone else 0)
    counted = {socket_size(): number, PIPE: len(pipes), passed: under_way}
    return (
        sum(size * times for size, times in counted.items())
        + descriptors * DESCRIPTOR
        + (records + areas) * RECORD
    )


def many(pids: list[int], *, alone: bool) -> bool:
    """Whether the processes have so much open that it may matter."""
    descriptors = 0
    for pid in pids[1:]:
        with suppress(OSError):
            descriptors += len(os.listdir(live(pid) / "fd"))
    return max(descriptors, _in_network(pids[0]) if alone else 0) > MANY


def in_flight(pids: list[int]) -> bool:
    """Whether the processes keep open files in the queue of a socket, where nobody can count them."""
    return any(
        _under_way(f"{live(pid)}/fdinfo/{name}")
        for pid in pids
        for name, file in opened(pid)
        if file is not None and stat.S_ISSOCK(file.st_mode)
    )


@cache
def socket_size() -> int:
    """Bytes that one socket can hold at most: a buffer (socket(7)), and a message that began in its end.

    The policy lets a connection of the internet's kind hold as much in its two.
    """
    return 2 * max(_setting("core/wmem_default"), _setting("core/rmem_default"))


@cache
def _most_records() -> int:
    watches = 1 << 20
    with suppress(OSError, ValueError):
        watches = int(Path("/proc/sys/fs/epoll/max_user_watches").read_text("ascii"))
    return min(MOST_RECORDS, watches // SHARE)


def _setting(name: str) -> int:
    """One of the network's, in bytes; 208 KiB, as it is on all machines by default, where it is not told."""
    with suppress(OSError, ValueError):
        return int((Path("/proc/sys/net") / name).read_text("ascii"))
    return 212_992


def _in_network(pid: int) -> int:
    """The sockets of its network: those too that nobody has accepted, or of which only bytes are left."""
    with suppress(OSError, StopIteration):
        lines = (PROC / str(pid) / "net" / "sockstat").read_text("ascii").splitlines()
        return int(next(line for line in lines if line.startswith(SOCKETS)).split()[2])
    return 0


def _under_way(path: str) -> int:
    """How many open files are in the queue of a socket."""
    for line in b"".join(_read(path)).splitlines():
        if line.startswith(b"scm_fds:"):
            return int(line.split()[1])
    return 0


def _lines(path: str, most: int) -> int:
    """Lines of what the system tells of an open file: one for each lock or watch, and a few more."""
    found = 0
    for piece in _read(path):
        found += piece.count(b"\n")
        if found > most:
            break
    return found


def _read(path: str) -> Iterator[bytes]:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a third of the time that a file object takes
        try:
            while piece := os.read(descriptor, PIECE):
                yield piece
        finally:
            os.close(descriptor)
