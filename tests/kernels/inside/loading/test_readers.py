"""Binary files that need none of the kernels' libraries; `test_loading` tries all others."""

import pickle
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kernels.inside.loading import readers
from kernels.inside.loading.source import NotLoaded, Source


def source(data: bytes, kind: str = "x", **options: Any) -> Source:
    """A file of this kind."""
    return Source(data, f"a.{kind}", kind, options)


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_database_is_a_copy_in_memory(tmp_path: Path, journal: str) -> None:
    """Even one with a write-ahead log, which memory cannot have; databases of other programs are bytes."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as base:
        base.execute(f"pragma journal_mode={journal}")
        base.execute("create table t (a)")
        base.execute("insert into t values (1)")
        base.commit()
    with closing(readers.database(source((tmp_path / "a.db").read_bytes()))) as copy:
        assert copy.execute("select a from t").fetchall() == [(1,)]
        copy.execute("delete from t")
    with closing(sqlite3.connect(tmp_path / "a.db")) as base:
        assert base.execute("select a from t").fetchall() == [(1,)]
    assert readers.database(source(b"another one")) == b"another one"


def test_a_pickle_is_its_object() -> None:
    """With the options that Python's reader takes."""
    assert readers.pickled(source(pickle.dumps({"a": 1}))) == {"a": 1}
    assert readers.pickled(source(pickle.dumps("a"), encoding="bytes")) == "a"


@pytest.mark.parametrize("data", [b"\x89HDF\r\n\x1a\n", bytes(512) + b"\x89HDF\r\n\x1a\n"])
def test_what_nothing_reads_says_what_to_do(data: bytes) -> None:
    """MATLAB's newest files are HDF5 inside, and so is NetCDF 4."""
    with pytest.raises(NotLoaded, match="save it with '-v7'"):
        readers.matlab(source(data, "mat"))
    if data.startswith(b"\x89HDF"):
        with pytest.raises(NotLoaded, match=r"save it as \.csv"):
            readers.netcdf(source(data, "nc"))


def test_an_error_has_the_files_name_and_not_that_of_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that only take a path get the path of a copy."""
    module: Any = ModuleType("pyreadstat")
    paths: list[str] = []

    def read_por(path: str, **_: Any) -> None:
        paths.append(path)
        raise OSError(f"{path} is broken")

    module.read_por = read_por
    monkeypatch.setitem(sys.modules, "pyreadstat", module)
    with pytest.raises(ValueError, match=r"^a\.por is broken$"):
        readers.spss_portable(source(b"x", "por"))
    assert not Path(paths[0]).exists()


def test_options_go_to_pandas_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, and the reader gets a file."""
    module: Any = ModuleType("pandas")
    module.read_orc = lambda stream, **options: (stream.read(), options)
    monkeypatch.setitem(sys.modules, "pandas", module)
    read = readers.pandas("read_orc")
    assert read(source(b"x", "orc", columns=["a"], other=1)) == (b"x", {"columns": ["a"], "other": 1})
