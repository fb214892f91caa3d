"""How much memory the kernel's own process uses, beyond what it shares with all other kernels from the start.

memory.begin()      # once, in the forked child
memory.used()       # bytes
"""

import os
import resource

STATM = "/proc/self/statm"  # in pages: size, resident, and how much of the resident size belongs to files

_before = 0


def begin() -> None:
    """Count from what is in use now."""
    global _before  # noqa: PLW0603  one process, one kernel
    _before = _resident()


def used() -> int:
    """In bytes, of the kernel's own process; 0 where the system does not tell."""
    return max(0, _resident() - _before)


def _resident(path: str = STATM) -> int:
    try:
        statm = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a file object takes twice as long
        try:
            resident, of_files = os.read(statm, 200).split()[1:3]
        finally:
            os.close(statm)
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(of_files)) * resource.getpagesize()
