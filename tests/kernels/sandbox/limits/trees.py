"""Trees of real processes for the watchdog to look at."""

import contextlib
import ctypes
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator

from kernels.inside.procfs import tree

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SYS_ADMIN, CAP_CHECKPOINT_RESTORE = 1, 2, 21, 40


@contextlib.contextmanager
def without(*capabilities: int) -> Iterator[None]:
    """Drop these root capabilities in this thread, keeping the user."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("Ii", 0x20080522, 0)  # version 3 of capget(2)
    held = ctypes.create_string_buffer(24)
    assert libc.capget(header, held) == 0
    before = bytes(held)
    for capability in capabilities:
        place = capability // 32 * 12  # the first of the three words for it is the effective set
        (effective,) = struct.unpack_from("I", held, place)
        struct.pack_into("I", held, place, effective & ~(1 << capability % 32))
    assert libc.capset(header, held) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


@contextlib.contextmanager
def init(code: str = "pass", *, before: str = "pass") -> Iterator[int]:
    """An init that runs `before`, and a child that has run `code` and waits; both are gone at the end."""
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
        below = tree(process.pid)
        try:
            yield process.pid
        finally:
            for pid in {process.pid, *below, *tree(process.pid)}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
