"""Whether a sandbox holds on this machine, found out by trying: a throw-away kernel must reach nothing.

await probe(sandbox)        # []: nothing of what it tried got through
"""

import asyncio
import contextlib
import json
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kernels.broker import Broker, FileRow, FileUnavailable, Opened
from kernels.errors import KernelStartFailed, Misconfigured, SandboxUnavailable
from kernels.inside.confinement.probes import ABSTRACT, LOOPBACK, PROBES
from kernels.inside.procfs import started
from kernels.limits import Fault
from kernels.sandbox.confined import Sandbox
from kernels.sandbox.policy import Tier
from kernels.workspace.temporary import own_folder

__all__ = ["PROBES", "REMEDIES", "probe"]

PROBING = 20.0  # seconds for all probes
CANARY = "KERNELCORD_CANARY"
SMALL = {Fault.MEMORY: "MAX_MEMORY", Fault.WORKSPACE: "MAX_WORKSPACE"}  # settings that can be too small
REMEDIES = {
    Tier.S: (
        "Tier S (root namespaces) needs root (or a container with CAP_SYS_ADMIN) and control groups that can "
        "be written: mount /sys/fs/cgroup writable, and in systemd's unit set Delegate=yes."
    ),
    Tier.A: (
        "Tier A (user namespaces) needs unprivileged user namespaces. Where AppArmor forbids them (Ubuntu "
        "24.04 and newer): sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a profile that "
        "allows userns for the kernels' Python. In a container: --security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined --security-opt systempaths=unconfined."
    ),
    Tier.B: (
        "Tier B (Landlock) needs Landlock with scopes: Linux 6.12 or newer, with landlock among the kernel's "
        "security modules (lsm=landlock,...)."
    ),
}


async def probe(sandbox: Sandbox, *, seconds: float = PROBING) -> list[str]:
    """The probes that get through and should not. All of them together may take so many `seconds`.

    Raises: KernelStartFailed, OSError if nothing starts in the sandbox; SandboxUnavailable if the network
    should be open and is not.
    """
    loop, text = asyncio.get_running_loop(), b""
    with _targets(sandbox.tier) as (targets, workspace, folder):
        ours, theirs = socket.socketpair()
        with ours, (folder / "log").open("wb") as output:
            async with Broker(_OneFile(Path(targets["stored"]))) as broker:
                with theirs:
                    descriptors = {
                        "files": broker.request_socket.fileno(),
                        "report": theirs.fileno(),
                        "stderr": output.fileno(),
                    }
                    kernel = await sandbox.launch(workspace, folder.name, {"probes": targets}, descriptors)
                try:
                    ours.setblocking(False)
                    async with asyncio.timeout(seconds):
                        while piece := await loop.sock_recv(ours, 1 << 16):
                            text += piece
                        await kernel.wait()
                except TimeoutError:
                    text = b""
                finally:
                    kernel.kill()
                    await kernel.release()
        if not text and kernel.fault in SMALL:
            raise Misconfigured(f"{SMALL[kernel.fault]} is too small: not even an empty kernel starts")
        if not text:
            raise KernelStartFailed((folder / "log").read_text("utf-8", "replace"))
    through: list[str] = json.loads(text)
    if not sandbox.network:
        return through
    if LOOPBACK not in through:
        raise SandboxUnavailable("kernels cannot reach the host's network, which KERNEL_NETWORK=host opens.")
    # An abstract socket belongs to the network too. In tier B (Landlock) there are none.
    return [name for name in through if name not in (LOOPBACK, ABSTRACT)]


class _OneFile:
    """The `FileSource` of somebody who has stored one file, which any name finds."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def open(self, wanted: str) -> Opened:
        return Opened(wanted, self._path.name, "other", self._path.stat().st_size, self._path.open("rb"))

    async def place(self, wanted: str) -> str:
        raise FileUnavailable.absent(wanted)

    async def list(self) -> Sequence[FileRow]:
        return ()


@contextlib.contextmanager
def _targets(tier: Tier) -> Iterator[tuple[dict[str, Any], Path, Path]]:
    """Things of the host that a kernel must not reach, and a workspace and a run folder for it."""
    with ExitStack() as stack:
        top = stack.enter_context(own_folder("selftest-"))
        for name in ("own", "sibling", "run"):
            (top / name).mkdir(mode=0o700)
        for name in ("secret", "stored"):
            (top / name).write_text(name, "ascii")
            (top / name).chmod(0o600)
        abstract = f"\0kernelcord-{secrets.token_hex(8)}"
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for address in (str(top / "socket"), abstract):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(address)
            listening.listen()
        canary = secrets.token_hex(8)
        os.environ[CANARY] = canary
        stack.callback(os.environ.pop, CANARY)
        targets = {
            "secret": str(top / "secret"),
            "stored": str(top / "stored"),
            "sibling": str(top / "sibling"),
            "canary": canary,
            "pid": os.getpid(),
            "started": started(os.getpid()),
            "port": listener.getsockname()[1],
            "socket": str(top / "socket"),
            "abstract": abstract,
            "namespaces": tier.namespaces,
            "closed": ["/", "/etc", "/usr", "/dev", str(Path(__file__).parent), str(top)],
        }
        yield targets, top / "own", top / "run"
