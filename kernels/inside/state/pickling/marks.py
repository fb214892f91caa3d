"""What belongs to the kernel and not to the person, and is found again by what it is, never kept by value.

    marked = marks(namespace)             # {"namespace": namespace, "shell": ..., "In": ..., "sys.path": ...}
    known = find("sys.path", marked)      # in another kernel, by its own marks

Each is the first in the memo of a state: whatever refers to it refers to the other kernel's own afterwards.
"""

import builtins
import sys
from typing import Any

from ..placeholder import Placeholder

__all__ = ["find", "marks"]

# Objects that live as long as the interpreter, by their modules. What is in them is not kept here.
ATTRIBUTES = (
    "builtins.__dict__",
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
    "plotly.io.renderers",
    "plotly.io.templates",
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
HIDDEN = ("exit", "quit", "open", "get_ipython")  # in each namespace; `%pylab` and others hide more there
BUILTINS = ("file_path", "list_files", "load_file", "open", "input", "print", "get_ipython", "display")
PLAIN = (type(None), bool, int, float, str, bytes, tuple)  # are found in many places by chance
STREAMS = ("stdout", "stderr", "stdin")


def marks(namespace: dict[str, Any]) -> dict[str, Any]:
    """The kernel's own objects by their marks, without those that are not there."""
    found: dict[str, Any] = {"namespace": namespace}
    if (shell := _shell()) is not None:
        found["shell"] = shell
        for name in OF_SHELL:
            found[f"shell.{name}"] = getattr(shell, name, None)
        for name in HIDDEN:
            found[f"hidden.{name}"] = getattr(shell, "user_ns_hidden", {}).get(name)
        for name in ("In", "Out", "_ih", "_oh", "_dh"):
            found.setdefault(name, getattr(shell, "user_ns", {}).get(name))
        for name, value in zip(STREAMS, getattr(shell.kernel, "own_streams", ()), strict=False):
            found[f"stream.{name}"] = value
    for name in STREAMS:
        if type(stream := getattr(sys, name)).__module__.startswith("inside."):
            found.setdefault(f"stream.{name}", stream)
    for name in BUILTINS:
        found[f"builtins.{name}"] = getattr(builtins, name, None)
    for path in ATTRIBUTES:
        found[path] = _loaded(path)
    return {mark: value for mark, value in found.items() if not isinstance(value, PLAIN)}


def _shell() -> Any:
    interactive = sys.modules.get("IPython.core.interactiveshell")
    return getattr(interactive.InteractiveShell, "_instance", None) if interactive is not None else None


def _loaded(path: str) -> Any:
    """What is at a path, if its module has been imported."""
    module, _, name = path.rpartition(".")
    return getattr(sys.modules.get(module), name, None)


def find(mark: str, here: dict[str, Any]) -> Any:
    """What this kernel has under a mark, or a placeholder."""
    if mark in here:
        return here[mark]
    module, _, name = mark.rpartition(".")
    if mark in ATTRIBUTES:
        try:
            __import__(module)
            return getattr(sys.modules[module], name)
        except Exception:  # noqa: BLE001  the library is gone or broken; what refers to this is named
            pass
    return Placeholder(f"a part of the kernel, `{mark}`")
