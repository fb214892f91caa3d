"""Child processes that have ended, and for which nobody has waited: they must not use up the kernel's limit.

    children.install()      # once
    children.reap()         # between cells

A child that has ended counts as one of the kernel's processes until it is waited for, and cells often leave
that out. Their exit statuses are kept here: whoever waits later, in Python, gets what the system would have
told: `os.waitpid` and `os.wait` in a later cell, and `subprocess`, `asyncio` and `multiprocessing`, which use
them. A few are left as they are, so that an ordinary program meets nothing of ours.
"""

import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any

from ..procfs import children, fields

__all__ = ["install", "reap"]

FEW = 8  # children that have ended and are left alone
REMEMBERED = 10_000  # exit statuses that are kept, of the newest
ANY = (-1, 0)  # what `os.waitpid` takes for any child, and for any of the same process group

_waitpid: Callable[[int, int], tuple[int, int]] = os.waitpid
_wait: Callable[[], tuple[int, int]] = os.wait
_statuses: dict[int, int] = {}
_reaping = threading.Lock()  # from collecting a status until it is in `_statuses`


def install() -> None:
    """Have Python's ways to wait know what `reap` has collected."""
    os.waitpid, os.wait = waitpid, wait
    # `Popen.poll` has a reference of its own, by version of Python in one place or the other.
    poll: Any = subprocess.Popen._internal_poll  # type: ignore[attr-defined]
    poll.__defaults__ = tuple(waitpid if one is _waitpid else one for one in poll.__defaults__ or ())
    kept: Any = getattr(subprocess, "_del_safe", None)
    if kept is not None:
        kept.waitpid = waitpid
    os.register_at_fork(after_in_child=_forget)


def reap() -> None:
    """Collect the children that have ended, if there are more than a few."""
    if not _one_has_ended():
        return
    if _ended() > FEW:
        while _collected():
            pass


def _collected() -> bool:
    """Whether there was one more child that had ended, whose status is kept now."""
    with _reaping:
        try:
            pid, status = _waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid:
            _statuses.pop(pid, None)  # of an earlier process of this number
            _statuses[pid] = status
        while len(_statuses) > REMEMBERED:
            del _statuses[next(iter(_statuses))]
    return pid != 0


def waitpid(pid: int, options: int, /) -> tuple[int, int]:
    """Wait for completion of a given child process.

    Returns a tuple of information regarding the child process: (pid, status).
    """
    if pid in ANY and (kept := _taken(pid)) is not None:
        return kept
    try:
        return _waitpid(pid, options)
    except ChildProcessError:
        if (kept := _taken(pid)) is None:
            raise
        return kept


def wait() -> tuple[int, int]:
    """Wait for completion of a child process.

    Returns a tuple of information about the child process: (pid, status).
    """
    return _taken(-1) or _wait()


def _taken(pid: int) -> tuple[int, int] | None:
    """The kept status of this child, or of any (-1), which is given once."""
    with _reaping:
        if pid in ANY and _statuses:
            pid = next(iter(_statuses))
        status = _statuses.pop(pid, None)
    return None if status is None else (pid, status)


def _forget() -> None:
    """In a forked child: they are the parent's children, and nobody holds the lock."""
    global _reaping  # noqa: PLW0603
    _reaping = threading.Lock()
    _statuses.clear()


def _one_has_ended() -> bool:
    """Whether any child has, which takes a microsecond to ask."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except (AttributeError, OSError):  # there is no child, or no such question on this system
        return False


def _ended() -> int:
    """How many children have ended and were not waited for; where that cannot be read, too many."""
    try:
        return sum(fields(f"/proc/{pid}/stat")[:1] == [b"Z"] for pid in children(os.getpid()))
    except OSError:  # there is no /proc, or no descriptor left to read it
        return FEW + 1
