"""Tells joblib how many processor cores there are where it cannot find out, since `/sys` is missing.

Without `/sys`, `lscpu` prints nothing, and the first `KMeans` shows six lines of warning and traceback. After
`install`, joblib knows the number as soon as its module for it is imported.
"""

import os
from types import ModuleType

from . import on_import

__all__ = ["install"]

CONTEXT = "joblib.externals.loky.backend.context"
SYSTEM = "/sys/devices/system/cpu"


def install(system: str = SYSTEM) -> None:
    """Tell joblib when it is imported, if the folder `system` is missing."""
    if not os.path.isdir(system):
        on_import.change(CONTEXT, _complete)


def _complete(module: ModuleType) -> None:
    if getattr(module, "physical_cores_cache", 0) is None:
        module.physical_cores_cache = _cores()  # type: ignore[attr-defined]


def _cores() -> int:
    """The number of cores according to `/proc/cpuinfo`; where it does not say, all usable processors."""
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
