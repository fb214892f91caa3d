"""KERNEL_NETWORK=host opens one thing only, in every tier that the machine supports."""

import os
import socket
import sys
import threading
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from kernels.errors import SandboxUnavailable
from kernels.limits import Limits
from kernels.pool import Pool
from kernels.sandbox.policy import Tier
from tests.conftest import KERNEL_PYTHON
from tests.live.cells import NoFiles, run

CODE = """
import os, socket
with socket.create_connection(("127.0.0.1", {port}), 5) as there:
    print(there.recv(5).decode())
with socket.create_server(("127.0.0.1", 0)) as own, socket.create_connection(own.getsockname(), 5):
    print("served")
print(socket.gethostbyname({name!r}))
with open("/etc/resolv.conf", "rb") as resolver:
    print(len(resolver.read()))
try:
    os.listdir({secret!r})
except OSError:
    print("closed")
"""


def pool_of(tier: Tier, folder: Path, *, network: bool) -> Pool:
    """A pool of this tier."""
    limits = Limits(network=network)
    return Pool(python=KERNEL_PYTHON, workspaces=folder, limits=limits, tier=tier, libraries=())


async def can_be_had(tier: Tier, folder: Path) -> bool:
    """Whether the machine supports the tier at all."""
    try:
        async with pool_of(tier, folder, network=False):
            return True
    except SandboxUnavailable:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="there are no tiers elsewhere")
@pytest.mark.parametrize("tier", [Tier.S, Tier.A, Tier.B])
async def test_a_kernel_reaches_what_the_host_reaches(
    tier: Tier, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The host's listeners, host names and name servers; files stay closed."""
    folder, secret = tmp_path_factory.mktemp("pool"), tmp_path_factory.mktemp("secret")
    pool = pool_of(tier, folder, network=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        try:
            await pool.__aenter__()
        except SandboxUnavailable:
            if await can_be_had(tier, folder):
                raise
            pytest.skip(f"this machine has no tier {tier}")
        async with AsyncExitStack() as stack:
            stack.push_async_exit(pool)
            name = socket.gethostname() if _known(socket.gethostname()) else "localhost"
            port = listener.getsockname()[1]
            listener.settimeout(20)
            code = CODE.format(port=port, name=name, secret=str(secret))
            answering = threading.Thread(target=_answer, args=[listener])
            answering.start()
            ran = await run(pool.kernel("a", NoFiles()), code)
            answering.join()
    resolver = os.path.getsize("/etc/resolv.conf") if os.path.exists("/etc/resolv.conf") else 0
    assert ran.output.split() == ["hello", "served", socket.gethostbyname(name), str(resolver), "closed"]


def _answer(listener: socket.socket) -> None:
    """Greet the first client."""
    with suppress(TimeoutError), listener.accept()[0] as peer:
        peer.sendall(b"hello")


def _known(name: str) -> bool:
    """Whether a name is in /etc/hosts, so that it is found without a network."""
    with open("/etc/hosts", encoding="utf-8", errors="replace") as hosts:
        return any(name in line.split()[1:] for line in hosts)
