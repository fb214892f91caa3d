"""A thread that waits for another process's lock is told apart from a sleeping one, with real processes."""

import subprocess
import sys
import threading
from pathlib import Path

from kernels.sandbox.limits.held_up import AT_FOLDER, ELSEWHERE, OngoingLooks, waits_for_disk

HOLDS = """
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
size = ctypes.c_size_t(1 << 30)
area = ctypes.c_void_p(libc.mmap(None, size, 1, 0x22, -1, ctypes.c_long(0)))
libc.madvise(area, size, 22)
print(flush=True)
while True:
    libc.mprotect(area, size, 0)
    libc.mprotect(area, size, 1)
"""


def test_a_look_that_waits_for_the_lock_of_a_process_is_seen() -> None:
    """Its time adds up. A thread that waits for our own process, as any does in Python, does not count."""
    looks: OngoingLooks[str] = OngoingLooks()
    end, idle = threading.Event(), threading.Event()

    def look(pid: int) -> None:
        with looks.at("busy", patience=1.0):
            while not end.is_set():
                (Path("/proc") / str(pid) / "smaps_rollup").read_bytes()

    def sleep() -> None:
        with looks.at("idle", patience=0.1):
            idle.set()
            end.wait()

    with subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        threads = [threading.Thread(target=look, args=(process.pid,)), threading.Thread(target=sleep)]
        for thread in threads:
            thread.start()
        idle.wait()
        held_up = False
        while not held_up:  # this hangs only if nothing is seen
            waiting = looks.waiting(0.3)
            assert {each.whom for each in waiting} <= {"busy"}
            held_up = any(each.waited > each.patience for each in waiting)
        end.set()
        for thread in threads:
            thread.join()
        process.kill()
    assert looks.waiting(1.0) == []


def test_waiting_for_the_disk_or_for_memory_is_nobodys_fault() -> None:
    """The names of some functions in which threads wait in Linux 6.18."""
    for name in ("folio_wait_bit_common", "wait_on_buffer", "wait_transaction_locked", "reclaim_throttle"):
        assert ELSEWHERE.search(name)
    for name in ("show_smaps_rollup", "lock_next_vma", "iterate_dir", "ep_show_fdinfo", "m_start", "0"):
        assert not ELSEWHERE.search(name)


def test_waiting_for_a_folders_lock_is_told_from_other_waits() -> None:
    """The names of functions in Linux 6.18 that list a folder or look up a name in it."""
    for name in ("iterate_dir", "walk_component", "lookup_slow", "path_openat"):
        assert AT_FOLDER.search(name)
        assert not ELSEWHERE.search(name)
    for name in ("lock_mm_and_find_vma", "do_epoll_wait", "0", ""):
        assert not AT_FOLDER.search(name)


def test_a_process_that_waits_for_nothing_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """One thread that does is enough; what has ended is none."""
    for pid, thread, place in ((1, 1, "do_epoll_wait"), (2, 2, "0"), (2, 3, "jbd2_log_wait_commit")):
        (tmp_path / f"{pid}/task/{thread}").mkdir(parents=True)
        (tmp_path / f"{pid}/task/{thread}/wchan").write_text(place)
    assert not waits_for_disk([1, 9], proc=tmp_path)
    assert waits_for_disk([1, 9, 2], proc=tmp_path)
