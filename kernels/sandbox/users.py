"""A user of its own for each workspace, so that no kernel can touch another's files or processes.

    uid = claim(root, workspace)        # the same at every call: the folder's owner remembers it

Only root can do this. The numbers are of a range that neither people, services nor containers get:
https://systemd.io/UIDS-GIDS/
"""

import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from pathlib import Path

__all__ = ["claim", "numbers"]

FREE = range(0x70000000, 0x70010000)  # where all numbers can be had
SMALL = range(55_000, 60_000)  # in a container that knows 65,536 of them


def numbers(uid_map: str) -> range:
    """The users that can be given away, by the text of /proc/self/uid_map; none where it is too small."""
    for line in uid_map.splitlines():
        first, _, count = map(int, line.split())
        for candidates in (FREE, SMALL):
            if first <= candidates.start and candidates.stop <= first + count:
                return candidates
    return range(0)


def claim(root: Path, workspace: Path, candidates: range) -> int:
    """The user of the workspace below `root`: its owner, or a free one, to whom all in it is given.

    Raises: OSError when none is free.
    """
    owner = workspace.lstat().st_uid
    if owner in candidates:
        return owner
    taken = set()
    for entry in os.scandir(root):
        with suppress(FileNotFoundError):  # it is being removed
            taken.add(entry.stat(follow_symlinks=False).st_uid)
    # Each root begins elsewhere, or two programs of ours on one machine would give the same users away.
    start = zlib.crc32(os.fsencode(root.resolve())) % len(candidates)
    turned = chain(candidates[start:], candidates[:start])
    uid = next((number for number in turned if number not in taken), None)
    if uid is None:
        raise OSError(f"every one of {len(candidates)} users has a workspace")
    for path, names in _contents(workspace):
        for name in names:
            os.chown(name, uid, uid, dir_fd=path, follow_symlinks=False)
    os.chown(workspace, uid, uid, follow_symlinks=False)
    return uid


def _contents(workspace: Path) -> Iterable[tuple[int, list[str]]]:
    for _, folders, files, descriptor in os.fwalk(workspace, follow_symlinks=False):
        yield descriptor, [*folders, *files]
