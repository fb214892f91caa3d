"""Renews what a forked kernel has inherited from the zygote, as if the process had been started by itself.

    fresh.process()         # first of all in the kernel's process, in its folder and environment
    fresh.shell(shell)      # then for the shell that was made in the zygote
    fresh.arguments()       # in any kernel's process: what programs find in `sys.argv`

Otherwise scripts would read the zygote's `sys.argv`, `%cd -` would go to where the shell was made, and two
kernels with the same key would accept each other's messages. Two things cannot be renewed and are the same in
all kernels of a zygote: the seed of hashes, and where things lie in memory. `tests/live/zygote/test_fresh.py`
compares a forked kernel with a stock one.
"""

import logging
import os
import random
import site
import sys
import time
from pathlib import Path
from types import CellType, FunctionType, ModuleType
from typing import Any

__all__ = ["arguments", "forget_warnings", "process", "shell"]

PROGRAM = "ipykernel_launcher"
UMASK = 0o022  # others may read files, since the folder around them is the kernel's alone
OWN_MPL = ("get_configdir", "get_cachedir")


def process() -> None:
    """Replace the zygote's arguments, umask, random numbers, keys and folders by the kernel's own."""
    os.umask(UMASK)
    arguments()
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    logging._startTime = time.time_ns() if sys.version_info >= (3, 13) else time.time()  # type: ignore[attr-defined]
    site.USER_BASE = site.USER_SITE = None
    site.getusersitepackages()
    _new_key()
    _find_folders()


def arguments() -> None:
    """Have no arguments: those of the kernel's program are not for a person's `argparse`."""
    sys.argv = [f"{PROGRAM}.py"]
    sys.orig_argv = [sys.executable, "-m", PROGRAM]


def shell(made: Any) -> None:
    """Make IPython's shell begin in this folder and environment."""
    made.init_environment()
    made.init_pushd_popd_magic()
    made.starting_dir = os.getcwd()
    made.ipython_dir = os.environ["IPYTHONDIR"]
    made.history_manager.dir_hist[:] = [Path.cwd()]


def forget_warnings() -> None:
    """In the zygote: forget which warnings its imports raised, so that a person who causes one sees it."""
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType):  # `sys.modules` can hold anything
            vars(module).pop("__warningregistry__", None)


def _new_key() -> None:
    """Give `multiprocessing` a new key: it makes one when it is imported."""
    if "multiprocessing.process" in sys.modules:
        current = sys.modules["multiprocessing.process"].current_process()
        current.authkey = os.urandom(len(current.authkey))


def _find_folders() -> None:
    """Make matplotlib, parso and jedi look for their folders again, which they remember."""
    if (cache := sys.modules.get("parso.cache")) is not None:
        cache._default_cache_path = cache._get_default_cache_path()  # type: ignore[attr-defined]
    if (settings := sys.modules.get("jedi.settings")) is not None:
        settings.cache_directory = os.path.expanduser("~/.cache/jedi")  # type: ignore[attr-defined]
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is None:
        return
    for name in OWN_MPL:
        if (called := _kept(getattr(matplotlib, name, None), "called")) is not None:
            called.cell_contents = False
    style: Any = sys.modules.get("matplotlib.style.core") or sys.modules.get("matplotlib.style")
    if hasattr(style, "USER_LIBRARY_PATHS"):
        style.USER_LIBRARY_PATHS[:] = [os.path.join(matplotlib.get_configdir(), "stylelib")]


def _kept(function: Any, name: str) -> CellType | None:
    """The variable of this name that a function keeps from one call to the next."""
    if not isinstance(function, FunctionType):
        return None
    names, cells = function.__code__.co_freevars, function.__closure__ or ()
    return dict(zip(names, cells, strict=True)).get(name)
