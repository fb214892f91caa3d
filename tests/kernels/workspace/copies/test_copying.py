"""A workspace is copied into an empty one."""

import os
from pathlib import Path

from kernels.workspace.copies.copying import copy_workspace, is_in_use


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
    copy_workspace(source, target)
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
