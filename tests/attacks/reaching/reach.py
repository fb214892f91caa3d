"""Which files a kernel can name, by any route, that are not its own, and what it can do to them.

    for found in walk(own=["/workspace"], memory=["/", "/tmp"], known=["/etc/shadow"], pretended=False): ...

`test_reach.py` runs this in a kernel, and compares what is found with the list in SECURITY.md.
The routes are paths, mounts, descriptors, and the links in /proc to a process's program, mappings, folders.
The calls leave everything as it was, except a file's ctime, which shows that a call got through.
"""

import array
import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

DEEPEST = 3  # levels of folders that are looked into
FEW, ALL = 20, 10_000  # entries of a folder that are tried; one mount's are all alike, /proc's are not
MEMORY = ("pipe:", "socket:", "anon_inode:", "/memfd:", "/dev/zero (deleted)")  # files of no file system
GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS of linux/fs.h
XATTR = "user.kernelcord"


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is not the kernel's own. `can` is "read", "use" (a device) or "name" (that it is there)."""

    path: str
    can: str
    writable: bool
    changed: tuple[str, ...]  # the calls that changed its mode, owner, dates or attributes


def walk(own: list[str], memory: list[str], known: list[str], *, pretended: bool) -> Iterator[Found]:
    """Yield each file that is found.

    `own` are the kernel's folders, `memory` its in-memory file systems, `known` paths to try although no folder
    lists them. `pretended` says that calls which change attributes report success and do nothing.
    """
    devices = {os.stat(path).st_dev for path in memory}
    for path in dict.fromkeys((*_of_processes(), *_of_mounts(), *_tree("/", own, DEEPEST), *known)):
        try:
            before = os.stat(path)
        except OSError:
            continue
        if before.st_dev in devices or _link(path).startswith(MEMORY) or _below(own, path, _link(path)):
            continue
        yield Found(path, _can(path, before), _writable(path, before), tuple(_changed(path, pretended)))


def _of_processes() -> Iterator[str]:
    pids = [name for name in _listed("/proc") if name.isdigit()] or [str(os.getpid())]
    for process in (*(f"/proc/{pid}" for pid in pids), "/proc/self", "/proc/thread-self"):
        yield from (f"{process}/{name}" for name in ("exe", "cwd", "root"))
        for folder in ("fd", "map_files", "ns", "task"):
            yield from (f"{process}/{folder}/{name}" for name in _listed(f"{process}/{folder}"))
    for start, end in _mappings():
        yield f"/proc/self/map_files/{start}-{end}"


def _mappings() -> Iterator[list[str]]:
    with contextlib.suppress(OSError), open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            if line.rstrip().endswith(".so"):
                yield [part.lstrip("0") or "0" for part in line.split()[0].split("-")]


def _of_mounts() -> Iterator[str]:
    with (
        contextlib.suppress(OSError),
        open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts,
    ):
        for line in mounts:
            yield line.split()[1].encode().decode("unicode_escape")


def _tree(top: str, own: list[str], depth: int) -> Iterator[str]:
    yield top
    for name in _listed(top)[: ALL if top in ("/", "/proc", "/dev", "/etc") else FEW]:
        path = os.path.join(top, name)
        if os.path.islink(path) or path in own or name.isdigit():
            continue
        if os.path.isdir(path):
            if depth:
                yield from _tree(path, own, depth - 1)
        else:
            yield path


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _below(own: list[str], *paths: str) -> bool:
    return any(path == top or path.startswith(f"{top}/") for path in paths for top in own)


def _can(path: str, what: os.stat_result) -> str:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return "name"
    return "use" if stat.S_ISCHR(what.st_mode) else "read"


def _writable(path: str, what: os.stat_result) -> bool:
    """Whether it can be written, or a file created in it; a device is not changed by what is written to it."""
    if stat.S_ISCHR(what.st_mode):
        return False
    try:
        if not stat.S_ISDIR(what.st_mode):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            return True
        made = os.path.join(path, f".reach-{os.urandom(8).hex()}")
        os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError:
        return False
    os.unlink(made)
    return True


def _changed(path: str, pretended: bool) -> Iterator[str]:
    """The calls that succeed in changing the file; each one changes its ctime only."""
    for name, change in _changes(path):
        before = os.stat(path).st_ctime_ns
        try:
            change()
        except OSError:
            continue
        if not pretended or os.stat(path).st_ctime_ns != before:
            yield name


def _changes(path: str) -> Iterator[tuple[str, Callable[[], object]]]:
    what = os.stat(path)
    mode, times = stat.S_IMODE(what.st_mode), (what.st_atime_ns, what.st_mtime_ns)
    yield "chmod", lambda: os.chmod(path, mode)
    yield "chown", lambda: os.chown(path, what.st_uid, what.st_gid)
    yield "utime", lambda: os.utime(path, ns=times)
    yield "setxattr", lambda: _attribute(path)
    for way, flags in (
        ("a descriptor", os.O_RDONLY | os.O_NONBLOCK),
        ("a descriptor of its path", os.O_PATH),
    ):
        try:
            descriptor = os.open(path, flags)
        except OSError:
            continue
        named: int | str = descriptor if flags != os.O_PATH else f"/proc/self/fd/{descriptor}"
        yield f"chmod by {way}", lambda named=named: os.chmod(named, mode)
        yield f"chown by {way}", lambda named=named: os.chown(named, what.st_uid, what.st_gid)
        yield f"utime by {way}", lambda named=named: os.utime(named, ns=times)
        yield f"setxattr by {way}", lambda named=named: _attribute(named)
        if flags != os.O_PATH:
            yield "flags", lambda descriptor=descriptor: _flags(descriptor)
        os.close(descriptor)


def _attribute(named: int | str) -> None:
    os.setxattr(named, XATTR, b"")
    os.removexattr(named, XATTR)


def _flags(descriptor: int) -> None:
    flags = array.array("l", [0])
    fcntl.ioctl(descriptor, GET_FLAGS, flags)
    fcntl.ioctl(descriptor, SET_FLAGS, flags)
