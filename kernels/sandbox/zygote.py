"""A process that has imported everything already, so that a kernel can be forked in milliseconds.

    python kernels/sandbox/zygote.py SOCKET_DESCRIPTOR '["numpy", "pandas", "matplotlib.pyplot"]'

Run by the kernels' own Python, with an environment that holds no secret. Each message on the socket is a set
of clone(2) flags with one descriptor: the control socket of a new kernel (`inside.confinement.child` does the
rest in the child). The answer is the child's process id, with its pidfd. The zygote never sees a spawn
request: no key, path or environment of one kernel is in the memory that the next one inherits.
"""

import ctypes
import gc
import importlib
import io
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path

# What each kernel would import in its first seconds otherwise: 6 MB and 20 ms.
EVERYWHERE = (
    "IPython.core.completer",
    "IPython.core.logger",
    "IPython.extensions.storemagic",
    "faulthandler",
    "ipykernel.debugger",
    "jedi",
    "pygments.formatters.terminal256",
    "pygments.styles",
    "stack_data",
    "tornado.platform.asyncio",
    "tornado.queues",
)
SYS_CLONE = 56  # x86-64
CLONE_PIDFD = 0x1000
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None, use_errno=True)


def main(fork_requests: socket.socket, libraries: list[str]) -> None:
    """Serve until the other end closes."""
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # nobody debugs here, and it would start threads
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from inside import loading, program  # type: ignore[import-not-found]  # noqa: F401
    from inside.confinement import child, fresh, immortal  # type: ignore[import-not-found]

    del sys.path[0]
    prepared = program.prepare()
    with program.in_cell():
        missing = _import([*EVERYWHERE, *libraries])
        _warm()
    fresh.forget_warnings()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a kernel's init tells its end to whoever asked for it
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)  # what a killed init leaves becomes our child, and can be found
    gc.collect()
    immortal.make_all()
    gc.disable()
    gc.freeze()
    threads = [
        Path(f"/proc/self/task/{task}/comm").read_text("ascii").strip()
        for task in os.listdir("/proc/self/task")
    ]
    fork_requests.send(json.dumps({"missing": missing, "threads": threads}).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(fork_requests, 64, 1)
        if not message:
            return
        control = socket.socket(fileno=descriptors[0])
        pid, pidfd = _fork(struct.unpack("Q", message)[0])
        if pid == 0:
            fork_requests.close()
            child.main(control, prepared)
        control.close()
        if pid < 0:
            fork_requests.send(struct.pack("q", pid))
        else:
            socket.send_fds(fork_requests, [struct.pack("q", pid)], [pidfd])
            os.close(pidfd)


def _fork(flags: int) -> tuple[int, int]:
    """The child's id, or 0 in the child, or a negative error number; and the child's pidfd.

    We call clone(2) ourselves, since `os.fork` makes no namespaces. With one thread no lock is left held.
    """
    pidfd = ctypes.c_int(-1)
    ctypes.pythonapi.PyOS_BeforeFork()
    pid: int = LIBC.syscall(
        ctypes.c_long(SYS_CLONE),
        ctypes.c_long(flags | CLONE_PIDFD | signal.SIGCHLD),
        ctypes.c_long(0),
        ctypes.byref(pidfd),
        ctypes.c_long(0),
        ctypes.c_long(0),
    )
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0, -1
    number = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    return (pid, pidfd.value) if pid > 0 else (-number, -1)


def _import(names: list[str]) -> list[str]:
    missing = []
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001  a module that needs more of a kernel than there is yet, or is broken
            missing.append(name)
    return missing


def _warm() -> None:
    """Do once what makes the first table and the first plot slow, if the libraries are there."""
    if "pandas" in sys.modules:
        table = sys.modules["pandas"].DataFrame({"a": [1.5], "b": ["x"]})
        repr(table)
        table.to_html()
    if "matplotlib" in sys.modules:
        figures = importlib.import_module("matplotlib.figure")
        canvases = importlib.import_module("matplotlib.backends.backend_agg")
        figure = figures.Figure()
        figure.subplots().plot([1, 2])
        canvases.FigureCanvasAgg(figure).print_png(io.BytesIO())


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2]))
