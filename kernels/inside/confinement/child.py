"""A child of the zygote: reads a spawn request, confines itself, forks the kernel, and is the kernel's init.

    child.main(control, program)    # never returns

`control` is a socket to the program that wants the kernel. It carries the spawn request, with descriptors;
then `begin`, once this process has its limits; then lines such as `signal 15`, `detach` or `end`. The only
answer is a line like `exit -9` when the kernel has ended. When the other end closes, the kernel ends too,
unless it was detached. As PID 1 of its namespace the init reaps what the kernel's processes leave behind, and
when it ends all of them end with it.
"""

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from contextlib import closing, suppress
from time import sleep
from typing import Any

from .. import program
from ..descendants import kill_all
from ..files import stored
from ..files.elsewhere import LARGE, LEFT
from ..output import last_words
from ..procfs import tree
from . import confine, fresh, probes

__all__ = ["main"]

LONGEST = 1 << 20  # bytes of a spawn request
MOST_DESCRIPTORS = 16
BEGIN = b"begin\n"
WAIT = 20.0  # seconds for removing an earlier kernel's files, if the workspace is over its limit with them
LOOK = 0.005  # seconds between looks for what has not ended yet of a kernel's processes
FEW = 200  # files of an earlier kernel that are removed before this one starts


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
            full = confine.ruleset(description["full"])  # no set of rules can be made once it is sealed
            confine.seal(description)
            code = _be_kernel(prepared, request, descriptors, full)
        else:
            confine.hide()
            if description["namespaces"]:
                confine.seal(description)
            _Init(control, kernel, alone=description["namespaces"]).run()
            code = 0
    except BaseException:  # noqa: BLE001  it is printed, and the process ends: it must never go on as a zygote
        traceback.print_exc(file=sys.__stderr__)
    finally:
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        os._exit(code)


def _spawn_request(control: socket.socket) -> tuple[dict[str, Any], dict[str, int], bytes]:
    """The request, the descriptors that came with it, by name, and what was sent after it."""
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
    """Give up the zygote's descriptors, environment and signal handling."""
    _use_null()
    os.dup2(descriptors.pop("stderr"), 2)
    kept = {control.fileno(), *descriptors.values()}
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with suppress(OSError):  # the descriptor of the listing itself
                os.close(int(name))
    os.environ.clear()
    os.environ.update(request["confinement"]["environment"])
    tempfile.tempdir = None  # the zygote may have found it already, by its own environment
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _use_null() -> None:
    """Make stdin and stdout /dev/null, and again in a new root: the host's device has the host's mode."""
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
        os.close(descriptors.pop("alive"))  # only the init holds it: a kernel could fill the disk through it
    last_words.share(descriptors)
    tempfile.tempdir = os.environ["TMPDIR"]  # otherwise Python would find it by trying to write
    _tell_sqlite(os.environ["TMPDIR"])
    # A full workspace is closed to writing once IPython has made its folders, and before it starts threads.
    program.serve(prepared, request["connection"], descriptors, lambda: confine.rule(full))
    return 0


def _tell_sqlite(folder: str) -> None:
    """Let SQLite keep its temporary files, such as those of VACUUM and of large sorts, in this folder.

    It has read the zygote's environment, and would choose a folder by `access`, which Landlock does not
    govern: then no such file can be opened, or it is limited as `/tmp` is. Where no library has imported it
    yet, it reads this kernel's environment.
    """
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 is not None:
        quoted = folder.replace("'", "''")
        with closing(sqlite3.connect(":memory:")) as any_database, suppress(sqlite3.Error):
            any_database.execute(f"PRAGMA temp_store_directory = '{quoted}'")


def _settle(temporary: str, matplotlib: str, *, over: bool = False) -> None:
    """Make the folders of this kernel anew, matplotlib's with the list of fonts that it wants to update.

    The temporary folder is usually in the workspace, where earlier cells may have left anything: startup
    files of IPython would run before a full workspace is closed to writing, and files of a killed process
    would stay for ever. Removing many files can take a minute. So the folder is only renamed here, and
    another process removes it while the kernel is already answering. Until then the files count as the
    workspace's. If the workspace is `over` its limit with them, the kernel waits a while, or it would be
    ended for that.
    """
    home = os.environ["HOME"]
    left = [os.path.join(home, name) for name in os.listdir(home) if LEFT.fullmatch(name)]
    many = [path for path in left if not _cleared_at_once(path)]  # this works even if the workspace is full
    if many:
        _clear_apart([_aside(path) for path in many], WAIT if over else 0)
    os.makedirs(temporary, 0o700, exist_ok=True)
    for folder in (os.environ["IPYTHONDIR"], matplotlib):
        _clear(folder)
    given = os.path.join(os.environ["VIRTUAL_ENV"], "matplotlib")
    if os.path.isdir(given):
        shutil.copytree(given, matplotlib)


def _cleared_at_once(path: str) -> bool:
    """Remove it if it has only a few files; returns whether nothing is left of it."""
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
    """Rename the temporary folder, so that its name is free; returns its new path."""
    if not path.endswith(LARGE):
        return path  # it has another name already
    aside = f"{path}.{os.urandom(4).hex()}"
    os.rename(path, aside)
    return aside


def _clear_apart(paths: list[str], wait: float) -> None:
    """Remove these in a process of its own; `wait` is how many seconds to wait for its end.

    The process is confined as the kernel is. Its parent is the init and not the kernel, whose cells may wait
    for all of their children. It ends when the kernel ends, and the next kernel goes on with what is left.
    """
    ended, alive = os.pipe()
    try:
        pid = os.fork()
    except OSError:  # there are as many processes as there may be
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
            os.closerange(4, os.sysconf("SC_OPEN_MAX"))  # or whoever reads the kernel's pipes sees no end
            if not wait:
                os.nice(19)
            for path in paths:
                _clear(path)
    finally:
        os._exit(0)


def _clear(path: str) -> None:
    """Remove a file or a folder; what cannot be removed is renamed."""
    try:
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
        else:
            os.chmod(path, 0o700)
            for folder, below, _ in os.walk(path):  # folders too whose modes forbid it
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
        if not self._alone:  # who took over a detached kernel kills an init that is PID 1, and asks others
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
                with suppress(OSError):  # nobody is there any more
                    self._control.sendall(f"exit {os.waitstatus_to_exitcode(status)}\n".encode())

    def _obey(self) -> bool:
        """Do what the control socket says; returns False when its other end is closed."""
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


def _end_descendants() -> None:
    """Kill all our descendants; those whose parent dies become our children, until there are none."""
    while True:
        kill_all(lambda: tree(os.getpid())[1:])
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        sleep(LOOK)
