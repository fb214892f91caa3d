"""Where a copy of the kernel ends that a cell has made by `os.fork()`: where its cell ends.

    forked.watch(kernel)        # once
    if forked.is_child(): ...       # whether this process is such a copy
    forked.leave(error)         # end it, as Python ends a script with this exception, or with None

A child that goes past the end of its cell would get back into the kernel's loop, without the threads and
sockets that the loop serves, and spin there for good. As a rule the shell ends it after the cell's last line.
Wherever else a child was made (in a callback, in a task, in a cell that awaits), it ends when the loop would
look for news. A child of `multiprocessing`, or one that ends by `os._exit`, gets to neither.
"""

import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

__all__ = ["is_child", "leave", "watch"]

_kernel = os.getpid()


def watch(kernel: Any) -> None:
    """From now on this process is the kernel, and what it forks is not."""
    global _kernel  # noqa: PLW0603  one process, one kernel
    _kernel = os.getpid()
    os.register_at_fork(after_in_child=lambda: _cut_off(kernel))


def is_child() -> bool:
    """Whether this process was forked by the kernel."""
    return os.getpid() != _kernel


def leave(error: BaseException | None) -> NoReturn:
    """End this process. Nothing else is cleaned up: what `atexit` has is the kernel's to do."""
    code = _code(error)
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):  # whatever the person has put there
            stream.flush()
    os._exit(code)


def _code(error: BaseException | None) -> int:
    """The exit code, as `sys.exit` has it."""
    told = error.code if isinstance(error, SystemExit) else error
    if told is None:
        return 0
    if isinstance(told, int):
        return told & 0xFF
    if isinstance(error, SystemExit):
        print(told, file=sys.stderr)
    return 1


def _cut_off(kernel: Any) -> None:
    """In the child: it cannot ask anybody anything, and the kernel's loop is its end."""
    kernel._allow_stdin = False  # else `input()` waits for ever
    kernel.session.pid = os.getpid()  # else what it displays is dropped; it goes through the kernel's thread
    loop = kernel.io_loop.asyncio_loop
    for handle in loop._ready:  # what the parent was about to do
        handle.cancel()
    loop._selector.select = _end_of_loop


def _end_of_loop(_timeout: float | None = None) -> NoReturn:
    leave(None)
