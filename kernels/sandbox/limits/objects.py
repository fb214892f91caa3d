"""What Linux itself holds in memory for a kernel, without counting it as a process's.

    kept(pids, alone=True, passed=50 << 20, thorough=False)     # bytes, at most
    many(pids, alone=True)          # whether that is worth counting
    in_flight(pids, alone=True)     # whether open files are, or may be, on their way through a socket

What a socket or a pipe holds cannot be seen from outside, so each counts as if it were full, whoever has
closed its other end. `thorough` also counts the locks of each file and the areas of memory. Counting takes 1
ms for a quiet kernel, and 10 us for each open file.
"""

import os
import re
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

from kernels.inside.procfs import PROC, fields
from kernels.sandbox.limits.usage import MOST_MAPS, MOST_OPEN, UNCOUNTABLE, live, opened, pieces

__all__ = ["in_flight", "kept", "many", "socket_size"]

PAGE = os.sysconf("SC_PAGE_SIZE")
PIPE = 16 * PAGE  # bytes of a pipe that was not resized (pipe(7))
BUFFER = 212_992  # bytes of a socket's buffer, by default everywhere
DESCRIPTOR = 1024  # bytes of an open file itself, with its inode
# Bytes that stay with an open folder, for the names of one of its blocks, and with an open file of /proc, for
# its longest line: in /proc/PID/maps that is a path, written four times as long.
TEXT = 32 * 1024
# A file in fdinfo is one such line, with 60 bytes for each lock, and it stays when the locks are gone. A
# million locks can be there before anybody looks. Ordinary code opens such a file only to read it.
LONG_TEXT = 128 << 20
RECORD = 256  # bytes of a lock, a watched file, or an area of memory; 184 to 208 in Linux 6.18
LINK = 64  # bytes that link an area of a forked process to the same area of each of its ancestors
MANY = 200  # open files and sockets; a kernel with pandas has 40
MOST_RECORDS = 200_000  # of one kernel that are counted; with more it is ended
MOST_AREAS = 400_000  # of all processes together; one may have 65,530, and with pandas has 2,000
# One kernel may use an eighth of what the connections of the whole machine may hold (tcp_mem of tcp(7),
# udp_mem of udp(7)), whatever its memory limit is.
SHARE = 8
# Linux limits what all programs of one user together watch (epoll(7)); in tiers A and B those are all kernels
# and we. So many kernels can take their part of it, and leave a half. Programs watch some dozens of files; a
# few are always allowed.
WATCHERS, FEW_WATCHES = 1000, 2000
# In /proc/PID/net/sockstat: a kind, and how many. In fdinfo of a socket: the open files in its queue.
IN_USE = re.compile(rb"^(\w+): \w+ ([0-9]+)", re.MULTILINE)
UNDER_WAY = re.compile(rb"^scm_fds:\s+([0-9]+)$", re.MULTILINE)
# In /proc/net/unix: the columns for the type, state (connecting) and inode (none) of a connection.
NOT_ACCEPTED = re.compile(rb"^\w+: \w+ \w+ \w+ \w+ \w+ +0( |$)", re.MULTILINE)


def kept(
    pids: list[int],
    *,
    alone: bool,
    passed: int,
    thorough: bool,
    most_records: int = MOST_RECORDS,
    most_areas: int = MOST_AREAS,
) -> int:
    """Bytes that Linux may hold for the processes, of which the first is the init.

    `alone`: they have a network of their own, so all its sockets are theirs. An open file on its way through
    a socket counts as `passed` bytes, since nobody can see what it is. UNCOUNTABLE if they hide their open
    files, if they have more open files, locks and watches (`most_records`) or areas (`most_areas`) than are
    counted, or if they could use more than their share of what the machine has for connections.
    """
    sockets: set[int] = set()
    pipes: set[tuple[int, int]] = set()
    descriptors = records = watches = under_way = texts = long_texts = 0
    areas, links = _areas(pids, most_areas) if thorough else (0, 0)
    in_network = _in_network(pids[0]) if alone else {}
    if areas >= most_areas or _more_than_its_share(in_network):
        return UNCOUNTABLE
    for pid in pids[1:]:
        here = live(pid)
        told = f"{here}/fdinfo"
        for name, file in opened(pid):
            descriptors += 1
            if file is None or descriptors > MOST_OPEN:
                return UNCOUNTABLE
            kind = stat.S_IFMT(file.st_mode)
            if kind == stat.S_IFDIR or _is_text(file):
                texts += 1
                long_texts += kind == stat.S_IFREG and _is_long(f"{here}/fd/{name}")
            if kind == stat.S_IFSOCK and file.st_ino not in sockets:
                sockets.add(file.st_ino)
                under_way += _under_way(f"{told}/{name}")
            elif kind == stat.S_IFIFO:
                pipes.add((file.st_dev, file.st_ino))
            elif kind == 0 or (thorough and kind == stat.S_IFREG):  # epoll has no kind
                lines, watched = _lines(f"{told}/{name}", most_records - records)
                records, watches = records + lines, watches + watched
            if records >= most_records or watches > _most_watches():
                return UNCOUNTABLE
    number = max(len(sockets), in_network.get("sockets", 0))
    counted = (
        (socket_size(), number),
        (PIPE, len(pipes)),
        (passed, under_way),
        (TEXT, texts),
        (LONG_TEXT, max(0, long_texts - 1)),
    )
    return (
        sum(size * times for size, times in counted)
        + descriptors * DESCRIPTOR
        + (records + areas) * RECORD
        + links * LINK
    )


def many(pids: list[int], *, alone: bool) -> bool:
    """Whether the processes have so many open files that their size may matter."""
    descriptors = max(_in_network(pids[0]).values(), default=0) if alone else 0
    for pid in pids[1:]:
        with suppress(OSError):
            descriptors += len(os.listdir(live(pid) / "fd"))
        if descriptors > MANY:
            return True
    return descriptors > MANY


def in_flight(pids: list[int], *, alone: bool) -> bool:
    """Whether the processes, of which the first is the init, may keep open files where nobody can count them.

    Those are in the queue of a socket, in a network of its own also of a connection that nobody has accepted.
    Processes with more open files than we look at are assumed to do so.
    """
    left = MOST_OPEN
    if alone and any(NOT_ACCEPTED.search(lines) for lines in pieces(f"{PROC}/{pids[0]}/net/unix")):
        return True
    for pid in pids[1:]:
        told = f"{live(pid)}/fdinfo"
        for name, file in opened(pid):
            left -= 1
            under_way = file is not None and stat.S_ISSOCK(file.st_mode) and _under_way(f"{told}/{name}")
            if left < 0 or under_way:
                return True
    return False


@cache
def socket_size() -> int:
    """The most bytes that one socket can hold: a buffer (socket(7)), and a message that begins at its end.

    The policy lets an internet connection hold as much in its two buffers.
    """
    return 2 * max(_setting(f"net/core/{kind}_default", BUFFER) for kind in ("wmem", "rmem"))


@cache
def _most_watches() -> int:
    return max(FEW_WATCHES, _setting("fs/epoll/max_user_watches", 1 << 20) // 2 // WATCHERS)


def _areas(pids: list[int], most: int = MOST_AREAS) -> tuple[int, int]:
    """Areas of memory of the processes but the init, and the links from them to areas of their ancestors.

    `most`, which are too many, if they take too long to read.
    """
    areas, links, left = 0, 0, MOST_MAPS
    generations = _generations(pids)
    for pid in pids[1:]:
        for lines in pieces(f"{live(pid)}/maps"):
            left -= len(lines)
            found = lines.count(b"\n")
            areas, links = areas + found, links + found * generations[pid]
            if left < 0 or areas >= most:
                return most, links
    return areas, links


def _generations(pids: list[int]) -> dict[int, int]:
    """How many forks may lie between the init, which comes first, and each process.

    For a process whose parent has ended that is unknown, and taken to be the number of processes.
    """
    init, *others = pids
    found = {init: 0}
    for pid in others:
        parent = 0
        with suppress(OSError, IndexError, ValueError):
            parent = int(fields(PROC / str(pid) / "stat")[1])
        orphan = parent not in found or (parent == init and pid != others[0])
        found[pid] = len(others) if orphan else found[parent] + 1
    return found


def _more_than_its_share(in_network: dict[str, int]) -> bool:
    """Whether the sockets of one network could use too much of what the machine has for connections."""
    return any(
        sum(in_network.get(protocol + version, 0) for version in ("", "6")) > _most_of(protocol)
        for protocol in ("TCP", "UDP")  # of which versions 4 and 6 share the memory
    )


@cache
def _most_of(protocol: str, *, page: int = PAGE) -> int:
    """How many sockets of TCP or UDP one kernel may have in a network of its own, as if all were full."""
    pages = _setting(f"net/ipv4/{protocol.lower()}_mem", 0)
    return max(pages * page // SHARE // socket_size(), MANY)


def _setting(name: str, otherwise: int) -> int:
    """A setting of the machine, of several numbers the last; `otherwise` if it cannot be read."""
    with suppress(OSError, ValueError, IndexError):
        return int((Path("/proc/sys") / name).read_text("ascii").split()[-1])
    return otherwise


def _in_network(pid: int) -> dict[str, int]:
    """The number of sockets in its network by kind, those included that no process has open."""
    found: dict[str, int] = {}
    for file in ("sockstat", "sockstat6"):
        for lines in pieces(f"{PROC}/{pid}/net/{file}"):
            found |= {kind.decode("ascii"): int(number) for kind, number in IN_USE.findall(lines)}
    return found


def _is_text(file: os.stat_result) -> bool:
    """Whether an open file may be one of /proc: it is on no disk, and has no size."""
    return stat.S_ISREG(file.st_mode) and file.st_blocks == 0 and os.major(file.st_dev) == 0


def _is_long(link: str) -> bool:
    with suppress(OSError):  # closed meanwhile
        return "/fdinfo/" in os.readlink(link)
    return False


def _under_way(path: str) -> int:
    """How many open files are in the queue of a socket."""
    found = UNDER_WAY.search(b"".join(pieces(path)))
    return int(found[1]) if found else 0


def _lines(path: str, most: int) -> tuple[int, int]:
    """The lines of a file in fdinfo, one for each lock or watch and a few more; how many are watches."""
    found = watched = 0
    for lines in pieces(path):
        found += lines.count(b"\n")
        watched += lines.count(b"tfd:")
        if found > most:
            break
    return found, watched
