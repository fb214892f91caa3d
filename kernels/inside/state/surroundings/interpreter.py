"""The interpreter as the person has set it: folder, environment, `sys.path`, warnings, signals, builtins."""

import _signal  # type: ignore[import-not-found]  # below `signal`, and without its enumerations
import asyncio
import builtins
import difflib
import gc
import locale
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...libraries import width
from .. import theirs
from .hooks import collect
from .part import Part, Words, is_lost, is_ours

__all__ = ["PARTS", "PLACE"]

SIGNALS = sorted(set(range(1, signal.NSIG)) - {signal.SIGINT, signal.SIGKILL, signal.SIGSTOP, 32, 33})
MUTING = "(?:)"  # the pattern of our own filter, see `output.muting`
IN_CELLS = {"_", "display", "get_ipython"}  # builtins that IPython has in cells only

Change = tuple[int, Any]  # an entry of `sys.path` and its place


def _environ(_: object) -> dict[str, str]:
    return dict(os.environ)


def _take_environ(_: object, noted: dict[str, str]) -> Any:
    now = dict(os.environ)
    given = {"COLUMNS": str(width.columns())}  # it follows the terminal of whoever reads
    changed = {
        name: value for name, value in now.items() if noted.get(name) != value and given.get(name) != value
    }
    removed = [name for name in noted if name not in now]
    return (changed, removed) if changed or removed else None


def _put_environ(_: object, value: Any) -> None:
    changed, removed = value
    os.environ.update(changed)
    for name in removed:
        os.environ.pop(name, None)


def _take_zone(_: object, noted: tuple[str, str]) -> bool | None:
    return True if time.tzname != noted else None


def _folder(_: object) -> str:
    return os.getcwd()


def _take_folder(_: object, noted: str) -> str | None:
    """The folder, if possible relative to the one that the kernel began in: that may have another path."""
    now = os.getcwd()
    if now == noted:
        return None
    return os.path.relpath(now, noted) if now.startswith(os.path.join(noted, "")) else now


def _put_folder(_: object, value: str) -> Words:
    if not os.path.isdir(value):
        return [f"the working folder (`{value}` is gone)"]
    os.chdir(value)
    return None


def _path(_: object) -> list[Any]:
    return list(sys.path)


def _take_path(_: object, noted: list[Any]) -> tuple[list[Any], list[Change]] | None:
    """The entries that are gone, and those that are new with their places."""
    now = list(sys.path)
    if now == noted:
        return None
    removed: list[Any] = []
    added: list[Change] = []
    for kind, start, end, first, last in difflib.SequenceMatcher(None, noted, now).get_opcodes():
        if kind != "equal":
            removed += noted[start:end]
            added += [(place, now[place]) for place in range(first, last)]
    return removed, added


def _put_path(_: object, value: tuple[list[Any], list[Change]]) -> None:
    removed, added = value
    for entry in removed:
        if entry in sys.path:
            sys.path.remove(entry)
    for place, entry in added:
        sys.path.insert(place, entry)


def _arguments(_: object) -> list[Any]:
    return list(sys.argv)


def _take_arguments(_: object, noted: list[Any]) -> list[Any] | None:
    now = list(sys.argv)
    return now if now != noted else None


def _put_arguments(_: object, value: list[Any]) -> None:
    sys.argv[:] = value


def _set_locale(value: str) -> None:
    locale.setlocale(locale.LC_ALL, value)


def _umask() -> int:
    """The mask that new files have; `os.umask` tells it only by setting another one."""
    lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
    return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))


def _set_depth(value: int | None) -> None:
    if value is None:
        vars(sys).pop("tracebacklimit", None)
    else:
        vars(sys)["tracebacklimit"] = value


SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "the recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "the longest number as text": (sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    "the switch interval": (sys.getswitchinterval, sys.setswitchinterval),
    "the mask of new files": (_umask, os.umask),
    "whether garbage is collected": (
        lambda: theirs.get("gc", gc.isenabled),
        lambda enabled: theirs.put("gc", enabled, collect),
    ),
    "the thresholds of the garbage collector": (gc.get_threshold, lambda value: gc.set_threshold(*value)),
    "the debugging of the garbage collector": (gc.get_debug, gc.set_debug),
    "the length of tracebacks": (lambda: vars(sys).get("tracebacklimit"), _set_depth),
    "the time limit of network connections": (socket.getdefaulttimeout, socket.setdefaulttimeout),
    "the locale": (lambda: locale.setlocale(locale.LC_ALL), _set_locale),
}


def _settings(_: object) -> dict[str, Any]:
    return {name: get() for name, (get, _) in SETTINGS.items()}


def _take_settings(_: object, noted: dict[str, Any]) -> dict[str, Any] | None:
    return {name: value for name, value in _settings(None).items() if noted[name] != value} or None


def _put_settings(_: object, value: dict[str, Any]) -> Iterator[str]:
    for name, setting in value.items():
        try:
            SETTINGS[name][1](setting)
        except (
            KeyError,
            ValueError,
            TypeError,
            OverflowError,
            RecursionError,
            locale.Error,
        ):  # there is no such locale here, for one
            yield f"{name} ({setting})"


def _warnings(_: object) -> tuple[list[Any], Any]:
    return [one for one in warnings.filters if not _mutes(one)], warnings.showwarning


def _mutes(one: Any) -> bool:
    """Whether this filter is ours, which is there while values are saved or loaded."""
    return getattr(one[1], "pattern", None) == MUTING


def _take_warnings(_: object, noted: tuple[list[Any], Any]) -> Any:
    filters, show = _warnings(None)
    own = show if show is not noted[1] and getattr(show, "__module__", "") != "logging" else None
    return (filters, own) if filters != noted[0] or own else None


def _put_warnings(_: object, value: Any) -> Words:
    filters, show = value
    muting = [one for one in warnings.filters if _mutes(one)]
    known = [one for one in filters if not any(map(is_lost, one))]
    warnings.resetwarnings()  # so that what was decided by the filters before is forgotten
    warnings.filters.extend([*muting, *known])  # type: ignore[attr-defined]  # a list, whatever typeshed says
    if show is not None and not is_lost(show):
        warnings.showwarning = show
    return None if len(known) == len(filters) and not is_lost(show) else [WARNINGS]


WARNINGS = "the warning filters"


def _signals(_: object) -> dict[int, Any]:
    read = {number: partial(_signal.getsignal, number) for number in SIGNALS}
    alarm = theirs.get("alarm", read[signal.SIGALRM])
    return {number: get() for number, get in read.items()} | {int(signal.SIGALRM): alarm}


def _take_signals(_: object, noted: dict[int, Any]) -> dict[int, Any] | None:
    now = _signals(None).items()
    return {
        number: handler
        for number, handler in now
        if noted[number] is not handler and handler is not None and not is_ours(handler)
    } or None


def _put_signals(_: object, value: dict[int, Any]) -> Iterator[str]:
    for number, handler in value.items():
        if is_lost(handler):
            yield f"the handler of {signal.Signals(number).name}"
        elif number == signal.SIGALRM:
            theirs.put("alarm", handler, partial(signal.signal, number))
        else:
            signal.signal(number, handler)


def _builtins(_: object) -> dict[str, Any]:
    return dict(vars(builtins))


def _take_builtins(_: object, noted: dict[str, Any]) -> dict[str, Any] | None:
    return {
        name: value
        for name, value in _builtins(None).items()
        if noted.get(name) is not value and name not in IN_CELLS and not is_ours(value)
    } or None


def _put_builtins(_: object, value: dict[str, Any]) -> Iterator[str]:
    for name, each in value.items():
        if is_lost(each):
            yield f"the builtin `{name}`"
        else:
            setattr(builtins, name, each)


def _take_running(shell: Any, _: object) -> list[str] | None:
    """The threads and tasks that run the person's own functions, and an alarm; nothing brings them back."""
    names = shell.user_ns
    found = []
    for thread in threading.enumerate():
        called = getattr(thread, "_target", None) or getattr(thread, "function", None) or type(thread).run
        if getattr(getattr(called, "__func__", called), "__globals__", None) is names:
            found.append(f"the thread `{thread.name}`, which was running")
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # there is no loop
        tasks = set()
    for task in sorted(tasks, key=lambda task: task.get_name()):
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is not None and frame.f_globals is names:
            found.append(f"the task `{frame.f_code.co_name}`, which was running")
    if theirs.get("timer", lambda: signal.getitimer(signal.ITIMER_REAL))[0]:
        found.append("the alarm set by `signal.alarm` or `signal.setitimer`")
    return found or None


# What modules are found by, so it comes before the variables.
PLACE = (
    Part("environ", "the environment variables", _environ, _take_environ, _put_environ),
    Part("folder", "the working folder", _folder, _take_folder, _put_folder),
    Part("path", "where modules are found (`sys.path`)", _path, _take_path, _put_path),
)
PARTS = (
    Part("zone", "the time zone", lambda _: time.tzname, _take_zone, lambda *_: time.tzset()),
    Part("arguments", "the arguments in `sys.argv`", _arguments, _take_arguments, _put_arguments),
    Part("settings", "the interpreter's settings", _settings, _take_settings, _put_settings),
    Part("warnings", WARNINGS, _warnings, _take_warnings, _put_warnings),
    Part("signals", "the signal handlers", _signals, _take_signals, _put_signals),
    Part("builtins", "the builtins that you had changed", _builtins, _take_builtins, _put_builtins),
    Part("running", "what was running", lambda _: None, _take_running, lambda _, value: value),
)
