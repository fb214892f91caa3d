"""Ends processes that do not want to: they fork, and continue each other when they are stopped.

    while kill_all(lambda: tree(pid)[1:]):      # until nothing is left
        sleep(0.005)

A stopped process can have itself continued by a POSIX timer, so there may never be a time when all of them
are still. Two things cannot be undone, and each pass does them to all that it finds: a limit of no processes,
which children inherit and which only root is exempt from, and SIGKILL.
"""

import os
import resource
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic

__all__ = ["kill_all"]

STOP = 0.2  # seconds for stopping them before they are killed; those of a plain fork bomb need a few passes


def kill_all(find: Callable[[], Iterable[int]]) -> set[int]:
    """Kill the processes that `find` tells, and those that it tells meanwhile; returns all of their ids.

    First they lose the right to fork and are stopped, or others would use the room that each killed one
    leaves. What they have started just before is for the next call. Raises what `find` raises.
    """
    until = monotonic() + STOP
    held: set[int] = set()
    while new := {*find()} - held:
        for pid in new:
            with suppress(OSError):  # it has ended
                resource.prlimit(pid, resource.RLIMIT_NPROC, (0, 0))
            with suppress(OSError):
                os.kill(pid, signal.SIGSTOP)
        held |= new
        if monotonic() > until:
            break
    for pid in held:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return held
