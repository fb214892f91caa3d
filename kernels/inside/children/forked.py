"""Ends a copy of the kernel, which a cell has made by `os.fork()`, where its cell ends.

    forked.watch(kernel)        # once
    if forked.is_child(): ...   # whether this process is such a copy
    forked.leave(error)         # end it, as Python ends a script with this exception, or with None

A child that got past the end of its cell would return to the kernel's event loop, without the threads and
sockets that the loop serves, and spin there for ever. Usually the shell ends it after the cell's last line. A
child that was made elsewhere (in a callback, in a task, in a cell that awaits) ends when the loop would wait
for events. Children of `multiprocessing`, and those that end by `os._exit`, never get that far.
"""

import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

__all__ = ["is_child", "leave", "watch"]

_kernel = os.getpid()


def watch(kernel: Any) -> None:
    """Remember that this process is the kernel, and cut off from now on what it forks."""
    global _kernel  # noqa: PLW0603  one process, one kernel
    _kernel = os.getpid()
    os.register_at_fork(after_in_child=lambda: _cut_off(kernel))


def is_child() -> bool:
    """Whether this process was forked by the kernel."""
    return os.getpid() != _kernel


def leave(error: BaseException | None) -> NoReturn:
    """End this process without further cleaning up: what `atexit` has registered is the kernel's to do."""
    code = _code(error)
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):  # the person can have put any object there
            stream.flush()
    os._exit(code)


def _code(error: BaseException | None) -> int:
    """The exit code that Python would end with."""
    told = error.code if isinstance(error, SystemExit) else error
    if told is None:
        return 0
    if isinstance(told, int):
        return told & 0xFF
    if isinstance(error, SystemExit):
        print(told, file=sys.stderr)
    return 1


def _cut_off(kernel: Any) -> None:
    """In the child: it cannot ask the person anything, and ends when it gets back to the kernel's loop."""
    kernel._allow_stdin = False  # otherwise `input()` would wait for ever
    kernel.session.pid = os.getpid()  # otherwise what it displays is dropped; the kernel's thread sends it
    loop = kernel.io_loop.asyncio_loop
    for handle in loop._ready:  # what the parent was about to do
        handle.cancel()
    loop._selector.select = lambda _timeout=None: leave(None)
