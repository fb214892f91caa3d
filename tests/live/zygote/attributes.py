# ruff: noqa: F821, ICN001, SIM115  it runs as a cell, where these names exist
"""Sent to a kernel as a cell: prints what a program can find out about the process that it runs in, as JSON.

Values that naturally differ between starts (process ids, addresses, times) are replaced by fixed ones.
"""

import builtins
import gc
import io
import json
import locale
import logging
import multiprocessing
import os
import re
import resource
import signal
import site
import sys
import tempfile
import threading
import time
import warnings

import matplotlib as mpl
import matplotlib.pyplot
import matplotlib.style
import numpy
import pandas


def plain(value):
    """A value as text, without addresses, and with the kernel's own folders replaced by names."""
    text = re.sub(r"0x[0-9a-f]+", "0x", repr(value))
    for name in ("MPLCONFIGDIR", "IPYTHONDIR", "TMPDIR", "HOME"):
        text = text.replace(os.environ[name], name)
    return text


def stream(one):
    """A text stream's methods, and whether they can be used."""
    public = {name for name in dir(one) if not name.startswith("_")}
    return {
        "methods": sorted(public & TEXT),
        "buffer": hasattr(one, "buffer"),
        "encoding": one.encoding.lower(),
    }


def patched(names):
    """Which of these functions do not come from the module that they are looked up in."""
    found = []
    for name in names:
        module, _, attribute = name.rpartition(".")
        part = sys.modules[module]
        if getattr(part, attribute).__module__.startswith("inside"):
            found.append(name)
    return found


TEXT = {name for name in dir(io.TextIOWrapper) if not name.startswith("_")}
shell = get_ipython()
mask = os.umask(0)
os.umask(mask)
told = {
    "argv": [os.path.basename(sys.argv[0]), *sys.argv[1:]],
    "program": [os.path.basename(each) for each in sys.orig_argv[:3]],
    "command line": os.path.basename(open("/proc/self/cmdline").read().split("\0")[1]),
    "cwd": plain(os.getcwd()),
    "home": plain(os.path.expanduser("~")),
    "path": [plain(each) for each in sys.path],
    "umask": oct(mask),
    "nice": os.nice(0),
    "user site": plain(site.getusersitepackages()),
    "names": sorted(name for name in shell.user_ns if not name.startswith("_i") and name not in OWN),
    "doc": __doc__,
    "name": __name__,
    "file": "__file__" in globals(),
    "main": plain(sys.modules["__main__"]),
    "_dh": plain(_dh),
    "home_dir": plain(shell.home_dir),
    "starting_dir": plain(shell.starting_dir),
    "dir_stack": shell.dir_stack,
    "ipython_dir": os.path.basename(shell.ipython_dir),
    "shell": {
        name: plain(getattr(shell, name)) for name in ("xmode", "colors", "automagic", "cache_size", "pdb")
    },
    "magics": sorted(shell.magics_manager.magics["line"]) + sorted(shell.magics_manager.magics["cell"]),
    "extensions": sorted(shell.extension_manager.loaded),
    "callbacks": {name: len(them) for name, them in shell.events.callbacks.items()},
    "formatters": {kind: one.enabled for kind, one in shell.display_formatter.formatters.items()},
    "signals": {
        one.name: getattr(signal.getsignal(one), "__qualname__", plain(signal.getsignal(one)))
        for one in signal.Signals
    },
    "blocked signals": plain(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "timers": [
        signal.getitimer(one) for one in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
    ],
    "warnings": sorted({plain(each) for each in warnings.filters}),
    "warned": sorted(
        name for name, one in list(sys.modules.items()) if getattr(one, "__warningregistry__", None)
    ),
    "environment": {name: plain(value) for name, value in os.environ.items()},
    "limits": {
        name: resource.getrlimit(getattr(resource, name))
        for name in dir(resource)
        if name.startswith("RLIMIT_")
    },
    "descriptors": [os.readlink(f"/proc/self/fd/{number}").partition(":")[0] for number in range(3)],
    "stdin": stream(sys.stdin),
    "stdout": stream(sys.stdout),
    "stderr": stream(sys.stderr),
    "fileno": [sys.stdin.fileno(), sys.stdout.fileno(), sys.stderr.fileno()],
    "builtins": sorted(set(dir(builtins))),
    "threads": sorted(re.sub(r"-\d+", "", thread.name) for thread in threading.enumerate()),
    "main thread": threading.current_thread() is threading.main_thread(),
    "process": [multiprocessing.current_process().name, multiprocessing.get_start_method()],
    "log": [len(logging.root.handlers), logging.root.level, time.time() - logging._startTime < 60],
    "locale": [locale.setlocale(locale.LC_ALL), locale.getpreferredencoding(), time.tzname],
    "temporary": plain(tempfile.gettempdir()),
    "collector": [gc.isenabled(), gc.get_threshold(), gc.get_debug()],
    "recursion": [sys.getrecursionlimit(), sys.getswitchinterval(), sys.gettrace(), sys.getprofile()],
    "hooks": [
        one.__module__ for one in (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook)
    ],
    "flags": plain(sys.flags),
    "folders of matplotlib": [plain(mpl.get_configdir()), plain(mpl.get_cachedir())],
    "matplotlib": {name: plain(value) for name, value in dict.items(mpl.rcParams)},
    "numpy": [plain(numpy.get_printoptions()), numpy.geterr()],
    "pandas": {
        name: plain(pandas.get_option(f"display.{name}")) for name in ("max_rows", "width", "precision")
    },
    "functions of ours": patched(FUNCTIONS),
}
print(json.dumps(told))
