"""How many processors joblib finds, where `/sys` is not there to be asked.

`lscpu` prints nothing without it, and joblib then tells six lines of warning and traceback with the first
`KMeans`. Set by `install`, the number is known when joblib's module for it is imported.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

__all__ = ["install"]

CONTEXT = "joblib.externals.loky.backend.context"
SYSTEM = "/sys/devices/system/cpu"


def install() -> None:
    """From now on joblib, once it is imported, finds the number of processors known."""
    if os.path.isdir(SYSTEM):
        return
    if CONTEXT in sys.modules:  # the zygote was told to import it
        _complete(sys.modules[CONTEXT])
    else:
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the module as Python does, and completes it once it is there; then it is gone."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != CONTEXT:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Counted(spec.loader)  # type: ignore[assignment]  # as far as Python asks
        return spec


class _Counted:
    """A loader that notes the number in the module that it has loaded."""

    def __init__(self, loader: object) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)  # type: ignore[attr-defined]
        module.__loader__ = module.__spec__.loader = self._loader  # type: ignore[assignment,union-attr]
        _complete(module)


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
