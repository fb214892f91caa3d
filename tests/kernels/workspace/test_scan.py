"""A scan reports what is new in a workspace, whatever hostile code has put there, and does nothing else."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kernels.workspace.captured import Captured, CapturedFile, FileChanged, Scan, Skipped
from kernels.workspace.folder import Workspace
from kernels.workspace.late import LateFiles
from kernels.workspace.mapped_writes import make_clean
from kernels.workspace.scan import COARSE, TICK, Capture
from kernels.workspace.walk import UNSEEN

SECRET = b"DISCORD_TOKEN=secret"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace's folder."""
    return Workspace.open(tmp_path / "workspaces", "1234").path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the host that no scan may open."""
    path = tmp_path / "secret.env"
    path.write_bytes(SECRET)
    return path


def names(scan: Scan) -> list[str]:
    """The names that were captured; files that were written within one tick can come in any order."""
    return [file.name for file in scan.captured]


def reasons(scan: Scan) -> dict[str, str]:
    """What was skipped, and why."""
    return {skipped.name: skipped.reason for skipped in scan.skipped}


def content(file: Captured) -> bytes:
    """The bytes of a captured file."""
    assert isinstance(file, CapturedFile)
    with file.open() as stream:
        return stream.read()


def descriptors(folder: Path) -> int:
    """How many descriptors this process has open on anything that is, or was, in the workspaces' folder."""
    found = 0
    for entry in os.scandir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the descriptor of the listing itself
            found += os.readlink(entry.path).startswith(str(folder.parent.parent))
    return found


def test_a_new_file_is_captured_with_all_that_is_known_of_it(folder: Path) -> None:
    """Name, size and time are those of the file, and its bytes can be read."""
    (folder / "out").mkdir()
    path = folder / "out" / "data.csv"
    path.write_bytes(b"a,b\n1,2\n")
    os.utime(path, (1_700_000_000.5, 1_700_000_000.5))
    (file,) = Capture(folder).scan().captured
    assert (file.name, file.size, file.mtime) == ("out/data.csv", 8, 1_700_000_000.5)
    assert content(file) == b"a,b\n1,2\n"


def test_a_file_is_reported_once_and_again_when_it_changed(folder: Path) -> None:
    """Known files are not news; the same content written again is."""
    capture = Capture(folder)
    (folder / "data.csv").write_bytes(b"1")
    assert names(capture.scan()) == ["data.csv"]
    assert capture.scan() == Scan()
    (folder / "data.csv").write_bytes(b"1")
    assert names(capture.scan()) == ["data.csv"]


def test_a_change_with_size_and_time_set_back_is_seen(folder: Path) -> None:
    """Code can forge a file's modification time, but cannot hide a change that way."""
    capture = Capture(folder)
    path = folder / "data.csv"
    path.write_bytes(b"1")
    before = path.stat()
    capture.scan()
    path.write_bytes(b"2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert names(capture.scan()) == ["data.csv"]


MAPS = """
import mmap, sys
with open(sys.argv[1], "r+b") as file:
    mapped = mmap.mmap(file.fileno(), 0)
for line in sys.stdin:
    mapped[:6] = line[:6].encode()
    print(flush=True)
"""


@contextmanager
def mapping(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Another process that has a file of two pages mapped; the function yielded makes it write six bytes."""
    kind = subprocess.check_output(["stat", "-f", "-c", "%T", path.parent], text=True).strip()
    if kind in ("tmpfs", "ramfs"):
        pytest.skip("files in memory only: nothing tells of a write through a map")
    path.write_bytes(bytes(8192))
    process = subprocess.Popen(
        [sys.executable, "-c", MAPS, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def write(text: bytes) -> None:
        process.stdin.write(text + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"\n"

    with process:
        yield write


def test_each_write_through_a_map_is_news(folder: Path) -> None:
    """Writing to a page that is already dirty changes no time, and nor does the end of the mapping."""
    capture = Capture(folder)
    with mapping(folder / "table.bin") as write:
        for text in (b"first ", b"second", b"third "):
            write(text)
            (file,) = capture.scan().captured
            assert content(file)[:6] == text
            assert capture.scan() == Scan()
        write(b"fourth")
    (file,) = capture.scan().captured
    assert content(file)[:6] == b"fourth"
    assert capture.scan() == Scan()


def test_a_file_that_is_written_through_a_map_has_not_rested(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times only show the first write, so it has rested only if nothing was written since its last sync.

    The file of a process that never stops writing is synced less and less often.
    """
    now, clock, synced, sync = 0.0, time.time, list[int](), os.fdatasync
    monkeypatch.setattr("kernels.workspace.scan.time.time", lambda: clock() + now)
    monkeypatch.setattr(os, "fdatasync", lambda number: (synced.append(number), sync(number)))
    capture = Capture(folder)
    with mapping(folder / "table.bin") as write:
        write(b"first ")
        for age, times in ((0, 0), (60, 1), (60, 1), (110, 2), (110, 2), (210, 3), (390, 3), (410, 4)):
            now = age  # seconds since the last write, as it seems
            assert capture.scan(rested=50) == Scan(unrested=True)
            assert len(synced) == times
            write(b"again ")
        now = 1000
        assert capture.scan(rested=50) == Scan(unrested=True)
        scan = capture.scan(rested=50)
        assert (names(scan), scan.unrested) == (["table.bin"], False)
        assert capture.scan(rested=50) == Scan()


def test_only_what_is_open_for_writing_is_brought_to_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most files are closed when their cell ends, and need no sync."""
    if os.major(folder.stat().st_dev) == 0:
        pytest.skip("on this file system nothing tells who has a file open")
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    (folder / "closed.csv").write_bytes(b"1")
    with (folder / "open.csv").open("wb"):
        assert sorted(names(Capture(folder).scan())) == ["closed.csv", "open.csv"]
    assert len(synced) == 1


@pytest.mark.parametrize("rested", [0, 0.001])
def test_a_scan_keeps_the_disk_busy_for_a_few_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rested: float
) -> None:
    """However many are open or being written to; the others are reported or left for later."""
    synced: list[int] = []

    def written_meanwhile(descriptor: int) -> None:
        synced.append(descriptor)
        os.utime(f"/proc/self/fd/{descriptor}", (len(synced), len(synced)))

    monkeypatch.setattr(os, "fdatasync", written_meanwhile)
    with ExitStack() as opened:
        for number in range(5):
            opened.enter_context((folder / f"{number}.log").open("wb"))
        time.sleep(rested)
        scan = Capture(folder, max_files=2).scan(rested=rested)
    assert (len(synced), len(scan.captured), scan.unrested) == (2, 0, rested > 0)
    told = [skipped.reason.partition(":")[0] for skipped in scan.skipped]
    assert told == (
        [] if rested else ["was changing while it was looked at"] * 2 + ["over 2 files at a time"] * 3
    )


def test_a_late_file_that_changes_just_then_has_not_rested(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person is not told of this: the file is reported when it has rested."""
    (folder / "data.csv").write_bytes(b"1")
    monkeypatch.setattr(
        "kernels.workspace.scan.make_clean", lambda _: bool(os.utime(folder / "data.csv", (1, 1)))
    )
    time.sleep(0.001)
    assert Capture(folder).scan(rested=0.001) == Scan(unrested=True)


def test_to_find_out_who_writes_holds_nobody_up(tmp_path: Path) -> None:
    """Whoever opens the file just then waits for an instant, and the signal about it does not end us."""
    if os.major(tmp_path.stat().st_dev) == 0:
        pytest.skip("on this file system nothing tells who has a file open")
    path, signals = tmp_path / "data.csv", list[int]()
    path.write_bytes(b"1")
    before = {
        number: signal.signal(number, lambda number, _: signals.append(number))
        for number in (signal.SIGURG, signal.SIGIO)
    }
    reading = os.open(path, os.O_RDONLY)
    try:
        with swapping(lambda: os.close(os.open(path, os.O_WRONLY))):
            while not signals:
                make_clean(reading)
        assert set(signals) == {signal.SIGURG}
        assert not make_clean(reading)
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # refused while there is a lease
    finally:
        os.close(reading)
        for number, handler in before.items():
            signal.signal(number, handler)


def test_accepted_files_are_not_news(folder: Path) -> None:
    """What was there at the start, and what the service placed, is not reported until it changes."""
    capture = Capture(folder)
    (folder / "old.csv").write_bytes(b"1")
    (folder / "link").symlink_to("old.csv")
    capture.accept()
    with capture.lock:
        capture.accept(Workspace(folder).put_file("upload.csv", b"2"))
    assert capture.scan() == Scan()
    (folder / "upload.csv").write_bytes(b"3")
    assert names(capture.scan()) == ["upload.csv"]
    capture.accept("absent.csv")
    assert capture.scan() == Scan()


def test_a_deleted_file_that_comes_back_is_news(folder: Path) -> None:
    """A deleted file is forgotten."""
    capture = Capture(folder)
    (folder / "data.csv").write_bytes(b"1")
    capture.scan()
    (folder / "data.csv").rename(folder.parent / "aside")
    assert capture.scan() == Scan()
    (folder.parent / "aside").rename(folder / "data.csv")
    assert names(capture.scan()) == ["data.csv"]


def test_files_come_in_the_order_of_writing_and_of_too_many_the_first(folder: Path) -> None:
    """Whatever their names, folders and the times that code gives them."""
    for name in ("zebra", "b/apple", "mango", "late"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        os.utime(path, (0, 0))
        time.sleep(TICK / 1e9)
    scan = Capture(folder, max_files=3).scan()
    assert names(scan) == ["zebra", "b/apple", "mango"]
    assert list(reasons(scan)) == ["late"]


def test_what_sqlite_keeps_beside_a_database_is_no_file(folder: Path) -> None:
    """An index and an empty log pass silently, what may hold rows is reported; any other -wal is a file."""
    (folder / "x.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    (folder / "x.db-shm").write_bytes((3007000).to_bytes(4, sys.byteorder) + bytes(32764))
    for name in ("notes-wal", "notes"):
        (folder / name).write_bytes(b"some")
    (folder / "x.db-wal").touch()
    capture = Capture(folder)
    assert sorted(names(scan := capture.scan())) == ["notes", "notes-wal", "x.db"]
    assert scan.skipped == ()
    (folder / "x.db-wal").write_bytes(b"\x37\x7f\x06\x82rows")
    (folder / "x.db-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7rows")
    scan = capture.scan()
    assert names(scan) == []
    assert reasons(scan).keys() == {"x.db-wal", "x.db-journal"}
    assert all("x.db is " in reason and "stored again" in reason for reason in reasons(scan).values())
    assert capture.scan() == Scan()
    (folder / "x.db-journal").write_bytes(bytes(512))  # kept after a commit, with journal_mode=persist
    assert capture.scan() == Scan()


def test_what_is_read_is_one_state_of_the_file(folder: Path) -> None:
    """A write in the meantime is noticed when the reading ends; the file is then read as it is later."""

    async def read(file: Captured, meanwhile: Callable[[], object], latest: int | None = None) -> bytes:
        async with file.content(latest) as stream:
            first = stream.read(1)
            meanwhile()
            return first + stream.read()

    path = folder / "data.bin"
    path.write_bytes(b"old" * 1000)
    (file,) = Capture(folder).scan().captured
    assert asyncio.run(read(file, lambda: None)) == b"old" * 1000
    time.sleep(2 * COARSE)  # the file system's clock has a tick
    with path.open("r+b") as writer, pytest.raises(FileChanged, match=r"data\.bin"):
        asyncio.run(read(file, lambda: os.pwrite(writer.fileno(), b"new", 2997)))
    with pytest.raises(FileChanged):
        asyncio.run(read(file, lambda: None))
    assert asyncio.run(read(file, lambda: None, latest=3000)) == b"old" * 999 + b"new"
    with pytest.raises(FileChanged):
        asyncio.run(read(file, lambda: None, latest=2999))
    time.sleep(2 * COARSE)
    with pytest.raises(FileChanged):
        asyncio.run(read(file, lambda: path.write_bytes(b"other"), latest=3000))
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(FileChanged):
        asyncio.run(read(file, lambda: None, latest=50_000))


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist"])
def test_a_database_in_the_middle_of_being_written_is_not_read(folder: Path, mode: str) -> None:
    """If the cache is too small for a transaction it leaves the file half written for a long time."""

    def captured() -> Captured:
        (file,) = (file for file in Capture(folder).scan().captured if file.name == "x.db")
        return file

    async def read() -> bytes:
        async with captured().content() as stream:
            return stream.read()

    with closing(sqlite3.connect(folder / "x.db")) as base:
        base.execute(f"pragma journal_mode={mode}")
        base.execute("create table t (x)")
        base.executemany("insert into t values (?)", [("x" * 900,)] * 400)
        base.commit()
        whole = asyncio.run(read())
        base.execute("update t set x = 1 where rowid = 1")
        assert asyncio.run(read()) == whole
        base.execute("pragma cache_size=1")
        base.execute("update t set x = replace(x, 'x', 'y')")
        assert (folder / "x.db").read_bytes() != whole
        with pytest.raises(FileChanged):
            asyncio.run(read())
        base.commit()
        assert asyncio.run(read()) == (folder / "x.db").read_bytes()


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_a_file_that_is_only_called_like_sqlites_is_a_file(folder: Path, ending: str) -> None:
    """Even beside a real database, with a page of text the size of SQLite's; a link is reported as a link."""
    (folder / "x.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    (folder / f"x.db{ending}").write_bytes(b"mine" * 8192)
    (folder / "y.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    (folder / f"y.db{ending}").symlink_to("x.db")
    scan = Capture(folder).scan()
    assert sorted(names(scan)) == ["x.db", f"x.db{ending}", "y.db"]
    assert reasons(scan).keys() == {f"y.db{ending}"}


def test_caches_are_passed_over(folder: Path) -> None:
    """What no person means as a result is neither captured nor mentioned."""
    for name in (".cache/x", ".ipynb_checkpoints/n.ipynb", "__pycache__/m.pyc", "src/.x.py.swp", "src/ok.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    scan = Capture(folder).scan()
    assert names(scan) == ["src/ok.py"]
    assert scan.skipped == ()


def test_everything_that_is_not_a_plain_file_is_skipped_with_its_reason(folder: Path, secret: Path) -> None:
    """Links, pipes, sockets and folders named like files are reported once, and none of them is opened."""
    (folder / "link.txt").symlink_to(secret)
    (folder / "loop").symlink_to(".")
    os.link(secret, folder / "hard.txt")
    os.mkfifo(folder / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket.csv"))
    (folder / "x.csv").mkdir()
    capture = Capture(folder)
    before = descriptors(folder)
    scan = capture.scan()
    assert scan.captured == ()
    told = reasons(scan)
    assert told["link.txt"].startswith("a symbolic link")
    assert told["loop"].startswith("a symbolic link")
    assert told["hard.txt"].startswith("a hard link")
    assert told["pipe.csv"] == "a pipe, not a file"
    assert told["socket.csv"] == "a socket, not a file"
    assert told["x.csv"] == "a folder, with nothing in it"
    assert len(told) == 6
    assert capture.scan() == Scan()
    assert descriptors(folder) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_skipped(folder: Path) -> None:
    """Merely opening a device may already have an effect."""
    os.mknod(folder / "null.csv", 0o600 | 0o020000, os.makedev(1, 3))
    assert reasons(Capture(folder).scan()) == {"null.csv": "a device, not a file"}


def test_a_folder_named_like_a_file_gives_its_files(folder: Path) -> None:
    """`x.csv/part.csv` is a file like any other."""
    (folder / "x.csv").mkdir()
    (folder / "x.csv" / "part.csv").touch()
    scan = Capture(folder).scan()
    assert (names(scan), scan.skipped) == (["x.csv/part.csv"], ())


def test_a_file_over_the_limit_is_skipped_by_its_size_alone(folder: Path) -> None:
    """Sparse files of 3 GB and 1 TB are reported with their size and the limit, and not read."""
    for name, size in (("big.bin", 3 * 1024**3 + 1024**3 // 10), ("huge.bin", 1024**4)):
        with (folder / name).open("wb") as file:
            file.truncate(size)
    scan = Capture(folder).scan()
    assert scan.captured == ()
    assert reasons(scan) == {
        "big.bin": "3.1 GB, over the 50 MB limit",
        "huge.bin": "1.0 TB, over the 50 MB limit",
    }


def test_a_file_of_exactly_the_limit_is_captured(folder: Path) -> None:
    """The limit is the largest size that is taken."""
    (folder / "a").write_bytes(b"1234")
    (folder / "b").write_bytes(b"12345")
    scan = Capture(folder, max_file=4).scan()
    assert (names(scan), list(reasons(scan))) == (["a"], ["b"])


def test_of_a_thousand_files_the_first_are_taken_and_the_rest_is_counted(folder: Path) -> None:
    """64 are captured, some named, all counted; a later scan reports none of them until one changes."""
    for number in range(1000):
        (folder / f"{number:04}.txt").write_text(str(number))
    capture = Capture(folder)
    scan = capture.scan()
    assert names(scan) == [f"{number:04}.txt" for number in range(64)]
    assert [skipped.name for skipped in scan.skipped] == [
        *(f"{number:04}.txt" for number in range(64, 69)),
        "0069.txt and 930 more",
    ]
    assert all(skipped.reason.startswith("over 64 files at a time") for skipped in scan.skipped)
    assert capture.scan() == Scan()
    (folder / "0999.txt").write_text("again")
    assert names(capture.scan()) == ["0999.txt"]


def begun() -> float:
    """A cell's start time, clearly after everything done before."""
    time.sleep(3 * COARSE)
    return time.time()


def test_what_the_cell_wrote_comes_before_what_was_there(folder: Path) -> None:
    """If there is too much news, an old file that comes into sight does not displace a new one."""
    for number in range(100):
        (folder / f"{number:03}.txt").touch()
    since = begun()
    (folder / "zz_result.csv").touch()
    os.utime(folder / "zz_result.csv", (0, 0))  # as a program does that unpacks an archive
    scan = Capture(folder).scan(since=since)
    first, *others = names(scan)
    assert (first, len(others)) == ("zz_result.csv", 63)


def test_what_is_older_than_a_cell_can_be_taken_for_known(folder: Path) -> None:
    """Old files and other things are silently accepted; everything the cell wrote is reported."""
    capture = Capture(folder, max_files=2)
    for number in range(10):
        (folder / f"{number}.txt").touch()
    (folder / "old").symlink_to("1.txt")
    since = begun()
    for name in ("a", "b", "c"):
        (folder / name).touch()
    (folder / "new").symlink_to("1.txt")
    scan = capture.scan(since=since, older=False)
    assert (names(scan), list(reasons(scan))) == (["a", "b"], ["c", "new"])
    assert capture.scan() == Scan()


def test_a_clock_that_is_set_back_costs_no_file(folder: Path) -> None:
    """If a cell seems to begin in the future, old files may be reported so that no new one is lost."""
    capture = Capture(folder, max_entries=20)
    for number in range(40):
        (folder / f"{number}.txt").touch()
    capture.accept()
    for entry in sorted(folder.iterdir())[:30]:
        entry.unlink()
    (folder / "new.txt").touch()
    assert "new.txt" in names(capture.scan(since=time.time() + 3600))


def test_old_files_that_come_into_sight_are_no_news(folder: Path) -> None:
    """If there were too many to look at, those seen only after others were deleted still count as old."""
    capture = Capture(folder, max_entries=20)
    for number in range(40):
        (folder / f"{number}.txt").touch()
    capture.accept()
    since = begun()
    for entry in sorted(folder.iterdir())[:30]:
        entry.unlink()
    (folder / "new.txt").touch()
    assert names(capture.scan(since=since)) == ["new.txt"]


def test_only_so_much_is_reported_and_the_rest_is_left_for_later(folder: Path) -> None:
    """What was left is still news; things that cannot be captured count too."""
    for name in ("a", "b", "c", "d"):
        (folder / name).touch()
        time.sleep(TICK / 1e9)
    (folder / "e").symlink_to("a")
    capture = Capture(folder)
    assert names(capture.scan(most=3)) == ["a", "b", "c"]
    scan = capture.scan(most=2)
    assert (names(scan), list(reasons(scan))) == (["d"], ["e"])
    assert capture.scan(most=2) == Scan()


async def looked(late: LateFiles) -> None:
    """Give a hint, and wait for the look that it starts, if any."""
    late.look()
    if late._task is not None:
        await late._task


async def test_late_files_have_a_budget_and_its_end_is_told_once(folder: Path) -> None:
    """A thread that keeps rewriting 60 files gets one cell's worth reported, until the next cell."""
    capture, told = Capture(folder), list[Scan]()
    late = LateFiles(capture, most=64, busy=lambda: False, tell=told.append, settled=0.01)
    for cell in range(2):
        told.clear()
        late.begin_cell(time.time())
        for turn in range(5):
            for number in range(60):
                (folder / f"{number}.txt").write_text(f"{cell} {turn}")
            await looked(late)
        assert sum(len(scan.captured) for scan in told) == 64
        assert [skipped.name for scan in told for skipped in scan.skipped] == ["further files"]
    assert len(capture.scan().captured) == 60  # and the end of a cell picks up what has changed


async def test_looks_for_late_files_come_with_a_pause_between_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often hints come: each look may go through thousands of files."""
    capture, looks = Capture(folder), list[float]()

    async def look(**_: Any) -> Scan:
        looks.append(time.monotonic())
        return Scan()

    monkeypatch.setattr(capture, "look", look)
    late = LateFiles(capture, most=64, busy=lambda: False, tell=lambda _: None, settled=0.2)
    for _ in range(3):
        await looked(late)
    assert all(after - before >= 0.19 for before, after in pairwise(looks))
    assert len(looks) == 3


def test_many_links_are_a_few_lines_with_their_reason(folder: Path) -> None:
    """A thousand cases of one problem take a few lines, and the line with the count names the problem."""
    for number in range(1000):
        (folder / f"{number:04}").symlink_to("/etc/passwd")
    scan = Capture(folder).scan()
    assert len(scan.skipped) == 6
    assert scan.skipped[-1].name == "0005 and 994 more"
    assert scan.skipped[-1].reason.startswith("a symbolic link")


def test_many_files_over_the_limit_are_counted_without_their_sizes(folder: Path) -> None:
    """Files too large for the same reason are counted together though their sizes differ."""
    for number in range(10):
        (folder / f"{number}").write_bytes(b"x" * (5 + number))
    scan = Capture(folder, max_file=4).scan()
    assert scan.skipped[0].reason == "5 B, over the 4 B limit"
    assert (scan.skipped[-1].name, scan.skipped[-1].reason) == ("5 and 4 more", "over the 4 B limit")


def test_the_walk_is_bounded_and_says_where_it_stopped(folder: Path) -> None:
    """Entries over the limit, hidden ones included, are not looked at; the person is told once per change."""
    (folder / "many").mkdir()
    for number in range(30):
        (folder / "many" / f".#{number}").touch()
    (folder / "near.txt").touch()
    capture = Capture(folder, max_entries=20)
    scan = capture.scan()
    assert names(scan) == ["near.txt"]
    assert reasons(scan) == {"many/...": f"over 20 files and folders: {UNSEEN}"}
    assert capture.scan() == Scan()
    (folder / "many" / "31").touch()
    assert list(reasons(capture.scan())) == ["many/..."]


def test_what_a_cell_may_have_changed_unseen_is_told_at_its_end(folder: Path) -> None:
    """Each time, since a folder does not show that a file in it was changed; but not in between."""
    for number in range(30):
        (folder / f"{number}.txt").touch()
    capture = Capture(folder, max_entries=20)
    capture.accept()
    for _ in range(2):
        since = begun()
        for path in folder.iterdir():
            path.write_text("changed")
        scan = capture.scan(since=since)
        assert (len(scan.captured), reasons(scan)) == (20, {"...": f"over 20 files and folders: {UNSEEN}"})
        assert capture.scan(since=since, rested=1e-9) == Scan()


def test_of_three_thousand_files_the_one_that_changed_is_captured(folder: Path) -> None:
    """All of them are looked at each time."""
    for number in range(3000):
        (folder / f"{number}.txt").touch()
    capture = Capture(folder)
    capture.accept()
    for name in ("0.txt", "2999.txt", "1500.txt"):
        since = begun()
        (folder / name).write_text("changed")
        scan = capture.scan(since=since)
        assert (names(scan), scan.skipped) == ([name], ())


def test_a_cut_walk_does_not_report_the_same_file_twice(folder: Path) -> None:
    """Files that a cut walk did not reach do not count as deleted."""
    capture = Capture(folder, max_entries=20)
    (folder / "z").mkdir()
    (folder / "z" / "data.csv").touch()
    assert names(capture.scan()) == ["z/data.csv"]
    for number in range(30):
        (folder / f".{number}").touch()
    capture.scan()
    for number in range(30):
        (folder / f".{number}").unlink()
    assert capture.scan() == Scan()


def test_a_folder_too_deep_is_told(folder: Path) -> None:
    """Eight levels of folders are looked into, the ninth is not; 900 do no harm."""
    deep = "/".join("d" * 8)
    (folder / deep).mkdir(parents=True)
    (folder / deep / "in.txt").touch()
    here = os.open(folder / deep, os.O_RDONLY)
    for _ in range(900):
        os.mkdir("e", dir_fd=here)
        inner = os.open("e", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    scan = Capture(folder).scan()
    assert names(scan) == [f"{deep}/in.txt"]
    assert reasons(scan) == {f"{deep}/e": "more than 8 folders deep: not looked into"}
    Workspace(folder).remove()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"a\xff.csv", "a_~"),
        (b"a\n@everyone.csv", "a_@everyone~"),
        ("a\u202egpj.exe".encode(), "a_gpj~"),
        (b"x" * 251 + b".csv", "x" * 251 + ".csv"),
    ],
)
def test_a_hostile_name_is_shown_repaired_and_its_file_still_read(
    folder: Path, raw: bytes, shown: str
) -> None:
    """Not UTF-8, newline, right-to-left, 255 bytes: the text can be shown, and that very file is read."""
    with open(os.fsencode(folder) + b"/" + raw, "wb") as file:
        file.write(b"bytes")
    (found,) = Capture(folder).scan().captured
    assert found.name.startswith(shown)
    assert found.name.isprintable()
    found.name.encode()
    assert content(found) == b"bytes"


def test_two_names_that_look_alike_once_repaired_both_survive(folder: Path) -> None:
    """Two files with the same repaired name stay two files."""
    for raw in (b"a\xff.csv", b"a\xfe.csv", b"a_.csv"):
        with open(os.fsencode(folder) + b"/" + raw, "wb") as file:
            file.write(raw)
    scan = Capture(folder).scan()
    assert len(set(names(scan))) == 3
    assert {content(file) for file in scan.captured} == {b"a\xff.csv", b"a\xfe.csv", b"a_.csv"}


@pytest.mark.parametrize(
    "change", ["write", "replace", "link", "delete", "hard link", "folder", "parent link"]
)
def test_a_file_that_changed_since_its_scan_is_not_opened(folder: Path, secret: Path, change: str) -> None:
    """Either the captured file is read or nothing: no link in its place, no other file or bytes."""
    (folder / "out").mkdir()
    path = folder / "out" / "data.csv"
    path.write_bytes(b"1")
    (file,) = Capture(folder).scan().captured
    if change == "write":
        path.write_bytes(b"2")
    elif change == "replace":
        (folder / "other").write_bytes(b"1")
        (folder / "other").rename(path)
    elif change == "hard link":
        os.link(path, folder / "second")
    elif change == "parent link":
        (folder / "out").rename(folder.parent / "out")
        (folder / "out").symlink_to(folder.parent / "out")
    else:
        path.unlink()
        if change == "link":
            path.symlink_to(secret)
        elif change == "folder":
            path.mkdir()
    before = descriptors(folder)
    with pytest.raises(FileChanged, match=r"^out/data\.csv was changed or removed"):
        file.open()
    assert descriptors(folder) == before


@contextmanager
def swapping(*steps: object) -> Iterator[None]:
    """Run the steps, which are callables, over and over in a thread."""
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for step in steps:
                assert callable(step)
                step()

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_swap_between_scan_and_read_never_leaks(folder: Path, secret: Path) -> None:
    """Thousands of swaps between a file and a link to a secret give the file's own bytes, or nothing."""
    target, spare = folder / "data.csv", folder / ".placing-spare"  # a name that no look takes for a file

    def file() -> None:
        spare.write_bytes(b"mine")
        spare.rename(target)
        time.sleep(0.0002)  # long enough to be captured now and then, so that the test can fail

    def link() -> None:
        spare.symlink_to(secret)
        spare.rename(target)

    def pipe() -> None:
        os.mkfifo(spare)
        spare.rename(target)

    before = descriptors(folder)
    contents = set()
    end = time.monotonic() + 1.5
    with swapping(file, link, pipe):
        while time.monotonic() < end:
            capture = Capture(folder)
            for found in capture.scan().captured:
                with suppress(FileChanged):
                    contents.add(content(found))
    assert contents == {b"mine"}
    assert descriptors(folder) == before


def test_a_file_that_grows_is_read_within_its_size_and_settles(folder: Path) -> None:
    """A file being written is reported once, not read past its size, and captured whole once it is still."""
    capture = Capture(folder)
    path = folder / "log.txt"
    told: list[Skipped] = []
    with path.open("ab", buffering=0) as log, swapping(lambda: log.write(b"x" * 16)):
        for _ in range(200):
            scan = capture.scan()
            told += scan.skipped
            assert all(file.name == "log.txt" for file in scan.captured)
    with path.open("ab") as log:
        log.write(b"end")
    size = path.stat().st_size
    settled = capture.scan()
    assert [file.size for file in settled.captured] == [size]
    assert {skipped.reason.partition(":")[0] for skipped in told} <= {"was changing while it was looked at"}


def test_a_workspace_that_is_gone_is_told_once(folder: Path) -> None:
    """Code can delete its workspace or put a link there; then there is nothing else to report."""
    capture = Capture(folder)
    folder.rmdir()
    assert list(reasons(capture.scan())) == ["the workspace"]
    folder.symlink_to("/etc")
    assert capture.scan() == Scan()
    folder.unlink()
    folder.mkdir()
    (folder / "data.csv").touch()
    assert names(capture.scan()) == ["data.csv"]


def test_an_unreadable_file_is_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that we may not read is reported once, until it changes."""
    (folder / "data.csv").touch()

    def forbid(_path: str, _top: int) -> int:
        raise PermissionError

    monkeypatch.setattr("kernels.workspace.scan.open_path", forbid)
    capture = Capture(folder)
    assert reasons(capture.scan()) == {"data.csv": "unreadable: its permissions forbid it"}
    assert capture.scan() == Scan()


async def test_what_is_still_being_written_is_left_until_it_rested(folder: Path) -> None:
    """A scan that asks for rest leaves young files, says so, and a later one reports them."""
    capture = Capture(folder)
    (folder / "old.csv").touch()
    capture.accept()
    (folder / "young.csv").touch()
    (folder / "link").symlink_to("old.csv")
    assert await capture.look(rested=3600) == Scan(unrested=True)
    scan = await capture.look()
    assert (names(scan), list(reasons(scan)), scan.unrested) == (["young.csv"], ["link"], False)
    assert await capture.look(rested=3600) == Scan()


async def test_a_look_is_a_scan_in_a_thread(folder: Path) -> None:
    """The loop goes on while a workspace is being read."""
    (folder / "data.csv").touch()
    assert names(await Capture(folder).look()) == ["data.csv"]


@contextmanager
def waiting_for_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """While in the block, this thread may only stat the folder itself; other threads may do anything."""
    here, touched = threading.current_thread(), list[str]()

    def watched(name: str) -> None:
        real = getattr(os, name)

        def call(path: Any, *more: Any, **named: Any) -> Any:
            by_descriptor = isinstance(path, int) or named.get("dir_fd") is not None
            within = by_descriptor or folder in Path(path).parents
            refused = within or (Path(path) == folder and name != "stat")
            if refused and threading.current_thread() is here:
                touched.append(f"{name} {path}")
            return real(path, *more, **named)

        patch.setattr(os, name, call)

    with monkeypatch.context() as patch:
        for name in ("scandir", "listdir", "open", "stat", "lstat", "chmod"):
            watched(name)
        yield
    assert touched == []


@pytest.mark.parametrize("files", [0, 1, 5, 40])
async def test_the_loop_waits_for_no_lock_of_a_workspace(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """Code can hold its folder's lock for seconds, and listing it or looking up a file in it then waits."""
    capture = Capture(folder)
    for number in range(files):
        (folder / f"{number}.csv").touch()
    with waiting_for_nobody(folder, monkeypatch):
        first = await capture.look()
        again = await capture.look()
        await asyncio.sleep(1.5 * TICK / 1e9)
        assert await capture.look() == await capture.look() == Scan()
        for file in first.captured:
            async with file.content() as content:
                assert content.read() == b""
    assert (len(first.captured), again) == (files, Scan())
    (folder / "late.csv").touch()
    told: list[Scan] = []
    late = LateFiles(capture, most=5, busy=lambda: False, tell=told.append)
    with waiting_for_nobody(folder, monkeypatch):
        late.look()
        while not told:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)
    await late.stop()
    assert names(told[0]) == ["late.csv"]


async def test_an_empty_workspace_costs_no_thread(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most cells write nothing, and the folder itself shows that."""
    capture = Capture(folder)
    (folder / ".tmp").mkdir()  # as in every workspace
    capture.accept()
    await asyncio.sleep(1.5 * TICK / 1e9)
    assert await capture.look() == Scan()
    with monkeypatch.context() as patch:
        patch.setattr("kernels.workspace.scan.in_thread", lambda work: pytest.fail("a thread was started"))
        assert await capture.look() == Scan()
    (folder / "new.csv").touch()
    assert names(await capture.look()) == ["new.csv"]


async def test_a_file_that_is_opened_for_nobody_is_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader was cancelled while the folder's lock was held."""
    (folder / "data.csv").touch()
    (file,) = Capture(folder).scan().captured
    assert isinstance(file, CapturedFile)
    before, free, opened = descriptors(folder), threading.Event(), CapturedFile.open

    def held(file: CapturedFile) -> Any:
        free.wait(10)
        return opened(file)

    monkeypatch.setattr(CapturedFile, "open", held)
    asking = asyncio.create_task(file.opened())
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    free.set()
    while any(thread.name.startswith("apart") for thread in threading.enumerate()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)
    assert descriptors(folder) == before


CHANGES = {
    "new": (lambda folder: (folder / "new.csv").touch(), ["new.csv"]),
    "changed": (lambda folder: (folder / "data.csv").write_text("b"), ["data.csv"]),
    "replaced": (lambda folder: os.replace(folder / ".part", folder / "data.csv"), ["data.csv"]),
    "below": (lambda folder: (folder / "sub").mkdir() or (folder / "sub" / "x.csv").touch(), ["sub/x.csv"]),
    "gone": (lambda folder: (folder / "data.csv").unlink(), []),
}


@pytest.mark.parametrize(("change", "found"), CHANGES.values(), ids=CHANGES)
async def test_a_folder_that_was_listed_is_opened_again_when_it_changed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object], found: list[str]
) -> None:
    """Until then its time and those of its files show that nothing has changed."""
    (folder / "data.csv").write_text("a")
    (folder / ".part").write_text("c")
    capture = Capture(folder)
    capture.accept()
    await asyncio.sleep(1.5 * TICK / 1e9)  # until a later change would give it another time
    assert await capture.look() == Scan()
    with monkeypatch.context() as patch:
        patch.setattr("os.scandir", lambda _: pytest.fail("it was listed"))
        assert await capture.look() == Scan()
    change(folder)
    assert names(await capture.look()) == found
    (folder / "data.csv").write_text("d")
    assert names(await capture.look()) == ["data.csv"]


async def test_a_folder_that_has_just_changed_is_listed_again(folder: Path) -> None:
    """Two changes within one tick of the clock have the same time."""
    capture = Capture(folder)
    for number in range(200):
        capture.accept()
        await capture.look()
        (folder / f"{number}.csv").touch()
        assert names(await capture.look()) == [f"{number}.csv"]
        (folder / f"{number}.csv").unlink()


async def test_a_cancelled_look_loses_nothing(folder: Path) -> None:
    """Files and skipped things that a cancelled look found are reported by the next one."""
    (folder / "data.csv").touch()
    (folder / "link").symlink_to("data.csv")
    capture = Capture(folder)
    with capture.lock:  # so that the look is inside its thread when it is cancelled
        look = asyncio.create_task(capture.look())
        await asyncio.sleep(0)  # one turn of the loop: the thread is started
        look.cancel()
    with pytest.raises(asyncio.CancelledError):
        await look
    scan = await capture.look()
    assert names(scan) == ["data.csv"]
    assert list(reasons(scan)) == ["link"]
