"""Runs a program as an ordinary user, for root's tests: `python -m tests.attacks.ordinary UID COMMAND ...`

The checkout and the interpreter may lie below folders closed to other users. In its own mount namespace,
the program covers those folders and binds what it needs back into place; the machine itself stays unchanged.
A control group holds the whole run, should an attack get through.
"""

import ctypes
import os
import sys
from pathlib import Path

from kernels.limits import Limits, MiB
from kernels.sandbox.limits.cgroup import Groups
from tests.conftest import KERNEL_PYTHON, ROOT

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 4096, 16384, 1 << 18
GUARD = "kernelcord-attack-guard"
GUARDED = Limits(memory=8192 * MiB, processes=6000, cpus=2)
LIBC = ctypes.CDLL(None, use_errno=True)


def main(uid: int, command: list[str]) -> None:
    """Replace this process with the command, run as the user."""
    groups = Groups.found(GUARD)
    if groups is not None:
        groups.make(str(os.getpid()), GUARDED).add_process(os.getpid())
    _must(LIBC.unshare(CLONE_NEWNS))
    _must(LIBC.mount(b"", b"/", b"", MS_REC | MS_PRIVATE, None))
    needed = {ROOT, Path(sys.base_prefix), Path(os.path.realpath(KERNEL_PYTHON)).parent.parent}
    for closed in {folder for path in needed if (folder := _closed(path))}:
        below = {path: os.open(path, os.O_PATH) for path in needed if path.is_relative_to(closed)}
        _must(LIBC.mount(b"tmpfs", bytes(closed), b"tmpfs", 0, b"mode=755"))
        for path, descriptor in below.items():
            path.mkdir(parents=True)
            _must(LIBC.mount(b"/proc/self/fd/%d" % descriptor, bytes(path), b"", MS_BIND | MS_REC, None))
            os.close(descriptor)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _must(LIBC.prctl(4, 1, 0, 0, 0))  # dumpable, like a program that the user has started
    os.chdir(ROOT)
    os.execv(command[0], command)


def _closed(path: Path) -> Path | None:
    """The outermost folder above the path that others may not enter."""
    return next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001), None)


def _must(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
