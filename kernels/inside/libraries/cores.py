"""How many processors joblib finds, where `/sys` is not there to be asked.

`lscpu` prints nothing without it, and joblib then tells six lines of warning and traceback with the first
`KMeans`. Set by `install`, the number is known when joblib's module for it is imported.
"""

import os
from types import ModuleType

from . import on_import

__all__ = ["install"]

CONTEXT = "joblib.externals.loky.backend.context"
SYSTEM = "/sys/devices/system/cpu"


def install() -> None:
    """From now on joblib, once it is imported, finds the number of processors known."""
    if not os.path.isdir(SYSTEM):
        on_import.change(CONTEXT, _complete)


def _complete(module: ModuleType) -> None:
    if getattr(module, "physical_cores_cache", 0) is None:
        module.physical_cores_cache = _cores()  # type: ignore[attr-defined]


def _cores() -> int:
    """The processors' cores, as `/proc/cpuinfo` has them; all that may be used where it does not say."""
    usable = len(os.sched_getaffinity(0))
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as told:
            blocks = told.read().split("\n\n")
    except OSError:
        return usable
    cores = {
        tuple(line for line in block.split("\n") if line.startswith(("physical id", "core id")))
        for block in blocks
    } - {()}
    return min(len(cores), usable) or usable
