"""Hard limits on all processes of a kernel together: control groups, version 2 or 1.

    groups = Groups.found(unique_name())    # None if we may not make any
    group = groups.make("ab12", limits)
    group.add_process(pid)                         # it, and whatever it starts from now on
    group.killed                            # how many of its processes were killed for want of memory
    group.remove()

Adding a process and removing a group are work for a thread: Linux waits until no processor can still see the
old state. That takes 10 ms and more for each hierarchy of version 1, too long for an event loop.

Our part of the hierarchy is locked as long as we live. A program that is killed leaves its part behind, and
the next one removes the parts that are not locked. The lock is on an open folder (flock(2)), so it ends with
its program, and works between containers too, where a process id says nothing.

Version 2: https://docs.kernel.org/admin-guide/cgroup-v2.html; version 1:
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html and its neighbours.
"""

import contextlib
import fcntl
import logging
import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Self

from kernels.limits import Limits

__all__ = ["Group", "Groups", "own_groups", "unique_name"]

log = logging.getLogger(__name__)

PROC = Path("/proc/self")  # where Linux tells of our own process
CONTROLLERS = ("memory", "pids", "cpu")
PREFIX = "kernelcord-part-"  # of parts, which may be removed when nobody has locked them
TRIES, AGAIN = 100, 0.01  # to lock ours while another program looks at it; seconds between tries
EMPTIED, LOOK = 2.0, 0.002  # seconds until killed processes must have left their group; between looks
# Bytes that a kernel's connections may hold in version 1, which does not count them as memory: they use what
# the whole machine has for TCP. Further connections are slow, and hold no more.
CONNECTIONS = 64 << 20
EVENTS_V1, EVENTS_V2 = "memory.oom_control", "memory.events"
LONGEST_EVENTS = 4096  # bytes of such a file, which has some hundreds
MOST_USED = "memory.max_usage_in_bytes"  # in version 1
NEAR = 32  # within 1/32 of the limit: the request that was denied is not part of what was used
PERIOD = 100_000  # microseconds over which processor time is counted
SHARE_V1, SHARE_V2 = 512, 50  # half of what any other program gets when the processors are busy


def unique_name() -> str:
    """A name for our part of the hierarchy that no other program has."""
    return f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Groups:
    """Where groups for kernels can be made: `folders` by controller (version 1), or one under ""."""

    folders: Mapping[str, Path]
    locks: tuple[int, ...] = ()

    @classmethod
    def found(cls, name: str, *, proc: Path = PROC) -> Self | None:
        """Our part of the hierarchy, a group called `name`; None if it cannot be written."""
        with contextlib.ExitStack() as stack:
            try:
                mounts = own_groups(proc)
                if "" in mounts and _controlled(mounts[""] / "cgroup.controllers"):
                    parent = _delegating(mounts[""])
                    locks = [_locked(parent / name, stack)]
                    folders = {"": _delegated(parent, name)}
                else:
                    folders = {controller: mounts[controller] / name for controller in CONTROLLERS}
                    locks = [_locked(folder, stack) for folder in dict.fromkeys(folders.values())]
            except (OSError, KeyError):
                return None
            stack.pop_all()
        groups = cls(folders, tuple(locks))
        groups._clear()
        return groups

    def make(self, name: str, limits: Limits) -> "Group":
        """A group with these limits. Raises: OSError."""
        version, events = (2, EVENTS_V2) if "" in self.folders else (1, EVENTS_V1)
        group = Group(tuple(dict.fromkeys(folder / name for folder in self.folders.values())), events)
        for folder in group.folders:
            folder.mkdir(exist_ok=True)
        for file, value in _settings(limits, version=version).items():
            controller, optional = file.partition(".")[0], file.endswith("?")
            folder = self.folders.get("") or self.folders[controller]
            try:
                (folder / name / file.rstrip("?")).write_text(value, "ascii")
            except OSError:
                if not optional:
                    for folder in group.folders:
                        folder.rmdir()
                    raise
        return group

    def close(self) -> None:
        """Remove our part, as far as it is empty."""
        self._clear()  # once more: what was killed just before our start has ended by now
        for folder in set(self.folders.values()):
            _remove(folder)
        for lock in self.locks:
            os.close(lock)

    def _clear(self) -> None:
        """Remove the parts of dead programs, unless a process is left in them."""
        parents = {folder.parent for folder in self.folders.values()}
        cleared = sum(_removed_if_dead(left) for each in parents for left in each.glob(f"{PREFIX}*/"))
        if cleared:
            log.info("%d control groups of programs that were killed have been removed", cleared)


@dataclass(frozen=True, slots=True)
class Group:
    """One kernel's group, with the same name in every hierarchy."""

    folders: tuple[Path, ...]  # that of its memory first
    events: str = EVENTS_V2  # the file that counts what happened for want of memory

    def add_process(self, pid: int) -> None:
        """Add a process, and with it what it starts from now on. Raises: OSError."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid), "ascii")

    @property
    def killed(self) -> int:
        """How many of its processes were killed for want of memory, the group's or the machine's."""
        return self._count("oom_kill")

    @property
    def at_its_limit(self) -> bool:
        """Whether it ever used all of its memory: else it was the machine that ran out."""
        if self._count("oom"):
            return True
        with contextlib.suppress(OSError, ValueError):
            folder = next(folder for folder in self.folders if (folder / MOST_USED).exists())
            limit = int((folder / "memory.limit_in_bytes").read_text("ascii"))
            return int((folder / MOST_USED).read_text("ascii")) > limit - limit // NEAR
        return False

    def _count(self, wanted: str) -> int:
        """A number of the file `events`, by its name; 0 if there is none."""
        # Read after each cell: a file object takes twice as long, and `Path.read_text` four times.
        with contextlib.suppress(OSError, ValueError):
            events = os.open(f"{self.folders[0]}/{self.events}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                told = os.read(events, LONGEST_EVENTS)
            finally:
                os.close(events)
            _, name, after = b"\n".join((b"", told)).partition(f"\n{wanted} ".encode())
            return int(after.partition(b"\n")[0]) if name else 0
        return 0

    def remove(self, *, seconds: float = EMPTIED) -> None:
        """Kill its processes and remove it, as soon as the last one has left it: give up after `seconds`."""
        until = monotonic() + seconds
        while not self._removed():
            self._kill()
            if monotonic() > until:
                log.warning("the control group %s still has processes and is left behind", self.folders[0])
                return
            sleep(LOOK)  # in version 1 no event tells when a group is empty

    def _kill(self) -> None:
        """Kill its processes: without a namespace that ends with its init, some can be left."""
        for pid in (self.folders[0] / "cgroup.procs").read_text("ascii").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def _removed(self) -> bool:
        with contextlib.suppress(OSError):
            for folder in self.folders:
                with contextlib.suppress(FileNotFoundError):
                    folder.rmdir()
            return True
        return False


def _settings(limits: Limits, *, version: int) -> dict[str, str]:
    """What is written into the group's files, in order; files with a question mark may be missing."""
    quota = int(limits.cpus * PERIOD)
    if version == 2:
        return {
            "memory.max": str(limits.memory),
            "memory.swap.max?": "0",
            "memory.oom.group?": "0",
            "pids.max": str(limits.processes),
            "cpu.max?": f"{quota} {PERIOD}",
            "cpu.weight?": str(SHARE_V2),
        }
    return {
        "memory.limit_in_bytes": str(limits.memory),
        "memory.memsw.limit_in_bytes?": str(limits.memory),
        "memory.kmem.tcp.limit_in_bytes?": str(min(limits.memory, CONNECTIONS)),
        "pids.max": str(limits.processes),
        "cpu.cfs_period_us?": str(PERIOD),
        "cpu.cfs_quota_us?": str(quota),
        "cpu.shares?": str(SHARE_V1),
    }


def own_groups(proc: Path = PROC) -> dict[str, Path]:
    """Our own groups, as `proc` tells: by controller for version 1, under "" for version 2."""
    own: dict[str, str] = {}
    for line in _lines(proc / "cgroup"):
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), path)
    found = {}
    for line in _lines(proc / "mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, mounted = before.split(" ")[3:5]
        names = [""] if kind == "cgroup2" else options.split(" ")[-1].split(",") if kind == "cgroup" else []
        for name in names:
            if name in own:
                found[name] = Path(mounted) / os.path.relpath(own[name], root)
    return found


def _lines(file: Path) -> list[str]:
    """The lines of a file of /proc with paths, in which Linux escapes only the newline."""
    return [os.fsdecode(line) for line in file.read_bytes().split(b"\n") if line]


def _controlled(file: Path) -> bool:
    """Whether a list of controllers has those that we need."""
    return set(CONTROLLERS[:2]) <= set(file.read_text("ascii").split())


def _delegating(own: Path) -> Path:
    """The group of version 2 in which to make ours: one that has processes cannot have limited groups in it.

    It is the parent of our own group, if we may write there (as root); else our own group, whose processes
    are moved into a leaf.
    """
    parent = own if own.parent == own or not os.access(own.parent / "cgroup.procs", os.W_OK) else own.parent
    if parent == own:
        leaf = own / "kernelcord-itself"
        leaf.mkdir(exist_ok=True)
        for pid in (own / "cgroup.procs").read_text("ascii").split():
            (leaf / "cgroup.procs").write_text(pid, "ascii")
    return parent


def _delegated(parent: Path, name: str) -> Path:
    """Our group of version 2, in which limited groups can be made. Raises: OSError."""
    folder = parent / name
    for place in (parent, folder):
        enabled = (place / "cgroup.subtree_control").read_text("ascii").split()
        for controller in CONTROLLERS:
            if controller not in enabled:
                with contextlib.suppress(OSError):
                    (place / "cgroup.subtree_control").write_text(f"+{controller}", "ascii")
    if not _controlled(folder / "cgroup.subtree_control"):
        raise OSError("the controllers are not delegated to us")
    return folder


def _locked(folder: Path, stack: contextlib.ExitStack) -> int:
    """Make a folder and lock it; `stack` undoes both if it is left early. Raises: OSError."""
    for _ in range(TRIES):
        # Until it is locked, another program can remove it at any moment.
        with (
            contextlib.suppress(FileNotFoundError, FileExistsError, BlockingIOError),
            contextlib.ExitStack() as trying,
        ):
            folder.mkdir(exist_ok=True)
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            trying.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), folder.stat()):
                trying.callback(_remove, folder)
                stack.push(trying.pop_all())
                return lock
        sleep(AGAIN)
    raise BlockingIOError(f"{folder} is locked")


def _removed_if_dead(folder: Path) -> bool:
    """Remove a program's part unless the program lives. Parts of other users are left alone."""
    with contextlib.ExitStack() as stack:
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            stack.callback(os.close, lock)
            if os.fstat(lock).st_uid != os.geteuid():
                return False
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it lives, or another program is removing it
            return False
        return _remove(folder)


def _remove(folder: Path) -> bool:
    """Remove a part with the groups in it; a group that has a process stays, and so does its part."""
    for group in folder.glob("*/"):
        with contextlib.suppress(OSError):
            group.rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()
        return True
    return False
