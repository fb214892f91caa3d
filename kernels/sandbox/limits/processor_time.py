"""Processor time of all processes of a kernel from one moment on, even of those that come and go unseen.

    spent = Spent()
    spent.look(pids)        # seconds since the first look; to be called regularly

The time of a process that has ended is known from an earlier look, or from its parent. If the parent does not
collect it (it ignores SIGCHLD), the time of short-lived processes is estimated from how many are found
running.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic

from kernels.inside.procfs import PROC, fields

__all__ = ["Spent"]

TICK = os.sysconf("SC_CLK_TCK")
MOST = 10_000  # processes that are remembered; with more, those that are gone are forgotten


class Spent:
    """See the module's text. `proc` is where Linux tells of processes."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self.seconds = 0.0
        self._known: dict[tuple[int, bytes], int] = {}
        self._total = 0
        self._at: float | None = None

    def look(self, pids: Iterable[int]) -> float:
        """Seconds of processor time that these processes and their children used since the first look."""
        seen: dict[tuple[int, bytes], int] = {}
        total, new = 0, 0
        for pid in pids:
            with suppress(OSError, IndexError, ValueError):  # it has ended
                told = fields(self._proc / str(pid) / "stat")
                own, waited_for = int(told[11]) + int(told[12]), int(told[13]) + int(told[14])
                process = pid, told[19]  # with its start, since a later process may have the same number
                seen[process] = own
                total += own + waited_for
                new += told[0] == b"R" and process not in self._known
        now = monotonic()
        if self._at is not None:
            grown = sum(max(0, own - self._known.get(process, 0)) for process, own in seen.items())
            unseen = min(new, os.cpu_count() or 1) * (now - self._at)
            self.seconds += max((total - self._total) / TICK, grown / TICK, unseen)
        self._at = now
        self._total = max(self._total, total)
        self._known = (self._known if len(self._known) < MOST else {}) | seen
        return self.seconds
