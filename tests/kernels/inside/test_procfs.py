"""Files in /proc are split at Linux's line ends only, whatever a process is called."""

import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest

from kernels.inside.procfs import children, fields, sizes, started, tree, words

ENDS = [b"\r", b"\v", b"\f", b"\x1c", b"\x1d", b"\x1e", b"\x85", "\u2028".encode(), b"\\n"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of /proc."""
    return tmp_path / "file"


@pytest.mark.parametrize("end", ENDS)
def test_a_name_makes_no_line(file: Path, end: bytes) -> None:
    """Neither one that states a size nor one that names the first process of a namespace."""
    name = b"Name:\ta" + end + b"VmPTE:\t1 kB" + end + b"NSpid:\t7\t1" + end
    file.write_bytes(name + b"\nNSpid:\t812\nVmSize:\t     20 kB\nVmPTE:\t      4 kB\nThreads:\t3\n")
    assert sizes(file) == {b"VmSize": 20480, b"VmPTE": 4096}
    assert words(file, b"NSpid") == [b"812"]
    assert words(file, b"Seccomp") == []


@pytest.mark.parametrize("name", [b"a) b", b") Z 1 (", b"\n) R 1", b"(\r(", b""])
def test_a_name_moves_no_field(file: Path, name: bytes) -> None:
    """However many brackets and spaces it contains."""
    file.write_bytes(b"812 (" + name + b") S 1 812 812 0\n")
    assert fields(file) == [b"S", b"1", b"812", b"812", b"0"]
    file.write_bytes(b"")
    assert fields(file) == []


def test_a_process_is_told_by_its_start_and_what_is_below_it() -> None:
    """Including what its threads started; a process that has ended is no error, and there is a limit."""
    below = "import subprocess; subprocess.run(['cat'])"
    code = f"import sys, threading, subprocess\nbelow = [sys.executable, '-c', {below!r}]\n"
    code += "threading.Thread(target=subprocess.run, args=[below]).start()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        while len(found := tree(process.pid)) < 3:
            sleep(0.01)  # no event to wait for
        assert (found[0], children(process.pid)) == (process.pid, found[1:2])
        assert tree(process.pid, 2) == found[:2]
        assert int(started(process.pid)) <= int(started(found[1])) <= int(started(found[2]))
        process.stdin.close()
    assert (started(process.pid), tree(process.pid)) == ("", [process.pid])
    with pytest.raises(FileNotFoundError):
        children(process.pid)


def test_threads_that_end_hide_no_process() -> None:
    """A thread may end between being listed and being read; the children of the others still count."""
    code = "import subprocess, sys, threading\nsubprocess.Popen(['cat'])\nprint(flush=True)\n"
    code += "while True: threading.Thread(target=int).start()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        found = {len(tree(process.pid)) for _ in range(2000)}
        process.kill()
        process.stdin.close()
    assert found == {2}
