"""Standard output and error of the kernel, so that nothing written is late or lost.

ipykernel reads what is written to the descriptors 1 and 2 (by child processes, by C code) in a thread, and
a cell can be told finished while that thread still holds some: 55 of 300 cells of `os.write(1, ...)` were.
`settle` waits until the pipes are empty and their readers at rest. And the thread that sends takes text by a
clock of its own: what is shown next must not be queued before it.
"""

import array
import codecs
import contextvars
import fcntl
import os
import select
import sys
import termios
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

from ipykernel.iostream import IOPubThread, OutStream

READ = 64 * 1024  # bytes read at once
PIECE = 32 * 1024  # characters, of which a message has two at most: each is drawn in one go, and a few wait
SETTLE = 1.0  # seconds `settle` waits at most: a child process may never stop writing
LOOK = 0.0005  # seconds between looks


class Sender(IOPubThread):  # type: ignore[misc]
    """The thread that sends output. It is woken as its loop is; ipykernel uses a socket a thread for that.

    What is sent goes in the order in which it was given. ZeroMQ tells a loop only once that something has
    come (its FD is edge-triggered), and a send on the same socket takes that in: a client that subscribed
    while a message was being sent to nobody was never welcomed, and waited for that in vain. So the stream
    that reads subscriptions looks for one after each send.
    """

    def _setup_event_pipe(self) -> None:
        pass

    def schedule(self, f: Callable[[], Any]) -> None:
        """Have `f` called in the thread, or here where it does not run, as in a forked child."""
        if self.thread.is_alive():
            self.io_loop.asyncio_loop.call_soon_threadsafe(self._do, f)
        else:
            f()

    def _do(self, f: Callable[[], Any]) -> None:
        try:
            f()
        finally:
            if not self.closed:
                self._xpub_stream.on_recv(self._handle_subscription)  # looks whether one has come


class Output(OutStream):  # type: ignore[misc]
    """One of the two streams."""

    reading = fetching = False
    taken = passed = 0  # bytes that came out of the pipe, and that have been written here
    waiting = 0  # characters since the last flush for being too many

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._taking = threading.RLock()  # from taking what was written until it is in the queue
        super().__init__(*args, **kwargs)
        os.register_at_fork(before=self.flush, after_in_child=self._forked)

    def _forked(self) -> None:
        """In a forked child: what was written meanwhile is the parent's, and nobody holds a lock."""
        self._taking, self._buffer_lock = threading.RLock(), threading.RLock()
        self._buffers: Any = defaultdict(StringIO)

    def _watch_pipe_fd(self) -> None:
        """Pass on what arrives in the pipe; `reading` is true from before a read until that is done."""
        ready = select.poll()
        ready.register(self._fid, select.POLLIN)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            ready.poll()
            self.reading = self.fetching = True
            piece = os.read(self._fid, READ)
            self.taken += len(piece)
            self.fetching = False
            if piece and self._should_watch:
                self.write(decoder.decode(piece))
            self.passed = self.taken
            self.reading = False
            if not piece or not self._should_watch:
                return

    def write(self, string: str) -> int | None:
        """Take text, a long one in pieces that are messages of their own; much waits until some has left."""
        if not isinstance(string, str):
            return super().write(string)
        string = str.__str__(string)  # of a class of the person's own it is the text
        self._catch_up()
        for start in range(0, max(len(string), 1), PIECE):
            super().write(piece := string[start : start + PIECE])
            self.waiting += len(piece)
            if self.waiting > PIECE:
                self.waiting = 0
                self.flush()
        return len(string)

    def flush(self) -> None:
        """Send what was written; where that is nothing, without asking the thread that sends (0.3 ms)."""
        self._catch_up()
        with self._taking:
            something = bool(self._buffers)
        if something:
            super().flush()

    def _flush(self) -> None:
        with self._taking:
            super()._flush()

    def _catch_up(self) -> None:
        """Wait until what is in the pipe now has been written here: it was there first."""
        if self._fid is None or self.at_rest() or not self._is_master_process():
            return
        if threading.current_thread() is self.watch_fd_thread:
            return
        until, all_there = time.monotonic() + SETTLE, None
        while self.watch_fd_thread.is_alive() and time.monotonic() < until:
            if all_there is None and not self.fetching:
                taken, waiting = self.taken, self._in_pipe()
                all_there = taken + waiting if taken == self.taken and not self.fetching else None
            if all_there is not None and self.passed >= all_there:
                return
            time.sleep(LOOK)  # the reading thread needs the GIL

    def _in_pipe(self) -> int:
        """Bytes that wait in the pipe."""
        if self._fid is None:
            return 0
        waiting = array.array("i", [0])
        try:
            fcntl.ioctl(self._fid, termios.FIONREAD, waiting)
        except OSError:  # the person has closed it
            return 0
        return waiting[0]

    def at_rest(self) -> bool:
        """Whether nothing is in the pipe or on its way from it."""
        return self._in_pipe() == 0 and not self.reading


def usable(own: tuple[Output, Output]) -> None:
    """Flush what the person has put in the place of the streams `own`; where that fails, ours come back.

    The kernel flushes it before it tells an error, and before its reply, and would get to neither.
    """
    for name, stream in zip(("stdout", "stderr"), own, strict=True):
        try:
            getattr(sys, name).flush()
        except BaseException:  # noqa: BLE001  whatever their code raises
            setattr(sys, name, stream)


def settle(own: tuple[Output, Output]) -> None:
    """Wait until all that was written to the streams `own`, and to their descriptors, has been passed on."""
    usable(own)
    until = time.monotonic() + SETTLE
    for stream in own:
        while not stream.at_rest() and time.monotonic() < until:
            time.sleep(LOOK)  # the reading thread needs the GIL
        stream.flush()


def silence_originals() -> None:
    """Send what would go to the process's first stdout and stderr nowhere, once it has started."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Output):
            os.dup2(null, stream._original_stdstream_copy)
    os.close(null)


def follow_threads() -> None:
    """Let each thread keep the cell that started it, so that what it prints later comes under that cell.

    The threads of a pool work for many cells: there it is the cell that a task was given in, or that runs.
    """
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    def submit_in_context(
        self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        return submit(self, contextvars.copy_context().run, fn, *args, **kwargs)

    def start_in_context(self: threading.Thread) -> None:
        if getattr(getattr(self, "_target", None), "__module__", "") == "multiprocessing.pool":
            start(self)
            return
        context, run = contextvars.copy_context(), self.run
        self.run = lambda: context.run(run)  # type: ignore[method-assign]
        try:
            start(self)
        finally:
            if self.ident is None:
                del self.run

    threading.Thread.start = start_in_context  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit_in_context  # type: ignore[assignment]
