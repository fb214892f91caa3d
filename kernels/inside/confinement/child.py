"""A forked child: it takes its spawn request, confines itself, forks the kernel, and is the kernel's init.

    child.main(control, program)    # never returns

`control` is a socket to the program that wants the kernel. Over it comes the spawn request, with descriptors;
then `begin`, once this process has its limits; then lines that say `signal 15`, `detach` or `end`. The answer
is one line, `exit -9`, when the kernel has ended. When the other end closes, the kernel ends too, unless it
was detached. As PID 1 of its namespace the init reaps what the kernel's processes leave behind, and takes all
of them with it when it ends.
"""

import gc
import json
import os
import re
import select
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from typing import Any

from .. import program
from ..files import stored
from ..output import last_words
from ..procfs import tree
from . import confine, fresh, probes

__all__ = ["main"]

LONGEST = 1 << 20  # bytes of a spawn request
MOST_DESCRIPTORS = 16
BEGIN = b"begin\n"
LARGE = ".tmp"  # in the workspace: see `kernels.sandbox.policy`
WAIT = 20.0  # seconds for the files of an earlier kernel, where the workspace is over its limit with them
FEW = 200  # files of an earlier kernel that are removed while one waits for this one
LEFT = re.compile(r"\.tmp(?:\.[0-9a-f]{8})?")  # it, and what could not be removed of it


def main(control: socket.socket, prepared: program.Program) -> None:
    """Be the init of a kernel."""
    code = 1
    try:
        os.setsid()
        request, descriptors, said = _spawn_request(control)
        _stand_apart(control, request, descriptors)
        description = request["confinement"]
        confine.end_first()
        confine.enter(description)
        _use_null()
        if not description["namespaces"]:
            confine.adopt()
        _wait_to_begin(control, said)
        kernel = os.fork()
        if kernel == 0:
            control.close()
            confine.give_way()
            full = confine.ruleset(description["full"])  # before sets of rules cannot be made any more
            confine.seal(description)
            code = _be_kernel(prepared, request, descriptors, full)
        else:
            confine.hide()
            if description["namespaces"]:
                confine.seal(description)
            _Init(control, kernel, alone=description["namespaces"]).run()
            code = 0
    except BaseException:  # noqa: BLE001  told, and then this process ends: it must never go on as a zygote
        traceback.print_exc(file=sys.__stderr__)
    finally:
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        os._exit(code)


def _spawn_request(control: socket.socket) -> tuple[dict[str, Any], dict[str, int], bytes]:
    """What to be, the descriptors for it by name, and what has been said after it."""
    text, numbers, _, _ = socket.recv_fds(control, LONGEST, MOST_DESCRIPTORS)
    while b"\n" not in text:
        piece = control.recv(LONGEST)
        if not piece:
            raise EOFError("no spawn request came")
        text += piece
    for number in numbers:
        os.set_inheritable(number, False)
    line, _, said = text.partition(b"\n")
    request = json.loads(line)
    return request, dict(zip(request["descriptors"], numbers, strict=True)), said


def _wait_to_begin(control: socket.socket, said: bytes) -> None:
    """Wait until the limits hold: whatever is forked before then is without them."""
    while len(said) < len(BEGIN):
        piece = control.recv(len(BEGIN) - len(said))
        if not piece:
            raise EOFError("the kernel is not to begin")
        said += piece
    if said != BEGIN:
        raise ValueError(f"not to be said before the kernel begins: {said!r}")


def _stand_apart(control: socket.socket, request: dict[str, Any], descriptors: dict[str, int]) -> None:
    """Keep nothing of the process that we were forked from: descriptors, environment, signal handling."""
    _use_null()
    os.dup2(descriptors.pop("stderr"), 2)
    kept = {control.fileno(), *descriptors.values()}
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:  # the listing's own
                continue
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # found out in the zygote already, by its environment
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _use_null() -> None:
    """Read and write nothing. Once more in a root of our own: the mode of the host's device is the host's."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    os.close(null)


def _be_kernel(
    prepared: program.Program, request: dict[str, Any], descriptors: dict[str, int], full: int | None
) -> int:
    """Run the person's cells; returns the exit code."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.enable()
    _settle(os.environ["TMPDIR"], os.environ["MPLCONFIGDIR"], over=request.get("over", False))
    fresh.process()
    if "probes" in request:
        os.write(descriptors["report"], json.dumps(probes.run({**request["probes"], **descriptors})).encode())
        return 0
    stored.install(descriptors.pop("files", None))
    if "alive" in descriptors:
        os.close(descriptors.pop("alive"))  # the init's alone: it is a file, and could be filled
    last_words.share(descriptors)
    tempfile.tempdir = os.environ["TMPDIR"]  # it would be found by trying to write
    # What may not be written any more, only now: IPython writes a little itself when it starts.
    program.serve(prepared, request["connection"], descriptors, lambda: confine.rule(full))
    return 0


def _settle(temporary: str, matplotlib: str, *, over: bool = False) -> None:
    """Make the folders of this kernel anew; matplotlib wants to write where it finds its list of fonts.

    The temporary folder is as a rule in the workspace, where cells of before may have left anything: startup
    files of IPython would run before a full workspace is closed, and what a killed process left would stay
    for good. Removing many files takes a minute, so they only get another name here, and another process
    removes them while the kernel answers. Until then they count as the workspace's; so the kernel of one that
    is over its limit with them waits a while, or it would be ended for it.
    """
    home = os.environ["HOME"]
    left = [os.path.join(home, name) for name in os.listdir(home) if LEFT.fullmatch(name)]
    many = [path for path in left if not _cleared_at_once(path)]  # also where the workspace is full
    if many:
        _clear_apart([_aside(path) for path in many], WAIT if over else 0)
    os.makedirs(temporary, 0o700, exist_ok=True)
    for folder in (os.environ["IPYTHONDIR"], matplotlib):
        _clear(folder)
    given = os.path.join(os.environ["VIRTUAL_ENV"], "matplotlib")
    if os.path.isdir(given):
        shutil.copytree(given, matplotlib)


def _cleared_at_once(path: str) -> bool:
    """Remove what has a few files; returns whether there is nothing left."""
    try:
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
            return True
        count, folders = 0, [path]
        for folder in folders:  # grows as we go
            with os.scandir(folder) as listing:
                for entry in listing:
                    count += 1
                    if count > FEW:
                        return False
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        shutil.rmtree(path)
    except OSError:
        return not os.path.lexists(path)
    return True


def _aside(path: str) -> str:
    """Free the name of the temporary folder; returns what it is called now."""
    if not path.endswith(LARGE):
        return path  # it has another name already
    aside = f"{path}.{os.urandom(4).hex()}"
    os.rename(path, aside)
    return aside


def _clear_apart(paths: list[str], wait: float) -> None:
    """Remove what is there in a process of its own; `wait` so many seconds for its end.

    It is confined as the kernel is. Its parent is the init and not the kernel, whose cells may wait for all
    of their children. It ends with the kernel, and the next one goes on with what is left.
    """
    ended, alive = os.pipe()
    try:
        pid = os.fork()
    except OSError:  # as many processes as there may be
        pid = -1
    if pid:
        os.close(alive)
        if pid > 0:
            os.waitpid(pid, 0)
            poll = select.poll()
            poll.register(ended, select.POLLIN)
            poll.poll(wait * 1000)
        os.close(ended)
        return
    try:
        if os.fork() == 0:
            _use_null()
            os.dup2(0, 2)
            os.dup2(alive, 3)
            os.closerange(4, os.sysconf("SC_OPEN_MAX"))  # whoever reads a pipe would not see its end
            if not wait:
                os.nice(19)
            for path in paths:
                _clear(path)
    finally:
        os._exit(0)


def _clear(path: str) -> None:
    """Remove what is there; what cannot be removed gets another name."""
    try:
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
        else:
            os.chmod(path, 0o700)
            for folder, below, _ in os.walk(path):  # also what its owner has closed
                for each in below:
                    if not os.path.islink(inner := os.path.join(folder, each)):
                        os.chmod(inner, 0o700)
            shutil.rmtree(path)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        if LEFT.fullmatch(os.path.basename(path)) and not path.endswith(LARGE):
            return  # it has such a name already
        os.rename(path, f"{path}.{os.urandom(4).hex()}")


class _Init:
    """Reaps, obeys the control socket, and ends with the kernel. `alone`: it is PID 1 of a namespace."""

    def __init__(self, control: socket.socket, kernel: int, *, alone: bool) -> None:
        self._control = control
        self._kernel = kernel
        self._alone = alone
        self._detached = False
        self._ended = False

    def run(self) -> None:
        woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        if not self._alone:  # as PID 1 it is killed by whom has taken over a detached kernel, else asked
            signal.signal(signal.SIGTERM, self._leave)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(woken, select.POLLIN)
        poll.register(self._control, select.POLLIN)
        self._reap()
        while not self._ended:
            for number, _ in poll.poll():
                if number == woken:
                    os.read(woken, 512)
                elif not self._obey():
                    poll.unregister(self._control)
                    self._ended = self._ended or not self._detached
            self._reap()
        if not self._alone:
            _end_descendants()

    def _leave(self, *_: object) -> None:
        self._ended = True

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._kernel:
                self._ended = True
                self._say(f"exit {os.waitstatus_to_exitcode(status)}\n")

    def _obey(self) -> bool:
        """Do what the control socket says; False when its other end is closed."""
        words = self._control.recv(4096).decode("ascii", "replace").split()
        if not words:
            return False
        while words:
            match words.pop(0):
                case "signal":
                    os.kill(self._kernel, int(words.pop(0)))
                case "detach":
                    self._detached = True
                case "end":
                    self._detached = False
                    return False
        return True

    def _say(self, line: str) -> None:
        try:
            self._control.sendall(line.encode())
        except OSError:  # nobody is there any more
            return


def _end_descendants() -> None:
    """Kill everything below us: whose parent dies becomes our child, until there is none.

    First all of it is stopped, or a fork bomb would go on in the room that each killed process leaves.
    """
    stopped: set[int] = set()
    while new := {pid for pid in _descendants() if pid not in stopped}:
        for pid in new:
            _signal(pid, signal.SIGSTOP)
        stopped |= new
    while left := _descendants():
        for pid in left:
            _signal(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # it has ended
        return


def _descendants() -> list[int]:
    """All processes below us, those included that only wait for being reaped by their parents."""
    return tree(os.getpid())[1:]
