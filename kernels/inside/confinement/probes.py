"""Tries from inside what a kernel must not be able to do, and names each probe that succeeds.

    run(targets)        # ["a listener on the host's loopback", ...], [] when all is well

Run in a throw-away child that is confined exactly as a kernel is. `targets` names things that the host has
made for this purpose: see `kernels.sandbox.selftest`.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import socket
import stat
import struct
from collections.abc import Callable
from typing import Any

from ..procfs import started

AF_ALG, AF_NETLINK, AF_PACKET, AF_VSOCK, KOBJECT_UEVENT = 38, 16, 17, 40, 15
CLONE_NEWUSER, PTRACE_ATTACH, MS_BIND, MNT_DETACH = 0x10000000, 16, 4096, 2
SYS_PTRACE, SYS_BPF, SYS_KEYCTL, SYS_IO_URING = 101, 321, 250, 425
SYS_IO_SETUP, SYS_INOTIFY_INIT1, SYS_FALLOCATE = 206, 294, 285
KEEP_SIZE, RESERVE, ROOM = 1, 0x4030582A, 1 << 20  # FALLOC_FL_KEEP_SIZE, FS_IOC_RESVSP64; bytes
PATIENCE = 0.5  # seconds for a connection
ANSWER = 10.0  # seconds for the broker's
LIBC = ctypes.CDLL(None, use_errno=True)

LOOPBACK, ABSTRACT = "a listener on the host's loopback", "an abstract Unix socket of the host"

Targets = dict[str, Any]


def run(targets: Targets) -> list[str]:
    """The names of the probes that succeeded."""
    return [name for name, probe in PROBES.items() if _succeeds(probe, targets)]


def _succeeds(probe: Callable[[Targets], object], targets: Targets) -> bool:
    try:
        return bool(probe(targets))
    except (OSError, ValueError):
        return False


def _secret(targets: Targets) -> bool:
    with open(targets["secret"], "rb") as file:
        return bool(file.read(1))


def _sibling(targets: Targets) -> list[str]:
    return os.listdir(targets["sibling"]) or ["empty"]


def _environments(targets: Targets) -> bool:
    """Whether any environment that can be read, our own included, contains the host's canary."""
    canary = targets["canary"].encode()
    found = [str(os.environ).encode()]
    for process in os.listdir("/proc"):
        if process.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{process}/environ", "rb") as file:
                found.append(file.read())
    return any(canary in environment for environment in found)


def _host_signal(targets: Targets) -> bool:
    """Whether the host's process can be signalled; in our namespace its number may be another process's."""
    if _start_time(targets["pid"]) not in ("", targets["started"]):
        return False
    os.kill(targets["pid"], 0)
    return True


def _init_signal(targets: Targets) -> bool:
    """Whether our init can be signalled; as PID 1 of a namespace it is immune."""
    if targets["namespaces"]:
        return False
    os.kill(os.getppid(), signal.SIGCONT)
    return True


def _host_memory(targets: Targets) -> bool:
    if _start_time(targets["pid"]) not in ("", targets["started"]):
        return False
    with open(f"/proc/{targets['pid']}/maps", "rb") as file:
        return bool(file.read(1))


def _start_time(pid: int) -> str:
    """When a process started; "" where that cannot be seen."""
    try:
        return started(pid)
    except OSError:
        return ""


def _loopback(targets: Targets) -> bool:
    with socket.create_connection(("127.0.0.1", targets["port"]), PATIENCE):
        return True


def _unix(targets: Targets, name: str) -> bool:
    with socket.socket(socket.AF_UNIX) as ours:
        ours.settimeout(PATIENCE)
        ours.connect(targets[name])
    return True


def _family(number: int, kind: int, protocol: int = 0) -> bool:
    with socket.socket(number, kind, protocol):
        return True


def _call(*arguments: Any) -> bool:
    return bool(LIBC.syscall(*(ctypes.c_long(argument) for argument in arguments)) >= 0)


def _considered(*arguments: Any) -> bool:
    """Whether the system did anything with a call but refuse it."""
    return _call(*arguments) or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS)


def _mount(_: Targets) -> bool:
    """Whether our own empty folder can be mounted on itself.

    Nothing of the host is mounted here, since the host may remove this folder with all that is in it.
    """
    here = os.getcwd().encode()
    if LIBC.mount(here, here, None, ctypes.c_ulong(MS_BIND), None) != 0:
        return False
    LIBC.umount2(here, MNT_DETACH)
    return True


def _written(targets: Targets) -> bool:
    """Whether something outside the person's folders can be written."""
    for folder in targets["closed"]:
        path = os.path.join(folder, f".probe-{os.urandom(8).hex()}")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError:
            continue
        os.unlink(path)
        return True
    return False


def _room(_: Targets) -> bool:
    """Whether disk space can be reserved in our own folder without writing anything."""
    path = f".probe-{os.urandom(8).hex()}"
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        _call(SYS_FALLOCATE, file, KEEP_SIZE, 0, ROOM)
        with contextlib.suppress(OSError):
            fcntl.ioctl(file, RESERVE, struct.pack("hhxxxxqqiI16x", 0, os.SEEK_SET, 0, ROOM, 0, 0))
        return os.fstat(file).st_blocks > 0
    finally:
        os.close(file)
        os.unlink(path)


def _attributes(targets: Targets, *paths: str) -> bool:
    """Whether the mode of a file of the host can be set; it is only set to what it is already.

    Where such calls only pretend to work, the time of the file's last change tells whether it was set.
    """
    for path in paths:
        before = os.stat(path)
        try:
            os.chmod(path, stat.S_IMODE(before.st_mode))
        except OSError:
            continue
        if targets["namespaces"] or os.stat(path).st_ctime_ns != before.st_ctime_ns:
            return True
    return False


def _can_be_written(path: str) -> bool:
    """Whether a file can be opened for writing; nothing is written."""
    os.close(os.open(path, os.O_WRONLY))
    return True


def _root(_: Targets) -> bool:
    os.setuid(0)
    return os.getuid() == 0 and _capable(_)


def _capable(_: Targets) -> bool:
    """Whether a capability is left or a filter is missing."""
    with open("/proc/self/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    held = int(status["CapEff"], 16) or int(status["CapPrm"], 16)
    return bool(held) or status["NoNewPrivs"].strip() != "1" or status["Seccomp"].strip() != "2"


def _stored(targets: Targets) -> bool:
    """Whether a stored file can be changed through the answer to a request for it, as `load_file` asks."""
    try:
        told, passed = _asked_for(targets["files"])
    except OSError as error:
        raise RuntimeError("the broker does not answer, and nothing could be tried") from error
    if b'"ok": true' not in told:
        raise RuntimeError(f"the broker gives no file, and nothing could be tried: {told!r}")
    return any(_changes(descriptor) for descriptor in passed)


def _asked_for(request_socket: int) -> tuple[bytes, list[int]]:
    """What a broker (`kernels.broker`) answers to a request for a stored file, and descriptors it passes."""
    with socket.socket(fileno=os.dup(request_socket)) as requests:
        requests.settimeout(ANSWER)
        requests.send(b".")
        line = socket.socket(fileno=socket.recv_fds(requests, 1, 1)[1][0])
    told, passed = b"", list[int]()
    with line:
        line.settimeout(ANSWER)
        line.sendall(b'{"op": "open", "file": "probe"}\n')
        while True:
            piece, descriptors, _, _ = socket.recv_fds(line, 1 << 16, 16)
            if not piece:
                return told, passed
            told += piece
            passed += descriptors


def _changes(descriptor: int) -> bool:
    """Whether any call that could change an open file did so; some calls only pretend to succeed."""
    path, before = f"/proc/self/fd/{descriptor}", os.stat(descriptor)
    for attempt in (
        lambda: os.write(os.open(path, os.O_WRONLY), b"changed"),
        lambda: os.truncate(path, before.st_size + 1),
        lambda: os.chmod(path, 0o4700),
        lambda: os.fchmod(descriptor, 0o4700),
        lambda: os.utime(descriptor, (1, 1)),
        lambda: os.chown(descriptor, -1, -1),
        lambda: os.setxattr(descriptor, "user.probe", b"changed"),
    ):
        with contextlib.suppress(OSError):
            attempt()
    after = os.stat(descriptor)
    return any(
        getattr(after, name) != getattr(before, name) for name in ("st_mode", "st_size", "st_ctime_ns")
    )


PROBES: dict[str, Callable[[Targets], object]] = {
    "a file of the host that only we may read": _secret,
    "another workspace": _sibling,
    "our environment": _environments,
    "a signal to our process": _host_signal,
    "the memory of our process": _host_memory,
    "tracing our process": lambda targets: _call(SYS_PTRACE, PTRACE_ATTACH, targets["pid"], 0, 0),
    LOOPBACK: _loopback,
    "a Unix socket of the host": lambda targets: _unix(targets, "socket"),
    ABSTRACT: lambda targets: _unix(targets, "abstract"),
    "AF_VSOCK": lambda _: _family(AF_VSOCK, socket.SOCK_STREAM),
    "AF_ALG": lambda _: _family(AF_ALG, socket.SOCK_SEQPACKET),
    "AF_PACKET": lambda _: _family(AF_PACKET, socket.SOCK_RAW),
    "a mount": _mount,
    "a user namespace": lambda _: LIBC.unshare(CLONE_NEWUSER) == 0,
    "bpf": lambda _: _considered(SYS_BPF, 0, 0, 0),
    "key rings": lambda _: _considered(SYS_KEYCTL, 0, -3, 0),
    "the machine's asynchronous requests": lambda _: _considered(SYS_IO_SETUP, 1, 0),
    "watching files that others open": lambda _: _considered(SYS_INOTIFY_INIT1, 0),
    "events of the machine's devices": lambda _: _family(AF_NETLINK, socket.SOCK_RAW, KOBJECT_UEVENT),
    "io_uring": lambda _: _considered(SYS_IO_URING, 1, 0),
    "writing outside the workspace": _written,
    "room on the disk that nothing is written to": _room,
    "the mode of the file that it runs": lambda targets: _attributes(targets, "/proc/self/exe"),
    "the mode of an inherited device": lambda targets: _attributes(
        targets, "/proc/self/fd/0", "/proc/self/fd/1"
    ),
    "the mode of a file in /proc": lambda targets: _attributes(targets, "/proc/cpuinfo"),
    "a stored file that was asked for": _stored,
    "settings of the machine": lambda _: _can_be_written("/proc/sys/kernel/core_pattern"),
    "being ended first": lambda _: _can_be_written("/proc/self/oom_score_adj"),
    "rights of root": _root,
    "capabilities, or calls that are not filtered": _capable,
    "a signal to our init": _init_signal,
}
