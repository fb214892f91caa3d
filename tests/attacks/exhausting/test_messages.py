"""Messages that no honest kernel sends, and more of them than anybody can read."""

import asyncio
import resource
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from kernels.concurrency.cancellation import stop
from kernels.kernel import Kernel
from kernels.limits import Limits
from kernels.wire.weight import weight
from tests.attacks.pools import LIMITS
from tests.live.cells import run, value

# In one tier only: the same code reads the messages of all tiers.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.tiers("S")]

LIAR = """
import os, threading, time, zmq
kernel = get_ipython().kernel
session, iopub, parent = kernel.session, kernel.iopub_socket, kernel.get_parent()
def say(kind, content, **more): session.send(iopub, kind, content, parent=parent, **more)
def packed(content, kind='stream', **header):
    parts = [session.pack(dict(session.msg_header(kind), **header)), session.pack(parent['header']), b'{}', content]
    return [b't', b'<IDS|MSG>', session.sign(parts), *parts]
def over(): say('execute_reply', {'status': 'ok', 'execution_count': 1})
"""
LIES = {
    "idle": "say('status', {'execution_state': 'idle'})",
    "a reply elsewhere": "session.send(kernel.shell_stream.socket, 'execute_reply', {'status': 'ok'}, parent=parent, ident=[b'x'])",
    "wrong types": "say('stream', {'text': 5}); say('display_data', {'data': 5}); say('error', {'ename': 1})",
    "missing keys": "for kind in ('stream', 'display_data', 'execute_result', 'error', 'status'): say(kind, {})",
    "no content": "say('stream', b'[]'); say('status', b'7'); say('status', b'null')",
    "no frames": "iopub.send_multipart([b'x']); iopub.send_multipart([b'<IDS|MSG>']); iopub.send_multipart([b''] * 500)",
    "a bad signature": "iopub.send_multipart([b't', b'<IDS|MSG>', b'0' * 64, b'{}', b'{}', b'{}', b'{}'])",
    "deep JSON": "iopub.send_multipart(packed(b'[' * 200_000 + b']' * 200_000))",
    "a deep result": "iopub.send_multipart(packed(b'{\"data\":' + b'[' * 900 + b']' * 900 + b'}', 'display_data'))",
    "surrogates": r"""iopub.send_multipart(packed(b'{"name": "stdout", "text": "\\ud800\\udfff\\u0000"}'))""",
    "an endless number": "iopub.send_multipart(packed(b'{\"text\": ' + b'9' * 100_000 + b'}'))",
    "a storm of comms": "for n in range(3000): say('comm_open', {'comm_id': str(n), 'target_name': 'x', 'data': {}})",
    "a clear without end": "for n in range(3000): say('clear_output', {'wait': n % 2 == 0})",
    "updates without end": "for n in range(3000): say('update_display_data', {'data': {}, 'transient': {'display_id': str(n)}})",
    "a question for nobody": "session.send(kernel.stdin_socket, 'input_request', {'prompt': 5}, parent=parent, ident=[b'x'])",
    "not a picture": "say('display_data', {'data': {'image/png': 'bm90IGEgcGljdHVyZQ==', 'text/html': '<script>1</script>'}, 'metadata': {}})",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_a_lie_hurts_nobody(kernel: Kernel, lie: str) -> None:
    """It raises no error in the bot, its own cell ends, and the next one is answered (see the fixture)."""
    ran = await run(kernel, f"{LIAR}\n{lie}")
    assert ran.status == "ok", ran.output


async def test_a_thousand_broken_messages_end_a_kernel(kernel: Kernel) -> None:
    """No honest kernel sends a bad signature: after too many of them we kill the kernel, and say why."""
    ran = await run(
        kernel,
        f"{LIAR}\nfor n in range(3000): iopub.send_multipart([b't', b'<IDS|MSG>', b'0'] + [b'{{}}'] * 4)\ntime.sleep(9)",
    )
    assert ran.status == "died"
    assert "no kernel sends" in ran.restarts[0].reason


CONNECTIONS = """
import contextlib, os, socket, struct, threading, time
connections = []
for number in range(3, 200):
    with contextlib.suppress(OSError):
        one = socket.socket(fileno=os.dup(number))
        if one.family == socket.AF_UNIX and one.type == socket.SOCK_STREAM and one.getsockname():
            if not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                connections.append(one)
for one in connections:
    one.setblocking(True)
"""
HANG_UP = f"{CONNECTIONS}\nfor one in connections: one.shutdown(socket.SHUT_RDWR)\ntime.sleep(60)"
LINGER = f"""{CONNECTIONS}
listening = socket.create_server(('127.0.0.1', 0))
near = socket.create_connection(listening.getsockname())
far, _ = listening.accept()
near.setblocking(False)
with contextlib.suppress(BlockingIOError):
    while True: near.send(bytes(1 << 16))
near.setblocking(True)
near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 15))
for one in connections:
    with contextlib.suppress(OSError):
        socket.send_fds(one, [bytes(2)], [near.fileno()])
near.close()
time.sleep(1)
"""


async def test_a_kernel_that_hangs_up_is_ended(kernel: Kernel) -> None:
    """A kernel that closes all its connections can never answer again, so we kill it instead of waiting."""
    ran = await run(kernel, HANG_UP)
    assert ran.status == "died"


async def test_what_is_sent_along_holds_nobody_up(kernel: Kernel) -> None:
    """A kernel sends us a socket that blocks while it is closed; our event loop does not wait for that."""
    longest = 0.0

    async def turns() -> None:
        nonlocal longest
        while True:
            before = monotonic()
            await asyncio.sleep(0.01)  # the test measures how long the loop really takes to come back
            longest = max(longest, monotonic() - before)

    turning = asyncio.create_task(turns())
    await run(kernel, LINGER)
    await stop(turning)
    assert longest < 10  # of the 15 seconds


@pytest.mark.parametrize("hold", ["time.sleep(60)", "while True: pass"], ids=["sleeps", "spins"])
async def test_a_cell_that_says_it_is_over_and_goes_on_is_found_out(kernel: Kernel, hold: str) -> None:
    """A forged reply ends the cell while its code goes on; the kernel is interrupted, and answers again."""
    ran = await run(kernel, f"{LIAR}\nover()\n{hold}")
    assert ran.status in ("ok", "error")
    assert ran.result.execution_time < 10
    assert await value(kernel, "x") == "1"  # interrupted, not replaced


async def test_one_that_goes_on_whatever_is_asked_is_replaced(kernel: Kernel) -> None:
    """If it swallows the interrupt as well, the next cell gets a new kernel and the reason."""
    code = "while True:\n    try: time.sleep(60)\n    except KeyboardInterrupt: pass"
    ran = await run(kernel, f"{LIAR}\nover()\n{code}")
    assert ran.status in ("ok", "error")
    (restarted,) = (await run(kernel, "1")).restarts
    assert "kept running" in restarted.reason
    assert "x" in restarted.lost


LARGE = {
    "300 MB of text at once": "print('x' * 300_000_000)",
    "100 MB of text in lines": "for _ in range(1_000): print('x' * 100_000)",
    "a cursor that goes up and down": r"print('y' * 4000 + '\x1b[A\n' * 400_000)",
    "a cursor that goes up and writes": r"for _ in range(900): print('\n' * 64 + 'x' * 4090 + '\x1b[Ay' * 63)",
    "six displays of 60 MB": "for _ in range(6): say('display_data', {'data': {'image/png': 'x' * 60_000_000}, 'metadata': {}})",
    "a display of a million values": "say('display_data', {'data': {'application/json': [[]] * 1_000_000}, 'metadata': {}})",
    "a repr of 50 MB": "class R:\n    def __repr__(self): return 'x' * 50_000_000\nR()",
    "an exception of 30 MB": "raise ValueError('x' * 30_000_000)",
    "a variable's name of 1 MB": "globals()['v' * 1_000_000] = 1",
    "a thousand small displays": "for n in range(1000): say('display_data', {'data': {'text/plain': str(n)}, 'metadata': {}})",
}


LARGER = {
    "300 MB of text in lines": "for _ in range(3_000): print('x' * 100_000)",
    "twenty displays of 60 MB": "for _ in range(20): say('display_data', {'data': {'image/png': 'x' * 60_000_000}, 'metadata': {}})",
}


@pytest.mark.parametrize(
    "code",
    [
        *(pytest.param(code, id=name) for name, code in LARGE.items()),
        *(pytest.param(code, id=name, marks=pytest.mark.soak) for name, code in LARGER.items()),
    ],
)
async def test_too_much_is_cut_and_the_kernel_stays(kernel: Kernel, code: str) -> None:
    """Output that is too large is left out, with a note; no connection and no variable is lost."""
    ran = await run(kernel, f"{LIAR}\n{code}")
    assert ran.status in ("ok", "error"), (ran.status, ran.restarts)
    assert len(ran.output) < 1.5 * LIMITS.text
    assert await value(kernel, "x") == "1"


COSTLY = r"""
for n in range(25):
    say('error', {'ename': 'E', 'evalue': '', 'traceback': ['\n' * 1_000_000]})
    say('display_data', {'data': {'application/json': [[]] * 90_000}, 'metadata': {'a': [[]] * 9_000}})
    if n % 7 == 0: say('clear_output', {'wait': True})
say('stream', {'name': 'stdout', 'text': 'x' * 4000 + '\x1b[2Ky' * 200_000 + '\n'})
say('stream', {'name': 'stdout', 'text': 'a\r' * 1_000_000})
"""


async def test_small_messages_become_no_large_objects_and_hold_nobody_up(kernel: Kernel) -> None:
    """A million empty lines once took 8 MB and counted as nothing; an erase far along a line took 240 us."""
    longest, before, most = 0.0, rss(), 0

    async def turns() -> None:
        nonlocal longest, most
        while True:
            began = monotonic()
            await asyncio.sleep(0.01)  # the test measures how long the loop really takes to come back
            longest, most = max(longest, monotonic() - began), max(most, rss())

    turning = asyncio.create_task(turns())
    ran = await run(kernel, f"{LIAR}\n{COSTLY}")
    await stop(turning)
    assert ran.status in ("ok", "error"), ran.status
    assert weight(list(ran.result.outputs)) < 1.2 * LIMITS.shown
    assert most - before < 300 << 20
    assert longest < 10


def rss() -> int:
    """Resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


FLOODS = {
    "messages of 8 MB": "m = packed(b'{\"data\": {\"image/png\": \"' + b'x' * 7_900_000 + b'\"}}', 'display_data')",
    "messages of 15 MB without a signature": "m = [b't', b'<IDS|MSG>', b'0', b'x' * 15_000_000, b'', b'', b'']",
    "messages of five million values": "m = packed(b'{\"data\": {\"a/json\": [' + b'[],' * 5_000_000 + b'0]}}', 'display_data')",
    "messages over what is read": "m = packed(b' ' * 100_000_000)",
    "messages of endless parts": "m = [b'x'] * 1_000_000",
}
FLOOD = "for _ in range(300): iopub.send_multipart(m, copy=False)\ntime.sleep(60)"
RAW = f"""{CONNECTIONS}
def flood(one):
    for _ in range(300): one.sendall(bytes([2]) + (10_000_000).to_bytes(8) + bytes(10_000_000))
for one in connections: threading.Thread(target=flood, args=(one,), daemon=True).start()
time.sleep(60)
"""


@pytest.mark.parametrize(
    "flood", [*(f"{flood}\n{FLOOD}" for flood in FLOODS.values()), RAW], ids=[*FLOODS, "by every connection"]
)
async def test_a_flood_is_not_kept(kernel: Kernel, flood: str) -> None:
    """A kernel that sends faster than we read has to wait, and we keep nothing of oversized messages."""
    kernel.limits = Limits(cell=timedelta(seconds=2))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ran = await run(kernel, f"{LIAR}\n{flood}")
    kernel.limits = LIMITS
    assert ran.status in ("timeout", "died", "out of memory")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # KiB
