"""File cards, made with real kernels: what they say of good files, and that hostile ones are contained."""

import asyncio
import gzip
import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest

from bot.scratch.file_cards import file_cards
from bot.sessions import Sessions
from filestore.errors import StoreUnavailable
from filestore.records import StoredFile
from kernels.workspace.removal import PREFIX
from tests.conftest import KERNEL_PYTHON, ROOT

MAKE = """
import pandas as pd, sqlite3
from PIL import Image
cities = ["Bern", "Zürich", None, "Genf"]
df = pd.DataFrame({"city": cities, "people": [1, 2, 3, 4], "x": [0.5, None, None, 2]})
df.to_excel("cities.xlsx", index=False); df.to_parquet("cities.parquet")
df.to_json("cities.json", orient="records")
df.to_csv("cities.csv", index=False, sep=";")
Image.new("RGB", (320, 200)).save("picture.png")
with sqlite3.connect("towns.db") as base: df.to_sql("towns", base, index=False)
"""


async def uploaded(sessions: Sessions, files: dict[str, bytes]) -> dict[str, str]:
    """The cards of person 1's files, by name."""
    session = await sessions.session(1, "terminal")
    stored: list[StoredFile] = [await session.files.upload(name, data) for name, data in files.items()]
    cards = await file_cards(session.files, session.scratch, stored)
    assert cards.keys() == {file.file_id for file in stored}
    for file in stored:
        card = cards[file.file_id]
        assert file.file_id in card
        assert len(card) <= 900
    return {file.filename: cards[file.file_id] for file in stored}


@pytest.mark.timeout(120)
async def test_cards_say_what_files_hold(sessions: Sessions) -> None:
    """Tables, pictures, databases: shapes, types, nulls, a sample; the person's cell count is unchanged."""
    made = await sessions.execute_code(MAKE, user_id=1)
    assert made.success, made.error
    session = await sessions.session(1, "terminal")
    cards = await file_cards(session.files, session.scratch, [file.record for file in made.generated_files])
    by_name = {file.filename: cards[file.file_id] for file in made.generated_files}
    for name in ("cities.xlsx", "cities.parquet", "cities.json", "cities.csv"):
        card = by_name[name]
        assert "table, 4 rows x 3 columns" in card, card
        assert "people int64" in card
        assert "x float64 (2 null)" in card
        assert "Zürich" in card
    assert "320 x 200 pixels, RGB" in by_name["picture.png"]
    assert "towns (4 rows)" in by_name["towns.db"]
    again = await sessions.execute_code("1 + 1", user_id=1)
    assert again.execution_count == 2


@pytest.mark.timeout(120)
async def test_cards_of_text_notebook_and_archive(sessions: Sessions, tmp_path: Path) -> None:
    """Lines of text, cells by kind with the first heading, entries with sizes; nothing is left on disk."""
    cells = [
        {"cell_type": "markdown", "source": ["# Sea levels\n", "words"]},
        {"cell_type": "code", "source": "x = 1"},
        {"cell_type": "code", "source": "y = 1"},
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/data.csv", "x\n1\n")
        archive.writestr("a/data.bin", b"\0")
    cards = await uploaded(
        sessions,
        {
            "notes.txt": b"first line\nsecond\n",
            "sea.ipynb": json.dumps(
                {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
            ).encode(),
            "all.zip": packed.getvalue(),
            "settings.json": b'{"a": 1, "b": [1, 2]}',
            "empty.csv": b"",
            "odd.bin": b"\x00\x01\x02" * 100,
        },
    )
    assert "text, 2 lines" in cards["notes.txt"]
    assert "first line" in cards["notes.txt"]
    assert "1 markdown, 2 code" in cards["sea.ipynb"]
    assert "first heading: Sea levels" in cards["sea.ipynb"]
    assert "archive, 2 entries, 5 B unpacked" in cards["all.zip"]
    assert "a/data.csv" in cards["all.zip"]
    assert "a (int), b (list)" in cards["settings.json"]
    assert cards["empty.csv"].endswith(": empty")
    assert cards["odd.bin"].endswith(")")
    workspaces = (tmp_path / "data" / "workspaces").iterdir()
    assert [folder.name for folder in workspaces if not folder.name.startswith(PREFIX)] == ["u1"]


@pytest.mark.timeout(180)
async def test_hostile_files_have_a_card_with_type_and_size(sessions: Sessions) -> None:
    """Bombs, deep JSON, wrong extensions, pickles, odd names: each has a card, and so do good files."""
    bomb = gzip.compress(b"a,b\n") + gzip.compress(b"1,2\n" * (4 << 20)) * 200  # 3 GB
    cards = await uploaded(
        sessions,
        {
            "bomb.csv.gz": bomb,
            "deep.json": b"[" * 200_000,
            "wrong.xlsx": b"just words\n",
            "wrong.png": b"not a picture\n",
            "object.pkl": b"cos\nsystem\n(S'touch ran'\ntR.",
            "@everyone `\u202egpj.exe.csv": b"a,b\n1,@everyone ```\n",
            "good.csv": b"a,b\n1,2\n",
        },
    )
    assert len(cards) == 7
    assert "could not be read as json" in cards["deep.json"]
    assert "could not be read as xlsx: it is text, not a workbook" in cards["wrong.xlsx"]
    assert "text, 1 line, " in cards["wrong.xlsx"]
    assert cards["object.pkl"].endswith(")")
    assert "table, 1 row x 2 columns" in cards["good.csv"]
    for card in cards.values():
        assert "\u202e" not in card
    assert "ran" not in (await sessions.execute_code("print(__import__('os').listdir())", 1)).output


class Unpickled:
    """Unpickling this in the kernel makes every card say that something was unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, (
            "from inside.scratch import cards; cards._described = cards._text = lambda *_: ['UNPICKLED']",
        )


PICKLED = pickle.dumps(Unpickled())


def npy(descr: str, shape: str, values: bytes) -> bytes:
    """An array as numpy writes it: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + values


@pytest.mark.timeout(120)
async def test_no_card_unpickles(sessions: Sessions) -> None:
    """A file that holds a pickle, packed or not, is described without loading it; an array by its header."""
    objects = npy("|O", "(1,)", PICKLED)
    arrays = io.BytesIO()
    with zipfile.ZipFile(arrays, "w") as archive:
        archive.writestr("a.npy", objects)
    cards = await uploaded(
        sessions,
        {
            "objects.npy": objects,
            "objects.npy.gz": gzip.compress(objects),
            "numbers.npy": npy("<f8", "(2, 1)", bytes(16)),
            "arrays.npz": arrays.getvalue(),
            "arrays.npz.gz": gzip.compress(arrays.getvalue()),
            "object.pkl": PICKLED,
            "object.pickle.gz": gzip.compress(PICKLED),
            "object.joblib.gz": gzip.compress(PICKLED),
        },
    )
    assert not [name for name, card in cards.items() if "UNPICKLED" in card]
    assert cards["objects.npy"].endswith(": array, shape (1,), object")
    assert cards["objects.npy.gz"].endswith(": array, shape (1,), object")
    assert cards["numbers.npy"].endswith(": array, shape (2, 1), float64")
    for name in ("arrays.npz", "arrays.npz.gz"):
        assert cards[name].endswith(": 1 array\na (array, shape (1,), object)"), cards[name]
    for name in ("object.pkl", "object.pickle.gz", "object.joblib.gz"):
        assert cards[name].endswith(")"), cards[name]


async def test_a_reader_that_unpickles_by_itself_is_refused(tmp_path: Path) -> None:
    """If a library unpickles part of what it reads, as some have done, the file counts as damaged."""
    (tmp_path / "0").write_bytes(PICKLED)
    program = (
        "import pickle; from inside.scratch import cards; from inside.loading import kinds;"
        "kinds.READERS['orc'] = lambda source: pickle.loads(source.data);"
        "print(cards.answer({'path': '0', 'filename': 'a.orc', 'file_id': '0'})['text/card'])"
    )
    process = await asyncio.create_subprocess_exec(
        *(str(KERNEL_PYTHON), "-c", program),
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "kernels")},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert said.startswith(b"could not be read as orc: PermissionError: pickles are not read here")
    assert b"UNPICKLED" not in said


async def test_no_files_need_no_kernel(sessions: Sessions) -> None:
    """If nothing is sent, no kernel is started."""
    session = await sessions.session(1, "terminal")
    assert await file_cards(session.files, session.scratch, []) == {}


@pytest.mark.parametrize("error", [ValueError("seek of closed file"), StoreUnavailable("away")])
async def test_whatever_fails_there_is_a_card_with_type_and_size(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A card is an extra: no fault of ours may cost the answer to the message."""
    session = await sessions.session(1, "terminal")

    async def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(session.files, "open", fails)
    cards = await uploaded(sessions, {"a.csv": b"a,b\n1,2\n"})
    assert cards["a.csv"].startswith("a.csv (data, 8 B, id ")
