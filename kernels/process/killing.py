"""Ends a kernel's processes where no namespace does: by its init, or without it if that does not answer.

    ending = Ending(pid)
    ending.ask(pidfd, say)          # at each wish to end it; `say` asks the init

An init that was stopped from outside goes on when it is asked. One that has not ended long after the first
time is killed with all that it has started, since nobody else would find what it leaves.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from kernels.inside.procfs import tree

__all__ = ["Ending"]

OBEYS = 2.0  # seconds in which an init has ended its processes


class Ending:
    """See the module's text. `pid` is the init's; `obeys` are seconds."""

    def __init__(self, pid: int, obeys: float = OBEYS) -> None:
        self._pid = pid
        self._obeys = obeys
        self._asked: float | None = None  # when it was first asked to end

    def ask(self, pidfd: int, say: Callable[[], None]) -> None:
        """Have it end with all that it has started. Raises nothing, also if it is gone."""
        now = monotonic()
        if self._asked is None:
            self._asked = now
        if now - self._asked > self._obeys:
            _kill_all(self._pid, pidfd)
            return
        say()
        _send(pidfd, signal.SIGCONT)


def _kill_all(pid: int, pidfd: int) -> None:
    """Kill a process and all that it has started. They are stopped first: none may start others meanwhile."""
    if not _send(pidfd, signal.SIGSTOP):
        return  # the number may be another's by now
    below: set[int] = set()
    while new := {*tree(pid)[1:]} - below:
        for each in new:
            with suppress(OSError):  # it has ended
                os.kill(each, signal.SIGSTOP)
        below |= new
    for each in below:
        with suppress(OSError):
            os.kill(each, signal.SIGKILL)
    _send(pidfd, signal.SIGKILL)


def _send(pidfd: int, number: int) -> bool:
    """Send a signal to the process of a descriptor, unless it is gone; returns whether it was there."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except OSError:
        return False
    return True
