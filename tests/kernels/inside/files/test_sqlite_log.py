"""The log of an open database: its rows get into the database, and the person's own files are left alone."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kernels.inside.files import sqlite_log
from kernels.inside.files.open_files import OpenFiles

ROWS = 20_000
PRECIOUS = b"precious\n" * 1000


@pytest.fixture
def open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenFiles:
    """Open files as a cell has them, in a workspace of its own."""
    monkeypatch.chdir(tmp_path)
    begun = OpenFiles()
    begun.begin_cell()
    return begun


def logged(path: Path) -> sqlite3.Connection:
    """A connection to a new database whose rows are all still in its log."""
    base = sqlite3.connect(path)
    base.execute("pragma journal_mode=wal")
    base.execute("pragma wal_autocheckpoint=0")
    base.execute("create table t (x)")
    base.executemany("insert into t values (?)", [(number,) for number in range(ROWS)])
    base.commit()
    return base


def rows(path: Path) -> int:
    """How many rows a new reader of the database finds."""
    with closing(sqlite3.connect(path)) as base:
        found: int = base.execute("select count(*) from t").fetchone()[0]
        return found


def children() -> set[str]:
    """The processes that this one has started."""
    listed = Path("/proc/self/task").glob("*/children")
    return {pid for thread in listed for pid in thread.read_text().split()}


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("beside", [b"", b"no database", b"SQLite format 3\0" + bytes(4080)])
def test_a_file_of_ones_own_with_such_a_name_stays(
    open_files: OpenFiles, tmp_path: Path, beside: bytes, buffering: int
) -> None:
    """Beside an empty file or one that is no database, SQLite takes it for a leftover log."""
    (tmp_path / "notes").write_bytes(beside)
    with (tmp_path / "notes-wal").open("wb", buffering) as log:
        log.write(PRECIOUS)
        open_files.flush()
        assert os.fstat(log.fileno()).st_nlink == 1
        assert (tmp_path / "notes-wal").read_bytes() == PRECIOUS
    assert sorted(os.listdir(tmp_path)) == ["notes", "notes-wal"]


@pytest.mark.parametrize("index", [False, True])
def test_a_log_that_is_being_copied_is_left_alone(
    open_files: OpenFiles, tmp_path: Path, *, index: bool
) -> None:
    """Half of it is copied in one cell and the rest in the next, through descriptors unknown to Python."""
    with closing(logged(tmp_path / "a.db")):
        log = (tmp_path / "a.db-wal").read_bytes()
        for ending in ("", "-shm") if index else ("",):
            shutil.copy(tmp_path / f"a.db{ending}", tmp_path / f"b.db{ending}")
    opened = [os.open(tmp_path / f"b.db{ending}", os.O_RDWR | os.O_CREAT) for ending in ("", "-wal", "-shm")]
    os.write(opened[1], log[: len(log) // 2])
    open_files.flush()
    os.write(opened[1], log[len(log) // 2 :])
    for descriptor in opened:
        os.close(descriptor)
    assert (tmp_path / "b.db-wal").read_bytes() == log
    (tmp_path / "b.db-shm").unlink()
    assert rows(tmp_path / "b.db") == ROWS


def test_the_rows_of_an_open_database_leave_its_log(
    open_files: OpenFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another process, since a connection in this one would drop the locks of another copy of SQLite."""

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("connected")

    with closing(logged(tmp_path / "x? y%20.db")) as base:
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", refused)
            open_files.flush()
        assert (tmp_path / "x? y%20.db-wal").stat().st_size == 0
        shutil.copy(tmp_path / "x? y%20.db", tmp_path / "copy.db")
        assert rows(tmp_path / "copy.db") == ROWS
        base.execute("insert into t values (1)")
        base.commit()
        assert rows(tmp_path / "x? y%20.db") == ROWS + 1


def test_the_log_stays_when_its_database_is_closed_meanwhile(tmp_path: Path) -> None:
    """The last connection to close would remove it while others have it open."""
    program = f"""
import sqlite3, os
base = sqlite3.connect({str(tmp_path / "x.db")!r}); base.execute("pragma journal_mode=wal")
base.execute("create table t (x)"); base.execute("insert into t values (1)"); base.commit()
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    sqlite_log._checkpoint_apart(f"file:{tmp_path / 'x.db'}?mode=rw")
    assert (tmp_path / "x.db-wal").stat().st_size == 0
    sqlite_log._checkpoint_apart(f"file:{tmp_path / 'none.db'}?mode=rw")
    assert not (tmp_path / "none.db").exists()


def test_a_checkpoint_that_hangs_is_ended() -> None:
    """Nothing of it is left: no process, no descriptor."""
    before = os.listdir("/proc/self/fd"), children()
    sqlite_log._checkpoint_apart("file:x.db", source="import time; time.sleep(1000)", longest=0.2)
    assert (os.listdir("/proc/self/fd"), children()) == before
