"""What a kernel may reach and use. It is decided here alone, and purely: nothing is read or written.

    confinement = confine(Tier.S, Paths(...), Limits(), uid=100_000)
    vars(confinement)               # as the forked child takes it (kernels/inside/confinement/confine.py)

What each tier consists of, and what it relies on, is in SECURITY.md.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from kernels.inside.files.elsewhere import LARGE, WORKSPACE_NAMES
from kernels.limits import Limits
from kernels.process.environment import environment
from kernels.sandbox import seccomp

__all__ = ["SYSTEM", "TIERS", "WORKSPACE", "Confinement", "Paths", "Tier", "confine"]

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30
WORKSPACE = Path("/workspace")  # the person's folder as their code sees it, in tiers S and A
INSIDE_UID = 1000  # the person inside a user namespace
MAPPED = 3 * GiB  # of address space beyond the memory limit: libraries map much that they never use
CLONE = {"mount": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000, "pid": 0x20000000}
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000

# The host's files that a kernel can read: the system's programs and libraries, and what they look up.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
LOOKED_UP = (
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl/certs",
    "/etc/timezone",
)
# With the host's network: how names and services are found. The files may be links.
OF_NETWORK = (
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
)
DEVICES = ("null", "zero", "full", "random", "urandom")
# Not all of /proc/self: its `net` lists the machine's connections, addresses and sockets.
OWN_PROC = (
    "cgroup",
    "cmdline",
    "comm",
    "fd",
    "fdinfo",
    "limits",
    "maps",
    "mem",
    "mounts",
    "stat",
    "statm",
    "status",
)
READABLE_PROC = (
    *(f"/proc/self/{name}" for name in OWN_PROC),
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/sys/devices/system/cpu",
)
STREAMS = {"stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
FILES = {
    "group": "root:x:0:\nperson:x:{uid}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost kernel\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "passwd": "root:x:0:0::/:/bin/sh\nperson:x:{uid}:{uid}::/workspace:/bin/sh\nnobody:x:65534:65534::/:\n",
    "resolv.conf": "",
}
BY_NAME = "passwd: files\ngroup: files\nhosts: files dns\n"  # nsswitch.conf with the host's network
# Of /proc, beside the processes of the kernel's own namespace; the rest is about the whole machine.
SHOWN_PROC = (
    "cpuinfo",
    "filesystems",
    "loadavg",
    "meminfo",
    "stat",
    "swaps",
    "sys/fs/pipe-max-size",
    "sys/kernel/cap_last_cap",
    "sys/kernel/ngroups_max",
    "sys/kernel/osrelease",
    "sys/kernel/pid_max",
    "sys/kernel/random/uuid",
    "sys/vm/max_map_count",
    "sys/vm/overcommit_memory",
    "uptime",
    "version",
)
SPARE = 4  # times the processes of one kernel: what all kernels of one user may start together
# In a network of its own: how much of the machine's memory a connection may hold; the default is 37 MiB.
# In bytes: the least, the initial and the most (tcp(7)).
BUFFERS = ("sys/net/ipv4/tcp_rmem=4096 65536 65536", "sys/net/ipv4/tcp_wmem=4096 16384 65536")
TERMINALS = 16  # pseudo-terminals of a kernel; the machine has 4096 in all

# Bits of landlock(7).
EXECUTE, WRITE, READ, LIST = 1, 2, 4, 8
# Of folders, files, sockets, pipes and links.
MAKE_AND_REMOVE = sum(1 << bit for bit in (4, 5, 7, 8, 9, 10, 12, 13))
MAKE_DEVICES, TRUNCATE, IOCTL_DEVICE = (1 << 6) | (1 << 11), 1 << 14, 1 << 15
HANDLED = EXECUTE | WRITE | READ | LIST | MAKE_AND_REMOVE | MAKE_DEVICES | TRUNCATE | IOCTL_DEVICE
WRITING = WRITE | TRUNCATE | sum(1 << bit for bit in range(6, 13))  # and creating, but not removing
SCOPED = 3  # no signals to processes outside, and none of their abstract sockets


class Tier(StrEnum):
    """How kernels are held; as a rule by the strongest of `TIERS` that works on the machine."""

    S = "S"
    A = "A"
    B = "B"
    NONE = "none"

    @property
    def described(self) -> str:
        """The tier and what it is, for a person: "tier S (root namespaces)"."""
        kinds = {Tier.S: "root namespaces", Tier.A: "user namespaces", Tier.B: "Landlock"}
        return f"tier {self} ({kinds[self]})" if self in kinds else "no sandbox"

    @property
    def namespaces(self) -> bool:
        """Whether a kernel has a file tree, processes and a network of its own."""
        return self in (Tier.S, Tier.A)


TIERS = (Tier.S, Tier.A, Tier.B)  # the strongest first


@dataclass(frozen=True, slots=True)
class Paths:
    """Absolute paths of the host. `root` is empty: a kernel's tree is built on it, which only it sees."""

    workspace: Path
    root: Path
    readable: tuple[Path, ...]  # the interpreter, the kernels' environment, our own code inside
    python: Path  # the interpreter of the kernels' environment


@dataclass(frozen=True)
class Confinement:
    """Everything that confines one kernel, in the plain values that its process is told."""

    namespaces: bool
    clone_flags: int
    folder: str
    environment: Mapping[str, str]
    uid: int | None
    uid_map: str
    gid_map: str
    root: str
    mounts: tuple[tuple[str, str, str, str], ...]
    hostname: str
    loopback: bool  # whether it has one of its own, which must be brought up
    rlimits: Mapping[str, int]
    full: tuple[tuple[str | int, int], ...] | None  # more rules for Landlock, in a full workspace
    landlock: tuple[tuple[str | int, int], ...] | None
    seccomp: str  # in base64


def confine(
    tier: Tier,
    paths: Paths,
    limits: Limits,
    *,
    uid: int | None,
    own_uid: int,
    own_gid: int,
    outside: Mapping[str, str],
    own_threads: int = 0,
    full: bool = False,
    counted: bool = True,
) -> Confinement:
    """The confinement of one kernel in a tier other than NONE.

    `uid` is the user that it becomes; None: it stays our user, `own_uid` with `own_gid`, who has
    `own_threads`. `outside` is our own environment, of which a kernel learns the language and the time zone.
    If its workspace is `full`, it can delete files but not write. `counted`: it is in a control group.

    Raises: SandboxUnavailable on a processor for which there is no system call filter.
    """
    names = tier.namespaces
    folder = WORKSPACE if names else paths.workspace
    large = str(folder / LARGE)  # it counts as part of the workspace
    own = "/tmp" if names else large  # noqa: S108  a tmpfs, for little
    temporary = own if full else large
    flags = sum(CLONE.values()) if names else 0
    if names and not limits.network:
        flags |= CLONE_NEWNET
    if tier is Tier.A:
        flags |= CLONE_NEWUSER
    mounts = _mounts(paths, limits, INSIDE_UID if uid is None else uid, counted=counted) if names else ()
    filtered = seccomp.assemble(alone=names, network=limits.network, counted=counted)
    return Confinement(
        namespaces=names,
        clone_flags=flags,
        folder=str(folder),
        environment=environment(paths.python, Path(own, ".ipython"), outside)
        | {"HOME": str(folder), "MPLCONFIGDIR": f"{own}/.matplotlib", "TMPDIR": temporary}
        # Otherwise joblib starts as many processes as the machine has processors.
        | {"JOBLIB_TEMP_FOLDER": temporary, "LOKY_MAX_CPU_COUNT": str(max(1, round(limits.cpus)))},
        uid=uid,
        uid_map=f"{INSIDE_UID} {own_uid} 1" if tier is Tier.A else "",
        gid_map=f"{INSIDE_UID} {own_gid} 1" if tier is Tier.A else "",
        root=str(paths.root) if names else "",
        mounts=tuple(mounts),
        hostname="kernel" if names else "",
        loopback=names and not limits.network,
        rlimits=_rlimits(limits, 0 if names or uid is not None else own_threads),
        full=tuple(_emptying(names)) if full else None,
        landlock=None if names else tuple(_landlock(paths, counted=counted, network=limits.network)),
        seccomp=base64.b64encode(filtered).decode(),
    )


def _mounts(paths: Paths, limits: Limits, uid: int, *, counted: bool) -> Iterable[tuple[str, str, str, str]]:
    """The tree that a kernel sees, in the order in which it is built: kind, source, target, options."""
    scratch = f"size={limits.scratch},nr_inodes={limits.scratch // (4 * KiB)},mode=1777"
    yield "tmpfs", "", "/tmp", scratch  # noqa: S108
    for path in (*SYSTEM, *LOOKED_UP, *map(str, paths.readable)):
        yield "bind", path, path, "ro"
    yield "bind", str(paths.workspace), str(WORKSPACE), "rw"
    for name in _workspace_names(paths.readable):
        yield "link", str(WORKSPACE), name, ""
    for name in DEVICES:
        yield "bind", f"/dev/{_device(name, counted)}", f"/dev/{name}", "device"
    yield "proc", "" if limits.network else "\n".join(BUFFERS), "/proc", " ".join(SHOWN_PROC)
    yield "tmpfs", "", "/dev/shm", scratch  # noqa: S108
    yield "devpts", "", "/dev/pts", f"newinstance,ptmxmode=0666,mode=620,max={TERMINALS}"
    for name, target in {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", **STREAMS}.items():
        yield "link", target, f"/dev/{name}", ""
    given = {name: text.format(uid=uid) for name, text in FILES.items()}
    if limits.network:
        given["nsswitch.conf"] = BY_NAME
        for path in OF_NETWORK:
            given.pop(path.removeprefix("/etc/"), None)
            yield "copy", path, path, ""
    for name, text in given.items():
        yield "file", text, f"/etc/{name}", ""


@cache
def _workspace_names(readable: tuple[Path, ...]) -> tuple[str, ...]:
    """The other names of the workspace, without those of folders that the kernels are installed in."""
    return tuple(name for name in WORKSPACE_NAMES if not any(path.is_relative_to(name) for path in readable))


def _device(name: str, counted: bool) -> str:
    """Which of the machine's devices stands for this one.

    /dev/zero can be mapped, as shared memory that nobody counts; /dev/full reads the same and cannot.
    """
    return "full" if name == "zero" and not counted else name


def _rlimits(limits: Limits, others: int) -> dict[str, int]:
    """`others` are the threads that count too if a kernel is the same user as we and other kernels are.

    Then this limit stops a fork bomb until the watchdog looks, which enforces the kernel's own limit.
    """
    return {
        "AS": limits.memory + MAPPED,
        "CORE": 1,  # byte: no file is written; for 0 the machine would run its crash handler, as root
        "MEMLOCK": 64 * KiB,
        "MSGQUEUE": 0,
        "NICE": 0,
        "NOFILE": 1024,
        "NPROC": others + limits.processes * (SPARE if others else 1),
        "RTPRIO": 0,
        "SIGPENDING": 1024,  # queued signals, and timers
        # A little less than the limit: one large file is then an error in its cell, not the kernel's end.
        **({} if limits.workspace is None else {"FSIZE": limits.workspace - limits.workspace // 16}),
    }


def _emptying(names: bool) -> Iterable[tuple[str | int, int]]:
    """For Landlock: in a full workspace files can be deleted, but nothing else can be changed."""
    yield WRITING, 0
    for path in ("/dev", "/proc", "/tmp") if names else (f"/dev/{name}" for name in DEVICES):  # noqa: S108
        yield path, WRITING


def _landlock(paths: Paths, *, counted: bool, network: bool) -> Iterable[tuple[str | int, int]]:
    """First all that is ruled by Landlock, then each path with what is allowed below it."""
    yield HANDLED, SCOPED
    for path in (*SYSTEM, *map(str, paths.readable)):
        yield path, EXECUTE | READ | LIST
    for path in (*LOOKED_UP, *READABLE_PROC, *((*OF_NETWORK, "/etc/nsswitch.conf") if network else ())):
        yield path, READ | LIST
    for name in DEVICES:
        if counted or name == _device(name, counted):
            yield f"/dev/{name}", READ | WRITE
    # Not /dev/shm, although multiprocessing needs it: it would be shared by all, and has no limit.
    yield str(paths.workspace), HANDLED & ~MAKE_DEVICES & ~IOCTL_DEVICE
