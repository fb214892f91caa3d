"""Keeps what runs between two cells apart from them: it leaves no trace, and shows and asks nothing.

    apart = Apart(kernel)       # before the first cell
    with apart.entered(go_back=True): ...       # on the main thread

What is printed, displayed or warned of is discarded, questions fail, and the streams, the working folder, and
whether garbage is collected are afterwards as before.
"""

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

from ..confinement import reserve
from ..output import muting, streams
from . import theirs
from .surroundings.hooks import HOOKS, collect

__all__ = ["Apart"]


class Apart:
    """See the module's text."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._own_threads = {*threading.enumerate(), kernel.control_thread}

    @contextmanager
    def entered(self, *, go_back: bool) -> Iterator[None]:
        """With `go_back`, the working folder is in the end what it was."""
        alone = self._own_threads.issuperset(threading.enumerate())
        with ExitStack() as stack:
            stack.enter_context(reserve.used())
            self._keep(stack, go_back=go_back)
            if alone:
                streams.flush_below()  # what is there was written before
            stack.enter_context(muting.muted(descriptors=alone))
            for stream in (sys.stdout, sys.stderr):  # one of the person's may hold what is written
                stack.callback(_flush, stream)
            stack.enter_context(self._kernel.shell.builtin_trap)  # libraries that are imported see a kernel
            if alone:
                stack.callback(streams.flush_below)
            yield

    def _keep(self, stack: ExitStack, *, go_back: bool) -> None:
        """Have everything restored that the code of a value could change."""
        for name, (owner, attribute) in HOOKS.items():
            theirs.keep(stack, name, getattr(owner, attribute), partial(setattr, owner, attribute))
        theirs.keep(stack, "gc", gc.isenabled(), collect)
        gc.disable()  # it would look through all that is made meanwhile, again and again
        stack.callback(setattr, self._kernel, "_allow_stdin", self._kernel._allow_stdin)
        self._kernel._allow_stdin = False
        if go_back:
            with suppress(OSError):  # it was deleted
                stack.callback(_go_back, os.getcwd())


def _flush(stream: Any) -> None:
    with suppress(BaseException):  # whatever the person has put there
        stream.flush()


def _go_back(folder: str) -> None:
    with suppress(OSError):  # it is gone
        if os.getcwd() == folder:
            return
    with suppress(OSError):
        os.chdir(folder)
