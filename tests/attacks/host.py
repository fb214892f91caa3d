"""What the host has for attacks to reach, what they could leave behind, and the code that they share."""

import asyncio
import gc
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kernels.inside.procfs import tree
from kernels.kernel import Kernel
from kernels.pool import Pool
from kernels.sandbox.limits import usage
from tests.live.cells import Ran, run

CANARY = "KERNELCORD_ATTACK_CANARY"

# The helpers that attacks are written with: each attempt that succeeds prints a line.
TRIES = """
import contextlib, ctypes, errno, json, mmap, os, resource, signal, socket, stat, struct, subprocess, sys, threading, time
LIBC = ctypes.CDLL(None, use_errno=True)

def tries(what, attempt):
    try:
        got = attempt()
    except (OSError, ValueError, subprocess.SubprocessError):
        return
    print("REACHED", what, repr(got)[:200])

def call(number, *arguments):
    result = LIBC.syscall(number, *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result

def read(path):
    with open(path, "rb") as file:
        return file.read(100_000)
"""


@dataclass
class Host:
    """Secrets and listeners of the host, whose process is `pid`."""

    folder: Path
    secret: Path
    canary: str
    port: int
    datagrams: socket.socket
    stream: Path
    abstract: str
    pid: int

    @classmethod
    def build(cls, folder: Path, stack: ExitStack) -> "Host":
        """Create them in a folder of the host."""
        secret = folder / "secret.env"
        secret.write_text("DISCORD_TOKEN=hush", "ascii")
        secret.chmod(0o600)
        canary = secrets.token_hex(16)
        os.environ[CANARY] = canary
        stack.callback(os.environ.pop, CANARY)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = f"kernelcord-{secrets.token_hex(8)}"
        for address in (str(folder / "stream"), f"\0{abstract}"):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(address)
            listening.listen()
        datagrams = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        datagrams.setblocking(False)
        datagrams.bind(str(folder / "datagrams"))
        port = listener.getsockname()[1]
        return cls(folder, secret, canary, port, datagrams, folder / "stream", abstract, os.getpid())


async def refused(kernel: Kernel, code: str, **names: object) -> Ran:
    """Run an attack of which every attempt must fail; `names` are variables that it is given."""
    told = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    ran = await run(kernel, f"{TRIES}\n{told}\n{code}")
    assert ran.status == "ok", ran.output
    assert "REACHED" not in ran.output, ran.output
    return ran


def leftovers(pool: Pool) -> set[str]:
    """All traces of kernels on the machine: processes, groups, mounts, files, our descriptors."""
    gc.collect()  # closes what only reference cycles still hold
    workspaces = str(pool._workspaces)
    found = {f"process {pid}" for pid in tree(os.getpid())}
    for pid in usage.owned(os.geteuid()):
        try:
            if os.readlink(f"/proc/{pid}/cwd").startswith(workspaces):
                found.add(f"process {pid}")
        except OSError:
            continue
    found.discard(f"process {_zygote(pool)}")  # not a leftover, and a new one if an attack has killed it
    groups = pool._sandbox._groups.folders.values() if pool._sandbox and pool._sandbox._groups else ()
    for folder in (*groups, pool._run_root, Path("/dev/shm")):
        found |= {str(path) for path in folder.glob("*/" if folder in groups else "*")}
    found |= {f"mount {line.split()[4]}" for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    found |= {f"System V {kind} {line}" for kind in ("shm", "sem", "msg") for line in _of_system_v(kind)}
    found |= {f"descriptor no. {number}" for number in range(len(os.listdir("/proc/self/fd")))}
    return found


def _zygote(pool: Pool) -> int:
    zygote = pool._sandbox._forkserver._process if pool._sandbox else None
    return zygote.pid if zygote else 0


def _of_system_v(kind: str) -> list[str]:
    lines = Path("/proc/sysvipc", kind).read_text().splitlines()[1:]
    return [line.split()[1] for line in lines if line.split()[7 if kind == "shm" else 4] == str(os.geteuid())]


async def settled(left: Callable[[], set[str]], seconds: float) -> set[str]:
    """What is left once nothing is, or after `seconds`."""
    until = time.monotonic() + seconds
    while (found := left()) and time.monotonic() < until:  # noqa: ASYNC110  the system tells nobody
        await asyncio.sleep(0.05)  # between two looks
    return found
