"""Sees to the limits that the system does not hold by itself, by looking; and what it sees, it can only end.

    with Watchdog(limits, memory=True) as watchdog:
        watchdog.watch(watched := Watched(pid, workspace, too_much))
        watched.stir()              # a cell begins
        watchdog.forget(watched)

A kernel's workspace has a limit that only few file systems can hold; where there are no control groups,
memory and processes have none either. A look costs 0.1 ms and comes several times a second while something
changes, and every few seconds while nothing does. What a kernel can do between two looks is bounded by its
rlimits.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Self

from kernels.launch import Limits
from kernels.nofollow import folder, unlock

__all__ = ["MEMORY", "PROCESSES", "WORKSPACE", "Watchdog", "Watched"]

log = logging.getLogger(__name__)

MEMORY, PROCESSES, WORKSPACE = "memory", "processes", "workspace"  # what there can be too much of
FIRST, LAST = 0.2, 3.2  # seconds between looks: while something changes, and the longest
BLOCK = 512  # bytes that st_blocks counts in
MOST_ENTRIES = 100_000  # files and folders of a workspace, which cost room that no size tells
DEEPEST = 64  # folders within each other; what is deeper cannot be counted
UNCOUNTABLE = 1 << 62
PROC = Path("/proc")


class Watched:
    """One kernel under watch, whose init is the process `init`."""

    def __init__(self, init: int, workspace: Path, too_much: Callable[[str], None]) -> None:
        self.init = init
        self.workspace = workspace
        self.too_much = too_much
        self.began = 0  # bytes in the workspace when the cell began
        self.stirred = True
        self.due = 0.0
        self.pause = FIRST
        self.seen = (0, 0)

    def stir(self) -> None:
        """A cell begins: look often again. A workspace that is too large already may stay so."""
        self.stirred = True


class Watchdog:
    """One thread that looks at all kernels in turn. With `memory` it counts memory and processes too."""

    def __init__(self, limits: Limits, *, memory: bool) -> None:
        self._limits = limits
        self._memory = memory
        self._watched: set[Watched] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kernel watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def watch(self, watched: Watched) -> None:
        """Look at this one too; its `too_much` is called at most once, in the watchdog's thread."""
        self._watched.add(watched)

    def forget(self, watched: Watched) -> None:
        """Look at it no more."""
        self._watched.discard(watched)

    def _run(self) -> None:
        while not self._stop.wait(FIRST):
            for watched in tuple(self._watched):
                if watched.stirred or monotonic() >= watched.due:
                    try:
                        self._look(watched)
                    except Exception:  # whatever one kernel makes of it, the others must be looked at
                        log.exception("the watchdog could not look at %s", watched.workspace)

    def _look(self, watched: Watched) -> None:
        size = 0 if self._limits.workspace is None else _size(watched)
        if watched.stirred:
            watched.stirred, watched.began, watched.pause = False, size, FIRST
        fault, held = self._fault(watched, size)
        if fault:
            self.forget(watched)
            watched.too_much(fault)
        watched.pause = FIRST if (size, held) != watched.seen else min(watched.pause * 2, LAST)
        watched.seen = size, held
        watched.due = monotonic() + watched.pause

    def _fault(self, watched: Watched, size: int) -> tuple[str, int]:
        """What there is too much of, or "", and the bytes of memory where they are counted."""
        if size > max(self._limits.workspace or 0, watched.began):
            return WORKSPACE, 0
        if not self._memory:
            return "", 0
        processes = [watched.init, *_below(watched.init)]
        threads = sum(_threads(pid) for pid in processes)
        if threads > self._limits.processes:
            return PROCESSES, 0
        held = sum(map(_resident, processes))
        if held > self._limits.memory:  # it counts pages that are shared with the zygote for each of them
            held = sum(_field(pid, "smaps_rollup", "Pss:") or _resident(pid) for pid in processes)
        return (MEMORY if held > self._limits.memory else ""), held


def _size(watched: Watched) -> int:
    """Bytes on the disk below the workspace; more than any limit where they cannot be counted."""
    try:
        unlock(watched.workspace)
        with folder(watched.workspace) as top:
            named = sum(_blocks(top, [MOST_ENTRIES], DEEPEST))
        return named + sum(map(_deleted, _below(watched.init)))
    except _Uncountable:
        return UNCOUNTABLE
    except OSError:  # it is being removed
        return 0


class _Uncountable(Exception):
    pass


def _blocks(here: int, left: list[int], depth: int) -> Iterator[int]:
    with os.scandir(here) as entries:
        for entry in entries:
            left[0] -= 1
            if left[0] < 0 or depth == 0:
                raise _Uncountable
            try:
                yield entry.stat(follow_symlinks=False).st_blocks * BLOCK
                if entry.is_dir(follow_symlinks=False):
                    unlock(entry.name, here)  # a closed folder hides what is still written below it
                    with folder(entry.name, inside=here) as inner:
                        yield from _blocks(inner, left, depth - 1)
            except OSError:  # it is gone, or closed to us
                continue


def _below(pid: int) -> list[int]:
    """All processes that a process has started, and theirs, in whatever depth."""
    found = _children(pid)
    for child in found:  # which grows
        found += _children(child)
    return found


def _children(pid: int) -> list[int]:
    try:
        tasks = list((PROC / str(pid) / "task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text("ascii").split()]
    except OSError:  # it has ended
        return []


def _threads(pid: int) -> int:
    try:
        return len(os.listdir(PROC / str(pid) / "task"))
    except OSError:
        return 0


def _resident(pid: int) -> int:
    return _field(pid, "status", "RssAnon:", "RssShmem:")


def _field(pid: int, file: str, *names: str) -> int:
    """Bytes that a file of a process tells under these names."""
    try:
        lines = (PROC / str(pid) / file).read_text("ascii", "replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(names))


def _deleted(pid: int) -> int:
    """Bytes of the files that a process holds open and nobody finds by name any more."""
    total = 0
    try:
        descriptors = list((PROC / str(pid) / "fd").iterdir())
    except PermissionError:  # it hides them, unless it has ended and is not reaped yet
        if _field(pid, "status", "VmSize:"):
            raise _Uncountable from None
        return 0
    except OSError:
        return 0
    for descriptor in descriptors:
        with suppress(OSError):
            found = descriptor.stat()
            total += found.st_blocks * BLOCK if found.st_nlink == 0 else 0
    return total
