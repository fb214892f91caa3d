"""Which system calls a kernel may not make, each with its reason, and the filter for them.

    program = assemble(counted=True)        # classic BPF, as prctl(PR_SET_SECCOMP) takes it

A deny-list: what is not named here is allowed, since we cannot know what people's libraries call, and the
namespaces and the user without rights hold in any case. The filter keeps Linux's attack surface small and
closes what namespaces leave open. x86-64 only. `kernels.sandbox.calls` has the calls that are answered by
their number alone; this module adds those that depend on their arguments. Filter format:
https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html
"""

import errno
import platform
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

from kernels.errors import SandboxUnavailable
from kernels.sandbox import calls

__all__ = ["assemble"]

SOCKET, SOCKETPAIR, CLONE, IOCTL, PERSONALITY, MKNOD, MKNODAT = 41, 53, 56, 16, 135, 133, 259
PRCTL, FCNTL, SETSOCKOPT, MMAP, CLOSE_RANGE = 157, 72, 54, 9, 436
SETRLIMIT, PRLIMIT = 160, 302
MADVISE, PREADV2, PWRITEV2 = 28, 327, 328
COLD, PAGEOUT = 20, 21  # of madvise: takes memory that is shared from others too
# Of madvise, pretended to be done: each changes a flag of every area of memory in a range, and the process's
# memory is locked meanwhile. Many threads that do so without end keep whatever waits for that memory, and
# with it the lock of a folder, for seconds. They are hints (NORMAL, RANDOM, SEQUENTIAL, NOHUGEPAGE), about
# what a fork or a core file has of an area (DONTFORK, DOFORK, KEEPONFORK, DONTDUMP, DODUMP), or would share
# memory with others (MERGEABLE, UNMERGEABLE).
FLAGGING = (0, 1, 2, 15, 10, 11, 19, 16, 17, 12, 13)
NO_WAIT, DONT_KEEP = 0x8, 0x80  # RWF_NOWAIT and RWF_DONTCACHE: tell, and change, what is in memory of a file
SOL_SOCKET = 1
# Options of a socket that are pretended to be set: SO_LINGER, since the last one to close a connection waits,
# which is us where it was sent to us; and the sizes of its buffers, SO_SNDBUF, SO_RCVBUF and the two that
# force them, which are memory that Linux counts for nobody (`kernels.sandbox.limits.objects` goes by the
# default).
PRETENDED_OPTIONS = (13, 7, 8, 32, 33)
ATTACH = (26, 50, 51, 52)  # SO_ATTACH_FILTER, _BPF, and the two of SO_REUSEPORT: programs in the kernel
# Of fcntl: F_SETLEASE and F_SETDELEG make every other opener of a file wait, F_NOTIFY watches a folder.
SETLEASE, SETDELEG, NOTIFY = 1024, 1040, 1026
SETPIPE_SZ = 1031  # likewise: a pipe of up to 1 MiB, which Linux counts for nobody
NO_SHARED_TABLE = 2  # CLOSE_RANGE_UNSHARE: descriptors of one thread alone, where nobody looks
CLONE_THREAD, CLONE_FILES = 0x10000, 0x400  # a thread without the descriptors of the others: likewise
MAP_TYPE, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_ANONYMOUS = 0xF, 1, 3, 0x20
HINTS = (1036, 1038)  # likewise: F_SET_RW_HINT changes a file that is open for reading only
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
# Of the internet's sockets (ICMP, TCP, UDP, ICMPv6, and the default): others take from the same memory of the
# machine and are counted nowhere (UDP-Lite, MPTCP), or have the machine load a module.
PROTOCOLS = (0, 1, 6, 17, 58)
ROUTE = 0  # of netlink: the own interfaces and addresses; others tell of the machine's devices and programs
KIND, STREAM, SEQPACKET = 0xF, 1, 5  # of a socket, without its flags
NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag that clone(2) takes
# Type into, or read, a terminal that is not one's own; or have the machine load a module for one's own.
TIOCSTI, TIOCLINUX, TIOCSETD = 0x5412, 0x541C, 0x5423
# By the second byte of ioctl's request. What file systems do to a file that is open for reading only: flags,
# version, encryption, verity (f, v). Keys stay in the system when a kernel has ended, and a folder whose key
# is gone cannot be removed as others are. Taking room on the disk that nothing is written to, which no limit
# on a file's size holds, and the hints by which one byte takes it (X, of XFS and others); what btrfs has of
# its own (0x94).
OF_FILE_SYSTEMS = (0x6600, 0x7600, 0x5800, 0x9400)
OF_SOCKETS = 0x8900  # where it is not alone: the machine's interfaces and addresses, which any socket tells
KIND_OF_REQUEST = 0xFF00
SET_DUMPABLE = 4  # hides memory and descriptors from the watchdog, where it is not root
# RLIMIT_CORE, pretended to be set: the program that the machine may run for a crash (core_pattern), as root
# and in no group, is not run for a limit of 1, which `kernels.sandbox.policy` sets; for 0 it is.
CORE = 4
# Of prctl, answered as by a system without them: the older way to a filter, of which ours is the last, and a
# table of futexes of a process's own, of any size, that counts as nobody's memory.
# Names for areas of memory, which are set like the flags above. Sharing equal pages with other programs, as
# MERGEABLE above: whoever writes to a page can tell from the time whether somebody has an equal one. And a
# mark for the scheduler, which then keeps the other half of a processor's core idle for everybody else.
ABSENT = (22, 78, 0x53564D41, 67, 62)  # SET_SECCOMP, FUTEX_HASH, SET_VMA, SET_MEMORY_MERGE, SCHED_CORE
FILE_TYPE, DEVICES = 0o170000, (0o020000, 0o060000)  # S_IFMT; S_IFCHR, S_IFBLK

AUDIT_ARCH_X86_64 = 0xC000003E
X32 = 0x40000000  # the other way to call a 64-bit kernel has numbers of its own, from here on
# There is no killing: each would be an entry in the machine's audit log, which people's code could flood.
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction; a jump skips `then` or `otherwise` steps."""

    code: int
    value: int
    then: int = 0
    otherwise: int = 0


ALLOWED, OTHER_CALLS = _Step(RETURN, ALLOW), _Step(LOAD, NUMBER)


def assemble(*, alone: bool = True, network: bool = False, counted: bool = True) -> bytes:
    """The filter. `alone`: namespaces hide the machine's processes, sockets and network from it.

    Otherwise internet sockets need `network`, and other sockets can only be made in pairs. `counted`: a
    control group counts its memory; without one it cannot have shared memory without a name.

    Raises: SandboxUnavailable on a processor other than x86-64.
    """
    if platform.machine() != "x86_64":
        raise SandboxUnavailable("the system call filter is written for x86-64 only")
    return _assembled(alone, network, counted)


@cache  # it takes 1 ms, and is the same for nearly every kernel
def _assembled(alone: bool, network: bool, counted: bool) -> bytes:
    families = [*([UNIX] if alone else []), *([INET, INET6, NETLINK] if alone or network else [])]
    # Its own answer, the one that libzmq takes for "no interfaces" and does not end the process at.
    no_netlink = [] if NETLINK in families else [_argument(0), *_refuse([NETLINK], errno.EINVAL)]
    closed = OF_FILE_SYSTEMS if alone or network else (*OF_FILE_SYSTEMS, OF_SOCKETS)
    by_kind = [_Step(AND, KIND_OF_REQUEST), *_refuse(closed, errno.ENOTTY)]
    protocols = {INET: PROTOCOLS, INET6: PROTOCOLS, NETLINK: (ROUTE,)}
    by_family = [
        _when(family, _unless_one_of(2, known, errno.EPROTONOSUPPORT)) for family, known in protocols.items()
    ]
    of_family = [_argument(0), *chain.from_iterable(by_family)]
    uncached = _if_any_bit(5, NO_WAIT | DONT_KEEP, errno.EOPNOTSUPP)
    # The options of protocols may be set.
    of_socket = [_argument(1), _Step(EQUAL, SOL_SOCKET, then=1), ALLOWED]
    lone = [_Step(AND, CLONE_THREAD | CLONE_FILES), *_refuse([CLONE_THREAD], errno.EPERM)]
    steps = [
        _Step(LOAD, ARCHITECTURE),
        _Step(EQUAL, AUDIT_ARCH_X86_64, then=1),
        _refusal(errno.ENOSYS),
        _Step(LOAD, NUMBER),
        _Step(AT_LEAST, X32, otherwise=1),
        _refusal(errno.ENOSYS),
        *_refuse(calls.DENIED.values(), errno.EPERM),
        *_refuse(calls.UNKNOWN.values(), errno.ENOSYS),
        *_refuse(calls.UNSUPPORTED.values(), errno.EOPNOTSUPP),
        *_refuse(calls.IGNORED.values(), 0),
        *_no_core(),
        *([] if counted else _uncounted()),
        *([] if alone else _sharing(network=network)),
        *_when(SOCKET, [*no_netlink, *_unless_one_of(0, families, errno.EAFNOSUPPORT), *of_family]),
        *_when(SOCKETPAIR, _unless_one_of(0, [UNIX], errno.EAFNOSUPPORT)),
        *_when(CLONE, [*_if_any_bit(0, NEW_NAMESPACES, errno.EPERM), *lone]),
        *_when(CLOSE_RANGE, _if_any_bit(2, NO_SHARED_TABLE, errno.EPERM)),
        *_when(SETSOCKOPT, [*of_socket, *_if_one_of(2, PRETENDED_OPTIONS, 0), *_refuse(ATTACH, errno.EPERM)]),
        *_when(FCNTL, _if_one_of(1, [SETLEASE, SETDELEG, NOTIFY, SETPIPE_SZ, *HINTS], errno.EPERM)),
        *_when(IOCTL, [*_if_one_of(1, [TIOCSTI, TIOCLINUX, TIOCSETD], errno.EPERM), *by_kind]),
        *_when(MADVISE, _if_one_of(2, [COLD, PAGEOUT, *FLAGGING], 0)),
        *_when(PREADV2, uncached),
        *_when(PWRITEV2, uncached),
        *_when(PRCTL, [*_if_one_of(0, [SET_DUMPABLE], errno.EPERM), *_refuse(ABSENT, errno.EINVAL)]),
        *_when(PERSONALITY, _unless_one_of(0, [0, 0xFFFFFFFF], errno.EPERM)),
        *_when(MKNOD, [_argument(1), _Step(AND, FILE_TYPE), *_refuse(DEVICES, errno.EPERM)]),
        *_when(MKNODAT, [_argument(2), _Step(AND, FILE_TYPE), *_refuse(DEVICES, errno.EPERM)]),
        ALLOWED,
    ]
    return b"".join(struct.pack("=HBBI", step.code, step.then, step.otherwise, step.value) for step in steps)


def _no_core() -> Iterable[_Step]:
    """Pretend to set RLIMIT_CORE, by either call; reading it is allowed."""
    of_core, above = _Step(EQUAL, CORE, otherwise=1), ARGUMENTS + 8 * 2 + 4
    yield from _when(SETRLIMIT, [_argument(0), of_core, _refusal(0)], after=OTHER_CALLS)
    pointed = [_argument(2), _Step(EQUAL, 0, then=1), _refusal(0)]
    pointed += [_Step(LOAD, above), _Step(EQUAL, 0, then=1), _refusal(0)]
    of_core = replace(of_core, otherwise=len(pointed))
    yield from _when(PRLIMIT, [_argument(1), of_core, *pointed], after=OTHER_CALLS)


def _uncounted() -> Iterable[_Step]:
    """What else is refused without a control group."""
    yield from _refuse(calls.UNCOUNTED.values(), errno.ENOSYS)
    # Shared memory without a name stays when everything but its first page is unmapped.
    shared = [_Step(AND, MAP_TYPE | MAP_ANONYMOUS)]
    kinds = [MAP_SHARED | MAP_ANONYMOUS, MAP_SHARED_VALIDATE | MAP_ANONYMOUS]
    yield from _when(MMAP, [_argument(3), *shared, *_refuse(kinds, errno.EPERM)])


def _sharing(*, network: bool) -> Iterable[_Step]:
    """What else is refused if a kernel is not alone."""
    left_open = calls.FOR_NETWORK if network else ()
    yield from _refuse([call for name, call in calls.SHARING.items() if name not in left_open], errno.EPERM)
    yield from _refuse(calls.ATTRIBUTES.values(), errno.ENOTSUP)
    yield from _refuse(calls.PRETENDED.values(), 0)
    for call, number in calls.ABOUT_ITSELF.values():
        yield from _when(call, _unless_one_of(0, [0], number))
    # A datagram socket of a pair can send to any path; a stream's other end is fixed.
    kinds = [_Step(EQUAL, kind, then=2 - place) for place, kind in enumerate((STREAM, SEQPACKET))]
    pair = [_argument(1), _Step(AND, KIND), *kinds, _refusal(errno.EPROTONOSUPPORT)]
    yield from _when(SOCKETPAIR, [*pair, *_unless_one_of(0, [UNIX], errno.EAFNOSUPPORT)])


def _refusal(number: int) -> _Step:
    return _Step(RETURN, ERRNO | number)


def _refuse(values: Iterable[int], number: int) -> list[_Step]:
    """Answer these values of what is loaded with an error, or for 0 as if the call had been made."""
    return [step for value in values for step in (_Step(EQUAL, value, otherwise=1), _refusal(number))]


def _when(value: int, steps: list[_Step], *, after: _Step = ALLOWED) -> list[_Step]:
    """The steps for one call, or one value of a loaded argument, and what follows if none of them refuses."""
    body = [*steps, after]
    return [_Step(EQUAL, value, otherwise=len(body)), *body]


def _argument(place: int) -> _Step:
    """Load the low half of an argument; Linux uses no more of those that we look at."""
    return _Step(LOAD, ARGUMENTS + 8 * place)


def _if_one_of(place: int, values: Iterable[int], number: int) -> list[_Step]:
    return [_argument(place), *_refuse(values, number)]


def _if_any_bit(place: int, bits: int, number: int) -> list[_Step]:
    return [_argument(place), _Step(ANY_BIT, bits, otherwise=1), _refusal(number)]


def _unless_one_of(place: int, values: Sequence[int], number: int) -> list[_Step]:
    allow = [_Step(EQUAL, value, then=len(values) - index) for index, value in enumerate(values)]
    return [_argument(place), *allow, _refusal(number)]
