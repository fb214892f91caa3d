"""Standard output and error of the kernel, so that nothing written is late or lost.

ipykernel reads what is written to the descriptors 1 and 2 (by child processes, by C code) in a thread, and a cell can
be told finished while that thread still holds some: 55 of 300 cells of `os.write(1, ...)` were. `settle` waits until
the pipes are empty and their readers at rest.
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

from ipykernel.iostream import OutStream

READ = 64 * 1024  # bytes read at once
SETTLE = 1.0  # seconds `settle` waits at most: a child process may never stop writing
LOOK = 0.0005  # seconds between looks


class Output(OutStream):
    """One of the two streams."""

    reading = False

    def _watch_pipe_fd(self):
        """Pass on what arrives in the pipe; `reading` is true from before a read until its text is passed on."""
        ready = select.poll()
        ready.register(self._fid, select.POLLIN)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            self.reading = False
            ready.poll()
            self.reading = True
            piece = os.read(self._fid, READ)
            if not piece or not self._should_watch:
                return
            self.write(decoder.decode(piece))

    def at_rest(self):
        """Whether nothing is in the pipe or on its way from it."""
        if self._fid is None:
            return True
        waiting = array.array("i", [0])
        fcntl.ioctl(self._fid, termios.FIONREAD, waiting)
        return waiting[0] == 0 and not self.reading


def settle():
    """Wait until all that was written to the descriptors before now has been passed on, and send it."""
    until = time.monotonic() + SETTLE
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Output):
            while not stream.at_rest() and time.monotonic() < until:
                time.sleep(LOOK)  # the reading thread needs the GIL


def silence_originals():
    """Send what would go to the process's first stdout and stderr nowhere; a start's last words are told by then."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "_original_stdstream_copy", None) is not None:
            os.dup2(null, stream._original_stdstream_copy)
    os.close(null)


def follow_threads():
    """Let each thread keep the cell that started it, so that what it prints later comes under that cell."""
    start = threading.Thread.start

    def start_in_context(self):
        context, run = contextvars.copy_context(), self.run
        self.run = lambda: context.run(run)
        try:
            start(self)
        finally:
            if self.ident is None:
                del self.run

    threading.Thread.start = start_in_context
