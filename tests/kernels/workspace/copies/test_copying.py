"""A workspace is copied into an empty one."""

import errno
import os
from pathlib import Path

import pytest

from kernels.workspace.copies.copying import Room, copy_workspace, is_in_use

MIB = 1 << 20


def test_files_folders_and_links_are_copied(tmp_path: Path) -> None:
    """With their times and their right to be run; pipes and unfinished files of ours are left out."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "out" / "deep").mkdir(parents=True)
    (source / "out" / "deep" / "run.sh").write_bytes(b"#!/bin/sh")
    (source / "out" / "deep" / "run.sh").chmod(0o755)
    os.utime(source / "out" / "deep" / "run.sh", (7, 1234.5))
    (tmp_path / "secret").write_bytes(b"secret")
    (source / "link").symlink_to(tmp_path / "secret")
    (source / ".placing-0123456789abcdef").write_bytes(b"half")
    os.mkfifo(source / "pipe")
    assert not is_in_use(target)
    copy_workspace(source, target, Room(MIB, 100))
    assert is_in_use(target)
    copied = target / "out" / "deep" / "run.sh"
    assert (copied.read_bytes(), copied.stat().st_mtime, copied.stat().st_mode & 0o777) == (
        b"#!/bin/sh",
        1234.5,
        0o700,
    )
    assert (target / "link").readlink() == tmp_path / "secret"
    assert sorted(path.name for path in target.iterdir()) == ["link", "out"]
    copied.write_bytes(b"other")
    assert (source / "out" / "deep" / "run.sh").read_bytes() == b"#!/bin/sh"


def test_holes_take_no_room(tmp_path: Path) -> None:
    """However large a file seems to be: its copy has the same holes, and the same bytes between them."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    with (source / "holes").open("wb") as file:
        for place in (8 * MIB, 20 * MIB):
            file.seek(place)
            file.write(b"data")
        file.truncate(40 * MIB)
    (source / "nothing").touch()
    with (source / "hole").open("wb") as file:
        file.truncate(1 << 33)
    copy_workspace(source, target, Room(MIB, 100))
    assert (target / "holes").read_bytes() == (source / "holes").read_bytes()
    assert [(target / name).stat().st_size for name in ("hole", "nothing")] == [1 << 33, 0]
    assert sum(path.stat().st_blocks * 512 for path in target.iterdir()) < MIB


def test_holes_of_a_file_system_that_does_not_tell_of_them_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As zeros, for which there has to be room."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    with (source / "file").open("wb") as file:
        file.write(b"data")
        file.truncate(MIB)

    def refuses(*_: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "lseek", refuses)
    copy_workspace(source, target, Room(MIB, 100))
    assert (target / "file").read_bytes() == b"data".ljust(MIB, b"\0")


@pytest.mark.parametrize("room", [Room(5, 100), Room(100, 2)])
def test_a_copy_takes_no_more_than_its_room(tmp_path: Path, room: Room) -> None:
    """Neither bytes nor names."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "folder").mkdir(parents=True)
    (source / "one").write_bytes(b"123")
    (source / "folder" / "two").write_bytes(b"456")
    with pytest.raises(OSError, match="No space"):
        copy_workspace(source, target, room)
