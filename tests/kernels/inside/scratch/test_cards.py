"""A card describes a file in a few lines; files of all kinds are tried in `loading/test_loading.py`."""

import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest

from kernels.inside.scratch.cards import ENTRIES, LINE, _card
from tests.kernels.inside.kernel_python import run

CALL = "load_file('k7m3q9x2va')"
CODE = """
import json, sys
from inside.scratch import cards
for name in sys.argv[1:]:
    print(json.dumps(cards.answer({"path": name, "file_id": "k7m3q9x2va", "filename": name})["text/card"]))
"""


def archive(count: int) -> bytes:
    """A zip with this many entries."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for number in range(count):
            made.writestr(f"{number}.txt", b"x" * number)
    return stream.getvalue()


def tape(count: int) -> bytes:
    """A tar with this many entries."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as made:
        for number in range(count):
            made.addfile(tarfile.TarInfo(f"{number}.txt"))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "lines"),
    [
        (b"", "a.csv", ["empty"]),
        (b"one\n\ntwo\n", "a.md", ["text, 3 lines, 9 characters", "one", "two"]),
        (b'{"a": 1, "b": [1]}', "a.json", ["object with 2 keys", "a (int), b (list)"]),
        (b'[1, "a", 2]', "a.json", ["list of 3: 2 int, 1 str"]),
        (archive(2), "a.zip", ["archive, 2 entries, 1 B unpacked", "0.txt (0 B), 1.txt (1 B)"]),
        (tape(1), "a.tar.gz", ["archive, 1 entry, 0 B unpacked", "0.txt (0 B)"]),
        (b"\x00asm" + bytes(100), "a.wasm", []),
        (pickle.dumps(1), "a.pkl", []),
    ],
    ids=["nothing", "words", "object", "list", "zip", "tar", "wasm", "pickle"],
)
def test_each_kind_has_its_words(data: bytes, name: str, lines: list[str]) -> None:
    """Singular or plural as needed; nothing is said about pickles and what only other programs read."""
    assert _card(data, name, CALL) == lines


def test_what_was_assumed_comes_second() -> None:
    """With the call that changes it."""
    lines = _card("caf\u00e9 au lait".encode("cp1252"), "a.md", CALL)
    assert lines[0].startswith("text, 1 line")
    assert lines[1].startswith("read with the encoding cp1252; to change that: load_file('k7m3q9x2va'")


def test_a_file_that_cannot_be_read_says_why_and_shows_its_text() -> None:
    """Also if it turns out to be damaged only further in."""
    lines = _card(b"a = = 1\nmore", "a.toml", CALL)
    assert lines[0].startswith("could not be read as toml: TOMLDecodeError")
    assert lines[1:] == ["text, 2 lines, 12 characters", "a = = 1", "more"]
    broken = archive(3)[:-1]
    assert _card(broken[:40] + broken[60:], "a.zip", CALL) in ([], ["not readable to the end: BadZipFile"])


def test_long_ones_are_cut() -> None:
    """Lines and archive entries."""
    assert len(_card(b"x" * 1000, "a.md", CALL)[1]) == LINE
    assert f"and {1000 - ENTRIES:,} more" in _card(archive(1000), "a.zip", CALL)[1]


def test_a_notebook_is_told_by_its_cells_and_first_heading() -> None:
    """Including one of format 3."""
    cells = [
        {"cell_type": "code", "source": "# no heading"},
        {"cell_type": "markdown", "source": ["words\n", "## The title\n"]},
    ]
    book = json.dumps({"nbformat": 4, "cells": cells}).encode()
    assert _card(book, "a.ipynb", CALL) == [
        "notebook, 2 cells: 1 code, 1 markdown",
        "first heading: The title",
    ]
    old = json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}).encode()
    assert _card(old, "a.ipynb", CALL)[0] == "notebook, 2 cells: 1 code, 1 markdown"


def test_arrays_are_told_by_their_headers(tmp_path: Path) -> None:
    """Nothing is unpickled, neither for them nor for a table that holds pickles."""
    made = "import numpy as np; np.save('a.npy', np.zeros((2, 3)));"
    made += "np.savez('b.npz', one=np.arange(2), two=np.array([{}], dtype=object))"
    run(made, cwd=tmp_path)
    told = [json.loads(line) for line in run(CODE, "a.npy", "b.npz", cwd=tmp_path).splitlines()]
    assert told == [
        "array, shape (2, 3), float64",
        "2 arrays\none (array, shape (2,), int64), two (array, shape (1,), object)",
    ]
