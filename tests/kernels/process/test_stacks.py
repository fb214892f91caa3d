"""What a process is doing, as one line for the log."""

import os
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest

from kernels.process.stacks import MOST, doing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")


def test_a_process_is_told_with_its_children_and_threads() -> None:
    """Each process has its id and its name, and each of its threads a state."""
    code = "import subprocess, threading, time\nthreading.Thread(target=time.sleep, args=[60]).start()\n"
    code += "subprocess.run(['sleep', '60'])"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
        try:
            while len(told := doing(process.pid).split("], ")) < 2 or told[0].count("S") < 2:  # nothing tells
                sleep(0.02)
            first, second = told
            assert first.startswith(f"{process.pid} 'python")
            while "'sleep' [S" not in second:
                sleep(0.02)
                first, second = doing(process.pid).split("], ")
            assert first.count("[") == 1
        finally:
            os.killpg(process.pid, 9)


def test_a_name_cannot_break_the_line() -> None:
    """A process can give itself any name."""
    code = (
        "import ctypes; ctypes.CDLL(None).prctl(15, b'a) R\\n(b\\xff'); print('named', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        told = doing(process.pid)
        process.communicate(b"\n")
    assert told.startswith(rf"{process.pid} 'a) R\n(b\\xff' ["), told


def test_there_is_a_bound_on_what_is_told() -> None:
    """Of a process with many children, no more are looked at than fit into a line."""
    code = "import os, sys\nfor _ in range(30):\n    if os.fork() == 0: sys.stdin.read(); os._exit(0)\n"
    code += "print('all', flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        told = doing(process.pid)
        process.communicate()
    assert told.count("[") == MOST


def test_what_has_ended_is_no_error() -> None:
    """Nor is a process that never existed."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert not Path(f"/proc/{process.pid}").exists()
    assert doing(process.pid) == doing(None) == "no process"
