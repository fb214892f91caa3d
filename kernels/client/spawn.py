"""A node on this machine: the one that runs for a folder, or a new one, which outlives us.

node = RemoteNode(local_node(settings), ...)

The node is started detached (in a session of its own, with standard error going to a log in its folder) and
with hardly any environment, so it has none of our tokens. Two programs that start at once get one node.

A node holds a lock for as long as it lives, and writes a record once it can be reached. The record of a node
that was killed stays behind, so a record counts only while the process that wrote it lives. A lock without a
valid record means that a node is starting or ending; we wait for it.

A node of another version speaks another protocol. It keeps its folder, and ours gets one beside it, "node-5"
beside "node". The other one is asked to take no new sessions and to end when its kernels have ended.
"""

import asyncio
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


# Gives the place of a node. With True one is started where none runs; with False None says that none does.
Find = Callable[[bool], Awaitable[NodeEndpoint | None]]


def socket_for(folder: Path) -> str:
    """The path of the socket of a node with this folder: in it, or where that is too long a path, elsewhere.

    Raises: NodeUnavailable when what stands there is not ours.
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
            "its socket has no place", f"{parent} is not a folder of ours alone: remove it."
        )
    return str(parent / "socket")


def local_node(settings: NodeSettings) -> Find:
    """Find the node that has `settings.folder`; it is started with `settings` where none of our version runs.

    Finding raises: NodeUnavailable, with the end of its log, or while it can be neither found nor started.
    """

    async def find(start: bool) -> NodeEndpoint | None:
        try:
            if not start:
                return await in_thread(_find, settings)
            place, others = await in_thread(_find_or_start, settings)
        except OSError as error:  # no room, no descriptor: that says nothing of the node
            raise NodeUnavailable(error.strerror or str(error)) from error
        for other in others:
            await _drain(other)
        return place

    return find


async def _drain(other: NodeRecord) -> None:
    """Ask a node of another version to end when its kernels have ended; a very old one does so unasked."""
    log.warning(
        "The node of %s version (process %d) runs beside ours. Its kernels are not used any more: people get"
        " fresh ones, and are told what was lost. It ends when its kernels have been idle for a while.",
        "a newer" if other.protocol > PROTOCOL else "an older",
        other.pid,
    )
    place = _endpoint(other)
    connector = aiohttp.UnixConnector(place.address) if place.unix else aiohttp.TCPConnector()
    with suppress(aiohttp.ClientError, OSError):
        async with (
            asyncio.timeout(ASKING),
            aiohttp.ClientSession(
                connector=connector, headers={"Authorization": f"token {place.token}"}
            ) as http,
            http.post(f"{'http://node' if place.unix else place.address}/kernelcord/drain"),
        ):
            pass


def at(place: NodeEndpoint) -> Find:
    """The node at `place`, which somebody else has started."""

    async def find(_start: bool) -> NodeEndpoint:
        return place

    return find


def recorded(folder: Path) -> tuple[NodeEndpoint, int] | None:
    """Where the node of this folder listens, and its process, if one lives. Raises: OSError, as `_record`."""
    record = _record(folder)
    return (_endpoint(record), record.pid) if record else None


def _endpoint(record: NodeRecord) -> NodeEndpoint:
    return NodeEndpoint(record.address, record.token)


def _record(folder: Path) -> NodeRecord | None:
    """What the node of this folder has written, if one lives.

    Raises: OSError where that cannot be found out: for want of a descriptor nobody is dead.
    """
    if not _held(folder):
        return None
    try:
        record = decode((folder / RECORD).read_bytes(), NodeRecord)
    except (FileNotFoundError, NotDecoded):
        return None  # not there yet, already removed, or cut off when the machine stopped
    lives = started(record.pid)
    if sys.platform == "linux" and (not lives or record.started not in ("", lives)):
        return None  # its node is dead, and the number may be another process's by now
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
    """The settings with the folder of their own, and with the one beside it."""
    beside = settings.folder.with_name(f"{settings.folder.name}-{PROTOCOL}")
    if not settings.address.startswith("/"):
        return settings, replace(settings, folder=beside)
    # Its path is found out only where it is needed: that may make a folder.
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


def _find_or_start(settings: NodeSettings) -> tuple[NodeEndpoint, list[NodeRecord]]:
    """The node of our version, and those of others where ours had to be started beside them."""
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(settings.folder):
        others, free = list[NodeRecord](), list[NodeSettings]()
        for home in _homes(settings):
            found = _settled(home.folder)
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
        _start(home)
        found = _record(home.folder)
        if found is None:
            raise NodeUnavailable("it has ended at once", f"Its log is {home.folder / LOG}.")
        return _endpoint(found), others


def _settled(folder: Path) -> NodeRecord | None:
    """As `_record`, after waiting for a node that is starting or ending."""
    until = monotonic() + UP
    while True:
        found = _record(folder)
        if found is not None or not _held(folder):
            return found
        if monotonic() > until:
            raise NodeUnavailable(
                f"another one has neither become ready nor ended within {UP:.0f} s",
                f"It is a process `python -m kernels.node` that uses {folder}: end it and start again."
                f" Its log is {folder / LOG}.",
            )
        sleep(LOOK)


def _start(settings: NodeSettings) -> None:
    if settings.address.startswith("/") and not Path(settings.address).parent.exists():
        socket_for(settings.folder)  # another program took it for a dead node's, and removed it
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
        answer = select.poll()  # select(2) takes no descriptor over 1023, and we may have that many
        answer.register(starting.stdout, select.POLLIN)
        if not answer.poll(UP * 1000) or not starting.stdout.readline():
            with log_file.open("rb") as log:
                log.seek(begin)
                raise NodeUnavailable(
                    log.read().decode(errors="replace")[-TAIL:].strip() or "it says nothing"
                )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One after the other: who comes second finds the node that the first has started."""
    with (folder / "starting").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
