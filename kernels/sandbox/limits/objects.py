"""What the system itself holds in memory for a kernel, and counts as no process's.

    kept(pids, alone=True, passed=50 << 20, thorough=False)     # bytes, at most
    many(pids, alone=True)          # whether it is worth counting
    in_flight(pids, alone=True)     # whether open files are, or may be, on their way through a socket

What a socket or a pipe holds cannot be seen from outside, so each counts as if it were as full as it can be:
what it could hold is no more than that, whoever has closed its other end. `thorough` counts the locks of each
file and the areas of memory too. Counting costs 1 ms for a quiet kernel, 10 us an open file.
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
PIPE = 16 * PAGE  # bytes: as many pages as one has unless it is resized (pipe(7))
DESCRIPTOR = 1024  # bytes of an open file itself, with what it is of
# Bytes that stay with an open folder, for the names of a block of it, and with an open file of /proc, for as
# much of its text as its longest line: in /proc/PID/maps a path that is written four times as long.
TEXT = 32 * 1024
# What a file below fdinfo tells is one such line, of 60 bytes a lock, and it stays when the locks are gone. A
# million of them can be there before anybody looks. Nobody has such a file open for longer than to read it.
LONG_TEXT = 128 << 20
RECORD = 256  # bytes of a lock, a file that is watched, or an area of memory; Linux 6.18 takes 184 to 208
LINK = 64  # bytes by which an area of a forked process is linked to the same of each process before it
MANY = 200  # open files and sockets; a kernel that has imported pandas has 40
MOST_RECORDS = 200_000  # of one kernel that are read; one with more is not counted to the end
MOST_AREAS = 400_000  # of all processes; each may have 65,530, and one with pandas has 2,000
# An eighth is one kernel's of what the connections of the whole machine may hold (tcp_mem of tcp(7), udp_mem
# of udp(7)), whatever its memory is.
SHARE = 8
# What may be watched by all programs of one user (epoll(7)), which in A and B are all kernels and we: so many
# kernels can take their part of it, and leave half. Programs have some dozens; a few are always allowed.
WATCHERS, FEW_WATCHES = 1000, 2000
# In /proc/PID/net/sockstat: what kind, and how many. In fdinfo of a socket: open files in its queue.
IN_USE = re.compile(rb"^(\w+): \w+ ([0-9]+)", re.MULTILINE)
UNDER_WAY = re.compile(rb"^scm_fds:\s+([0-9]+)$", re.MULTILINE)
# In /proc/net/unix: of its columns the type, state (connecting) and inode (none) of a connection.
NOT_ACCEPTED = re.compile(rb"^\w+: \w+ \w+ \w+ \w+ \w+ +0( |$)", re.MULTILINE)


def kept(pids: list[int], *, alone: bool, passed: int, thorough: bool) -> int:
    """Bytes that the system may hold for the processes, of which the first is the init.

    `alone`: their network is their own, and all its sockets are theirs. An open file that is on its way
    through a socket counts as `passed` bytes, since nobody can see what it is. UNCOUNTABLE where they hide
    what they have open, or have more open files, locks, watches or areas than are counted, or could take more
    than their share of what the machine has for connections.
    """
    sockets: set[int] = set()
    pipes: set[tuple[int, int]] = set()
    descriptors = records = watches = under_way = texts = long_texts = 0
    areas, links = _areas(pids) if thorough else (0, 0)
    in_network = _in_network(pids[0]) if alone else {}
    if areas >= MOST_AREAS or _more_than_its_share(in_network):
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
                lines, watched = _lines(f"{told}/{name}", MOST_RECORDS - records)
                records, watches = records + lines, watches + watched
            if records >= MOST_RECORDS or watches > _most_watches():
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
    """Whether the processes have so much open that it may matter."""
    descriptors = max(_in_network(pids[0]).values(), default=0) if alone else 0
    for pid in pids[1:]:
        with suppress(OSError):
            descriptors += len(os.listdir(live(pid) / "fd"))
        if descriptors > MANY:
            return True
    return descriptors > MANY


def in_flight(pids: list[int], *, alone: bool) -> bool:
    """Whether the processes, of which the first is the init, may keep open files where nobody can count them.

    They are in the queue of a socket; in a network of its own it may be one of a connection that nobody has
    accepted. It is taken to be so of those that have more open files than can be looked at.
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
    """Bytes that one socket can hold at most: a buffer (socket(7)), and a message that began in its end.

    The policy lets a connection of the internet's kind hold as much in its two.
    """
    return 2 * max(_setting("core/wmem_default"), _setting("core/rmem_default"))


@cache
def _most_watches() -> int:
    watches = 1 << 20
    with suppress(OSError, ValueError):
        watches = int(Path("/proc/sys/fs/epoll/max_user_watches").read_text("ascii"))
    return max(FEW_WATCHES, watches // 2 // WATCHERS)


def _areas(pids: list[int]) -> tuple[int, int]:
    """Areas of memory of the processes, the init's not, and links from them to the processes before theirs.

    As many areas as are too many for those that take too long to tell.
    """
    areas, links, left = 0, 0, MOST_MAPS
    generations = _generations(pids)
    for pid in pids[1:]:
        for lines in pieces(f"{live(pid)}/maps"):
            left -= len(lines)
            found = lines.count(b"\n")
            areas, links = areas + found, links + found * generations[pid]
            if left < 0 or areas >= MOST_AREAS:
                return MOST_AREAS, links
    return areas, links


def _generations(pids: list[int]) -> dict[int, int]:
    """How many forks may lie between the init, which is the first, and each process.

    Of one whose parent has ended that is not known, but no more of them matter than there are processes.
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
    """Whether the sockets of one network could take too much of what the machine has for connections."""
    return any(
        sum(in_network.get(protocol + version, 0) for version in ("", "6")) > _most_of(protocol)
        for protocol in ("TCP", "UDP")  # each of the older and the newer internet, which share
    )


@cache
def _most_of(protocol: str) -> int:
    """How many sockets of TCP or UDP one kernel may have in a network of its own, if each is full."""
    most = 0
    with suppress(OSError, ValueError):
        told = Path(f"/proc/sys/net/ipv4/{protocol.lower()}_mem").read_text("ascii")
        most = int(told.split()[2]) * PAGE // SHARE // socket_size()
    return max(most, MANY)


def _setting(name: str) -> int:
    """One of the network's, in bytes; 208 KiB, as it is on all machines by default, where it is not told."""
    with suppress(OSError, ValueError):
        return int((Path("/proc/sys/net") / name).read_text("ascii"))
    return 212_992


def _in_network(pid: int) -> dict[str, int]:
    """The sockets of its network by kind, also those that nobody has accepted and those with bytes only."""
    found: dict[str, int] = {}
    for file in ("sockstat", "sockstat6"):
        for lines in pieces(f"{PROC}/{pid}/net/{file}"):
            found |= {kind.decode("ascii"): int(number) for kind, number in IN_USE.findall(lines)}
    return found


def _is_text(file: os.stat_result) -> bool:
    """Whether an open file may be one of /proc: on no disk, and without a size."""
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
    """Lines of what the system tells of an open file, one a lock or watch and some more; epoll's of them."""
    found = watched = 0
    for lines in pieces(path):
        found += lines.count(b"\n")
        watched += lines.count(b"tfd:")
        if found > most:
            break
    return found, watched
