"""A bundle's `load_file`, `file_path` and `list_files` find the files that lie beside it."""

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.notebooks.bundle import OF_OURS


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module as it is in a bundle with one file, imported from there."""
    for name, source in OF_OURS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tmp_path / name)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "data-1.json").write_text('{"a": [1, 2]}')
    entry = {"file_id": "k7m3q9x2va", "filename": "data.json", "path": "files/data-1.json"}
    (tmp_path / "files.json").write_text(json.dumps([entry]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield importlib.import_module("kernelcord_files")
    for name in [name for name in sys.modules if name.partition(".")[0] == "kernelcord_files"]:
        del sys.modules[name]


@pytest.mark.parametrize("wanted", ["k7m3q9x2va", "K7M3Q9X2VA", "data.json", "files/data-1.json"])
def test_a_file_is_found_by_its_id_and_its_names(bundled: Any, wanted: str) -> None:
    """By its id in either case, by its original name, and by its name in the folder."""
    assert bundled.load_file(wanted) == {"a": [1, 2]}
    assert bundled.load_file(wanted, raw=True) == b'{"a": [1, 2]}'
    assert Path(bundled.file_path(wanted)).read_bytes() == b'{"a": [1, 2]}'


def test_a_file_that_a_cell_has_just_written_comes_first(bundled: Any, tmp_path: Path) -> None:
    """It is newer than the file of that name in the bundle."""
    (tmp_path / "data.json").write_text("[3]")
    assert bundled.load_file("data.json") == [3]
    assert bundled.load_file("k7m3q9x2va") == {"a": [1, 2]}


def test_an_absent_file_is_named_on_one_line(bundled: Any) -> None:
    """Whatever its name contains."""
    with pytest.raises(FileNotFoundError, match=r"^no file a_b: it is not in this folder$"):
        bundled.file_path("a\nb")


def test_what_was_assumed_is_printed(
    bundled: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the call that changes it."""
    (tmp_path / "words.md").write_bytes("caf\u00e9 au lait".encode("cp1252"))
    assert bundled.load_file("words.md") == "caf\u00e9 au lait"
    said = "[words.md: read with the encoding cp1252; to change that: load_file('words.md', encoding=...)]\n"
    assert capsys.readouterr().err == said
