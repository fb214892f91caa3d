"""What a process is doing right now, as a line for the log: for one that should have answered but has not.

doing(pid)      # "412 'python' [S do_sys_poll], 413 'python' [S ep_poll, R]"
"""

import re
from contextlib import suppress
from itertools import islice
from pathlib import Path

from kernels.inside.procfs import PROC, tree

__all__ = ["doing"]

MOST = 10  # processes that are told, and threads of each; a working kernel has two, with six threads
STAT = re.compile(rb"\d+ \((.*)\) (\w)", re.DOTALL)  # proc_pid_stat(5): id, name, state


def doing(pid: int | None) -> str:
    """The process and those that it has started: their ids, names, and what each thread waits for.

    A thread is described by its state, as in ps, and the function of Linux in which it sleeps. What Linux
    does not tell is left out.
    """
    found = [] if pid is None else tree(pid, MOST)
    return ", ".join(filter(None, map(_told, found[:MOST]))) or "no process"


def _told(pid: int) -> str:
    try:
        name = _stat(PROC / str(pid))[0]
        threads = islice((PROC / str(pid) / "task").iterdir(), MOST)
        return f"{pid} {name!r} [{', '.join(filter(None, map(_thread, threads)))}]"
    except OSError:  # it has ended
        return ""


def _thread(folder: Path) -> str:
    with suppress(OSError):
        state = _stat(folder)[1]
        with suppress(OSError):  # not ours to see
            if (place := (folder / "wchan").read_text("ascii")) not in ("", "0"):
                return f"{state} {place}"
        return state
    return ""


def _stat(folder: Path) -> tuple[str, str]:
    found = STAT.match((folder / "stat").read_bytes())
    if found is None:
        return "", "?"
    return found[1].decode("ascii", "backslashreplace"), found[2].decode("ascii")
