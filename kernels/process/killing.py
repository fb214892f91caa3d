"""Ends a kernel's processes where no namespace does: by its init, or without it if that does not answer.

    ending = Ending(pid)
    ending.ask(pidfd, say)          # at each wish to end it; `say` asks the init

An init that was stopped from outside goes on when it is asked. One that has not ended long after the first
time is killed with all that it has started, since nobody else would find what it leaves. A thread does that:
its processes may resist, and everybody's event loop must not wait for them. The init is killed last and never
stopped, so that it goes on ending them should we be killed meanwhile.
"""

import logging
import os
import select
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, sleep

from kernels.inside.descendants import kill_all
from kernels.inside.procfs import fields, tree

__all__ = ["Ending"]

log = logging.getLogger(__name__)

OBEYS = 2.0  # seconds in which an init has ended its processes
LONGEST = 10.0  # seconds for killing them without it; the next wish to end it tries again
LOOK = 0.005  # seconds between passes, in which what is killed ends


class Ending:
    """See the module's text. `pid` is the init's; `obeys` are seconds."""

    def __init__(self, pid: int, obeys: float = OBEYS) -> None:
        self._pid = pid
        self._obeys = obeys
        self._asked: float | None = None  # when it was first asked to end
        self._thread: threading.Thread | None = None

    def ask(self, pidfd: int, say: Callable[[], None]) -> None:
        """Have it end with all that it has started. Raises nothing, also if it is gone; never waits."""
        now = monotonic()
        if self._asked is None:
            self._asked = now
        if now - self._asked > self._obeys:
            self._kill(pidfd)
            return
        say()
        _send(pidfd, signal.SIGCONT)

    def _kill(self, pidfd: int) -> None:
        if (self._thread is not None and self._thread.is_alive()) or not _lives(pidfd):
            return
        try:
            own = os.dup(pidfd)  # the caller may close its own meanwhile
        except OSError as error:
            log.warning("a kernel that does not end is not killed yet: %s", error)
            return
        # A daemon: the program's end waits for no kernel, whose init sees that and goes on.
        self._thread = threading.Thread(
            target=_kill_whole, args=(self._pid, own), name="killing", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError as error:  # no thread is left
            self._thread = None
            os.close(own)
            log.warning("a kernel that does not end is not killed yet: %s", error)


def _kill_whole(pid: int, pidfd: int) -> None:
    """Kill all that a process has started, then itself, and close its descriptor."""
    try:
        if _kill_below(pid, pidfd):
            _send(pidfd, signal.SIGKILL)
        else:
            log.warning("processes of a kernel (init %d) live on %.0f s after they were killed", pid, LONGEST)
            _send(pidfd, signal.SIGCONT)  # whoever stopped it: it may end them yet
    finally:
        os.close(pidfd)


def _kill_below(pid: int, pidfd: int) -> bool:
    """Kill all that a process has started; returns whether nothing of it lives."""
    until = monotonic() + LONGEST
    before: set[int] | None = None
    while monotonic() < until:
        found = kill_all(lambda: _below(pid, pidfd))
        # Of processes that fork and exit at once a look may find only ended ones, but always others.
        if found == before and all(map(_ended, found)):
            return True
        before = found
        sleep(LOOK)
    return False


def _below(pid: int, pidfd: int) -> list[int]:
    """What a process has started; [] if it is gone: its number may be another's by now."""
    found = tree(pid)[1:]
    return found if _lives(pidfd) else []


def _lives(pidfd: int) -> bool:
    ended = select.poll()  # select(2) takes no descriptor over 1023
    ended.register(pidfd, select.POLLIN)
    return not ended.poll(0)


def _ended(pid: int) -> bool:
    """Whether all of its threads have ended: the first one may before the others."""
    try:
        told = fields(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:  # no descriptor is left
        return False
    return not told or (told[0] in b"ZX" and int(told[17]) <= 1)


def _send(pidfd: int, number: int) -> None:
    """Send a signal to the process of a descriptor, unless it is gone."""
    with suppress(OSError):
        signal.pidfd_send_signal(pidfd, number)
