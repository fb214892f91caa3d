"""A node on this machine: the one that runs for a folder, or a new one, which outlives us.

node = RemoteNode(local_node(settings), ...)

The node is started detached (in a session of its own, with standard error going to a log in its folder) and
with hardly any environment, so it has none of our tokens. Two programs that start at once get one node.

A node holds a lock for as long as it lives, and writes a record once it can be reached. The record of a node
that was killed stays behind, so a record counts only while the process that wrote it lives. A lock without a
valid record means that a node is starting or ending; we wait for it.

A node of another version speaks another protocol. It keeps its folder, and ours gets one beside it, "node-6"
beside "node". The other one is asked to take no new sessions and to end when its kernels have ended.
"""

import fcntl
import hashlib
import logging
import os
import select
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, sleep

import aiohttp

from kernels.concurrency.threads import in_thread
from kernels.errors import NodeUnavailable
from kernels.inside.procfs import started
from kernels.node import PROTOCOL
from kernels.node.encoding import NotDecoded, decode
from kernels.node.settings import ALIVE, RECORD, NodeRecord, NodeSettings

__all__ = ["Find", "NodeEndpoint", "at", "local_node", "recorded", "socket_for"]

log = logging.getLogger(__name__)

CHECKOUT = Path(__file__).resolve().parent.parent.parent  # where `python -m kernels.node` finds us
PASSED_ON = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")
LONGEST = 100  # characters of a socket's path; the system takes 107
UP = 60.0  # seconds until a node must have answered; a loaded machine needs several
LOOK = 0.05  # seconds between looks at a node that starts or ends
LOG = "log"  # in the node's folder, as in `kernels.node.logging`
TAIL = 2000  # characters of its log that are told
ASKING = 5.0  # seconds for a node of another version to answer


@dataclass(frozen=True, slots=True)
class NodeEndpoint:
    """Where a node listens: a Unix socket's path, or an http(s) address; and the token that it asks for."""

    address: str
    token: str = field(repr=False)

    @property
    def unix(self) -> bool:
        """Whether it is a socket of this machine."""
        return self.address.startswith("/")

    def http(self, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
        """HTTP to the node, with the token; to be closed."""
        return aiohttp.ClientSession(
            "http://node/" if self.unix else self.address.rstrip("/") + "/",
            connector=aiohttp.UnixConnector(self.address, limit=0)
            if self.unix
            else aiohttp.TCPConnector(limit=0),
            headers={"Authorization": f"token {self.token}"},
            timeout=timeout,
        )


# Returns where a node listens. With True one is started if none runs; with False None says that none does.
Find = Callable[[bool], Awaitable[NodeEndpoint | None]]


def socket_for(folder: Path) -> str:
    """The path of the socket of a node with this folder: in it or, if that path is too long, elsewhere.

    Raises: NodeUnavailable if the folder elsewhere is not ours alone.
    """
    inside = folder / "socket"
    if len(os.fsencode(inside)) <= LONGEST:
        return str(inside)
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    parent = Path("/tmp") / f"kernelcord-node-{os.getuid()}-{digest}"  # noqa: S108  looked at before use
    parent.mkdir(mode=0o700, exist_ok=True)
    found = parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NodeUnavailable(
            "there is nowhere for its socket", f"{parent} is not a folder of ours alone: remove it."
        )
    return str(parent / "socket")


def local_node(settings: NodeSettings, *, up: float = UP) -> Find:
    """Finds the node that has `settings.folder`; if none of our version runs, one is started with `settings`.

    A node that starts or ends has `up` seconds for it.

    Finding raises: NodeUnavailable, with the end of the log of a node that could not start.
    """

    async def find(start: bool) -> NodeEndpoint | None:
        try:
            if not start:
                return await in_thread(_find, settings)
            endpoint, others = await in_thread(_find_or_start, settings, up)
        except OSError as error:  # no room, no descriptor: that says nothing about the node
            raise NodeUnavailable(error.strerror or str(error)) from error
        for other in others:
            await _drain(other)
        return endpoint

    return find


async def _drain(other: NodeRecord) -> None:
    """Ask a node of another version to end when its kernels have ended; a very old one does so anyway."""
    log.warning(
        "The node of %s version (process %d) runs beside ours. Its kernels are not used any more: people get"
        " fresh ones, and are told what was lost. It ends when its kernels have been idle for a while.",
        "a newer" if other.protocol > PROTOCOL else "an older",
        other.pid,
    )
    asking = aiohttp.ClientTimeout(total=ASKING)
    with suppress(aiohttp.ClientError, OSError):
        async with _endpoint(other).http(asking) as http, http.post("kernelcord/drain"):
            pass


def at(endpoint: NodeEndpoint) -> Find:
    """The node there, which somebody else has started."""

    async def find(_start: bool) -> NodeEndpoint:
        return endpoint

    return find


def recorded(folder: Path) -> tuple[NodeEndpoint, int] | None:
    """Where the node of this folder listens, and its process; None if none lives. Raises: OSError."""
    record = _record(folder)
    return (_endpoint(record), record.pid) if record else None


def _endpoint(record: NodeRecord) -> NodeEndpoint:
    return NodeEndpoint(record.address, record.token)


def _record(folder: Path) -> NodeRecord | None:
    """The record of the node of this folder; None if none lives.

    Raises: OSError if that cannot be found out, as without a free descriptor: then no node counts as dead.
    """
    if not _held(folder):
        return None
    try:
        record = decode((folder / RECORD).read_bytes(), NodeRecord)
    except (FileNotFoundError, NotDecoded):
        return None  # not there yet, already removed, or cut off when the machine stopped
    lives = started(record.pid)
    if sys.platform == "linux" and (not lives or record.started not in ("", lives)):
        return None  # its node is dead, and another process may have its number by now
    return record


def _held(folder: Path) -> bool:
    """Whether a node has this folder, be it ready, starting or ending. Raises: OSError, as `_record`."""
    try:
        with (folder / ALIVE).open("rb") as alive:
            fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    return False


def _homes(settings: NodeSettings) -> tuple[NodeSettings, NodeSettings]:
    """The settings with their own folder, and with the one beside it."""
    beside = settings.folder.with_name(f"{settings.folder.name}-{PROTOCOL}")
    if not settings.address.startswith("/"):
        return settings, replace(settings, folder=beside)
    # The socket's path is worked out only if it is needed, since that may make a folder.
    return settings, replace(settings, folder=beside, address="/")


def _find(settings: NodeSettings) -> NodeEndpoint | None:
    """The node of our version, if one lives. Raises: NodeUnavailable while one starts or ends; OSError."""
    between = False
    for home in _homes(settings):
        record = _record(home.folder)
        if record is not None and record.protocol == PROTOCOL:
            return _endpoint(record)
        between = between or (record is None and _held(home.folder))
    if between:
        raise NodeUnavailable("it is starting or ending")
    return None


def _find_or_start(settings: NodeSettings, up: float) -> tuple[NodeEndpoint, list[NodeRecord]]:
    """The node of our version, and those of other versions if ours was started beside them."""
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(settings.folder):
        others, free = list[NodeRecord](), list[NodeSettings]()
        for home in _homes(settings):
            found = _settled(home.folder, up)
            if found is None:
                free.append(home)
            elif found.protocol == PROTOCOL:
                return _endpoint(found), []
            else:
                others.append(found)
        home = free[0]
        if home.address == "/":
            home.folder.mkdir(mode=0o700, exist_ok=True)
            home = replace(home, address=socket_for(home.folder))
        _start(home, up)
        found = _record(home.folder)
        if found is None:
            raise NodeUnavailable("it has ended at once", f"Its log is {home.folder / LOG}.")
        return _endpoint(found), others


def _settled(folder: Path, up: float) -> NodeRecord | None:
    """As `_record`, but waits for a node that is starting or ending."""
    until = monotonic() + up
    while True:
        found = _record(folder)
        if found is not None or not _held(folder):
            return found
        if monotonic() > until:
            raise NodeUnavailable(
                f"another one has neither become ready nor ended within {up:.0f} s",
                f"It is a process `python -m kernels.node` that uses {folder}: end it and start again."
                f" Its log is {folder / LOG}.",
            )
        sleep(LOOK)


def _start(settings: NodeSettings, up: float) -> None:
    if settings.address.startswith("/") and not Path(settings.address).parent.exists():
        socket_for(settings.folder)  # another program took the folder for a dead node's, and removed it
    log_file = settings.folder / LOG
    with open(log_file, "ab", opener=_private) as log:
        begin = log.tell()
        starting = subprocess.Popen(
            [sys.executable, "-m", "kernels.node", "--detach"],
            cwd=CHECKOUT,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    with starting:
        assert starting.stdin is not None
        assert starting.stdout is not None
        with suppress(BrokenPipeError):  # it has ended already; its log says why
            starting.stdin.write(settings.to_json().encode())
            starting.stdin.close()
        answer = select.poll()  # select(2) takes no descriptor over 1023, and we may have more
        answer.register(starting.stdout, select.POLLIN)
        if not answer.poll(up * 1000) or not starting.stdout.readline():
            with log_file.open("rb") as log:
                log.seek(begin)
                raise NodeUnavailable(
                    log.read().decode(errors="replace")[-TAIL:].strip() or "it says nothing"
                )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lets one in at a time: whoever comes second finds the node that the first has started."""
    with (folder / "starting").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
