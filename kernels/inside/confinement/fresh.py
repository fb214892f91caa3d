"""What a forked kernel has from the zygote, made as a process has it that started by itself.

    fresh.process()         # first of all in the kernel's process, in its folder and environment
    fresh.shell(shell)      # and the shell that was made in the zygote
    fresh.arguments()       # of any kernel's process: what programs look for in `sys.argv`

Scripts read `sys.argv`, `%cd -` goes to where the shell was made, two kernels with one key understand each
other's messages. Two things cannot be made anew, and are the same in all kernels of a zygote: the seed of
hashes, and where things lie in memory. `tests/live/zygote/test_fresh.py` compares a forked kernel with a
stock one.
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
UMASK = 0o022  # the folder above is the kernel's alone
OWN_MPL = ("get_configdir", "get_cachedir")


def process() -> None:
    """Forget what is the zygote's: its arguments, its umask, its random numbers and keys, its folders."""
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
    """Have none: those of the kernel's own program are not for a person's `argparse`."""
    sys.argv = [f"{PROGRAM}.py"]
    sys.orig_argv = [sys.executable, "-m", PROGRAM]


def shell(made: Any) -> None:
    """Have IPython's shell begin in this folder and environment."""
    made.init_environment()
    made.init_pushd_popd_magic()
    made.starting_dir = os.getcwd()
    made.ipython_dir = os.environ["IPYTHONDIR"]
    made.history_manager.dir_hist[:] = [Path.cwd()]


def forget_warnings() -> None:
    """In the zygote: a warning that an import has shown nobody is shown to a person who causes it again."""
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType):  # anything can be there
            vars(module).pop("__warningregistry__", None)


def _new_key() -> None:
    """Have a key of our own for `multiprocessing`, which makes one when it is imported."""
    if "multiprocessing.process" in sys.modules:
        current = sys.modules["multiprocessing.process"].current_process()
        current.authkey = os.urandom(len(current.authkey))


def _find_folders() -> None:
    """Have matplotlib and parso, which keep what they have found, find their folders again."""
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
