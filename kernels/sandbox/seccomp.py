"""Which system calls a kernel may not make, each with its reason, and the filter for them.

    program = assemble(counted=True)        # classic BPF, as prctl(PR_SET_SECCOMP) takes it

A deny-list: what is not named here is allowed, since what people's libraries call cannot be known, and the
namespaces and the user without rights hold anyway. The filter keeps the kernel's attack surface small and
closes what namespaces do not. x86-64 only. Numbers: arch/x86/entry/syscalls/syscall_64.tbl of Linux 6.18;
filter format: https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html
"""

import errno
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain

from kernels.errors import SandboxUnavailable

__all__ = ["DENIED", "UNCOUNTED", "UNKNOWN", "UNSUPPORTED", "assemble"]

# Answered with EPERM.
DENIED: dict[str, int] = {
    "ptrace": 101,  # steer or look into another process
    "process_vm_readv": 310,  # read another process's memory
    "process_vm_writev": 311,  # write it
    "kcmp": 312,  # compare what two processes hold
    "pidfd_getfd": 438,  # take another process's descriptors
    "add_key": 248,  # key rings are shared between namespaces
    "request_key": 249,  # likewise, and it starts programs of the host
    "keyctl": 250,  # likewise
    "mount": 165,  # another view of the files
    "umount2": 166,  # likewise
    "pivot_root": 155,  # likewise
    "chroot": 161,  # likewise
    "unshare": 272,  # other namespaces, and in them rights over parts of the kernel that are rarely tried
    "setns": 308,  # likewise
    "bpf": 321,  # programs in the kernel
    "perf_event_open": 298,  # a large part of the kernel that broke often
    "userfaultfd": 323,  # holds the kernel up at will, which exploits need
    "name_to_handle_at": 303,  # files by handle, past every folder's rights
    "open_by_handle_at": 304,  # likewise
    "fanotify_init": 300,  # watches whole file systems
    "fanotify_mark": 301,  # likewise
    "inotify_add_watch": 254,  # tells who opens what among the files that all kernels share
    "inotify_init": 253,  # takes from a number that our user has for all kernels
    "inotify_init1": 294,  # likewise
    "quotactl": 179,  # the machine's own limits
    "quotactl_fd": 443,  # likewise
    "swapon": 167,  # the machine's own memory
    "swapoff": 168,  # likewise
    "acct": 163,  # a log of all processes
    "reboot": 169,  # ends the machine
    "kexec_load": 246,  # starts another kernel
    "kexec_file_load": 320,  # likewise
    "create_module": 174,  # code in the kernel
    "init_module": 175,  # likewise
    "finit_module": 313,  # likewise
    "delete_module": 176,  # likewise
    "iopl": 172,  # hardware
    "ioperm": 173,  # hardware
    "modify_ldt": 154,  # segments, by which a filter was passed once
    "syslog": 103,  # the kernel's messages and addresses
    "settimeofday": 164,  # everybody's clock
    "clock_settime": 227,  # likewise
    "adjtimex": 159,  # likewise
    "clock_adjtime": 305,  # likewise
    "sethostname": 170,  # a name that others may read
    "setdomainname": 171,  # likewise
    "vmsplice": 278,  # shares pages in ways that broke often
    "mq_open": 240,  # queues live outside the workspace and its limits
    "memfd_secret": 447,  # memory that nobody can count
    "move_pages": 279,  # other processes' memory
    "migrate_pages": 256,  # likewise
    "uselib": 134,  # long dead
    "_sysctl": 156,  # long dead
    "nfsservctl": 180,  # long dead
    "lookup_dcookie": 212,  # long dead
    "shmat": 30,  # memory of others, where the IPC namespace is the machine's
}
# Answered with ENOSYS, as by a kernel that does not have them: libraries then take the older way.
UNKNOWN: dict[str, int] = {
    "clone3": 435,  # its flags lie in memory, where a filter cannot see them; libc falls back to clone
    "io_uring_setup": 425,  # makes calls that no filter sees
    "io_uring_enter": 426,  # likewise
    "io_uring_register": 427,  # likewise
    "open_tree": 428,  # mounts, the new way
    "move_mount": 429,  # likewise
    "fsopen": 430,  # likewise
    "fsconfig": 431,  # likewise
    "fsmount": 432,  # likewise
    "fspick": 433,  # likewise
    "mount_setattr": 442,  # likewise
    "open_tree_attr": 467,  # likewise
    "statmount": 457,  # tells of mounts, whatever /proc shows of them
    "listmount": 458,  # likewise
    "listns": 470,  # likewise of namespaces
    "io_setup": 206,  # takes from a number that the whole machine has for everybody
    "cachestat": 451,  # tells what others have read of a shared file
    "mincore": 27,  # likewise
    "process_madvise": 440,  # takes memory from other processes
    "landlock_create_ruleset": 444,  # any number of rules; each keeps its file on the disk when it is deleted
    "landlock_add_rule": 445,  # likewise, to a set of ours
    "file_setattr": 469,  # has XFS take up to 8 GiB of the disk for one byte that is written
    "seccomp": 317,  # filters of its own: compiled, they take memory that the machine has once for everybody
    "shmget": 29,  # System V's memory stays when its processes end, and no watchdog finds it
    "semget": 64,  # likewise
    "msgget": 68,  # likewise
}
# Answered with EOPNOTSUPP, as by a file system that cannot do it: libc's posix_fallocate then writes zeros.
UNSUPPORTED: dict[str, int] = {
    # Takes the whole disk in one call of 20 ms, before anybody looks; with FALLOC_FL_KEEP_SIZE no limit on a
    # file's size holds it.
    "fallocate": 285,
}
# Answered as if they had been done, in every tier.
IGNORED: dict[str, int] = {
    "fadvise64": 221,  # drops what others read from memory, so that one sees when they read it again
    "sync": 162,  # makes everybody's disk busy; fsync of one's own files works
    "syncfs": 306,  # likewise
    "ioprio_set": 251,  # before others at the disk
    # Whoever has hardly any of the processors' time holds what it has locked for long: a folder, or the
    # memory of a process. We wait for that when we look.
    "setpriority": 141,
    "sched_setparam": 142,  # likewise
    "sched_setscheduler": 144,  # likewise
    "sched_setattr": 314,  # likewise
}
# Answered with ENOSYS too where no control group counts a kernel's memory: each of these keeps pages that no
# process has mapped, so that neither a limit nor a look finds them. libc and Python take an older way.
UNCOUNTED: dict[str, int] = {
    "memfd_create": 319,  # files of memory, whose descriptor can be hidden in the queue of a socket
    "splice": 275,  # a byte in a pipe keeps all of its page (of up to 2 MiB) when the file is gone
    "tee": 276,  # likewise
    "sendfile": 40,  # likewise, in a socket: 100 pairs kept 1.3 GB
}
# Answered with EPERM where the workspace is full: attributes take room on the disk, and Landlock does not
# rule them.
GROWING: dict[str, int] = {
    "setxattr": 188,
    "lsetxattr": 189,
    "fsetxattr": 190,
    "setxattrat": 463,
}
# What a kernel may not do besides where it sees the machine's own processes and files, as the user that we
# are: Landlock rules who opens a file, not who changes its mode.
SHARING: dict[str, int] = {
    "chown": 92,  # of files that are not the person's
    "fchown": 93,  # likewise
    "lchown": 94,  # likewise
    "fchownat": 260,  # likewise
    "setxattr": 188,  # likewise: access lists are attributes
    "lsetxattr": 189,  # likewise
    "fsetxattr": 190,  # likewise
    "setxattrat": 463,  # likewise
    "removexattr": 197,  # likewise
    "lremovexattr": 198,  # likewise
    "fremovexattr": 199,  # likewise
    "removexattrat": 466,  # likewise
    "sendmsg": 46,  # hides open files on their way, where nobody counts them
    "sendmmsg": 307,  # likewise
    "bind": 49,  # takes an abstract name that a program of the host may want
    "pidfd_open": 434,  # tells of any process whose number is known
    "shmctl": 31,  # removes what is not ours
    "semctl": 66,  # likewise
    "semop": 65,  # holds others up
    "semtimedop": 220,  # likewise
    "msgctl": 71,  # removes what is not ours
    "msgsnd": 69,  # likewise
    "msgrcv": 70,  # likewise
}
FOR_NETWORK = ("bind", "sendmsg", "sendmmsg")  # of these, what the internet's sockets need
# There too: answered with ENOTSUP, as by a file system without attributes, which libraries are ready for.
ATTRIBUTES: dict[str, int] = {
    "getxattr": 191,  # of a file that may not be read: its access list, its origin
    "lgetxattr": 192,  # likewise
    "fgetxattr": 193,  # likewise
    "getxattrat": 464,  # likewise
    "listxattr": 194,  # likewise
    "llistxattr": 195,  # likewise
    "flistxattr": 196,  # likewise
    "listxattrat": 465,  # likewise
}
# There too: answered as if they had been done, since `shutil.copy` and `tarfile` fail where they cannot.
PRETENDED: dict[str, int] = {
    "chmod": 90,  # of a file that is not the person's
    "fchmod": 91,  # likewise
    "fchmodat": 268,  # likewise
    "fchmodat2": 452,  # likewise
    "utime": 132,  # likewise its date, by which we delete
    "utimes": 235,  # likewise
    "futimesat": 261,  # likewise
    "utimensat": 280,  # likewise
}
# There too: calls about any process of our user, which may be about the caller only (argument 0 is 0), with
# the number of the answer.
ABOUT_ITSELF: dict[str, tuple[int, int]] = {
    "prlimit64": (302, errno.EPERM),  # a limit of no descriptors, or of a second, ends a process
    "sched_setaffinity": (203, 0),  # slows it down
}

SOCKET, SOCKETPAIR, CLONE, IOCTL, PERSONALITY, MKNOD, MKNODAT = 41, 53, 56, 16, 135, 133, 259
PRCTL, FCNTL, SETSOCKOPT, MMAP, CLOSE_RANGE = 157, 72, 54, 9, 436
SETRLIMIT, PRLIMIT = 160, 302
MADVISE, PREADV2, PWRITEV2 = 28, 327, 328
COLD, PAGEOUT = 20, 21  # of madvise: takes memory that is shared from others too
NO_WAIT, DONT_KEEP = 0x8, 0x80  # RWF_NOWAIT and RWF_DONTCACHE: tell, and change, what is in memory of a file
SOL_SOCKET = 1
# Options of a socket that are pretended to be set: SO_LINGER, since the last one to close a connection waits,
# which is us where it was sent to us; and the sizes of its buffers, SO_SNDBUF, SO_RCVBUF and the two that
# force them, which are memory that Linux counts for nobody (`kernels.sandbox.objects` goes by the default).
PRETENDED_OPTIONS = (13, 7, 8, 32, 33)
ATTACH = (26, 50, 51, 52)  # SO_ATTACH_FILTER, _BPF, and the two of SO_REUSEPORT: programs in the kernel
SETLEASE, NOTIFY = 1024, 1026  # of fcntl: make every other opener of a file wait, or watch a folder
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
# By the second byte of ioctl's request, what file systems do to a file that is open for reading only: flags,
# version, encryption, verity (f, v).
OF_FILE_SYSTEMS = (0x6600, 0x7600)
# In every tier: taking room on the disk that nothing is written to, which no limit on a file's size holds,
# and the hints by which one byte takes it (X, of XFS and others); what btrfs has of its own (0x94).
TAKING_ROOM = (0x5800, 0x9400)
OF_SOCKETS = 0x8900  # likewise: the machine's interfaces and addresses, which a socket of any kind tells
KIND_OF_REQUEST = 0xFF00
SET_DUMPABLE = 4  # hides memory and descriptors from the watchdog, where it is not root
# RLIMIT_CORE, pretended to be set: the program that the machine may run for a crash (core_pattern), as root
# and in no group, is not run for a limit of 1, which `kernels.sandbox.policy` sets; for 0 it is.
CORE = 4
# Of prctl, answered as by a system without them: the older way to a filter, of which ours is the last, and a
# table of futexes of a process's own, of any size, that counts as nobody's memory.
ABSENT = (22, 78)  # PR_SET_SECCOMP, PR_FUTEX_HASH
FILE_TYPE, DEVICES = 0o170000, (0o020000, 0o060000)  # S_IFMT; S_IFCHR, S_IFBLK

AUDIT_ARCH_X86_64 = 0xC000003E
X32 = 0x40000000  # the other way to call a 64-bit kernel has numbers of its own, from here on
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction; a jump goes `then` or `otherwise` steps on."""

    code: int
    value: int
    then: int = 0
    otherwise: int = 0


def assemble(*, alone: bool = True, network: bool = False, counted: bool = True, full: bool = False) -> bytes:
    """The filter. `alone`: no process, socket or network of the machine is in sight, by namespaces.

    Otherwise the internet's sockets need `network`, and there are no others but pairs. `counted`: a control
    group counts its memory; without one there is no memory that is shared and has no name. `full`: nothing
    may be added to its workspace. Raises: SandboxUnavailable on another processor than x86-64.
    """
    if platform.machine() != "x86_64":
        raise SandboxUnavailable("the system call filter is written for x86-64 only")
    families = [*([UNIX] if alone else []), *([INET, INET6, NETLINK] if alone or network else [])]
    # Its own answer, the one that libzmq takes for "no interfaces" and does not end the process at.
    no_netlink = [] if NETLINK in families else [*_argument(0), *_equal([NETLINK], errno.EINVAL)]
    in_sight = OF_FILE_SYSTEMS if network else (*OF_FILE_SYSTEMS, OF_SOCKETS)
    closed = TAKING_ROOM if alone else (*TAKING_ROOM, *in_sight)
    by_kind = [_Step(AND, KIND_OF_REQUEST), *_equal(closed, errno.ENOTTY)]
    protocols = {INET: PROTOCOLS, INET6: PROTOCOLS, NETLINK: (ROUTE,)}
    by_family = [
        _when(family, _unless_one_of(2, [*known], errno.EPROTONOSUPPORT))
        for family, known in protocols.items()
    ]
    of_family = [*_argument(0), *chain.from_iterable(by_family)]
    uncached = [*_argument(5), _Step(ANY_BIT, NO_WAIT | DONT_KEEP, otherwise=1), _refusal(errno.EOPNOTSUPP)]
    lone = [_Step(AND, CLONE_THREAD | CLONE_FILES), *_equal([CLONE_THREAD], errno.EPERM)]
    steps = [
        _Step(LOAD, ARCHITECTURE),
        _Step(EQUAL, AUDIT_ARCH_X86_64, then=1),
        _Step(RETURN, KILL),
        _Step(LOAD, NUMBER),
        _Step(AT_LEAST, X32, otherwise=1),
        _Step(RETURN, KILL),
        *_refuse(DENIED.values(), errno.EPERM),
        *_refuse(UNKNOWN.values(), errno.ENOSYS),
        *_refuse(UNSUPPORTED.values(), errno.EOPNOTSUPP),
        *_refuse(IGNORED.values(), 0),
        *_no_core(),
        *([] if counted else _uncounted()),
        *(_refuse(GROWING.values(), errno.EPERM) if full else []),
        *([] if alone else _sharing(network=network)),
        *_when(SOCKET, [*no_netlink, *_unless_one_of(0, families, errno.EAFNOSUPPORT), *of_family]),
        *_when(SOCKETPAIR, _unless_one_of(0, [UNIX], errno.EAFNOSUPPORT)),
        *_when(
            CLONE, [*_argument(0), _Step(ANY_BIT, NEW_NAMESPACES, otherwise=1), _refusal(errno.EPERM), *lone]
        ),
        *_when(
            CLOSE_RANGE, [*_argument(2), _Step(ANY_BIT, NO_SHARED_TABLE, otherwise=1), _refusal(errno.EPERM)]
        ),
        *_when(SETSOCKOPT, [*_argument(1), *_others(SOL_SOCKET), *_options()]),
        *_when(FCNTL, _if_one_of(1, [SETLEASE, NOTIFY, SETPIPE_SZ, *HINTS], errno.EPERM)),
        *_when(
            IOCTL,
            [*_if_one_of(1, [TIOCSTI, TIOCLINUX, TIOCSETD], errno.EPERM), *by_kind],
        ),
        *_when(MADVISE, _if_one_of(2, [COLD, PAGEOUT], 0)),
        *_when(PREADV2, uncached),
        *_when(PWRITEV2, uncached),
        *_when(PRCTL, [*_if_one_of(0, [SET_DUMPABLE], errno.EPERM), *_equal(ABSENT, errno.EINVAL)]),
        *_when(PERSONALITY, _unless_one_of(0, [0, 0xFFFFFFFF], errno.EPERM)),
        *_when(MKNOD, [*_argument(1), _Step(AND, FILE_TYPE), *_equal(DEVICES, errno.EPERM)]),
        *_when(MKNODAT, [*_argument(2), _Step(AND, FILE_TYPE), *_equal(DEVICES, errno.EPERM)]),
        _Step(RETURN, ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", step.code, step.then, step.otherwise, step.value) for step in steps)


def _no_core() -> Iterable[_Step]:
    """Pretend to set RLIMIT_CORE, by either call; asking for it, which has nothing to set, passes."""
    of_core, above = _Step(EQUAL, CORE, otherwise=1), ARGUMENTS + 8 * 2 + 4
    yield from _first(SETRLIMIT, [*_argument(0), of_core, _refusal(0)])
    pointed = [*_argument(2), _Step(EQUAL, 0, then=1), _refusal(0)]
    pointed += [_Step(LOAD, above), _Step(EQUAL, 0, then=1), _refusal(0)]
    yield from _first(PRLIMIT, [*_argument(1), replace(of_core, otherwise=len(pointed)), *pointed])


def _uncounted() -> Iterable[_Step]:
    """What is refused besides where no control group counts."""
    yield from _refuse(UNCOUNTED.values(), errno.ENOSYS)
    # Memory that is shared and has no name stays when nobody has mapped it any more but its first page.
    shared = [_Step(AND, MAP_TYPE | MAP_ANONYMOUS)]
    kinds = [MAP_SHARED | MAP_ANONYMOUS, MAP_SHARED_VALIDATE | MAP_ANONYMOUS]
    yield from _when(MMAP, [*_argument(3), *shared, *_equal(kinds, errno.EPERM)])


def _options() -> list[_Step]:
    """What is said to a socket's own options."""
    return [*_if_one_of(2, [*PRETENDED_OPTIONS], 0), *_equal(ATTACH, errno.EPERM)]


def _sharing(*, network: bool) -> Iterable[_Step]:
    """What is refused besides where a kernel is not alone."""
    denied = {name: call for name, call in SHARING.items() if not network or name not in FOR_NETWORK}
    yield from _refuse(denied.values(), errno.EPERM)
    yield from _refuse(ATTRIBUTES.values(), errno.ENOTSUP)
    yield from _refuse(PRETENDED.values(), 0)
    for call, number in ABOUT_ITSELF.values():
        yield from _when(call, _unless_one_of(0, [0], number))
    # A datagram of a pair can be sent to any path; a stream's other end is fixed.
    kinds = [_Step(EQUAL, kind, then=2 - place) for place, kind in enumerate((STREAM, SEQPACKET))]
    pair = [*_argument(1), _Step(AND, KIND), *kinds, _refusal(errno.EPROTONOSUPPORT)]
    yield from _when(SOCKETPAIR, [*pair, *_unless_one_of(0, [UNIX], errno.EAFNOSUPPORT)])


def _refusal(number: int) -> _Step:
    return _Step(RETURN, ERRNO | number)


def _refuse(calls: Iterable[int], number: int) -> list[_Step]:
    return [step for call in calls for step in (_Step(EQUAL, call, otherwise=1), _refusal(number))]


def _when(value: int, steps: list[_Step]) -> list[_Step]:
    """The steps for one call, or for one value of an argument that was loaded, after which it is allowed."""
    body = [*steps, _Step(RETURN, ALLOW)]
    return [_Step(EQUAL, value, otherwise=len(body)), *body]


def _first(call: int, steps: list[_Step]) -> list[_Step]:
    """The steps for one call, after which others may follow for it."""
    body = [*steps, _Step(LOAD, NUMBER)]
    return [_Step(EQUAL, call, otherwise=len(body)), *body]


def _argument(place: int) -> list[_Step]:
    """Load the low half of an argument; none of those looked at is wider for the kernel."""
    return [_Step(LOAD, ARGUMENTS + 8 * place)]


def _equal(values: Iterable[int], number: int) -> list[_Step]:
    return [step for value in values for step in (_Step(EQUAL, value, otherwise=1), _refusal(number))]


def _others(value: int) -> list[_Step]:
    """Allow what has another value than this in the argument that was loaded."""
    return [_Step(EQUAL, value, then=1), _Step(RETURN, ALLOW)]


def _if_one_of(place: int, values: list[int], number: int) -> list[_Step]:
    return [*_argument(place), *_equal(values, number)]


def _unless_one_of(place: int, values: list[int], number: int) -> list[_Step]:
    allow = [_Step(EQUAL, value, then=len(values) - index) for index, value in enumerate(values)]
    return [*_argument(place), *allow, _refusal(number)]
