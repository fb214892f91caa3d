"""Notebooks read and written in a process of their own: the same result, and hostile ones cost us little."""

import ast
import errno
import json
import os
import resource
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pytest

from kernels.notebooks import conversion, notebook
from kernels.notebooks.cells import Cell, Code, Markdown, NotebookError, Raw
from kernels.notebooks.conversion import reading
from tests.kernels.notebooks.test_reading import VERSION_3
from tests.live.cells import children
from tests.test_layering import MODULES, ROOT, imported

MIB = 1 << 20
SHOWN = {"output_type": "display_data", "data": {"text/plain": "1", "application/json": [1]}, "metadata": {}}
CELLS: tuple[Cell, ...] = (
    Markdown("Hi \U0001f600", author="Ada"),
    Raw("---"),
    Code("x\ny", (SHOWN, SHOWN), 3, "error", ("k7m3q9x2va",), "Ada", 1.5, ("mine",)),
    Code("z"),
)


async def each(cells: Iterable[Cell]) -> AsyncIterator[Cell]:
    """The cells one by one, as a transcript yields them."""
    for cell in cells:
        yield cell


async def written(cells: Iterable[Cell]) -> bytes:
    """What `conversion.write` writes."""
    with tempfile.TemporaryFile() as file:
        await conversion.write(each(cells), file, packages={"a": "1"})
        assert file.tell() == os.fstat(file.fileno()).st_size
        file.seek(0)
        return file.read()


async def read(data: bytes, **options: Any) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """The cells and notes that `reading` gives, checked to be the same on a second pass."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        async with reading(file, **options) as found:
            cells = tuple(found.cells)
            assert tuple(found.cells) == cells
            assert found.code_cells == sum(isinstance(cell, Code) for cell in cells)
            return cells, found.notes


def full_disk() -> BinaryIO:
    """A file that cannot be written to."""
    return open("/dev/full", "wb")


async def refused(data: bytes, **options: Any) -> str:
    """The sentence with which a notebook is refused."""
    with pytest.raises(NotebookError) as caught:
        await read(data, **options)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Any:
    """Check that the process has ended and was waited for, whatever happened."""
    before = children(os.getpid())  # another test's server may be among them
    yield
    assert children(os.getpid()) <= before


async def test_it_writes_what_is_written_here() -> None:
    """The same bytes, although the process may open nothing and gets its cells as lines."""
    assert await written(CELLS) == notebook.write(CELLS, packages={"a": "1"})
    assert await written([]) == notebook.write([], packages={"a": "1"})


@pytest.mark.parametrize(
    "data",
    [notebook.write(CELLS), json.dumps(VERSION_3).encode("utf-8-sig"), notebook.write([])],
    ids=["version 4", "version 3", "empty"],
)
async def test_it_reads_what_is_read_here(data: bytes) -> None:
    """The same cells and notes, in any format version: all that is needed was imported beforehand."""
    found = notebook.read(data)
    assert await read(data) == (found.cells, found.notes)


async def test_what_is_no_notebook_is_refused_with_the_same_sentence() -> None:
    """The process words it, and we pass it on."""
    assert await refused(b'{"nbformat": 4,\n "cells": [}') == (
        "The file is not valid JSON: Expecting value at line 2, column 12."
    )


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "many cells": (
        lambda: b'{"nbformat":4,"cells":[' + b"{}," * (3 * MIB) + b"{}]}",
        "3,145,729 cells; the limit is",
    ),
    "many values": (
        lambda: b'{"nbformat":4,"cells":[' + b'{"":0},' * (5 * MIB) + b"{}]}",
        "contains more than can be read",
    ),
    "a large file": (lambda: b" " * (50 * MIB + 1), "too large: 50.0 MB; the limit is 50 MB"),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_notebook_costs_us_nothing(kind: str) -> None:
    """Megabytes that would become gigabytes of objects are refused in a sentence, and we never hold them."""
    make, sentence = HOSTILE[kind]
    with tempfile.TemporaryFile() as file:
        file.write(make())
        before = _memory()
        with pytest.raises(NotebookError, match=sentence):
            async with reading(file):
                pytest.fail("it was read")
    assert _memory() - before < 16 * MIB


async def test_a_notebook_of_many_outputs_is_held_cell_by_cell() -> None:
    """While we go through 20 MB of pictures, our memory holds those of one cell at a time."""
    picture = {"output_type": "display_data", "data": {"image/png": "A" * MIB}, "metadata": {}}
    with tempfile.TemporaryFile() as file:
        file.write(notebook.write([Code("x", (picture,))] * 20))
        before = _memory()
        async with reading(file) as found:
            sizes = [
                len(cell.outputs[0]["data"]["image/png"]) for cell in found.cells if isinstance(cell, Code)
            ]
        assert _memory() - before < 12 * MIB
    assert sizes == [MIB] * 20


async def test_what_takes_too_long_is_ended() -> None:
    """At the deadline the process is killed, and the person is told."""
    assert await refused(notebook.write(CELLS), deadline=0.01) == conversion.TOO_LONG["read"]


async def test_a_full_disk_is_an_error_of_the_disk() -> None:
    """What the process cannot write is reported as our own OSError, with its number."""
    with full_disk() as full, pytest.raises(OSError, match="No space") as caught:
        await conversion.write(each(CELLS), full)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("kind", [ConnectionError, ConnectionResetError, BrokenPipeError, TimeoutError])
async def test_cells_that_fail_to_come_end_the_process(kind: type[OSError]) -> None:
    """A database failure amid the cells is raised as itself, and half a notebook never passes for a whole."""

    async def failing() -> AsyncIterator[Cell]:
        yield CELLS[0]
        raise kind("the database is gone")

    with tempfile.TemporaryFile() as file, pytest.raises(kind, match="the database is gone"):
        await conversion.write(failing(), file)


async def test_the_process_has_nothing_of_our_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a token nor the location of our files."""
    told = tmp_path / "python"
    told.write_text("#!/bin/sh\ncat >/dev/null\nenv >&2\nexit 3\n")
    told.chmod(told.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(told))
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    said = await refused(notebook.write(CELLS))
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert names <= {*conversion.PASSED_ON, "PYTHONUTF8", "PWD", "OLDPWD", "SHLVL", "_"}


def test_the_process_can_open_nothing_and_take_little(tmp_path: Path) -> None:
    """No file, folder, socket or program, and limited memory, all before it reads what strangers made."""
    (tmp_path / "mine").write_text("mine")
    program = """
import os, resource, socket
from kernels.notebooks import converter
converter._give_up_rights(10)
for attempt in (lambda: open("/etc/passwd"), lambda: os.listdir("/"), lambda: socket.socket(),
                lambda: os.posix_spawn("/bin/true", ["true"], {}) and None):
    try:
        attempt()
    except OSError:
        continue
    print("got through")
if resource.getrlimit(resource.RLIMIT_AS)[1] > converter.MEMORY:
    print("may take more memory")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=conversion.CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


def test_nothing_else_reads_notebooks_itself() -> None:
    """`notebooks.notebook` parses strangers' files and takes a second to import: only that process may."""
    importers = [
        str(path)
        for path in MODULES
        if {
            "kernels.notebooks.notebook.read",
            "kernels.notebooks.notebook.written",
            "kernels.notebooks.notebook",
        }
        & set(imported(PurePosixPath(path), ast.parse((ROOT / path).read_text("utf-8"))))
    ]
    assert importers == ["kernels/notebooks/converter.py"]


def _memory() -> int:
    """Bytes of this process that are resident in memory."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
