"""Which system calls a kernel may not make, each with its reason, and the filter for them.

    program = assemble()        # classic BPF, as prctl(PR_SET_SECCOMP) takes it

A deny-list: what is not named here is allowed, since what people's libraries call cannot be known, and the
namespaces and the user without rights hold anyway. The filter keeps the kernel's attack surface small and
closes what namespaces do not. x86-64 only. Numbers: arch/x86/entry/syscalls/syscall_64.tbl of Linux 6.18;
filter format: https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html
"""

import errno
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from kernels.errors import SandboxUnavailable

__all__ = ["DENIED", "UNKNOWN", "assemble"]

# Answered with EPERM. One line a reason.
DENIED: dict[str, tuple[int, ...]] = {
    "ptrace, process_vm_readv/writev, kcmp, pidfd_getfd: look into or steer another process": (
        101,
        310,
        311,
        312,
        438,
    ),
    "add_key, request_key, keyctl: key rings are shared between namespaces": (248, 249, 250),
    "mount, umount2, pivot_root, chroot: another view of the files": (165, 166, 155, 161),
    "unshare, setns: other namespaces, and with them rights over kernel parts that are rarely tried": (
        272,
        308,
    ),
    "bpf, perf_event_open, userfaultfd: large, often broken parts of the kernel": (321, 298, 323),
    "name_to_handle_at, open_by_handle_at: files by handle, past every folder's rights": (303, 304),
    "fanotify_init, fanotify_mark: watch whole file systems": (300, 301),
    "quotactl, quotactl_fd, swapon, swapoff, acct: the machine's own business": (179, 443, 167, 168, 163),
    "reboot, kexec_load, kexec_file_load: end or replace the machine": (169, 246, 320),
    "create_module, init_module, finit_module, delete_module: code in the kernel": (174, 175, 313, 176),
    "iopl, ioperm, modify_ldt: hardware and segments": (172, 173, 154),
    "syslog: addresses and messages of the kernel": (103,),
    "settimeofday, clock_settime, adjtimex, clock_adjtime: everybody's clock": (164, 227, 159, 305),
    "sethostname, setdomainname: names that others may read": (170, 171),
    "vmsplice: pages shared in ways that broke often": (278,),
    "mq_open: message queues live outside the workspace and its limits": (240,),
    "memfd_secret: memory that nobody can count": (447,),
    "nfsservctl, uselib, _sysctl, lookup_dcookie: long dead": (180, 134, 156, 212),
    "move_pages, migrate_pages: other processes' memory": (279, 256),
}
# Answered with ENOSYS, as by a kernel that does not have them: libraries then take the older way.
UNKNOWN: dict[str, tuple[int, ...]] = {
    "clone3: its flags lie in memory, where a filter cannot see them; libc falls back to clone": (435,),
    "io_uring_setup, io_uring_enter, io_uring_register: calls that no filter sees": (425, 426, 427),
    "open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr: mounts, the new way": (
        428,
        429,
        430,
        431,
        432,
        433,
        442,
    ),
}

SOCKET, SOCKETPAIR, CLONE, IOCTL, PERSONALITY, MKNOD, MKNODAT = 41, 53, 56, 16, 135, 133, 259
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag that clone(2) takes
TIOCSTI, TIOCLINUX = 0x5412, 0x541C  # type into, or read, a terminal that is not one's own
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


def assemble(*, unix: bool = True, network: bool = False) -> bytes:
    """The filter. Without `unix` no socket of a path can be made; with `network` the internet's can.

    The families INET and INET6 pass in any case where the network namespace is empty: pass `network` there.
    Raises: SandboxUnavailable on another processor than x86-64.
    """
    if platform.machine() != "x86_64":
        raise SandboxUnavailable("the system call filter is written for x86-64 only")
    families = [NETLINK, *([UNIX] if unix else []), *([INET, INET6] if network else [])]
    steps = [
        _Step(LOAD, ARCHITECTURE),
        _Step(EQUAL, AUDIT_ARCH_X86_64, then=1),
        _Step(RETURN, KILL),
        _Step(LOAD, NUMBER),
        _Step(AT_LEAST, X32, otherwise=1),
        _Step(RETURN, KILL),
        *_refuse(_numbers(DENIED), errno.EPERM),
        *_refuse(_numbers(UNKNOWN), errno.ENOSYS),
        *_when(SOCKET, _unless_one_of(0, families, errno.EAFNOSUPPORT)),
        *_when(SOCKETPAIR, _unless_one_of(0, [UNIX], errno.EAFNOSUPPORT)),
        *_when(CLONE, [*_argument(0), _Step(ANY_BIT, NEW_NAMESPACES, otherwise=1), _refusal(errno.EPERM)]),
        *_when(IOCTL, _if_one_of(1, [TIOCSTI, TIOCLINUX], errno.EPERM)),
        *_when(PERSONALITY, _unless_one_of(0, [0, 0xFFFFFFFF], errno.EPERM)),
        *_when(MKNOD, [*_argument(1), _Step(AND, FILE_TYPE), *_equal(DEVICES, errno.EPERM)]),
        *_when(MKNODAT, [*_argument(2), _Step(AND, FILE_TYPE), *_equal(DEVICES, errno.EPERM)]),
        _Step(RETURN, ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", step.code, step.then, step.otherwise, step.value) for step in steps)


def _numbers(table: dict[str, tuple[int, ...]]) -> list[int]:
    return [number for numbers in table.values() for number in numbers]


def _refusal(number: int) -> _Step:
    return _Step(RETURN, ERRNO | number)


def _refuse(calls: Iterable[int], number: int) -> list[_Step]:
    return [step for call in calls for step in (_Step(EQUAL, call, otherwise=1), _refusal(number))]


def _when(call: int, steps: list[_Step]) -> list[_Step]:
    """The steps for one call's arguments, after which it is allowed."""
    body = [*steps, _Step(RETURN, ALLOW)]
    return [_Step(EQUAL, call, otherwise=len(body)), *body]


def _argument(place: int) -> list[_Step]:
    """Load the low half of an argument; none of those looked at is wider for the kernel."""
    return [_Step(LOAD, ARGUMENTS + 8 * place)]


def _equal(values: Iterable[int], number: int) -> list[_Step]:
    return [step for value in values for step in (_Step(EQUAL, value, otherwise=1), _refusal(number))]


def _if_one_of(place: int, values: list[int], number: int) -> list[_Step]:
    return [*_argument(place), *_equal(values, number)]


def _unless_one_of(place: int, values: list[int], number: int) -> list[_Step]:
    allow = [_Step(EQUAL, value, then=len(values) - index) for index, value in enumerate(values)]
    return [*_argument(place), *allow, _refusal(number)]
