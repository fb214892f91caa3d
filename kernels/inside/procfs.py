"""What /proc tells of a process: when it started, what it has started, and the files that tell more.

    started(pid)                        # "81234", or "" when it is gone
    tree(pid)                           # its id, and those of all processes below it
    fields(f"/proc/{pid}/stat")         # [b"S", b"1", ...]: from the state on, field 3 of proc_pid_stat(5)
    sizes(f"/proc/{pid}/status")        # {b"VmPTE": 45056, ...}: the lines that tell sizes, in bytes
    words(f"/proc/{pid}/status", b"NSpid")      # [b"812", b"1"]

Nothing that a process chooses can change how this is read. It chooses its name, and paths that it has mapped,
from any bytes. Linux escapes only the newline in most of these files, and no bracket in `stat`. Python's text
has more ends of lines than that: for `str.splitlines` a name with a carriage return, a form feed or a unit
separator in it is two lines. So files are read as bytes, lines end at b"\\n" only, and a line that does not
look as expected is passed over.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

__all__ = ["PROC", "children", "fields", "sizes", "started", "tree", "words"]

PROC = Path("/proc")
MOST_PROCESSES = 10_000  # looked at; no kernel has that many for long
SIZE = re.compile(rb"^(\w+):[ \t]+([0-9]+) kB$", re.MULTILINE)


def started(pid: int) -> str:
    """When a process started, in ticks since the boot: no other process has had this number and that time.

    "" when it is gone. Raises: OSError where that cannot be found out, for want of a descriptor.
    """
    try:
        return fields(f"/proc/{pid}/stat")[19].decode("ascii")
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return ""


def children(pid: int) -> list[int]:
    """The processes that any thread of a process has started. Raises: OSError: it has ended.

    A thread that ends meanwhile hides nothing: a process could start such threads all the time.
    """
    found: list[int] = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with suppress(FileNotFoundError, ProcessLookupError):  # its children are another thread's by now
            found += map(int, _read(f"/proc/{pid}/task/{task}/children").split())
    return found


def tree(pid: int, most: int = MOST_PROCESSES) -> list[int]:
    """A process and all that it has started, and theirs, until there are `most`; its own id comes first.

    Those that have ended and were not waited for are included.
    """
    found = [pid]
    for each in found:  # grows as we go
        if len(found) >= most:
            break
        with suppress(OSError):  # it has ended
            found += children(each)
    return found


def fields(stat: str | Path) -> list[bytes]:
    """The fields of a `stat` file after the name, which may have spaces and brackets; [] where it is cut.

    Raises: OSError where it cannot be read: the process has ended.
    """
    return _read(stat).rpartition(b")")[2].split()


def sizes(file: str | Path) -> dict[bytes, int]:
    """The bytes that a `status` or `smaps_rollup` file tells, by name. Raises: OSError."""
    return {name: int(number) * 1024 for name, number in SIZE.findall(_read(file))}


def words(file: str | Path, name: bytes) -> list[bytes]:
    """What stands in the line of this name; [] without one. Raises: OSError."""
    begin = name + b":"
    lines = _read(file).split(b"\n")
    return next((line[len(begin) :].split() for line in lines if line.startswith(begin)), [])


def _read(file: str | Path) -> bytes:
    with open(file, "rb", buffering=0) as opened:
        return opened.read()
