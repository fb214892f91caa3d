"""Files outside the workspace: what is said of them, and which ones cells left in temporary folders."""

import os
from pathlib import Path

import pytest

from kernels.inside.files import elsewhere
from kernels.inside.files.elsewhere import TemporaryFiles, in_workspace


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/mnt/data/a/b.csv", "a/b.csv"),
        ("/mnt/data", "."),
        ("/mnt/database.csv", ""),
        ("a.csv", ""),
        ("/etc/x", ""),
    ],
)
def test_a_path_of_another_service_is_in_the_workspace(path: str, inside: str) -> None:
    """Unless the workspace itself has that name."""
    assert in_workspace(path) == inside


def test_a_name_that_the_workspace_has_is_no_other_services(tmp_path: Path) -> None:
    """In a tier with a file tree of its own."""
    names = (str(tmp_path), str(tmp_path / "absent"))
    assert in_workspace(f"{tmp_path}/a.csv", names) == ""
    assert in_workspace(f"{tmp_path}/absent/a.csv", names) == "a.csv"


def test_an_error_says_where_files_belong() -> None:
    """Once, on one line, and only for file errors."""
    error = FileNotFoundError(2, "No such file", "/mnt/data/a\nb")
    elsewhere.advise(error)
    elsewhere.advise(error)
    assert error.__notes__ == [
        "There is no /mnt/data/a\\nb here. Files are kept in your working folder: use 'a\\nb'."
    ]
    denied = PermissionError(13, "Permission denied", "/tmp/x.csv")
    elsewhere.advise(denied)
    assert "tempfile.gettempdir()" in denied.__notes__[0]
    for other in (ValueError("/mnt/data/x"), FileNotFoundError(2, "No such file", "x"), OSError(5, "I/O")):
        elsewhere.advise(other)
        assert not hasattr(other, "__notes__")


def test_each_file_that_a_cell_leaves_is_told_once(tmp_path: Path) -> None:
    """In the order of writing, without those named by libraries and `tempfile`."""
    folder, workspace = tmp_path / "w" / ".tmp", tmp_path / "w"
    folder.mkdir(parents=True)
    files = TemporaryFiles((str(folder),), str(workspace))
    files.begin_cell()
    assert files.written() == []
    files.begin_cell()
    for name in ("b.csv", "tmpabcdefgh", ".hidden", "joblib_memmapping_folder_1"):
        (folder / name).touch()
    (folder / "deep").mkdir()
    (folder / "deep" / "a.csv").touch()
    assert files.written() == [".tmp/b.csv", ".tmp/deep/a.csv"]
    files.begin_cell()
    assert files.written() == []
    (folder / "deep" / "c.csv").touch()
    assert files.written() == [".tmp/deep/c.csv"]


def test_a_flood_of_files_is_told_in_part(tmp_path: Path) -> None:
    """No more of them are looked at than the limit allows."""
    files = TemporaryFiles((str(tmp_path),))
    files.begin_cell()
    for number in range(elsewhere.MOST_ENTRIES + 100):
        (tmp_path / f"{number}.csv").touch()
    assert len(files.written()) == elsewhere.TOLD


def test_without_folders_of_its_own_only_where_the_code_went_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once per folder; the workspace and its contents are not mentioned."""
    workspace, other = tmp_path / "w", tmp_path / "other"
    (workspace / "in").mkdir(parents=True)
    other.mkdir()
    files = TemporaryFiles((), str(workspace))
    files.begin_cell()
    for folder, told in ((workspace, []), (workspace / "in", []), (other, [f"{other}/"]), (other, [])):
        monkeypatch.chdir(folder)
        assert files.written() == told


def test_code_that_has_broken_what_is_used_costs_no_cell_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person can replace any function we use."""
    files = TemporaryFiles((str(tmp_path),))
    monkeypatch.setattr(os, "scandir", None)
    files.begin_cell()
    assert files.written() == []


def test_a_kernels_own_folders_are_those_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its small one and the one for large files, which can be the same."""
    monkeypatch.delenv("TMPDIR", raising=False)
    assert elsewhere.temporary() == ()
    monkeypatch.setenv("TMPDIR", "/w/.tmp")
    monkeypatch.setenv("IPYTHONDIR", "/tmp/.ipython")
    assert elsewhere.temporary() == ("/tmp", "/w/.tmp")
    monkeypatch.setenv("IPYTHONDIR", "/w/.tmp/.ipython")
    assert elsewhere.temporary() == ("/w/.tmp",)
