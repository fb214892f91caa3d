"""Trees of real processes for the watchdog to look at."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

from kernels.sandbox import usage


@contextlib.contextmanager
def init(code: str = "pass", *, before: str = "pass") -> Iterator[int]:
    """An init that does `before`, with a child that has done `code`, and waits; both are gone at the end."""
    program = f"""
import ctypes, os, select, signal, socket, sys, threading, time
{before}
if os.fork() == 0:
    {code}
    print(flush=True)
    time.sleep(100)
os.wait()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        below = usage.processes(process.pid)
        try:
            yield process.pid
        finally:
            for pid in {process.pid, *below, *usage.processes(process.pid)}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
