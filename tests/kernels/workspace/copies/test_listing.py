"""The files of a workspace with the digests of their bytes."""

import hashlib
import os
from pathlib import Path

import pytest

from kernels.workspace.copies import listing as module
from kernels.workspace.copies.listing import UNLISTED, FileState, Listing, is_cut


def listing(folder: Path) -> Listing:
    """The list of this folder's files."""
    return Listing(folder, max_file=100)


def test_each_file_has_its_digest_size_and_time(tmp_path: Path) -> None:
    """With its folders; what no person has made is left out."""
    (tmp_path / "out" / "__pycache__").mkdir(parents=True)
    (tmp_path / "out" / "a.txt").write_bytes(b"abc")
    (tmp_path / "out" / "__pycache__" / "x.pyc").write_bytes(b"")
    os.utime(tmp_path / "out" / "a.txt", (5, 1000.5))
    digest = hashlib.sha256(b"abc").hexdigest()
    assert listing(tmp_path).now() == {"out/a.txt": FileState("out/a.txt", 3, digest, 1000.5)}


def test_what_cannot_be_read_or_put_back_has_no_digest(tmp_path: Path) -> None:
    """A file that is too large, a link, and one whose name cannot be shown, which gets another."""
    (tmp_path / "large").write_bytes(bytes(101))
    (tmp_path / "link").symlink_to("large")
    (tmp_path / "odd\n").write_bytes(b"1")
    found = listing(tmp_path).now()
    assert {path: file.sha256 for path, file in found.items()} == {"large": "", "link": "", "odd\n": ""}
    assert found["odd\n"].name != "odd\n"


def test_a_file_is_read_again_only_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times tell, once enough time has passed to tell them apart."""
    monkeypatch.setattr(module, "TICK", -(10**18))
    files, read = listing(tmp_path), list[str]()
    digest = module._digest
    monkeypatch.setattr(module, "_digest", lambda path, *rest: read.append(path) or digest(path, *rest))
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"1")
    before = files.now()
    (tmp_path / "b").write_bytes(b"22")
    after = files.now()
    assert read == ["a", "b", "b"]
    assert after["a"] == before["a"]
    assert after["b"].sha256 == hashlib.sha256(b"22").hexdigest()


def test_only_so_much_is_listed_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is read for a later list."""
    monkeypatch.setattr(module, "MOST_FILES", 2)
    monkeypatch.setattr(module, "TICK", -(10**18))
    for name in "abc":
        (tmp_path / name).write_bytes(bytes(60))
    files = listing(tmp_path)
    assert [(path, bool(file.sha256)) for path, file in files.now(hashed=100).items()] == [
        ("a", True),
        ("b", False),
    ]
    assert all(file.sha256 for file in files.now(hashed=100).values())
    assert is_cut(files.now())
    assert listing(tmp_path / "nowhere").now() == {}


def test_what_is_not_looked_at_is_in_the_list_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever compares two lists must not take it for new or gone."""
    (tmp_path / "inner").mkdir()
    for name in ("inner/a", "inner/b", "c"):
        (tmp_path / name).write_bytes(b"1")
    assert list(listing(tmp_path).now()) == ["c", "inner/a", "inner/b"]
    monkeypatch.setattr(module, "MOST_ENTRIES", 3)
    few = listing(tmp_path).now()
    assert (len(few), few[""]) == (3, UNLISTED)
    (tmp_path / "file").write_bytes(b"")
    assert listing(tmp_path / "file").now() == {"": UNLISTED}
