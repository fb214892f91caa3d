"""Dates and modes where they cannot be changed: what is not there is still an error."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernels.inside.libraries import attributes

NAMES = ("utime", "chmod")


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[Any, ...]]]:
    """Calls that succeed without a look at the file; gives those that were made."""
    made: dict[str, list[tuple[Any, ...]]] = {name: [] for name in NAMES}

    def call(name: str) -> Callable[..., None]:
        return lambda *args, **_: made[name].append(args)

    for name in NAMES:
        monkeypatch.setattr(os, name, call(name))
    monkeypatch.setattr(attributes, "SETS", ())
    attributes.follow()
    made["utime"].clear()
    made["chmod"].clear()
    return made


def test_a_file_is_made_by_touch(pretended: dict[str, list[tuple[Any, ...]]], tmp_path: Path) -> None:
    """Python asks for a new date first, and makes the file if that fails."""
    (tmp_path / "new").touch()
    assert (tmp_path / "new").exists()
    (tmp_path / "new").touch()
    assert len(pretended["utime"]) == 1


def test_what_is_not_there_is_an_error(pretended: dict[str, list[tuple[Any, ...]]], tmp_path: Path) -> None:
    """By path, and below a descriptor; a link is there even if what it leads to is not."""
    with pytest.raises(FileNotFoundError):
        (tmp_path / "none").chmod(0o600)
    with pytest.raises(FileNotFoundError):
        os.utime(tmp_path / "none", (1, 1))
    (tmp_path / "link").symlink_to("none")
    with pytest.raises(FileNotFoundError):
        os.utime(tmp_path / "link")
    os.utime(tmp_path / "link", follow_symlinks=False)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        os.utime(folder)
        os.utime("link", dir_fd=folder, follow_symlinks=False)
        with pytest.raises(FileNotFoundError):
            os.utime("none", dir_fd=folder)
    finally:
        os.close(folder)
    assert len(pretended["utime"]) == 3
    assert pretended["chmod"] == []


def test_where_they_work_they_are_left_alone() -> None:
    """Nothing stands between a cell and the system where that is not needed."""
    before = {name: getattr(os, name) for name in NAMES}
    attributes.follow()
    assert {name: getattr(os, name) for name in NAMES} == before


def test_they_are_what_they_were_to_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`shutil` asks what they can do, and a variable that holds one of them is saved by its name."""
    for name in NAMES:
        monkeypatch.setattr(os, name, getattr(os, name))  # which is put back
    sets = [set(known) for known in attributes.SETS]
    try:
        attributes._look_first("utime")
        assert os.utime in os.supports_follow_symlinks
        assert pickle.loads(pickle.dumps(os.utime)) is os.utime
        (tmp_path / "a").write_text("1")
        shutil.copy2(tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "b").stat().st_mtime == (tmp_path / "a").stat().st_mtime
    finally:
        for known, was in zip(attributes.SETS, sets, strict=True):
            known.intersection_update(was)
