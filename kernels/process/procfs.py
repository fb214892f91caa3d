"""What /proc tells of a process, read so that nothing the process chose can change how it is read.

    fields(here / "stat")           # [b"S", b"1", ...]: from the state on, field 3 of proc_pid_stat(5)
    sizes(here / "status")          # {b"VmPTE": 45056, ...}: the lines that tell bytes, in bytes
    words(here / "status", b"NSpid")    # [b"812", b"1"]

A process chooses its name, and paths that it has mapped, from any bytes. Linux escapes the newline alone in
most of these files, and no bracket in `stat`. Text has more ends of lines than that: for `str.splitlines` a
name with a carriage return, a form feed or a unit separator in it is two lines. So files are read as bytes,
lines end at b"\\n" only, and a line that does not look as expected is passed over.
"""

import re
from pathlib import Path

__all__ = ["fields", "sizes", "words"]

SIZE = re.compile(rb"^(\w+):[ \t]+([0-9]+) kB$", re.MULTILINE)


def fields(stat: Path) -> list[bytes]:
    """The fields of a `stat` file after the name, which may have spaces and brackets; [] where it is cut.

    Raises: OSError where it cannot be read: the process has ended.
    """
    return stat.read_bytes().rpartition(b")")[2].split()


def sizes(file: Path) -> dict[bytes, int]:
    """The bytes that a `status` or `smaps_rollup` file tells, by name. Raises: OSError."""
    return {name: int(number) * 1024 for name, number in SIZE.findall(file.read_bytes())}


def words(file: Path, name: bytes) -> list[bytes]:
    """What stands in the line of this name; [] without one. Raises: OSError."""
    begin = name + b":"
    lines = file.read_bytes().split(b"\n")
    return next((line[len(begin) :].split() for line in lines if line.startswith(begin)), [])
