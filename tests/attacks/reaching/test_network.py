"""The network is closed: the machine's own, the local one, and socket families that reach something else."""

from pathlib import Path

import pytest

from kernels.kernel import Kernel
from tests.attacks.host import Host, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_nothing_answers_on_any_address(kernel: Kernel, host: Host) -> None:
    """Not the host's loopback, not the metadata address, no name server: a kernel can reach only itself."""
    code = """
def connect(address, port, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as ours:
        ours.settimeout(1)
        ours.connect((address, port))
        ours.send(b"x")
        ours.recv(1)
for address in ("127.0.0.1", "127.0.0.2", "0.0.0.0", "localhost"):
    tries(address, lambda: connect(address, port))
    tries("as a child " + address, lambda: subprocess.run(
        [sys.executable, "-c", f"import socket; socket.create_connection(({address!r}, {port}), 1)"],
        check=True, stderr=subprocess.DEVNULL))
interfaces = open("/proc/self/net/dev").read().splitlines()[2:] if alone else []
routes = open("/proc/self/net/route").read().splitlines()[1:] if alone else []
others = [line for line in interfaces + routes if line.split(":")[0].strip() != "lo"]
if others:
    print("REACHED interfaces", others)
else:
    for address in ("169.254.169.254", "10.0.0.1", "192.168.0.1", "fe80::1", "::ffff:127.0.0.1"):
        tries(address, lambda: connect(address, 80))
        tries(f"datagrams {address}", lambda: connect(address, 53, socket.SOCK_DGRAM))
    tries("a name", lambda: socket.getaddrinfo("attacker.invalid", 80))
"""
    tier = kernel._launcher(-1).sandbox.tier  # type: ignore[attr-defined]
    await refused(kernel, code, port=host.port, alone=tier.namespaces)


async def test_families_beside_the_internets_are_closed(kernel: Kernel) -> None:
    """AF_VSOCK and AF_ALG ignore network namespaces; the code of the others is rarely used and tested."""
    code = """
for family in range(50):
    if family not in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            tries(f"family {family} kind {kind}", lambda: socket.socket(family, kind))
for family in (socket.AF_INET, socket.AF_INET6):
    for protocol in (1, 6, 17, 58, 255):
        tries(f"raw {protocol}", lambda: socket.socket(family, socket.SOCK_RAW, protocol))
    for protocol in (132, 136, 256, 262):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            tries(f"protocol {protocol}", lambda: socket.socket(family, kind, protocol))
tries("pairs of another family", lambda: socket.socketpair(socket.AF_INET))
"""
    await refused(kernel, code)


async def test_the_machines_own_network_is_not_told(kernel: Kernel, host: Host) -> None:
    """No connection, socket or address of the host can be listed, and none of its events received."""
    code = """
def told(path, *words):
    if not any(word in line for line in open(path) for word in words):
        raise ValueError
for net in ("/proc/net", "/proc/self/net", "/proc/thread-self/net", f"/proc/{host_pid}/net"):
    tries(f"connections in {net}", lambda: told(f"{net}/tcp", f":{port:04X} "))
    tries(f"sockets in {net}", lambda: told(f"{net}/unix", abstract))
    tries(f"addresses in {net}", lambda: told(f"{net}/fib_trie", *addresses))
if not alone:
    tries("interfaces", socket.if_nameindex)
    import fcntl
    pair = socket.socketpair()[0].fileno()
    addressed = ctypes.create_string_buffer(4000)
    tries("addresses by ioctl", lambda: fcntl.ioctl(pair, 0x8912, struct.pack("iP", 4000, ctypes.addressof(addressed))))
    for request in (0x8910, 0x8913, 0x8921, 0x8927, 0x8933, 0x8940, 0x8946):
        tries(f"interface by ioctl {request:#x}", lambda: fcntl.ioctl(pair, request, struct.pack("16si20x", b"lo", 1)))
tries("events", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).bind((0, 1)) if not alone else 1 // int())
""".replace("1 // int()", "int('none')")
    addresses = [
        line.split()[-1] for line in Path("/proc/net/fib_trie").read_text().splitlines() if "|-- " in line
    ]
    addresses = [each for each in addresses if not each.startswith(("127.", "0."))]
    tier = kernel._launcher(-1).sandbox.tier  # type: ignore[attr-defined]
    told = {"port": host.port, "abstract": host.abstract, "addresses": addresses, "host_pid": host.pid}
    await refused(kernel, code, alone=tier.namespaces, **told)
