"""What belongs to the kernel and not to the person, and is found again by what it is, never kept by value.

    marked = marks(namespace)             # {"namespace": namespace, "shell": ..., "In": ..., "sys.path": ...}
    known = find("sys.path", marked)      # in another kernel, by its own marks

Each is the first in the memo of a state: whatever refers to it refers to the other kernel's own afterwards.

A float that is not a number is found again, too, or `x in [x]` would become false: `pickle` makes each float
anew. What has a NaN in it is written with each NaN named by its address or, such as `math.nan`, by its home:

    pickler.persistent_id = WrittenNans().named     # in the stream: what `ReadNans().made` makes one of
"""

import builtins
import decimal
import re
import struct
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

from ..placeholder import Placeholder

__all__ = ["ReadNans", "WrittenNans", "find", "has_nan", "is_nan", "marks"]

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
# Unless the person has changed them.
BUILTINS = ("display", "file_path", "get_ipython", "list_files", "load_file")
PLAIN = (type(None), bool, int, float, str, bytes, tuple)  # are found in many places by chance
STREAMS = ("stdout", "stderr", "stdin")
AT_HOME = ("math.nan", "numpy.nan", "cmath.nan")  # may be one and the same; the first is told
WRITTEN = re.compile(rb"G[\x7f\xff][\xf0-\xff]")  # how a NaN begins in a pickle, and an infinity
LONGEST = 192 << 10  # bytes; a longer piece of a pickle is a value's own bytes, and no frame
BITS = 64  # of a NaN, some of which are its own
HELD_ONCE = 3  # references to a float of a tuple that nothing else has, while it is looked at


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
    # Not by their names, since the person may have a variable `In` or `Out` of their own.
    history = getattr(shell, "history_manager", None)
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


def is_nan(value: object) -> bool:
    """Whether it is a plain float that is not a number."""
    return type(value) is float and value != value


def has_nan(piece: Any) -> bool:
    """Whether there may be a NaN in this piece of a pickle."""
    return len(piece) <= LONGEST and WRITTEN.search(piece) is not None


class WrittenNans:
    """The NaNs of one stream."""

    def __init__(self) -> None:
        self._home = {id(nan): -number for number, nan in _at_home().items()}
        self._held: list[float] = []  # no other may have their address

    def named(self, value: object) -> int | None:
        """What a pickler writes in place of a NaN that others may have, too; None for anything else."""
        if type(value) is not float or value == value:
            return None
        if (number := self._home.get(id(value))) is not None:
            return number
        if sys.getrefcount(value) <= HELD_ONCE:
            return None
        self._held.append(value)
        return id(value) << BITS | int.from_bytes(struct.pack(">d", value))


class ReadNans:
    """The NaNs of one stream that is read."""

    def __init__(self) -> None:
        self._made: dict[int, float] = {}

    def made(self, named: int) -> float:
        """The NaN of this name, always the same one."""
        found = self._made.get(named)
        if found is None:
            found = self._made[named] = _made(named)
        return found


def _made(named: int) -> float:
    if named < 0:
        module, _, name = AT_HOME[-named - 1].rpartition(".")
        with suppress(Exception):  # the library is gone, or the person has changed it: any NaN will do
            __import__(module)
            found = getattr(sys.modules[module], name)
            return found if is_nan(found) else float("nan")
        return float("nan")
    found = struct.unpack(">d", (named & (1 << BITS) - 1).to_bytes(8))[0]
    return found if is_nan(found) else float("nan")


def _at_home() -> dict[int, object]:
    """Those that modules have, as far as the modules are there, by their numbers; the last ones first."""
    found = {}
    for number, path in reversed(list(enumerate(AT_HOME, 1))):
        module, _, name = path.rpartition(".")
        nan = vars(sys.modules[module]).get(name) if module in sys.modules else None
        if is_nan(nan):
            found[number] = nan
    return found
