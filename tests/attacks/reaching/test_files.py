"""Things that are not regular files, and hostile names: neither makes capture read a byte of the host's."""

import asyncio

import pytest

from kernels.kernel import Kernel
from kernels.pool import Pool
from kernels.workspace.captured import FileChanged
from tests.attacks.host import Host
from tests.live.cells import run, value

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOT_FILES = """
import os, socket
os.symlink(secret, "link.csv")
os.symlink("loop.csv", "loop.csv")
os.symlink(os.path.dirname(secret), "folder.csv")
os.symlink("/proc/1/environ", "environ.txt")
os.symlink("/proc/self/mem", "memory.txt")
os.mkfifo("pipe.csv")
try:
    socket.socket(socket.AF_UNIX).bind("socket.csv")
except OSError:
    pass
os.mkdir("folder-like.csv")
open("real.csv", "w").write("a,b\\n1,2\\n")
os.link("real.csv", "hard.csv")
os.mkdir("closed", 0)
os.mkdir("deep")
os.makedirs("deep/" + "/".join("d" * 40))
for name in (b"\\xff\\xfe.csv", b"n" * 251 + b".csv", "a\\nb.csv".encode(), "\\u202ecsv.exe".encode(), b"@everyone.csv", b"-rf.csv", b"`id`.csv"):
    open(name, "wb").write(b"1")
"""


async def test_what_is_no_file_is_not_captured(kernel: Kernel, host: Host) -> None:
    """Links, pipes, sockets and folders are never read; those that are skipped are named with the reason."""
    ran = await run(kernel, f"secret = {str(host.secret)!r}\n{NOT_FILES}")
    assert ran.status == "ok", ran.output
    captured = {file.name for file in ran.result.captured}
    assert not captured & {
        "link.csv",
        "loop.csv",
        "folder.csv",
        "pipe.csv",
        "socket.csv",
        "hard.csv",
        "real.csv",
        "environ.txt",
        "memory.txt",
    }
    assert all("\n" not in name and "\u202e" not in name for name in captured)
    told = " ".join(f"{skipped.name}: {skipped.reason}" for skipped in ran.result.skipped)
    for reason in ("a symbolic link", "a pipe", "hard link"):
        assert reason in told


@pytest.mark.tiers("S")  # all tiers capture in the same way
async def test_a_swap_between_looking_and_reading_wins_nothing(kernel: Kernel, host: Host) -> None:
    """While a thread swaps a file with a link to a secret, no capture ever holds the secret."""
    code = f"""
import os, threading, time
stop = time.time() + 4
def swap():
    while time.time() < stop:
        for make in (lambda: open("t", "w").write("mine" * 5), lambda: os.symlink({str(host.secret)!r}, "t")):
            make()
            os.replace("t", "swapped.csv")
threading.Thread(target=swap).start()
"""
    await run(kernel, code)
    secret = host.secret.read_bytes()
    for _ in range(12):
        ran = await run(kernel, "import time; time.sleep(0.2)")  # meanwhile the thread keeps swapping
        for file in ran.result.captured:
            try:
                with file.open() as opened:
                    assert opened.read() != secret
            except (OSError, FileChanged):
                continue


async def test_a_file_can_be_made_by_touch(kernel: Kernel) -> None:
    """Also where its dates cannot be changed, and a file that is not there has none to change."""
    ran = await run(
        kernel,
        "from pathlib import Path\nPath('new').touch()\nprint(Path('new').exists())\nPath('none').chmod(0o600)",
    )
    assert ran.output.startswith("True\n")
    assert "FileNotFoundError" in ran.output


async def test_a_workspace_of_links_is_given_to_its_user_and_nothing_else(
    kernel: Kernel, pool: Pool, host: Host
) -> None:
    """Changing the owner of a workspace never follows the links that a person's code has put there."""
    await run(
        kernel, f"import os\nos.symlink({str(host.secret)!r}, 'a')\nos.symlink('/', 'b')\nos.mkdir('c')"
    )
    before = host.secret.stat()
    await kernel.restart()
    assert await value(kernel, "1") == "1"
    assert (host.secret.stat().st_uid, host.secret.stat().st_mode) == (before.st_uid, before.st_mode)


@pytest.mark.tiers("S")  # all tiers capture in the same way
async def test_a_file_that_grows_is_taken_when_it_rests(kernel: Kernel) -> None:
    """A file is not captured while it is still being written."""
    code = """
import threading, time
def grow():
    with open("growing.csv", "w") as f:
        for _ in range(30):
            f.write("x" * 1000)
            f.flush()
            time.sleep(0.02)
threading.Thread(target=grow).start()
"""
    ran = await run(kernel, code)
    assert all(file.size % 1000 == 0 for file in ran.result.captured)
    await asyncio.sleep(0.8)  # until it has stopped growing


@pytest.mark.tiers("S")  # all tiers capture in the same way
async def test_a_thousand_files_are_counted_and_not_named(kernel: Kernel) -> None:
    """A cell yields 64 files at most and none over the size limit; the rest are only counted."""
    ran = await run(
        kernel,
        "for n in range(1000): open(f'{n}.csv', 'w').write('1')\nopen('big.bin', 'wb').truncate(60_000_000)",
    )
    assert ran.status == "ok", ran.output
    assert len(ran.result.captured) <= 64
    assert len(ran.result.skipped) < 20
