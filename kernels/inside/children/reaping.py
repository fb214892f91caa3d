"""Reaps child processes that have ended unnoticed, so that they do not use up the kernel's limit.

    reaping.install()      # once
    reaping.reap()         # between cells

A child that has ended counts as a process of the kernel until somebody waits for it, which cells often leave
out. The exit statuses are kept here: code that waits later, in Python, gets what the system would have told
it. That holds for `os.waitpid` and `os.wait` in a later cell, and for `subprocess`, `asyncio` and
`multiprocessing`, which use them. As long as there are only a few such children they are left alone, so that
ordinary programs never notice.
"""

import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any

from ..procfs import children, fields

__all__ = ["install", "reap"]

FEW = 8  # ended children that are left alone
REMEMBERED = 10_000  # exit statuses that are kept, the newest
ANY = (-1, 0)  # what `os.waitpid` takes for any child, and for any of the same process group

_waitpid: Callable[[int, int], tuple[int, int]] = os.waitpid
_wait: Callable[[], tuple[int, int]] = os.wait
_statuses: dict[int, int] = {}
_reaping = threading.Lock()  # from collecting a status until it is in `_statuses`


def install() -> None:
    """Make Python's functions that wait for a child know what `reap` has collected."""
    os.waitpid, os.wait = waitpid, wait
    # `Popen.poll` has references of its own; where they are differs between versions of Python.
    poll: Any = subprocess.Popen._internal_poll  # type: ignore[attr-defined]
    poll.__defaults__ = tuple(waitpid if one is _waitpid else one for one in poll.__defaults__ or ())
    kept: Any = getattr(subprocess, "_del_safe", None)
    if kept is not None:
        kept.waitpid = waitpid
    os.register_at_fork(after_in_child=_forget)


def reap() -> None:
    """Reap the children that have ended, if there are more than a few."""
    if _one_has_ended() and _ended() > FEW:
        while _collected():
            pass


def _collected() -> bool:
    """Reap one child and keep its status; returns whether there was one."""
    with _reaping:
        try:
            pid, status = _waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid:
            _statuses.pop(pid, None)  # that of an earlier process with this number
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
    """The kept status of this child, or of any (-1); it is given only once."""
    with _reaping:
        if pid in ANY and _statuses:
            pid = next(iter(_statuses))
        status = _statuses.pop(pid, None)
    return None if status is None else (pid, status)


def _forget() -> None:
    """In a forked child: the statuses are those of the parent's children, and nobody holds the lock."""
    global _reaping  # noqa: PLW0603
    _reaping = threading.Lock()
    _statuses.clear()


def _one_has_ended() -> bool:
    """Whether any child has ended, which takes a microsecond to ask."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except (AttributeError, OSError):  # there is no child, or this system has no such call
        return False


def _ended() -> int:
    """How many ended children were not waited for; where that cannot be read, more than a few."""
    try:
        return sum(fields(f"/proc/{pid}/stat")[:1] == [b"Z"] for pid in children(os.getpid()))
    except OSError:  # there is no /proc, or no descriptor left to read it
        return FEW + 1
