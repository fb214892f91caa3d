"""Keeps a zygote (`kernels/sandbox/zygote.py`) alive, and has kernels forked from it.

    with Forkserver(python, folder, environment=...) as forkserver:
        child = await forkserver.fork(clone_flags)
        child.spawn(request, descriptors)       # it confines itself
        child.begin()                           # until then it runs no code of a person
        code = await child.wait()

The zygote starts once, which takes as long as its imports; a fork waits for that. If it dies, the next fork
starts another, and the kernels of the first go on, since they do not need it. A child ends when its control
socket closes, whose other end we hold: so none is left when we are killed.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

from kernels.concurrency.threads import in_thread
from kernels.errors import KernelStartFailed
from kernels.inside.descendants import kill_all
from kernels.inside.procfs import children, tree
from kernels.process.killing import Ending
from kernels.process.waits import readable

__all__ = ["LIBRARIES", "UNPREPARED", "Child", "Forkserver"]

log = logging.getLogger(__name__)

ZYGOTE = Path(__file__).parent / "zygote.py"
PROTECTED = Path(__file__).parent / "protected.py"
LIBRARIES = ("numpy", "pandas", "matplotlib.pyplot")
START = 120.0  # seconds for the imports; a loaded machine needs many
FORK = 10.0  # seconds for the answer to a fork
ORPHANS, LOOK = 5.0, 0.002  # seconds until orphans must be gone; between looks
UNPREPARED = "the process that kernels are forked from did not start"
LOG_TAIL = 2000  # characters of what a zygote that failed has written
QUIET = {
    "OPENBLAS_NUM_THREADS": "1",  # these start threads at import, and a process with threads must not fork
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


class Child:
    """A forked process that is, or will be, the init of a kernel. Safe to use from any event loop."""

    def __init__(self, pid: int, pidfd: int, control: socket.socket) -> None:
        self.pid = pid
        self._pidfd = pidfd
        self._control = control
        self._said = b""
        self._ending = Ending(pid)
        self.exit_code: int | None = None

    def spawn(self, request: Mapping[str, Any], descriptors: Mapping[str, int]) -> None:
        """Send its spawn request; it confines itself at once. The descriptors stay ours too.

        Raises: OSError: it has died.
        """
        text = json.dumps({**request, "descriptors": list(descriptors)}).encode() + b"\n"
        sent = socket.send_fds(self._control, [text], list(descriptors.values()))
        if sent < len(text):
            self._control.sendall(text[sent:])

    def begin(self) -> None:
        """Let it become the kernel, once its limits are set; if it has died, `wait` returns at once."""
        with contextlib.suppress(ConnectionError):
            self._control.sendall(b"begin\n")

    def poll(self) -> int | None:
        """The kernel's exit code, as in subprocess; None while it runs."""
        while self.exit_code is None:
            try:
                piece = self._control.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except OSError:
                piece = b""
            self._said += piece
            if found := re.search(rb"exit (-?\d+)\n", self._said):
                self.exit_code = int(found[1])
            elif not piece:
                self.exit_code = -signal.SIGKILL  # the init was killed before it could tell
        return self.exit_code

    async def wait(self) -> int:
        """The kernel's exit code, when it has ended."""
        while (code := self.poll()) is None:
            await readable(self._control)
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the kernel; if it has ended, that is no error."""
        self._say(f"signal {number}\n")

    def detach(self) -> None:
        """Let it outlive us."""
        self._say("detach\n")

    def end(self) -> None:
        """Kill the kernel and all that it has started; if it has ended, that is no error.

        Where there is no namespace, the init does that, unless it does not answer.
        """
        self._ending.ask(self._pidfd, partial(self._say, "end\n"))

    def kill(self) -> None:
        """Kill the init itself, and with it the whole PID namespace."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Close the descriptors; a kernel that still runs ends, unless it was detached."""
        if self._pidfd >= 0:
            self._control.close()
            with contextlib.suppress(OSError):  # it may have been stopped, and has to see that
                signal.pidfd_send_signal(self._pidfd, signal.SIGCONT)
            os.close(self._pidfd)
            self._pidfd = -1

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self._control.send(line.encode(), socket.MSG_DONTWAIT)


class Forkserver:
    """A zygote of the interpreter `python`. `folder` is for its log and for IPython's files.

    If `protected`, nothing that is forked can change the interpreter's file; this needs mount namespaces.
    """

    def __init__(
        self,
        python: Path,
        folder: Path,
        *,
        environment: Mapping[str, str],
        libraries: Sequence[str] = LIBRARIES,
        protected: bool = False,
    ) -> None:
        self._command = [str(python), str(ZYGOTE)]
        if protected:
            self._command = [str(python), str(PROTECTED), *self._command]
        self._folder = folder
        self._environment = {**environment, **QUIET}
        self._libraries = list(libraries)
        self._process: subprocess.Popen[bytes] | None = None
        self._zygote_socket: socket.socket | None = None
        self._turn = threading.Lock()
        self._forked: set[int] = set()  # the process ids of children that have not ended
        self._closed = False

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        threading.Thread(target=self._start_early, name="zygote start", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        if self._process is not None:
            self._process.kill()  # at once, since a thread may be waiting for its imports
        with self._turn:
            self._end()

    async def fork(self, clone_flags: int) -> Child:
        """A child that waits for its spawn request. Raises: KernelStartFailed."""
        forking = asyncio.ensure_future(in_thread(self.fork_now, clone_flags))
        try:
            return await asyncio.shield(forking)
        except asyncio.CancelledError:
            forking.add_done_callback(_close_child)  # it may take as long as a zygote's start
            raise

    def fork_now(self, clone_flags: int) -> Child:
        """`fork`, for a thread that may block."""
        with self._turn:
            if self._process is None or self._process.poll() is not None:
                self._start()
            with contextlib.suppress(OSError, struct.error):
                return self._fork(clone_flags)
            # It has died, perhaps of something that will not happen again.
            log.warning("the zygote has died and is started again; existing kernels are not affected")
            self._start()
            try:
                return self._fork(clone_flags)
            except (OSError, struct.error) as error:
                raise KernelStartFailed(self._tail() or str(error)) from error

    def _fork(self, clone_flags: int) -> Child:
        assert self._zygote_socket is not None
        with ExitStack() as stack:
            try:
                ours, theirs = map(stack.enter_context, socket.socketpair())
            except OSError as error:  # not the zygote's fault, so it stays
                raise KernelStartFailed(str(error)) from error
            socket.send_fds(self._zygote_socket, [struct.pack("Q", clone_flags)], [theirs.fileno()])
            answer, descriptors, _, _ = socket.recv_fds(self._zygote_socket, 64, 1)
            (pid,) = struct.unpack("q", answer)
            if pid < 0:
                raise KernelStartFailed(f"the system made no process: {os.strerror(-pid)}")
            if not descriptors:  # the system drops what we have no room for; the child ends with `ours`
                raise KernelStartFailed("no file descriptor is left for its process")
            theirs.close()
            stack.pop_all()
        self._forked.add(pid)
        return Child(pid, descriptors[0], ours)

    def child_ended(self, pid: int) -> None:
        """The child of this process id has ended."""
        self._forked.discard(pid)

    def end_orphans(self) -> None:
        """Kill what was left by children that were killed themselves: it is the zygote's by now."""
        until = monotonic() + ORPHANS
        with self._turn:
            while kill_all(self._orphaned) and monotonic() < until:
                sleep(LOOK)  # no event tells when they are gone, and their children have become the zygote's

    def _orphaned(self) -> set[int]:
        """The orphans, with all that they have started."""
        orphans = set[int]()
        with contextlib.suppress(OSError):  # it has ended
            orphans = set(children(self._process.pid)) - self._forked if self._process else orphans
        return {pid for orphan in orphans for pid in tree(orphan)}

    def _start_early(self) -> None:
        with self._turn, contextlib.suppress(KernelStartFailed):  # the first fork tries again, and raises
            if self._process is None:
                self._start()

    def _start(self) -> None:
        """Start a zygote, in place of one that has died. Raises: KernelStartFailed."""
        self._end()
        if self._closed:
            raise KernelStartFailed("kernels are being shut down")
        begun = monotonic()
        try:
            self._open()
            assert self._zygote_socket is not None
            self._zygote_socket.settimeout(START)
            answer = self._zygote_socket.recv(4096)
            if not answer:
                raise ConnectionError("the zygote ended before it was ready")
            told = json.loads(answer)
        except OSError as error:
            tail = self._tail() if self._process else ""
            self._end()
            raise KernelStartFailed(tail or str(error), UNPREPARED) from error
        self._zygote_socket.settimeout(FORK)
        if told["missing"]:
            level = logging.WARNING if set(told["missing"]) & set(self._libraries) else logging.INFO
            log.log(level, "these modules cannot be imported before kernels start: %s", told["missing"])
        if len(told["threads"]) > 1:
            log.warning("the zygote has threads, whose locks its children may inherit: %s", told["threads"])
        log.info("the zygote is ready after %.1f s", monotonic() - begun)

    def _open(self) -> None:
        self._zygote_socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, (self._folder / "zygote.log").open("wb") as output:
            self._process = subprocess.Popen(
                [*self._command, str(theirs.fileno()), json.dumps(self._libraries)],
                env=self._environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def _end(self) -> None:
        if self._zygote_socket is not None:
            self._zygote_socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._zygote_socket = self._process = None

    def _tail(self) -> str:
        try:
            return (self._folder / "zygote.log").read_text("utf-8", "replace")[-LOG_TAIL:]
        except OSError:
            return ""


def _close_child(forking: "asyncio.Future[Child]") -> None:
    if not forking.cancelled() and forking.exception() is None:
        forking.result().close()
