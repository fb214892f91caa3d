"""Abuse of the file requests: too many of them, connections held open, and malformed requests."""

import json
from collections.abc import Sequence

import pytest

from kernels.broker import FileRow, FileUnavailable, Opened
from kernels.kernel import Kernel
from kernels.pool import Pool
from tests.attacks.conftest import AFTER
from tests.attacks.host import TRIES, leftovers, settled
from tests.live.cells import NoFiles, run, value

# In one tier only: all tiers use the same broker.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.tiers("S")]

CONNECT = f"""{TRIES}
import json
request_socket = load_file.__wrapped__.__self__._request_socket
request_socket.settimeout(2)
def connect():
    request_socket.send(b".")
    _, lines, _, _ = socket.recv_fds(request_socket, 1, 1)
    line = socket.socket(fileno=lines[0])
    line.settimeout(2)
    return line
def ask(request):
    line = connect()
    line.sendall(request)
    answer = b""
    while not answer.endswith(b"\\n") and (piece := line.recv(65536)): answer += piece
    line.close()
    return json.loads(answer)
"""
QUIET = {
    "asks ten thousand times": """
request_socket.setblocking(False)
for _ in range(10_000):
    with contextlib.suppress(BlockingIOError): request_socket.send(b".")
request_socket.setblocking(True)
""",
    "keeps what it is handed": """
held = []
try:
    for _ in range(40): held.append(connect())
except TimeoutError: pass
""",
    "sends descriptors": """
for _ in range(30):
    socket.send_fds(request_socket, [b"."], [0] * 200)
    with contextlib.suppress(OSError): socket.recv_fds(request_socket, 1, 1)
line = connect()
socket.send_fds(line, [b'{"op": "list"}\\n'], [0] * 200)
""",
    "sends large requests": "for _ in range(20):\n    with contextlib.suppress(OSError): request_socket.send(b'x' * 100_000)",
    "never ends its line": "line = connect()\nfor _ in range(100):\n    with contextlib.suppress(OSError): line.send(b'x' * 10_000)",
    "hangs up": "for _ in range(30): connect().close()",
    "closes the request_socket": "request_socket.close()\nos.closerange(3, 5)",
    "shuts the request_socket down": "request_socket.shutdown(socket.SHUT_RDWR)",
}


@pytest.mark.parametrize("code", QUIET.values(), ids=QUIET)
async def test_a_bell_that_is_abused_costs_its_owner_only(kernel: Kernel, pool: Pool, code: str) -> None:
    """The host's descriptors and tasks stay bounded, and another person's kernel is still answered."""
    ran = await run(
        kernel,
        f"{CONNECT}\ntry:\n"
        + "".join(f"    {line}\n" for line in code.splitlines())
        + "except OSError as e: print(e)",
    )
    assert ran.status in ("ok", "error", "died"), ran.output
    other = pool.kernel("neighbour", NoFiles())
    assert await value(other, "len(list_files())") == "0"
    await pool.release("neighbour")
    pool.workspace("neighbour").remove()


class Recording(NoFiles):
    """The source of a person without files; it records what is asked for."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def open(self, wanted: str) -> Opened:
        self.asked.append(wanted)
        raise FileUnavailable.absent(wanted)

    async def place(self, wanted: str) -> str:
        self.asked.append(wanted)
        raise FileUnavailable.absent(wanted)

    async def list(self) -> Sequence[FileRow]:
        return ()


async def test_an_id_that_is_none_gives_nothing(pool: Pool) -> None:
    """A database operator, a path, 10 KB, a list: the store is asked for strings only, and has none of them."""
    before = leftovers(pool)
    source = Recording()
    kernel = pool.kernel("asker", source)
    hostile = [
        {"$ne": 1},
        ["a"],
        None,
        5,
        True,
        "../../etc/passwd",
        "/etc/passwd",
        "K7M3Q9X2VA",
        "x" * 10_000,
        "",
        "\0",
        "a\nb",
        "' OR 1=1 --",
    ]
    requests = [{"op": op, "file": each} for op in ("open", "path") for each in hostile]
    requests += [{"op": "exec"}, {}, [], {"op": ["list"]}, {"op": "open", "file": "a", "user": 1}]
    code = f"requests = json.loads({json.dumps(json.dumps(requests))})\nprint([ask(json.dumps(r).encode() + b'\\n')['ok'] for r in requests])\n"
    code += (
        "print([ask(r)['ok'] for r in (b'\\n', b'\\xff\\n', b'[' * 60_000 + b'\\n', b'1' * 5000 + b'\\n')])"
    )
    ran = await run(kernel, f"{CONNECT}\n{code}")
    assert ran.status == "ok", ran.output
    assert "True" not in ran.output
    assert all(isinstance(each, str) and len(each) <= 1024 for each in source.asked)
    await pool.release("asker")
    pool.workspace("asker").remove()
    assert not await settled(lambda: leftovers(pool) - before, AFTER)
