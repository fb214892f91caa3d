"""What belongs to the kernel and not to the person, and is found again by what it is, never kept by value.

    marked = marks(namespace)             # {"namespace": namespace, "shell": ..., "In": ..., "sys.path": ...}
    known = find("sys.path", marked)      # in another kernel, by its own marks

Each is the first in the memo of a state: whatever refers to it refers to the other kernel's own afterwards.
"""

import builtins
import decimal
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

from ..placeholder import Placeholder

__all__ = ["find", "marks"]

# Objects that live as long as the interpreter, by their modules. What is in them is not kept here.
ATTRIBUTES = (
    "dataclasses.KW_ONLY",
    "dataclasses.MISSING",
    "dataclasses._HAS_DEFAULT_FACTORY",
    "decimal.BasicContext",
    "decimal.DefaultContext",
    "decimal.ExtendedContext",
    "matplotlib.rcParams",
    "matplotlib.rcParamsDefault",
    "matplotlib.style.library",
    "numpy.random.mtrand._rand",
    "os.environ",
    "os.environb",
    "random._inst",
    "sys.__stderr__",
    "sys.__stdin__",
    "sys.__stdout__",
    "sys.argv",
    "sys.meta_path",
    "sys.modules",
    "sys.path",
    "sys.path_hooks",
    "warnings.filters",
)
OF_SHELL = (
    "kernel",
    "history_manager",
    "display_formatter",
    "display_pub",
    "displayhook",
    "events",
    "magics_manager",
)
DECIMALS = "decimal.getcontext()"  # the one that is used now
OF_HISTORY = {"In": "input_hist_parsed", "Out": "output_hist", "_dh": "dir_hist"}
HIDDEN = ("exit", "get_ipython", "open", "quit")  # of each namespace; `%pylab` and others hide more there
BUILTINS = (
    "display",
    "file_path",
    "get_ipython",
    "list_files",
    "load_file",
)  # unless the person has changed them
PLAIN = (type(None), bool, int, float, str, bytes, tuple)  # are found in many places by chance
STREAMS = ("stdout", "stderr", "stdin")


def marks(namespace: dict[str, Any]) -> dict[str, Any]:
    """The kernel's own objects by their marks, without those that are not there."""
    found: dict[str, Any] = {"namespace": namespace, "builtins": vars(builtins)}
    interactive = sys.modules.get("IPython.core.interactiveshell")
    shell = interactive.InteractiveShell._instance if interactive is not None else None
    if shell is not None:
        found |= _of_shell(shell)
    for name in STREAMS:
        if str(type(stream := getattr(sys, name, None)).__module__).startswith("inside."):
            found.setdefault(f"stream.{name}", stream)
    for name in BUILTINS:
        value = getattr(builtins, name, None)
        if str(getattr(value, "__module__", "")).startswith(("inside.", "IPython.")):
            found[f"builtins.{name}"] = value
    found |= {path: _loaded(path) for path in ATTRIBUTES}
    found[DECIMALS] = decimal.getcontext()
    return {mark: value for mark, value in found.items() if not isinstance(value, PLAIN)}


def _of_shell(shell: Any) -> dict[str, Any]:
    parts = {f"shell.{name}": getattr(shell, name, None) for name in OF_SHELL}
    hidden = {f"hidden.{name}": shell.user_ns_hidden.get(name) for name in HIDDEN}
    history = getattr(
        shell, "history_manager", None
    )  # the person may have a variable `In` or `Out` of their own
    cells = {mark: getattr(history, name, None) for mark, name in OF_HISTORY.items()}
    streams = dict(zip(STREAMS, getattr(getattr(shell, "kernel", None), "own_streams", ()), strict=False))
    return (
        {"shell": shell} | parts | hidden | cells | {f"stream.{name}": each for name, each in streams.items()}
    )


def _loaded(path: str) -> Any:
    """What is at a path, if its module has been imported, and has it there already."""
    module, _, name = path.rpartition(".")
    there = sys.modules.get(module)
    return vars(there).get(name) if isinstance(there, ModuleType) else None


def find(mark: str, here: dict[str, Any]) -> Any:
    """What this kernel has under a mark, or a placeholder."""
    if mark in here:
        return here[mark]
    module, _, name = mark.rpartition(".")
    if mark == DECIMALS:
        return decimal.getcontext()
    if mark in ATTRIBUTES:
        with suppress(Exception):  # the library is gone or broken; what refers to this is named
            __import__(module)
            return getattr(sys.modules[module], name)
    return Placeholder(f"a part of the kernel, `{mark}`")
