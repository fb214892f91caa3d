"""The kernel's standard output and error, in which nothing is late or lost.

A thread reads what child processes and C code write to the descriptors 1 and 2. With ipykernel's own streams
a cell can be reported as finished while that thread still holds some of it: this happened in 55 of 300 cells
of `os.write(1, ...)`. `settle` waits until the pipes are empty and their readers idle. Besides, the sending
thread flushes text by a timer of its own, and what is displayed next must not overtake that text.
"""

import codecs
import contextvars
import ctypes
import errno
import io
import os
import select
import sys
import termios
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from io import StringIO
from typing import Any

import zmq
from ipykernel.iostream import IOPubThread, OutStream

from .. import paths
from . import last_displays, last_words
from .buffers import Bytes
from .muting import is_muted
from .relay import Relay

# Bytes that are read at once, and characters that are written at once. A message has at most two such pieces:
# clients draw each message in one go, and a few messages can be waiting.
PIECE = 32 << 10
SETTLE = 1.0  # seconds that `settle` waits at most: a child process may never stop writing
LOOK = 0.0005  # seconds between looks
HOLD = 10  # ms for which the beginning of a traceback's line waits for its rest
LONGEST_LINE = 4096  # bytes of a line that waits; the landing must have room for it and for the next read
FRAME = paths.FRAME.encode()
EVENTS = int(zmq.EVENTS)  # as an enumeration it takes as long as the question
AGAIN = (errno.EAGAIN, errno.EINTR)
LINE_BUFFERED = 1  # _IOLBF of Linux's C libraries

# Called without releasing Python's lock, which the sending thread would take. Since a cell calls it eight
# times, its arguments are made once: making them takes as long as the call.
_ioctl = ctypes.PyDLL(None).ioctl
WAITING = ctypes.c_ulong(termios.FIONREAD)

_below: list[Callable[[], object]] = []  # flush functions of what writes to the descriptors through a buffer


class Sender(IOPubThread):  # type: ignore[misc]
    """The thread that sends output. Its loop is woken directly; ipykernel uses a socket a thread for that.

    Messages are sent in the order in which they were given. ZeroMQ tells a loop only once that something has
    arrived (its FD is edge-triggered), and a send on the same socket uses that up: a client that subscribed
    while a message was being sent to nobody never got its welcome message, and waited for it in vain. So this
    thread looks for subscriptions after each send itself; and before it, since the welcome comes first.
    """

    _relay: Relay
    _forked = False  # whether there may be children that send messages

    def _setup_event_pipe(self) -> None:
        pass

    def _setup_pipe_in(self) -> None:
        self._relay, self._relaying = Relay(), threading.Lock()
        os.register_at_fork(before=self._note_fork)
        self.io_loop.asyncio_loop.add_reader(self._relay, self._take_from_children)

    def _note_fork(self) -> None:
        self._forked = True

    def _take_from_children(self) -> None:
        with self._relaying:
            for frames in self._relay.receive():
                self.io_loop.asyncio_loop.call_soon_threadsafe(self._do, partial(self._really_send, frames))

    def send_multipart(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Send a message. If it displays something, it is kept too, since it is not sent at once."""
        if is_muted() and threading.current_thread() is not self.thread:  # that one sends for all others
            return
        if last_displays.is_shown(msg[0]) and self._is_master_process():
            last_words.displays.add(msg, last_words.counts())
        super().send_multipart(msg, *args, **kwargs)

    def _really_send(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        if self._is_master_process():
            super()._really_send(msg, *args, **kwargs)
        else:
            self._relay.send(msg)

    def schedule(self, f: Callable[[], Any]) -> None:
        """Call `f` in the thread, or here if the thread does not run, as in a forked child."""
        if self.thread.is_alive():
            if self._forked:
                self._take_from_children()  # what they have sent before this
            self.io_loop.asyncio_loop.call_soon_threadsafe(self._do, f)
        else:
            f()

    def _do(self, f: Callable[[], Any]) -> None:
        self._welcome()
        try:
            f()
        finally:
            self._welcome()

    def _welcome(self) -> None:
        """Welcome whoever has subscribed."""
        with suppress(zmq.ZMQError):  # the person may have closed it
            while not self.closed and self.socket.get(EVENTS) & zmq.POLLIN:
                with suppress(IndexError):  # or send it nothing at all, which is no subscription
                    self._handle_subscription(self.socket.recv_multipart(zmq.NOBLOCK))


class Output(OutStream):  # type: ignore[misc]
    """One of the two streams."""

    reading = fetching = False
    taken = passed = 0  # bytes that were read from the pipe, and of these, that were written here
    waiting = 0  # characters written since there were last so many that they were flushed

    def __init__(self, session: Any, pub_thread: Any, name: str, *args: Any, **kwargs: Any) -> None:
        self._taking = threading.RLock()  # held from taking what was written until it is in the queue
        self._kept = last_words.of(name)
        super().__init__(session, pub_thread, name, *args, **kwargs)
        self.buffer = Bytes(self)
        os.register_at_fork(before=self.flush, after_in_child=self._forked)

    def _forked(self) -> None:
        """In a forked child: what was written so far is the parent's, and nobody holds a lock."""
        self._taking, self._buffer_lock = threading.RLock(), threading.RLock()
        self._buffers: Any = defaultdict(StringIO)
        self._kept = last_words.Tail(memoryview(bytearray(last_words.COUNT + last_words.KEPT)))

    # Attributes that scripts look for.
    errors, mode, line_buffering, write_through = "strict", "w", True, False

    def reconfigure(self, **options: Any) -> None:
        """Accept the options of Python's text streams and ignore them: it stays UTF-8, sent line by line.

        Raises: TypeError for an option that no stream has.
        """
        io.TextIOWrapper(io.BytesIO()).reconfigure(**options)

    def detach(self) -> Any:
        """The stream of bytes below, for another text stream around it; this one goes on working."""
        self.flush()
        return self.buffer

    def fileno(self) -> int:
        """The descriptor 1 or 2, which leads here; ipykernel's leads to the process's first stream."""
        if not self._should_watch:
            raise io.UnsupportedOperation("fileno")
        return int(self._original_stdstream_fd)

    def _setup_stream_redirects(self, name: str) -> None:
        """Put a pipe behind the stream's descriptor, and read it in a thread."""
        self._fid, writing = last_words.pipe(name)
        waiting = ctypes.c_int(0)
        self._look = ctypes.c_int(self._fid), WAITING, ctypes.byref(waiting)
        self._waiting_in_pipe = waiting
        self._original_stdstream_fd = getattr(sys, name).fileno()
        self._original_stdstream_copy = os.dup(self._original_stdstream_fd)
        os.dup2(writing, self._original_stdstream_fd)
        os.close(writing)
        self._exc = None
        self.watch_fd_thread = threading.Thread(target=self._watch_pipe_fd, daemon=True)
        self.watch_fd_thread.start()

    def _watch_pipe_fd(self) -> None:
        """Pass on what arrives in the pipe; `reading` is true from before a read until that was passed on.

        It is read without releasing Python's lock, into memory that outlives the process: otherwise it would
        be lost if the main thread ended the process just then.
        """
        landing, held = last_words.landing(self.name), b""
        read = ctypes.PyDLL(None, use_errno=True).read
        read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
        os.set_blocking(self._fid, False)  # a forked child may have read it first
        ready = select.poll()
        ready.register(self._fid, select.POLLIN)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        line_begins = True  # whether the next byte begins a line
        while True:
            more = bool(ready.poll(HOLD if held else None))
            self.reading = self.fetching = True
            length = read(self._fid, landing.address + len(held), PIECE) if more else 0
            if length > 0:
                landing.landed(len(held) + length)
            data = ctypes.string_at(landing.address, len(held) + max(0, length))
            self.taken += max(0, length)
            self.fetching = False
            end = _whole(data, line_begins=line_begins) if length > 0 else len(data)
            piece, held = data[:end], data[end:]
            if piece and self._should_watch:
                line_begins = piece.endswith(b"\n")
                self._put(paths.in_tracebacks(decoder.decode(piece)), partial(landing.hold, held))
            self.passed = self.taken - len(held)
            self.reading = bool(held)
            ended = more and (length == 0 or (length < 0 and ctypes.get_errno() not in AGAIN))
            if ended or not self._should_watch:
                return

    def write(self, string: str) -> int | None:
        """Write text: a long one in pieces, each a message. Much text waits until some has been sent."""
        if not isinstance(string, str):
            return super().write(string)
        if is_muted():
            return str.__len__(string)
        string = str.__str__(string)  # the plain text, even if it is of a subclass of the person's
        length = len(string)
        if self.name == "stderr":
            string = paths.in_tracebacks(string)
        self._catch_up()
        for start in range(0, max(len(string), 1), PIECE):
            self._put(string[start : start + PIECE])
        return length

    def _put(self, piece: str, kept: Callable[[], object] = lambda: None) -> None:
        """Write a piece of text; `kept` is called as soon as it is where it outlives the process."""
        with self._buffer_lock:
            super().write(piece)
            self._kept.add(piece)
            kept()
        self.waiting += len(piece)
        if self.waiting > PIECE:
            self.waiting = 0
            self.flush()

    def flush(self) -> None:
        """Send what was written; if there is nothing, the sending thread is not asked (0.3 ms)."""
        self._catch_up()
        with self._taking:
            something = bool(self._buffers)
        if something:
            super().flush()

    def _flush(self) -> None:
        """Send what was written; the last message says how many bytes of the stream are sent with it."""
        with self._taking:
            self._flush_pending = self._subprocess_flush_pending = False
            with self._buffer_lock:
                end, buffers = self._kept.count, self._rotate_buffers()
            told = [(dict(parent), text) for parent, buffer in buffers.items() if (text := buffer.getvalue())]
            self.session.pid = os.getpid()  # ipykernel does so too, since this thread is safe after a fork
            for number, (parent, text) in enumerate(told, 1):
                known = {"kernelcord": end} if number == len(told) and self._is_master_process() else {}
                content = {"name": self.name, "text": text}
                message = self.session.msg("stream", content, parent=parent, metadata=known)
                for hook in self._hooks:
                    if (message := hook(message)) is None:
                        break
                else:
                    self.session.send(self.pub_thread, message, ident=self.topic)

    def _catch_up(self) -> None:
        """Wait until what is in the pipe now has been written here, since it was written first."""
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
            time.sleep(LOOK)  # the reading thread needs Python's lock

    def _in_pipe(self) -> int:
        if self._fid is None:
            return 0
        if _ioctl(*self._look):
            return 0  # the person has closed it
        return int(self._waiting_in_pipe.value)

    def at_rest(self) -> bool:
        """Whether nothing is in the pipe or on its way from it."""
        return self._in_pipe() == 0 and not self.reading


def _whole(data: bytes, *, line_begins: bool) -> int:
    """How many bytes can be passed on: a line that may belong to a traceback is passed on only as a whole."""
    start = data.rfind(b"\n") + 1
    last = data[start:]
    if not last or len(last) > LONGEST_LINE or not (start or line_begins):
        return len(data)
    return start if last.startswith(FRAME) or FRAME.startswith(last) else len(data)


def usable(own: tuple[Output, Output]) -> None:
    """Flush what the person has replaced the streams `own` with; if that fails, put ours back.

    The kernel flushes it before it shows an error and before it replies, and would get to neither.
    """
    for name, stream in zip(("stdout", "stderr"), own, strict=True):
        if getattr(sys, name, None) is stream:
            continue
        try:
            getattr(sys, name).flush()
        except BaseException:  # noqa: BLE001  whatever their code raises
            setattr(sys, name, stream)


def settle(own: tuple[Output, Output]) -> None:
    """Wait until all that was written to the streams `own`, and to their descriptors, has been passed on."""
    usable(own)
    flush_below()
    for stream in own:
        stream.flush()


def flush_below() -> None:
    """Pass on what is in the buffers of Python's first streams and of C."""
    for flush in _below:
        with suppress(BaseException):  # the person can replace any part of it
            flush()


def follow_buffers() -> None:
    """Flush the streams below ours with each line, and at the end of a cell.

    Python's first streams and those of C are buffered in blocks if they are no terminal, and nothing flushes
    them before the process ends.
    """
    for stream in (sys.__stdout__, sys.__stderr__):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
            _below.append(stream.flush)
    c = ctypes.CDLL(None)
    with suppress(ValueError):  # another C library than GNU's or musl's
        stdout = ctypes.c_void_p.in_dll(c, "stdout")
        c.setvbuf(stdout, None, LINE_BUFFERED, ctypes.c_size_t(0))
        # Only this one: other streams of C can be locked by a thread that is waiting.
        _below.append(partial(c.fflush, stdout))


def silence_originals() -> None:
    """Discard what would go to the process's first stdout and stderr, once it has started."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Output):
            os.dup2(null, stream._original_stdstream_copy)
    os.close(null)


def follow_threads() -> None:
    """Make each thread remember the cell that started it, so that what it prints is shown under that cell.

    The threads of a pool work for many cells: there it is the cell that submitted a task, or the running one.
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
