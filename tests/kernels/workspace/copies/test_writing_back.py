"""A file of a workspace gets its bytes back, whatever is there by now."""

import os
from io import BytesIO
from pathlib import Path

import pytest

from kernels.workspace.copies.writing_back import write_back


def files(folder: Path) -> dict[str, bytes]:
    """All files of the folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_file_is_replaced_or_made_with_its_folders(tmp_path: Path) -> None:
    """Its name stays what it is, however odd."""
    (tmp_path / "-rf .txt").write_bytes(b"new")
    write_back(tmp_path, "-rf .txt", BytesIO(b"old"))
    write_back(tmp_path, "a/b/c", BytesIO(b"deep"))
    assert files(tmp_path) == {"-rf .txt": b"old", "a/b/c": b"deep"}


def test_a_file_is_deleted_with_folders_that_are_empty_then(tmp_path: Path) -> None:
    """A file that is not there is deleted already."""
    write_back(tmp_path, "a/b/c", BytesIO(b"1"))
    write_back(tmp_path, "a/d", BytesIO(b"2"))
    write_back(tmp_path, "a/b/c", None)
    write_back(tmp_path, "nowhere/x", None)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["d"]
    write_back(tmp_path, "a/d", None)
    assert list(tmp_path.iterdir()) == []


def test_links_are_replaced_and_never_followed(tmp_path: Path) -> None:
    """Neither the file's own name nor a folder on the way."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (inside / "link").symlink_to(outside / "secret")
    (inside / "way").symlink_to(outside)
    write_back(inside, "link", BytesIO(b"mine"))
    for source in (BytesIO(b"x"), None):
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            write_back(inside, "way/secret", source)
    assert files(outside) == {"secret": b"secret"}
    assert (inside / "link").read_bytes() == b"mine"
    assert not (inside / "link").is_symlink()


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", ".", "a\0b", "/".join("a" * 99)]
)
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    """Nothing is made."""
    (tmp_path / "inside").mkdir()
    with pytest.raises(OSError, match="Invalid argument"):
        write_back(tmp_path / "inside", name, BytesIO(b"x"))
    assert files(tmp_path) == {}


def test_a_file_without_room_leaves_the_old_one(tmp_path: Path) -> None:
    """The size is asked about before anything is written."""
    (tmp_path / "a").write_bytes(b"as it is")

    def refuse(size: int) -> None:
        raise OSError(28, f"no room for {size}")

    with pytest.raises(OSError, match="no room for 3"):
        write_back(tmp_path, "a", BytesIO(b"new"), refuse)
    assert files(tmp_path) == {"a": b"as it is"}
    assert os.listdir(tmp_path) == ["a"]
