"""How much memory the kernel's own process has taken, beyond what it shares with all others from the start.

memory.begin()      # in the forked child
memory.taken()      # bytes
"""

import resource

STATM = "/proc/self/statm"  # in pages: size, resident, and of that what is of files

_before = 0


def begin() -> None:
    """What is there now counts as nothing."""
    global _before  # noqa: PLW0603  one process, one kernel
    _before = _resident()


def taken() -> int:
    """Bytes, of the kernel's own process; 0 where the system does not tell."""
    return max(0, _resident() - _before)


def _resident() -> int:
    try:
        with open(STATM, "rb", buffering=0) as file:
            resident, of_files = file.read(200).split()[1:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(of_files)) * resource.getpagesize()
