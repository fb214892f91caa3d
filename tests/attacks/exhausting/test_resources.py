"""Taking more than a fair share: processes, threads, memory, disk, and resources that none of these count.

Every bomb is bounded, so that the machine survives even if the sandbox fails to contain it.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from kernels.cell.events import Event, Stream
from kernels.kernel import Kernel
from kernels.limits import over_limit
from kernels.pool import Pool
from kernels.sandbox.limits.held_up import AT_FOLDER
from tests.attacks.host import TRIES, refused
from tests.live.cells import NoFiles, run, until, value

# In one tier only: all use the same groups and watchdog. A and B without groups: test_ordinary_user.py.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.tiers("S")]

GUARD = """
import os, resource, signal, sys, time
def alarm(seconds):  # a bomb that nobody stops ends by itself
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
"""
MEMORY = {
    "in the kernel": "held = []\nwhile len(held) < 1500: held.append(b'x' * 1_000_000)",
    "mapped": """
import mmap
held = [mmap.mmap(-1, 1_000_000) for _ in range(1500)]
for each in held: each.write(b'x' * 1_000_000)
""",
    "shared by forks": """
held = bytearray(300_000_000)
children = []
for _ in range(4):
    if (child := os.fork()) == 0:
        alarm(15)
        for place in range(0, len(held), 4096): held[place] = 1
        time.sleep(15)
        os._exit(0)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print('codes', codes)
assert -9 in codes
os.kill(os.getpid(), 9)
""",
    "after a quiet time": """
time.sleep(4)
held = bytearray(1_500_000_000)
for place in range(0, len(held), 4096): held[place] = 1
""",
    "in files of memory": """
held = [os.memfd_create(str(n)) for n in range(30)]
for each in held:
    for _ in range(50): os.write(each, b'x' * 1_000_000)
""",
    "behind a process that lets nobody look": """
import ctypes
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
held = bytearray(1_500_000_000)
for place in range(0, len(held), 4096): held[place] = 1
""",
}


@pytest.mark.parametrize(
    "bomb",
    [  # one bomb in every tier shows whether its control group really holds the kernel
        pytest.param(bomb, id=name, marks=pytest.mark.tiers("A", "B") if name == "in the kernel" else ())
        for name, bomb in MEMORY.items()
    ],
)
async def test_memory_has_a_limit(kernel: Kernel, bomb: str) -> None:
    """However a cell takes too much memory, it fails or its kernel ends, and the person is told why."""
    ran = await run(kernel, f"{GUARD}\ntry: exec({bomb!r})\nfinally: time.sleep(3)")
    assert ran.status in ("out of memory", "died", "error"), (ran.status, ran.output)
    if ran.status == "died":  # memory of no process, such as a memfd's, counts as files
        assert ran.result.cause in ("workspace", "hiding", None)
    if ran.status != "error":
        (restarted,) = ran.restarts
        assert "x" in restarted.lost
        assert any(word in restarted.reason for word in ("memory", "files", "died")), restarted.reason


BLINDING = """
from ctypes import CDLL
for name in (b'a\\rVmPTE:', b'\\x0bVmSwap: ', b'\\x1cRssAnon:', b'\\x85VmSize:', b') Z 1 (', b'\\nVmPTE:'):
    if os.fork() == 0:
        alarm(15)
        CDLL(None).prctl(15, name, 0, 0, 0)
        held = bytearray(MANY)
        for place in range(0, len(held), 4096): held[place] = 1
        time.sleep(DOING)
        os._exit(0)
codes = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(6)]
print('codes', codes)
"""


async def test_no_name_of_a_process_keeps_its_memory_from_being_counted(kernel: Kernel) -> None:
    """A name can contain line breaks, and one that did made the reading of its whole kernel's usage fail."""
    bomb = BLINDING.replace("MANY", "100_000_000").replace("DOING", "10")
    ran = await run(kernel, f"{GUARD}\n{bomb}\ntime.sleep(3)")
    assert ran.status == "out of memory" or "-9" in ran.output, (ran.status, ran.output)
    if ran.status != "ok":
        assert "memory" in ran.restarts[0].reason


async def test_no_name_of_a_process_keeps_its_time_from_being_counted(kernel: Kernel) -> None:
    """A process that keeps running after its cell is ended when its budget is used up, whatever its name."""
    code = """
import ctypes
ctypes.CDLL(None).prctl(15, b'a\\rVmPTE:', 0, 0, 0)
if os.fork() == 0:
    alarm(15)
    while True: pass
"""
    kernel.limits = replace(kernel.limits, background=timedelta(seconds=0.3))
    assert (await run(kernel, f"{GUARD}\n{code}")).status == "ok"
    await until(lambda: not kernel.alive)
    (restarted,) = (await run(kernel, "1")).restarts
    assert "processor time after its last cell" in restarted.reason


async def test_shared_memory_that_is_not_mapped_any_more_is_held_too(kernel: Kernel) -> None:
    """No process is charged for it; where no control group is either, nobody can get any, by device or not."""
    code = """
import mmap
held = []
for n in range(10):
    try:
        with open('/dev/zero', 'r+b') as zero: held.append(mmap.mmap(zero.fileno(), 50_000_000))
    except OSError:
        held.append(mmap.mmap(-1, 50_000_000))
    for place in range(0, 50_000_000, 4096): held[-1][place] = 1
    held[-1].madvise(mmap.MADV_DONTNEED)
"""
    ran = await run(kernel, code)
    assert ran.status in ("error", "out of memory"), (ran.status, ran.output)


FILL = """
import os, re, socket, time
MOST = 420_000_000  # bytes; the kernel's limit is less
held, sent = [], 0
def fill(*sockets):
    global sent
    for each in sockets:
        held.append(each)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        each.setblocking(False)
        try:
            while True:
                sent += each.send(bytes(1 << 16))
        except OSError:
            pass
    assert sent < MOST, f'HELD {sent}'
"""
LARGE = """
for _ in range(150): fill(*socket.socketpair())
try: listening = socket.create_server(('127.0.0.1', 0))
except OSError: pass
else:
    for _ in range(80): fill(socket.create_connection(listening.getsockname()), listening.accept()[0])
held.clear()
"""
MANY = {
    "nobody accepts": """
listening = socket.socket(socket.AF_UNIX)
listening.bind('l')
listening.listen(4096)
for _ in range(4096):
    with socket.socket(socket.AF_UNIX) as one:
        one.setblocking(False)
        one.connect('l')
        fill(one)
        held.clear()
""",
    "of many processes": """
MOST, full = 60_000_000, os.pipe()
for _ in range(16):
    if os.fork() == 0:
        try:
            for _ in range(400): fill(*socket.socketpair())
        except AssertionError:
            os.write(full[1], b'x')
        time.sleep(8)
        os._exit(0)
for _ in range(16): os.read(full[0], 1)
raise AssertionError('HELD 960000000')
""",
}


async def test_no_socket_holds_much(kernel: Kernel) -> None:
    """A socket's buffers keep their size, whatever size is asked for, over loopback too."""
    ran = await run(kernel, f"{FILL}\n{LARGE}")
    assert (ran.status, ran.result.cause) == ("ok", None), ran.output


@pytest.mark.parametrize(
    "bomb",
    [MANY["nobody accepts"], pytest.param(MANY["of many processes"], marks=pytest.mark.soak)],
    ids=MANY,
)
async def test_many_sockets_hold_no_more_than_the_limit_of_memory(kernel: Kernel, bomb: str) -> None:
    """However few descriptors they need, and however many processes share them."""
    ran = await run(kernel, f"{FILL}\n{bomb}")
    assert ran.status in ("error", "died", "out of memory"), ran.output
    assert not re.search(r"HELD \d", ran.output)
    if ran.result.cause is not None:
        assert ran.result.cause == "system"
        assert "sockets" in ran.restarts[0].reason


async def test_what_goes_on_after_its_cell_comes_to_an_end(pool: Pool, kernel: Kernel) -> None:
    """When it has used up its budget of processor time, the kernel is ended, and the next cell says why."""
    code = """
import os, signal
if os.fork() == 0:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True: pass
while True: pass
"""
    kernel.limits = replace(kernel.limits, cell=timedelta(seconds=0.3), background=timedelta(seconds=0.3))
    assert (await run(kernel, code)).status == "timeout"
    await until(lambda: not kernel.alive)
    await pool.sweep(monotonic())  # the sweep notices the dead kernel before the next cell does
    ran = await run(kernel, "6 * 7")
    assert ran.output.strip() == "42"
    (restarted,) = ran.restarts
    assert "processor time after its last cell" in restarted.reason
    assert "x" in restarted.lost


FORKS = {
    "forks": """
alarm(8)
until = time.time() + 3
made = 0
while time.time() < until and made < 3000:
    try:
        if os.fork() == 0:
            alarm(8)
            time.sleep(8)
            os._exit(0)
        made += 1
    except OSError:
        time.sleep(0.01)
print('made', made)
""",
    "forks of forks": """
until = time.time() + 3
alarm(8)
while time.time() < until:
    try:
        os.fork()
        alarm(8)
    except OSError:
        time.sleep(0.01)
""",
    "a chain": """
alarm(8)
def deeper(left):
    if left and os.fork() == 0:
        alarm(8)
        deeper(left - 1)
        time.sleep(5)
        os._exit(0)
deeper(900)
time.sleep(2)
""",
    "sessions of their own": """
until = time.time() + 3
alarm(8)
while time.time() < until:
    try:
        if os.fork() == 0:
            alarm(8)
            os.setsid()
            if os.fork(): os._exit(0)
            time.sleep(6)
            os._exit(0)
    except OSError:
        time.sleep(0.01)
""",
    "threads": """
import threading
held = []
try:
    for _ in range(3000):
        held.append(threading.Thread(target=time.sleep, args=(6,), daemon=True))
        held[-1].start()
except RuntimeError as error:
    print(error)
print('made', len(held))
""",
}


@pytest.mark.parametrize(
    "bomb",
    [  # one bomb in every tier shows whether its control group really holds the kernel
        pytest.param(bomb, id=name, marks=pytest.mark.tiers("A", "B") if name == "forks" else ())
        for name, bomb in FORKS.items()
    ],
)
async def test_processes_have_a_limit(kernel: Kernel, bomb: str) -> None:
    """A fork bomb stops at the limit, with an error or with the end of its kernel, and every process goes."""
    ran = await run(kernel, f"{GUARD}\n{bomb}")
    assert ran.status in ("ok", "error", "died", "timeout", "out of memory"), ran.output
    if "made" in ran.output:
        assert int(ran.output.rpartition("made")[2]) < 200
    if ran.status == "died":
        # On a busy machine, the watchdog may only ever find processes that have just ended.
        assert ran.result.cause in ("processes", "hiding", None)


async def test_threads_that_stay_do_not_hold_the_next_cell(kernel: Kernel) -> None:
    """A kernel that has used up its processes still runs cells, or is replaced; it never gets stuck."""
    code = """
import threading
try:
    while True: threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
except RuntimeError:
    time.sleep(2)  # if these are too many, its end comes now
"""
    await run(kernel, f"{GUARD}\n{code}")
    assert (await run(kernel, "import subprocess\n6 * 7")).output.endswith("42\n")


DISK = {
    "one file": "f = open('big', 'wb')\nfor _ in range(600): f.write(b'x' * 1_000_000); f.flush()",
    "many files": "for n in range(600): open(f'{n}.bin', 'wb').write(b'x' * 1_000_000)",
    "deleted files": """
held = []
for n in range(600):
    held.append(open(f'{n}.bin', 'wb'))
    os.unlink(f'{n}.bin')
    held[-1].write(b'x' * 1_000_000)
    held[-1].flush()
""",
    "deleted files that are mapped": """
import mmap
held = []
for n in range(600):
    with open(f'{n}.bin', 'w+b') as f:
        os.unlink(f'{n}.bin')
        f.truncate(1_000_000)
        held.append(mmap.mmap(f.fileno(), 1_000_000))
    held[-1].write(os.urandom(1_000_000))
    time.sleep(0.005)
""",
    "a folder that is closed": """
os.mkdir('dark')
os.chmod('dark', 0o300)
for n in range(600): open(f'dark/{n}.bin', 'wb').write(b'x' * 1_000_000)
""",
    "the temporary folder": """
import tempfile
for n in range(600):
    with tempfile.NamedTemporaryFile(delete=False) as f: f.write(b'x' * 1_000_000)
""",
    "shared memory": "for n in range(600): open(f'/dev/shm/{n}', 'wb').write(b'x' * 1_000_000)",
    "behind a child that lets nobody look": """
import ctypes, subprocess
code = "import ctypes, os, time; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); h = []"
code += "\\nfor n in range(600): h.append(open('x', 'wb')); os.unlink('x'); h[-1].write(b'x' * 1_000_000)"
subprocess.run([sys.executable, '-c', code + "\\ntime.sleep(3)"])
""",
    "folders within folders": """
for _ in range(900):
    os.mkdir('d')
    os.chdir('d')
for n in range(600): open(f'{n}.bin', 'wb').write(b'x' * 1_000_000)
""",
}


@pytest.mark.parametrize("bomb", DISK.values(), ids=DISK)
async def test_disk_has_a_limit(kernel: Kernel, bomb: str) -> None:
    """Writing stops at the limit, with an error or the end of the kernel; the files can then be deleted."""
    ran = await run(kernel, f"{GUARD}\ntry: exec({bomb!r})\nfinally: time.sleep(3)")
    assert ran.status in ("error", "died", "out of memory"), (ran.status, ran.output[-300:])
    if ran.status == "died":
        cause, said = (
            ("folders", "more than 64 deep") if "chdir" in bomb else ("workspace", "files grew over")
        )
        assert ran.result.cause == cause
        assert said in ran.restarts[0].reason
    else:
        assert ran.status == "out of memory" or "Error" in ran.output


HIDDEN = {
    "a page of them stays mapped": """
LIBC.mmap.restype = ctypes.c_void_p
for n in range(12):
    file = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600)
    LIBC.mmap(None, ctypes.c_size_t(4096), 3, 1, file, ctypes.c_long(0))
    os.write(file, os.urandom(20_000_000))
    os.close(file)
""",
    "sent to whom nobody accepts": """
listening = socket.socket(socket.AF_UNIX)
listening.bind('l')
listening.listen(100)
for n in range(12):
    file = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(file, os.urandom(20_000_000))
    with socket.socket(socket.AF_UNIX) as one:
        one.connect('l')
        socket.send_fds(one, [b'x'], [file])
    os.close(file)
    time.sleep(0.25)
""",
    "rules of Landlock are about them": """
rules = call(444, (ctypes.c_uint64 * 1)(4), 8, 0)
for n in range(12):
    file = os.open(f'{n}', os.O_CREAT | os.O_RDWR, 0o600)
    call(445, rules, 1, (ctypes.c_uint32 * 3)(4, 0, file), 0)
    os.unlink(f'{n}')
    os.write(file, os.urandom(20_000_000))
    os.close(file)
""",
}


@pytest.mark.parametrize(
    "hide",
    [
        HIDDEN["a page of them stays mapped"],
        pytest.param(HIDDEN["sent to whom nobody accepts"], marks=pytest.mark.soak),
        HIDDEN["rules of Landlock are about them"],
    ],
    ids=HIDDEN,
)
async def test_deleted_files_without_a_descriptor_are_kept_nowhere(kernel: Kernel, hide: str) -> None:
    """They still fill the disk. A file whose size the watchdog cannot read ends the kernel, for hiding it."""
    ran = await run(kernel, f"{TRIES}\n{hide}\ntime.sleep(20)")
    assert (ran.status, ran.result.cause) in (("error", None), ("died", "workspace"), ("died", "hiding"))


LEFT = {
    "threads": "import threading\ntry:\n    for _ in range(300): "
    "threading.Thread(target=time.sleep, args=(6,), daemon=True).start()\nexcept RuntimeError: pass",
    "files": "for n in range(70): open(f'{n}.bin', 'wb').write(bytes(1_000_000))",
}


@pytest.mark.parametrize("leave", LEFT.values(), ids=LEFT)
async def test_what_a_cell_leaves_over_a_limit_ends_no_other_cell(kernel: Kernel, leave: str) -> None:
    """The kernel is checked at the end of each cell, so the next cell gets a new kernel and the reason."""
    first = await run(kernel, f"{GUARD}\n{leave}")
    second = await run(kernel, "import time\ntime.sleep(0.6)\n6 * 7")
    assert (second.status, second.output.strip()) == ("ok", "42")
    for restarted in first.restarts + second.restarts:
        assert "processes" in restarted.reason or "files grew over" in restarted.reason
    if leave == LEFT["files"]:
        assert len(first.restarts + second.restarts) == 1


async def test_one_file_over_the_limit_is_an_error_of_its_cell(kernel: Kernel) -> None:
    """One such file does not fill the workspace, so the kernel goes on and keeps its variables."""
    ran = await run(kernel, f"{GUARD}\ntry: exec({DISK['one file']!r})\nfinally: time.sleep(1)")
    assert (ran.status, ran.restarts) == ("error", [])
    assert "File too large" in ran.output
    assert await value(kernel, "x") == "1"


TAKEN = """
import ctypes, fcntl, struct
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
file = os.open('big', os.O_CREAT | os.O_RDWR, 0o600)
def taken(what):
    if os.fstat(file).st_blocks: print('TAKEN', what)
    os.truncate(file, 0)
for mode in (0, 1, 0x10, 0x11, 0x40):  # as it is, FALLOC_FL_KEEP_SIZE, _ZERO_RANGE, both, _UNSHARE_RANGE
    LIBC.fallocate(file, mode, 0, 100_000_000)
    taken(f'fallocate {mode}')
for request in (0x40305828, 0x4030582A, 0x40305839):  # FS_IOC_RESVSP, FS_IOC_RESVSP64, FS_IOC_ZERO_RANGE
    try: fcntl.ioctl(file, request, struct.pack('hhxxxxqqiI16x', 0, 0, 0, 100_000_000, 0, 0))
    except OSError: pass
    taken(f'ioctl {request:#x}')
os.truncate(file, 30_000_000)  # a hole, which a copy does not fill beyond the limit
other = os.open('other', os.O_CREAT | os.O_RDWR, 0o600)
try:
    while os.copy_file_range(file, other, 30_000_000, 0, os.fstat(other).st_size): pass
except OSError as error: print(error.strerror)
print('copied', os.fstat(other).st_size)
os.truncate(other, 0)
"""
HONEST = """
os.truncate(file, 0); os.posix_fallocate(file, 0, 1_000_000)
assert os.fstat(file).st_size == 1_000_000
os.close(file); os.unlink('big')
import shutil, sqlite3, subprocess, tarfile, numpy as np
np.save('a.npy', np.zeros(100_000)); assert np.load('a.npy', mmap_mode='r+').size == 100_000
np.zeros(1000).tofile('a.bin'); assert np.memmap('b.bin', mode='w+', shape=(1000, 100)).size == 100_000
with sqlite3.connect('a.db') as db:
    db.execute('pragma journal_mode = wal')
    db.execute('create table t (x)')
    db.executemany('insert into t values (?)', [(bytes(1000),)] * 1000)
with tarfile.open('a.tar', 'w') as tar: tar.add('a.npy')
shutil.copy('a.npy', 'c.npy'); shutil.move('c.npy', 'd.npy')
subprocess.run(['cp', '--sparse=always', 'a.npy', 'e.npy'], check=True)
print('well')
"""


async def test_no_room_is_taken_that_nothing_is_written_to(kernel: Kernel) -> None:
    """One call cannot reserve gigabytes past the limit on a file's size; what libraries do still works."""
    ran = await run(kernel, f"{GUARD}\nimport os\n{TAKEN}\nos.unlink('other')\n{HONEST}")
    assert ran.status == "ok", ran.output
    assert "TAKEN" not in ran.output
    assert int(ran.output.rpartition("copied ")[2].split()[0]) < 64 * 1024 * 1024
    assert ran.output.endswith("well\n")


AREAS = """
import ctypes, mmap
LIBC = ctypes.CDLL(None)
LIBC.mmap.restype = ctypes.c_void_p
def areas(number):
    start = LIBC.mmap(None, ctypes.c_size_t(number * 4096), 1, 0x22, -1, ctypes.c_long(0))
    for n in range(0, number, 2): LIBC.mprotect(ctypes.c_void_p(start + n * 4096), ctypes.c_size_t(4096), 3)
    return ctypes.c_void_p(start), ctypes.c_size_t(number * 4096)
"""


async def test_advice_about_memory_takes_no_lock_of_it(kernel: Kernel) -> None:
    """`madvise` with MADV_DONTFORK succeeds and changes nothing: the page is still there in a child."""
    code = """
page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
page.write(b'here')
for advice in (10, 16, 12, 1): page.madvise(advice)
if (child := os.fork()) == 0: os._exit(42 if page[:4] == b'here' else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
big = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for advice in (mmap.MADV_HUGEPAGE, mmap.MADV_WILLNEED, mmap.MADV_DONTNEED): big.madvise(advice)
"""
    ran = await run(kernel, f"import os\n{AREAS}\n{code}")
    assert ran.status == "ok", ran.output
    assert "42" in ran.output.splitlines(), ran.output


async def test_very_many_areas_of_memory_end_a_kernel(pool: Pool, kernel: Kernel) -> None:
    """A process with as many as Linux allows keeps its memory locked, and so a folder, for long."""
    assert pool._sandbox is not None
    watchdog = pool._sandbox._watchdog

    def look_at_what_is_mapped(event: Event) -> None:
        if isinstance(event, Stream):
            for watched in watchdog._watched:
                watched.mapped_due = 0.0

    code = f"{AREAS}\nareas(%d)\nprint('made', flush=True)\nimport time\ntime.sleep(%d)"
    ran = await run(kernel, code % (5_000, 1), on_event=look_at_what_is_mapped)
    assert ran.status == "ok", ran.output
    ran = await run(kernel, code % (40_000, 30), on_event=look_at_what_is_mapped)
    assert (ran.status, ran.result.cause) == ("died", "system"), ran.output


HOLDING = """
import mmap, os, threading, time
here = os.getcwd()
os.makedirs('sub', exist_ok=True)
def hold(start, size):
    while True: LIBC.mprotect(start, size, 1); LIBC.mprotect(start, size, 3)
def listing():
    folder = os.open(here, os.O_RDONLY)
    while True:
        os.lseek(folder, 0, 0)
        into = LIBC.mmap(None, ctypes.c_size_t(8192), 3, 0x22, -1, ctypes.c_long(0))
        LIBC.syscall(217, folder, ctypes.c_void_p(into), 4096)
if os.fork() == 0:
    made = areas(6_000)
    for _ in range(4): threading.Thread(target=listing, daemon=True).start()
    for _ in range(24): threading.Thread(target=hold, args=made, daemon=True).start()
    time.sleep(3)
    os._exit(0)
for number in range(2):
    if os.fork() == 0:
        until = time.monotonic() + 3
        os.mkdir(f'{here}/r{number}')
        while time.monotonic() < until:
            os.rename(f'{here}/r{number}', f'{here}/sub/r{number}')
            os.rename(f'{here}/sub/r{number}', f'{here}/r{number}')
        os._exit(0)
time.sleep(1)
"""


@contextmanager
def looked_at(thread: int) -> Iterator[list[str]]:
    """The kernel functions in which our thread was seen waiting for a folder's lock."""
    found: list[str] = []
    end = threading.Event()

    def look() -> None:
        while not end.wait(0.005):
            place = Path(f"/proc/self/task/{thread}/wchan").read_text("ascii")
            if AT_FOLDER.search(place):
                found.append(place)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        end.set()
        looking.join()


async def test_who_holds_a_folder_keeps_nobody_elses_cell(pool: Pool, kernel: Kernel) -> None:
    """Its own cells end, or its kernel; meanwhile our event loop waits for no lock, and others' cells run."""
    neighbour = pool.kernel("neighbour", NoFiles())
    try:
        assert await value(neighbour, "1") == "1"
        with looked_at(threading.get_native_id()) as waited:
            ran = await run(kernel, f"{AREAS}\n{HOLDING}")
            assert ran.status in ("ok", "died"), ran.output
            for _ in range(5):
                assert await value(neighbour, "open('a.txt', 'w').write('x')") == "1"
                assert (await run(kernel, "2")).status in ("ok", "died")
        assert waited == []
    finally:
        await pool.release("neighbour")
        pool.workspace("neighbour").remove()


# A person's code, run in threads that the kernel started before any cell.
IN_THREADS = """
import os, threading
kernel, ended = get_ipython().kernel, threading.Event()
def add():
    try: print("ADDED", open("thread.bin", "wb").write(b"x" * 1_000_000))
    except PermissionError as error: print(error.strerror)
    finally: ended.set()
kernel.iopub_thread.schedule(add)
ended.wait(10)
ended.clear()
kernel.control_thread.io_loop.add_callback(add)
ended.wait(10)
"""
LOOKED_FOR = ("storemagic", "sitecustomize", "usercustomize", "debugpy", "ipython_config", "IPython")


async def test_a_full_workspace_can_only_be_emptied(pool: Pool, kernel: Kernel) -> None:
    """No cell after the limit can add to it: many cells get a person no more room than one.

    Nor can a module in the workspace that has the name of one that a kernel imports when it starts.
    """
    early = "open(f'early-{__name__}', 'w').write('x')\nraise ImportError"
    await run(kernel, f"for name in {LOOKED_FOR}: open(f'{{name}}.py', 'w').write({early!r})")
    await run(kernel, f"{GUARD}\n{DISK['many files']}\ntime.sleep(5)")
    assert await value(kernel, "import glob; glob.glob('early-*')") == "[]"
    added = await run(kernel, "open('more.bin', 'wb').write(b'x' * 1_000_000)")
    assert "Permission denied" in added.output
    assert "Permission denied" in (await run(kernel, "import os\nos.mkdir('more')")).output
    assert (await run(kernel, IN_THREADS)).output.split("\n")[:2] == ["Permission denied"] * 2
    await refused(kernel, "tries('attribute', lambda: os.setxattr('0.bin', 'user.x', bytes(3000)))")
    assert (await run(kernel, "import glob, os\nfor f in glob.glob('*.bin'): os.unlink(f)")).status == "ok"
    added = await run(kernel, "open('more.bin', 'wb').write(b'x' * 1_000_000)")
    assert added.output.strip() == "1000000"
    assert [restarted.reason for restarted in added.restarts] == [over_limit("room", kernel.limits)]


async def test_once_too_many_folders_are_deleted_files_can_be_written(kernel: Kernel) -> None:
    """The next cell has a kernel that may write, and is told which variables the old kernel took with it."""
    ran = await run(kernel, f"{GUARD}\n{DISK['folders within folders']}\ntime.sleep(5)")
    assert (ran.status, ran.result.cause) == ("died", "folders")
    assert "Permission denied" in (await run(kernel, "kept = 1\nopen('a', 'w')")).output
    assert (await run(kernel, "import os\nos.system('rm -rf d')")).restarts == []
    ran = await run(kernel, "open('a', 'w').write('xy')")
    assert (ran.status, ran.output.strip()) == ("ok", "2")
    assert [restarted.reason for restarted in ran.restarts] == [over_limit("room", kernel.limits)]
    assert "kept" in ran.restarts[0].lost
    assert (await run(kernel, "open('b', 'w').write('xy')")).restarts == []


async def test_sparse_files_do_not_count_and_cannot_be_huge(kernel: Kernel) -> None:
    """An empty file of 1 TB is refused by the limit on the size of a file."""
    ran = await run(kernel, "f = open('sparse', 'wb')\nf.truncate(1 << 40)")
    assert ran.status == "error"
    assert "File too large" in ran.output


async def test_spinning_processors_do_not_stop_others(kernel: Kernel, pool: Pool) -> None:
    """While one kernel keeps every processor busy, another answers."""
    kernel.limits = kernel.limits.__class__(cell=timedelta(seconds=2))
    other = pool.kernel("bystander", NoFiles())
    await run(other, "1")
    spin = "import os\nfor _ in range(8):\n    if os.fork() == 0: break\nwhile True: pass"
    async with kernel.run(spin) as cell:
        assert await value(other, "6 * 7") == "42"
        async for _ in cell:
            pass
    assert cell.result.status == "timeout"
    await pool.release("bystander")
    pool.workspace("bystander").remove()


SCARCE = {
    "terminals": "os.openpty()",
    "descriptors": "(os.open('/dev/null', os.O_RDONLY),)",
    "pipes": "os.pipe()",
    "socket pairs": "[end.detach() for end in socket.socketpair()]",
}


async def test_terminals_sockets_and_queues_run_out_inside(kernel: Kernel) -> None:
    """Whatever the machine has only so many of, a kernel reaches its own limit before others run out.

    That is the number of its descriptors or, if a look comes while it holds them, what they could hold.
    """
    for make in SCARCE.values():
        ran = await run(
            kernel,
            f"""{TRIES}
held = []
try:
    for _ in range(1100): held.extend({make})
    print("REACHED")
except OSError:
    pass
while held: os.close(held.pop())
""",
        )
        assert (ran.status, ran.result.cause) in (("ok", None), ("died", "system")), ran.output
        assert "REACHED" not in ran.output
    await refused(kernel, "import fcntl\ntries('size', lambda: fcntl.fcntl(os.pipe()[1], 1031, 1 << 20))")


async def test_a_million_waiting_descriptors_are_no_way_around(kernel: Kernel) -> None:
    """Descriptors that are sent and not received are closed with their sockets; many of them end a kernel."""
    code = f"""{TRIES}
held = []
try:
    for _ in range(200):
        ours, theirs = socket.socketpair()
        for _ in range(20): socket.send_fds(ours, [b"x"], [theirs.fileno()] * 200)
        held.append((ours, theirs))
except OSError as error:
    print(error)
"""
    ran = await run(kernel, code)
    assert (ran.status, ran.result.cause) in (("ok", None), ("died", "system"))
