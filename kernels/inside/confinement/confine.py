"""Confines the process that calls it, irrevocably, as a plain description says. Run in a forked child.

    confine.enter({"root": ..., "mounts": [...], "uid": 100001, "rlimits": {...}, ...})
    confine.seal({"landlock": [...], "seccomp": "..."})

`enter` gives the process a root of its own, another user, and limits; `seal` takes away system calls. What is
in a description, and why, is decided in `kernels.sandbox.policy`. Any failure raises: nothing runs half
confined. Sources: mount(2), pivot_root(2), capset(2), prctl(2), seccomp(2), landlock(7) of the Linux
man-pages.
"""

import base64
import ctypes
import errno
import fcntl
import os
import re
import resource
import socket
import stat
import struct
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE = 1 << 12, 1 << 14, 1 << 18, 1 << 19
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
KEPT = 8 | 1024 | 2048 | (1 << 21)  # flags that a user namespace may not drop: noexec and those of atime
MNT_DETACH = 2
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000  # its flags have the numbers of mount's
PIVOT_ROOT, CAPSET, LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 155, 126, 444, 445, 446
CAPABILITY_VERSION_3 = 0x20080522
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 4, 22, 38, 2
PR_SET_CHILD_SUBREAPER = 36
LANDLOCK_RULE_PATH_BENEATH = 1
LANDLOCK_LOG_SAME_EXEC_OFF = 1  # of Linux 6.15; what a program that is run later is refused is never logged
OF_FILES = 1 | 2 | 4 | (1 << 14) | (1 << 15)  # Landlock's rights that are not about folders
FIRST_TO_END = 500  # of 1000: the system ends it before any program of the same size
HALF_SHARE = 3  # of niceness: half a share of the processors, as in the control groups of tier S
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
LARGEST_COPY = 64 << 10  # characters of a copied file; the tree has 1 MiB for all of its files


def enter(description: dict[str, Any]) -> None:
    """Take the root folder, the user and the limits that are described. Raises: OSError."""
    if description["uid_map"]:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", description["uid_map"])
        _write("/proc/self/gid_map", description["gid_map"])
    if description["root"]:
        _change_root(description["root"], description["mounts"])
    if description["hostname"]:
        socket.sethostname(description["hostname"])
    if description["loopback"]:
        _raise_loopback()
    os.chdir(description["folder"])
    for name, limit in description["rlimits"].items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)  # only root may raise a limit
        resource.setrlimit(kind, (most, most))
    if description["uid"] is not None:
        os.setgroups([])
        os.setresgid(*[description["uid"]] * 3)
        os.setresuid(*[description["uid"]] * 3)
    _drop_capabilities()
    _call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)  # or files in its own /proc/self would belong to root
    os.umask(0o077)


def seal(description: dict[str, Any]) -> None:
    """Give up files and system calls. Raises: OSError."""
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    rule(ruleset(description["landlock"]))
    program = base64.b64decode(description["seccomp"])
    held = ctypes.create_string_buffer(program, len(program))
    filters = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held))
    _call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(filters, 16), 0, 0)


def protect(program: str) -> None:
    """Make the file `program` read-only for processes that run it from now on, and for all that they fork.

    /proc/self/exe of a forked process is the file that it runs, seen through the mount from which it was
    started. If that were the host's own mount, any sandbox with the same user could change the file's mode,
    dates and attributes. This takes a mount namespace, in which later mounts of the host still appear, and
    for anybody but root a user namespace too. Raises: OSError.
    """
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWNS | (CLONE_NEWUSER if uid else 0))
    if uid:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    file = os.path.realpath(program)
    _mount("", "/", "", MS_REC | MS_SLAVE)
    _mount(file, file, "", MS_BIND)
    _mount("", file, "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | _kept(file))


def adopt() -> None:
    """Become the parent of all processes that our children leave behind (PR_SET_CHILD_SUBREAPER)."""
    _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_first() -> None:
    """Be the first to be ended when memory runs out. Call it before `enter`, which closes /proc."""
    _write("/proc/self/oom_score_adj", str(FIRST_TO_END))


def give_way() -> None:
    """Let others have the processors first."""
    os.nice(HALF_SHARE)


def hide() -> None:
    """Keep our memory and descriptors from other processes of our user."""
    _call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)


def _call(name: str, *arguments: Any) -> int:
    """Call a function of libc. Raises: OSError with its name."""
    wide = (ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments)
    result: int = getattr(LIBC, name)(*wide)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{arguments[:3]!r}: {os.strerror(number)}")
    return result


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _change_root(root: str, mounts: list[list[str]]) -> None:
    """Build the tree of `mounts` on the empty folder `root`, and make it all that can be seen."""
    _mount("", "/", "", MS_REC | MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for kind, source, target, options in mounts:
        _make(kind, source, root + target, options)
    os.chdir(root)
    _call("syscall", PIVOT_ROOT, b".", b".")
    _call("umount2", b".", MNT_DETACH)
    os.chdir("/")
    _mount("", "/", "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _make(kind: str, source: str, target: str, options: str) -> None:
    if kind == "bind":
        if not os.path.lexists(source):
            return
        if os.path.islink(source):  # /bin -> usr/bin
            _make("link", os.readlink(source), target, "")
            return
        _make_mount_point(source, target)
        _mount(source, target, "", MS_BIND | MS_REC)
        # A device can be written to even through a read-only mount; only its mode cannot be changed.
        devices = 0 if options == "device" else MS_NODEV
        read_only = 0 if options == "rw" else MS_RDONLY
        _restrict(target, MS_NOSUID | devices | read_only)
    elif kind == "link":
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        os.symlink(source, target)
    elif kind == "copy":  # of a small file, which may be a link to something that is not in this tree
        try:
            with open(source, encoding="utf-8", errors="surrogateescape") as file:
                text = file.read(LARGEST_COPY)
        except OSError:  # the host does not have it, or we may not read it
            return
        _make("file", text, target, "")
    elif kind == "file":
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        with open(target, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(source)
    elif kind == "proc":
        _show_processes(target, source.splitlines(), options.split())
    else:
        os.makedirs(target, 0o755, exist_ok=True)
        executable = 0 if kind == "tmpfs" else MS_NOEXEC
        _mount(kind, target, kind, MS_NOSUID | (MS_NODEV if kind != "devpts" else 0) | executable, options)


def _show_processes(proc: str, settings: list[str], shown: list[str]) -> None:
    """Mount /proc read-only, with our namespace's processes and only those of its other files in `shown`.

    `settings` of our own network ("sys/net/...=value") are written first. Modes and owners in /proc are those
    of the whole machine, so nothing hostile may run before it is read-only.
    """
    root = os.path.dirname(proc)
    nothing, parts = f"{root}/var/empty", f"{root}/var/proc"
    os.makedirs(proc, 0o755, exist_ok=True)
    os.makedirs(nothing, 0o755)
    _mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for setting in settings:
        path, _, value = setting.partition("=")
        _write(f"{proc}/{path}", value)
    _mount("", proc, "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for path in shown:
        if "/" in path and os.path.exists(f"{proc}/{path}"):
            _make_mount_point(f"{proc}/{path}", f"{parts}/{path}")
            _mount(f"{proc}/{path}", f"{parts}/{path}", "", MS_BIND)
    with os.scandir(proc) as entries:
        covered = [entry for entry in entries if not (entry.name.isdigit() or entry.name in shown)]
    for entry in covered:
        if entry.is_dir(follow_symlinks=False):
            part = f"{parts}/{entry.name}"
            _mount(part if os.path.isdir(part) else nothing, entry.path, "", MS_BIND | MS_REC)
            _mount("", entry.path, "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
        elif not entry.is_symlink():
            _mount(f"{root}/dev/null", entry.path, "", MS_BIND)  # as read-only as the mount it is bound from


def _restrict(target: str, flags: int) -> None:
    """Set these flags for a mount and for every mount below it, which came along with flags of its own.

    Before Linux 5.12 that can only be done for the mount itself. So a mount with others below it is refused.
    """
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", flags, 0, 0, 0), 32)
    try:
        _call("syscall", MOUNT_SETATTR, AT_FDCWD, target.encode(), AT_RECURSIVE, attributes, 32)
    except OSError as error:
        # A filter that others have set answers a call that it does not know with EPERM.
        if error.errno not in (errno.ENOSYS, errno.EPERM) or _has_mounts_below(target):
            raise
        _mount("", target, "", MS_REMOUNT | MS_BIND | flags | _kept(target))


def _has_mounts_below(target: str) -> bool:
    with open("/proc/self/mountinfo", "rb") as mounts:
        begin = re.sub(rb"[ \t\n\\]", lambda found: b"\\%03o" % ord(found[0]), target.encode()) + b"/"
        return any(mount.split(b" ")[4].startswith(begin) for mount in mounts)


def _kept(target: str) -> int:
    return os.statvfs(target).f_flag & KEPT


def _make_mount_point(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, 0o755, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    _call("mount", source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def _drop_capabilities() -> None:
    header = ctypes.create_string_buffer(struct.pack("Ii", CAPABILITY_VERSION_3, 0), 8)
    _call("syscall", CAPSET, header, ctypes.create_string_buffer(24))


def rule(ruleset: int | None) -> None:
    """Apply a set of Landlock's rules for good, in addition to those in force; None changes nothing.

    The argument is a descriptor that `ruleset` returned; it is closed. What is refused is not logged, or a
    person's code could flood the machine's audit log. Raises: OSError.
    """
    if ruleset is None:
        return
    try:
        _call("syscall", LANDLOCK_RESTRICT, ruleset, LANDLOCK_LOG_SAME_EXEC_OFF)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _call("syscall", LANDLOCK_RESTRICT, ruleset, 0)  # before Linux 6.15 there were no flags, and no log
    os.close(ruleset)


def ruleset(rules: list[list[Any]] | None) -> int | None:
    """The descriptor of a set of Landlock's rules, to be applied later: after `seal` none can be made.

    Rules are [path, bits of allowed access]; the first entry is [handled bits, scoped bits]. None gives None.
    Raises: OSError.
    """
    if rules is None:
        return None
    (handled, scoped), *paths = rules
    attributes = ctypes.create_string_buffer(struct.pack("QQQ", handled, 0, scoped), 24)
    made = _call("syscall", LANDLOCK_CREATE, attributes, 24, 0)
    for path, access in paths:
        try:
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            access &= OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", access & handled, beneath), 12)
        _call("syscall", LANDLOCK_ADD, made, LANDLOCK_RULE_PATH_BENEATH, rule, 0)
        os.close(beneath)
    return made
