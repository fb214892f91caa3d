"""How much memory is left for kernels: on the machine, or in a control group around us that has less.

    machine = Machine()
    machine.memory().is_short(limits.memory)

A container or a service of systemd can have a limit that /proc/meminfo does not show. Version 2:
memory.max and memory.current of https://docs.kernel.org/admin-guide/cgroup-v2.html; version 1:
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kernels.sandbox.limits.cgroup import own_groups

__all__ = ["Machine", "Memory", "kernels_for", "memory_left"]

MEMINFO = Path("/proc/meminfo")
ONE = re.compile(r"^(MemTotal|MemAvailable): +(\d+) kB", re.MULTILINE)
# Bytes for each kernel that the machine has: an idle one with pandas takes a third of it, and those that take
# more than that give way when memory is short.
ROOM = 32 << 20
MOST_KERNELS = 500
SHARE = 4  # memory is short if less than a quarter of the whole is left, on a small machine
# The files with a group's limit and use, and what part of the use is cache that can be dropped. That includes
# the active part, as in MemAvailable: files that were read twice are often most of what is used.
Version = tuple[str, str, tuple[str, str]]
VERSIONS: tuple[Version, ...] = (
    ("memory.max", "memory.current", ("inactive_file", "active_file")),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that are `left` of a `whole`."""

    left: int
    whole: int

    def is_short(self, one: int, parts: int = 1) -> bool:
        """Whether one more kernel, which may use `one`, may find too little; with `parts`, far too little."""
        return self.left < min(one, self.whole // SHARE) // parts


def memory_left(meminfo: Path = MEMINFO) -> Memory:
    """What the machine itself has left, as `meminfo` tells. Raises: OSError, KeyError."""
    told = dict(ONE.findall(meminfo.read_text("ascii")))
    return Memory(int(told["MemAvailable"]) << 10, int(told["MemTotal"]) << 10)


def kernels_for(memory: int) -> int:
    """How many kernels there may be at a time on a machine with so many bytes of memory."""
    return min(MOST_KERNELS, max(1, memory // ROOM))


class Machine:
    """See the module's text. If `meminfo` and the groups tell nothing, memory is never short."""

    def __init__(self, meminfo: Path = MEMINFO) -> None:
        self._meminfo = meminfo
        self._groups: list[tuple[Path, Version]] = []  # those that can have a limit, found once
        with suppress(OSError):
            found = own_groups()
            owns = [own for own in (found.get("memory"), found.get("")) if own is not None]
            groups = [group for own in owns for group in (own, *own.parents)]
            self._groups = [
                (group, version) for group in groups for version in VERSIONS if (group / version[0]).exists()
            ]

    def memory(self) -> Memory:
        """What is left now; this takes 0.1 ms."""
        return min(self._all(), key=lambda found: found.left)

    def whole(self) -> int:
        """The bytes of memory that all kernels can have together, at most."""
        return min(found.whole for found in self._all())

    def _all(self) -> Iterator[Memory]:
        machine = Memory(1 << 62, 1 << 62)
        yield machine
        with suppress(OSError, KeyError, ValueError):
            machine = memory_left(self._meminfo)
            yield machine
        for group, (limit, usage, dropped) in self._groups:
            with suppress(OSError, KeyError, ValueError):  # it has no limit
                whole = int((group / limit).read_text("ascii"))
                if whole >= machine.whole:  # in version 1 a large number means no limit; the rest takes long
                    continue
                used = int((group / usage).read_text("ascii"))
                stat = dict(line.split() for line in (group / "memory.stat").read_text("ascii").splitlines())
                cache = sum(int(stat[name]) for name in dropped)
                yield Memory(max(0, whole - used + cache), whole)
