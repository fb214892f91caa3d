"""What a cell has left open for writing is flushed when the cell ends."""

import gc
import io
import os
from pathlib import Path

import pytest

from kernels.inside.files import open_files as module
from kernels.inside.files.open_files import OpenFiles


@pytest.fixture
def open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenFiles:
    """Open files as a cell has them, in a workspace of its own."""
    monkeypatch.chdir(tmp_path)
    begun = OpenFiles()
    begun.begin_cell()
    return begun


@pytest.mark.parametrize("mode", ["w", "wb", "w+b", "a"])
def test_what_is_in_the_buffer_is_written(open_files: OpenFiles, mode: str) -> None:
    """For text and for bytes; later cells do not need another search through all objects."""
    with open("x.csv", mode) as file:
        file.write("a" if mode in ("w", "a") else b"a")
        assert Path("x.csv").read_text() == ""
        open_files.flush()
        assert Path("x.csv").read_text() == "a"
        file.write("b" if mode in ("w", "a") else b"b")
        open_files.flush()
        assert Path("x.csv").read_text() == "ab"


def test_a_file_is_flushed_that_was_opened_where_another_one_was_closed(
    open_files: OpenFiles, tmp_path: Path
) -> None:
    """`f = open(...)` in the next cell closes the previous file, and the new one gets its number."""
    (tmp_path / "in.txt").write_text("a")
    file = (tmp_path / "in.txt").open()
    open_files.flush()
    file.close()
    with (tmp_path / "out.txt").open("w") as written:
        written.write("hello")
        open_files.flush()
        assert (tmp_path / "out.txt").read_text() == "hello"


def test_a_file_that_was_reopened_with_the_same_number_is_found(open_files: OpenFiles) -> None:
    """It is a different file object."""
    first = open("x.csv", "w")  # noqa: SIM115
    first.write("first")
    open_files.flush()
    number = first.fileno()
    first.close()
    with open("x.csv", "a") as second:
        assert second.fileno() == number
        second.write(", second")
        open_files.flush()
        assert Path("x.csv").read_text() == "first, second"


def test_all_objects_are_looked_at_only_for_a_new_file(
    open_files: OpenFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There can be millions of objects; a cell that opens no file costs only a look at the descriptors."""
    looks: list[int] = []
    everything = gc.get_objects
    monkeypatch.setattr(module.gc, "get_objects", lambda: looks.append(1) or everything())
    open_files.flush()
    assert looks == []
    with open("x.csv", "w") as file:
        for _ in range(3):
            file.write("a")
            open_files.flush()
    assert looks == [1]


def test_what_was_open_before_the_first_cell_is_left_alone(tmp_path: Path) -> None:
    """Those files belong to the kernel."""
    with (tmp_path / "own").open("w") as own:
        begun = OpenFiles()
        begun.begin_cell()
        own.write("a")
        begun.flush()
        assert (tmp_path / "own").read_text() == ""


def test_a_class_of_the_persons_does_no_harm(open_files: OpenFiles) -> None:
    """Its own `flush` is not called, and an error below the buffer ends nothing."""

    class Loud(io.TextIOWrapper):
        calm = False

        def flush(self) -> None:
            if not self.calm:
                raise SystemExit
            super().flush()

    class Odd(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def fileno(self) -> int:
            raise RuntimeError("no")

    descriptor = os.open("x.csv", os.O_WRONLY | os.O_CREAT)
    loud = Loud(io.BufferedWriter(io.FileIO(descriptor, "w")))
    odd = io.BufferedWriter(Odd())
    loud.write("a")
    open_files.flush()
    assert Path("x.csv").read_text() == "a"
    loud.calm = True
    loud.close()
    odd.detach()
