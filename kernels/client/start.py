"""A node on this machine: the one that runs for a folder, or a new one, which outlives us.

node = Node(local_node(settings), ...)

The node is started detached (its own session; standard error goes to a log in its folder) and with hardly
any environment: none of our tokens is in it. Two who start at once get one node.
"""

import asyncio
import fcntl
import hashlib
import json
import os
import select
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kernels.errors import NodeUnavailable
from kernels.node.settings import NodeSettings

__all__ = ["Find", "Place", "at", "local_node", "recorded", "socket_for"]

CHECKOUT = Path(__file__).resolve().parent.parent.parent  # where `python -m kernels.node` finds us
PASSED_ON = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")
LONGEST = 100  # characters of a socket's path; the system takes 107
UP = 60.0  # seconds until a node must have answered; a loaded machine needs several
LOG, LARGEST_LOG = "log", 1 << 20  # in the node's folder; bytes from which it is begun anew
TAIL = 2000  # characters of its log that are told


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node listens: a Unix socket's path, or an http(s) address; and the token that it asks for."""

    address: str
    token: str

    @property
    def unix(self) -> bool:
        """Whether it is a socket of this machine."""
        return self.address.startswith("/")


# Gives the place of a node. With True one is started where none runs; with False None says that none does.
Find = Callable[[bool], Awaitable[Place | None]]


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
        raise NodeUnavailable(f"{parent} is not a folder of ours alone")
    return str(parent / "socket")


def local_node(settings: NodeSettings) -> Find:
    """Find the node that has `settings.folder`; it is started with `settings` where none runs.

    Finding raises: NodeUnavailable, with the end of its log.
    """

    async def find(start: bool) -> Place | None:
        if start:
            return await asyncio.to_thread(_find_or_start, settings)
        found = await asyncio.to_thread(recorded, settings.folder)
        return found[0] if found else None

    return find


def at(place: Place) -> Find:
    """The node at `place`, which somebody else has started."""

    async def find(_start: bool) -> Place:
        return place

    return find


def recorded(folder: Path) -> tuple[Place, int] | None:
    """Where the node of this folder listens, and its process, if one lives."""
    try:
        fields = json.loads((folder / "node.json").read_bytes())
        place, pid = Place(fields["address"], fields["token"]), int(fields["pid"])
        with (folder / "alive").open("rb") as alive:
            fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:  # the node holds it: it lives
        return place, pid
    except (OSError, ValueError, KeyError):
        return None
    return None


def _find_or_start(settings: NodeSettings) -> Place:
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(settings.folder):
        found = recorded(settings.folder)
        if found is None:
            _start(settings)
            found = recorded(settings.folder)
        if found is None:
            raise NodeUnavailable(f"it has ended at once; its log is {settings.folder / LOG}")
        return found[0]


def _start(settings: NodeSettings) -> None:
    log_file = settings.folder / LOG
    if log_file.exists() and log_file.stat().st_size > LARGEST_LOG:
        log_file.unlink()
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
        starting.stdin.write(settings.to_json().encode())
        starting.stdin.close()
        answered, _, _ = select.select([starting.stdout], [], [], UP)
        if not answered or not starting.stdout.readline():
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
