"""What the system holds for a kernel is counted at its maximum: real sockets, pipes, locks and watches."""

import contextlib
import fcntl
import os
import socket
import struct
from pathlib import Path

import pytest

from kernels.inside.procfs import tree
from kernels.sandbox.limits import objects, usage
from kernels.sandbox.limits.objects import (
    DESCRIPTOR,
    LINK,
    LONG_TEXT,
    PIPE,
    RECORD,
    TEXT,
    UNCOUNTABLE,
    kept,
    socket_size,
)
from tests.kernels.sandbox.limits.trees import init

PASSED = 50 << 20
SIOCOUTQ = 0x5411  # how much of a Unix socket's buffer is in use, with the system's overhead
FEW = 20 * DESCRIPTOR + 20 * RECORD  # what any process holds
OWN_NETWORK = """
libc = ctypes.CDLL(None)
if libc.unshare(0x10000000 | 0x40000000) != 0: sys.exit(1)
"""


def counted(pid: int, *, alone: bool = False, thorough: bool = False, **most: int) -> int:
    """What is kept for a tree."""
    return kept(tree(pid), alone=alone, passed=PASSED, thorough=thorough, **most)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
@pytest.mark.parametrize("size", [1, 4096, 106_000, 212_000])
def test_no_socket_holds_more_than_it_counts(kind: socket.SocketKind, size: int) -> None:
    """Even filled with messages of any size, down to single bytes, which cost the system 768 each."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with ours, theirs:
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(size))
        (held,) = struct.unpack("i", fcntl.ioctl(ours, SIOCOUTQ, bytes(4)))
        assert socket_size() // 8 < held <= socket_size()


def test_sockets_and_pipes_count_once_for_all_who_have_them() -> None:
    """A fork shares what was open before it; only what it opens itself is added."""
    code = """held = [socket.socketpair() for _ in range(10)], [os.pipe() for _ in range(10)]
    if os.fork() == 0:
        more = [socket.socketpair() for _ in range(5)]
        print(flush=True)
        time.sleep(100)
    sys.stdout = open(os.devnull, "w")"""
    with init(code) as pid:
        expected = 30 * socket_size() + 10 * PIPE
        assert expected <= counted(pid) <= expected + PIPE + 150 * DESCRIPTOR


def test_what_nobody_has_accepted_and_what_was_closed_counts_in_a_network_of_its_own() -> None:
    """One open file can hold thousands of connections, and each of them some bytes."""
    code = """listening = socket.socket(socket.AF_UNIX); listening.bind("\\0x"); listening.listen(100)
    for _ in range(50):
        one = socket.socket(socket.AF_UNIX)
        one.connect("\\0x")
        one.send(b"x")
        one.close()"""
    with init(code, before=OWN_NETWORK) as pid:
        if not (Path("/proc") / str(pid)).exists():
            pytest.skip("this user may make no network here")
        assert counted(pid, alone=True) >= 101 * socket_size()
        assert counted(pid, alone=False) < 10 * socket_size()


def test_connections_have_a_share_of_what_the_machine_has_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """For either internet protocol, whatever the kernel's memory limit; other sockets have no share."""
    code = """held = [socket.socket(f, k) for f in (2, 10) for k in (1, 2) for _ in range(30)]
    for one in held: one.bind(("::" if one.family == 10 else "", 0))
    for one in held[:30] + held[60:90]: one.listen()
    more = [socket.socketpair() for _ in range(50)]"""
    with init(code, before=OWN_NETWORK) as pid:
        if not (Path("/proc") / str(pid)).exists():
            pytest.skip("this user may make no network here")
        for most in ({"TCP": 59, "UDP": 60}, {"TCP": 60, "UDP": 59}):
            monkeypatch.setattr(objects, "_most_of", most.get)
            assert counted(pid, alone=True) == UNCOUNTABLE
            assert counted(pid, alone=False) < UNCOUNTABLE
        monkeypatch.setattr(objects, "_most_of", lambda _: 60)
        assert 220 * socket_size() <= counted(pid, alone=True) < 240 * socket_size()


def test_a_share_of_connections_is_never_too_small_for_a_server() -> None:
    """It is an eighth of the machine's, but on a machine with little memory 200."""
    pages = int(Path("/proc/sys/net/ipv4/tcp_mem").read_text("ascii").split()[2])
    assert objects._most_of("TCP", page=1 << 16) == max(pages * (1 << 13) // socket_size(), 200)
    assert objects._most_of("TCP", page=1) == objects._most_of("UDP", page=1) == 200


def test_answers_of_netlink_that_nobody_reads_are_no_more_than_they_count() -> None:
    """Whatever is requested, a full socket gets no more."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as asking:
        asking.setblocking(False)
        for number in range(3000):
            with contextlib.suppress(OSError):  # full, or busy with the previous request
                asking.send(struct.pack("IHHIIB15x", 32, 18, 0x301 if number % 2 else 1, number, 0, 0))
        inode = str(os.fstat(asking.fileno()).st_ino)
        names, *rows = (line.split() for line in Path("/proc/net/netlink").read_text("ascii").splitlines())
        (held,) = (int(row[names.index("Rmem")]) for row in rows if row[-1] == inode)
    assert socket_size() // 8 < held <= socket_size()


def test_open_files_on_their_way_are_taken_for_large_ones() -> None:
    """Nobody can see what they are."""
    code = """ours, theirs = socket.socketpair()
    for _ in range(7): socket.send_fds(ours, [b"x"], [0, 1])"""
    with init(code) as pid:
        assert 14 * PASSED <= counted(pid) < 15 * PASSED
    with init(f"{code}\n    more = [theirs.dup() for _ in range(5)]") as pid:
        assert counted(pid) < 15 * PASSED  # however many descriptors lead to it
    with init(code) as pid:
        assert objects.in_flight(tree(pid), alone=False)
    with init(code, before=OWN_NETWORK) as pid:
        if (Path("/proc") / str(pid)).exists():
            assert objects.in_flight(tree(pid), alone=True)
    with init("pair = socket.socketpair()") as pid:
        assert not objects.in_flight(tree(pid), alone=False)


def test_connections_that_nobody_has_accepted_may_hide_files() -> None:
    """Such a connection has no descriptor, and may have any number of files in its queue."""
    listen = """listening = socket.socket(socket.AF_UNIX); listening.bind("\\0x"); listening.listen(100)
    one = socket.socket(socket.AF_UNIX); one.connect("\\0x")"""
    for code, expected in ((listen, True), (f"{listen}; two, _ = listening.accept()", False)):
        with init(code, before=OWN_NETWORK) as pid:
            if not (Path("/proc") / str(pid)).exists():
                pytest.skip("this user may make no network here")
            assert objects.in_flight(tree(pid), alone=True) == expected
            assert not objects.in_flight(tree(pid), alone=False)


def test_watches_are_counted_and_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """All programs of a user share them; one kernel may use only its part."""
    code = """files = [os.eventfd(0) for _ in range(40)]
    polls = [select.epoll() for _ in range(40)]
    for poll in polls:
        for file in files: poll.register(file)"""
    with init(code) as pid:
        # The watches, and some text for each file.
        assert 1600 * RECORD <= counted(pid) <= 2300 * RECORD + 100 * DESCRIPTOR + PIPE
        monkeypatch.setattr(objects, "_most_watches", lambda: 1599)
        assert counted(pid) == UNCOUNTABLE
        monkeypatch.setattr(objects, "_most_watches", lambda: 1600)
        assert counted(pid) != UNCOUNTABLE


def test_five_hundred_kernels_leave_half_of_all_watches() -> None:
    """A machine has at most that many kernels; even a small machine's part exceeds what programs need."""
    everybody = int(Path("/proc/sys/fs/epoll/max_user_watches").read_text("ascii"))
    assert 500 * objects._most_watches() <= max(everybody // 2, 500 * objects.FEW_WATCHES)


def test_locks_are_counted_by_a_thorough_look(tmp_path: Path) -> None:
    """A file can have any number of them, and no control group counts them."""
    code = f"""import fcntl
    file = open({str(tmp_path / "file")!r}, "w")
    for place in range(600): fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * place)"""
    with init(code) as pid:
        assert counted(pid) < FEW + PIPE
        # The locks, and memory areas.
        assert 600 * RECORD <= counted(pid, thorough=True) - counted(pid) <= 1600 * RECORD
        assert counted(pid, thorough=True, most_records=500) == UNCOUNTABLE


def test_folders_and_files_of_proc_that_are_open_keep_some_text() -> None:
    """A file that lists locks may be very long; one of these may be open, since programs read it."""
    for path in ("/proc/self/maps", "/usr"):
        with init(f"held = [os.open({path!r}, os.O_RDONLY) for _ in range(40)]") as pid:
            assert 40 * TEXT <= counted(pid) < 44 * TEXT + FEW + PIPE
    with init("held = [os.open('/proc/self/fdinfo/1', os.O_RDONLY) for _ in range(4)]") as pid:
        assert 3 * LONG_TEXT <= counted(pid) < 3 * LONG_TEXT + 8 * TEXT + FEW + PIPE
    with init("held = [os.open('/proc/self/fdinfo/1', os.O_RDONLY)]") as pid:
        assert counted(pid) < LONG_TEXT


def test_areas_of_memory_are_counted_by_a_thorough_look() -> None:
    """Each costs the system as much as a lock, and no size of memory tells."""
    code = """import mmap
    held = mmap.mmap(-1, 4096 * 4000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    at = ctypes.addressof(ctypes.c_char.from_buffer(held))
    for page in range(0, 4000, 2): ctypes.CDLL(None).mprotect(ctypes.c_void_p(at + page * 4096), 4096, 1)"""
    with init(code) as pid:
        assert 4000 * RECORD <= counted(pid, thorough=True) - counted(pid) <= 5000 * (RECORD + LINK)
        assert counted(pid, thorough=True, most_areas=3000) == UNCOUNTABLE


def test_areas_of_forks_of_forks_count_once_for_each_generation() -> None:
    """Linux links an area to the same one in every ancestor; forks of one process have one such link."""
    areas = """import mmap
    held = mmap.mmap(-1, 4096 * 1000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    at = ctypes.addressof(ctypes.c_char.from_buffer(held))
    for page in range(0, 1000, 2): ctypes.CDLL(None).mprotect(ctypes.c_void_p(at + page * 4096), 4096, 1)
    """
    for how, links in (("and", 1000 * 21 * 22 // 2), ("or", 1000 * 41)):
        with init(f"{areas}[os.fork() {how} time.sleep(100) for _ in range(20)]") as pid:
            found, linked = objects._areas(tree(pid))
            assert 21_000 <= found < 40_000
            assert links <= linked < 2 * links
            assert counted(pid, thorough=True) - counted(pid) >= found * RECORD + linked * LINK


def test_who_has_lost_a_parent_may_have_had_any_number_of_them() -> None:
    """Each of them left another process behind, or its links would be gone."""
    with init("[os.fork() or time.sleep(100) for _ in range(3)]") as pid:
        first, *others = tree(pid)[1:]
        assert objects._generations([pid, first, *others]) == {pid: 0, first: 1, **dict.fromkeys(others, 2)}
        assert objects._generations([first, *others[:1], pid]) == {first: 0, others[0]: 1, pid: 2}


def test_very_many_open_files_are_not_counted_to_the_end() -> None:
    """Or one kernel would keep the watchdog from the others."""
    code = "held = [os.open('/dev/null', os.O_RDONLY) for _ in range(600)]"
    with init(code) as pid:
        assert 600 * DESCRIPTOR <= counted(pid) < FEW + 600 * DESCRIPTOR + PIPE
    forks = usage.MOST_OPEN // 600
    with init(f"{code}\n    [os.fork() or time.sleep(100) for _ in range({forks})]") as pid:
        assert counted(pid) == UNCOUNTABLE


def test_many_is_known_without_counting() -> None:
    """The number of open files is enough to tell."""
    assert not objects.many([os.getpid(), os.getpid()], alone=False) or len(os.listdir("/proc/self/fd")) > 200
    with init("held = [os.dup(0) for _ in range(300)]") as pid:
        assert objects.many(tree(pid), alone=False)
