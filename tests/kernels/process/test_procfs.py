"""Files of /proc are read by lines of Linux, not by those of text, whatever a process is called."""

from pathlib import Path

import pytest

from kernels.process.procfs import fields, sizes, words

ENDS = [b"\r", b"\v", b"\f", b"\x1c", b"\x1d", b"\x1e", b"\x85", "\u2028".encode(), b"\\n"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of /proc."""
    return tmp_path / "file"


@pytest.mark.parametrize("end", ENDS)
def test_a_name_makes_no_line(file: Path, end: bytes) -> None:
    """Not one that tells a size, nor one that says who is the first process of a namespace."""
    name = b"Name:\ta" + end + b"VmPTE:\t1 kB" + end + b"NSpid:\t7\t1" + end
    file.write_bytes(name + b"\nNSpid:\t812\nVmSize:\t     20 kB\nVmPTE:\t      4 kB\nThreads:\t3\n")
    assert sizes(file) == {b"VmSize": 20480, b"VmPTE": 4096}
    assert words(file, b"NSpid") == [b"812"]
    assert words(file, b"Seccomp") == []


@pytest.mark.parametrize("name", [b"a) b", b") Z 1 (", b"\n) R 1", b"(\r(", b""])
def test_a_name_moves_no_field(file: Path, name: bytes) -> None:
    """However many brackets and spaces it has."""
    file.write_bytes(b"812 (" + name + b") S 1 812 812 0\n")
    assert fields(file) == [b"S", b"1", b"812", b"812", b"0"]
    file.write_bytes(b"")
    assert fields(file) == []
