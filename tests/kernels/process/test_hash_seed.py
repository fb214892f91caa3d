"""Kernels that bring variables back have the seed of hashes that the kernels before them had."""

import os
from pathlib import Path

import pytest

from kernels.process import hash_seed as module
from kernels.process.environment import environment
from kernels.process.hash_seed import FILE, kept_in


def test_a_folder_keeps_its_seed(tmp_path: Path) -> None:
    """Only we can read it; another folder has another one, and a damaged one is made anew."""
    seed = kept_in(tmp_path)
    assert seed is not None
    assert 0 < seed < 1 << 32
    assert kept_in(tmp_path) == seed
    assert [each.name for each in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / "other").mkdir()
    assert kept_in(tmp_path / "other") != seed
    (tmp_path / FILE).write_text("")
    assert kept_in(tmp_path) not in (None, 0)


def test_two_programs_that_make_a_seed_at_once_have_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that another one has made since we looked stays, with what may have been saved by now."""
    read, others = module._read, list[int | None]()

    def reads(path: Path) -> int | None:
        found = read(path)
        if not others:
            others.append(None)
            others.append(kept_in(tmp_path))
        return found

    monkeypatch.setattr(module, "_read", reads)
    assert kept_in(tmp_path) == others[1]
    assert kept_in(tmp_path) == others[1]


def test_a_seed_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the end of the machine could leave an empty file, and the next seed would be another one."""
    synced, link, fsync = list[int](), os.link, os.fsync

    def syncs(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    def links(made: Path, path: Path) -> None:
        assert synced == [made.stat().st_size]
        link(made, path)

    monkeypatch.setattr(os, "fsync", syncs)
    monkeypatch.setattr(os, "link", links)
    assert len(str(kept_in(tmp_path))) == synced[0]


def test_without_a_folder_there_is_no_seed(tmp_path: Path) -> None:
    """Kernels start all the same."""
    assert kept_in(tmp_path / "gone") is None


def test_kernels_get_the_seed_only_if_there_is_one() -> None:
    """Otherwise Python takes another one for each process."""
    python = Path("/k/bin/python")
    assert environment(python, Path("/i"), os.environ, hash_seed=7)["PYTHONHASHSEED"] == "7"
    assert "PYTHONHASHSEED" not in environment(python, Path("/i"), {"PYTHONHASHSEED": "3"})
