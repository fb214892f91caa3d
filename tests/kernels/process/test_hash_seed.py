"""Kernels that bring variables back have the seed of hashes that the kernels before them had."""

import os
from pathlib import Path

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


def test_without_a_folder_there_is_no_seed(tmp_path: Path) -> None:
    """Kernels start all the same."""
    assert kept_in(tmp_path / "gone") is None


def test_kernels_get_the_seed_only_if_there_is_one() -> None:
    """Otherwise Python takes another one for each process."""
    python = Path("/k/bin/python")
    assert environment(python, Path("/i"), os.environ, hash_seed=7)["PYTHONHASHSEED"] == "7"
    assert "PYTHONHASHSEED" not in environment(python, Path("/i"), {"PYTHONHASHSEED": "3"})
