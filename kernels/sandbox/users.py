"""A user for each workspace, so that no kernel can touch another's files or processes.

    uid = claim(root, workspace, numbers(uid_map))      # always the same: it owns the folder

Only root can do this. The numbers are from a range that neither people, services nor containers use:
https://systemd.io/UIDS-GIDS/
"""

import os
import zlib
from contextlib import suppress
from itertools import chain
from pathlib import Path

__all__ = ["claim", "numbers"]

FREE = range(0x70000000, 0x70010000)  # where all numbers are available
SMALL = range(55_000, 60_000)  # in a container that knows 65,536 of them


def numbers(uid_map: str) -> range:
    """The users that can be given away, by the text of /proc/self/uid_map; none if that is too small."""
    for line in uid_map.splitlines():
        first, _, count = map(int, line.split())
        for candidates in (FREE, SMALL):
            if first <= candidates.start and candidates.stop <= first + count:
                return candidates
    return range(0)


def claim(root: Path, workspace: Path, candidates: range) -> int:
    """The user of the workspace below `root`: its owner, or a free one, who then owns all that is in it.

    Raises: OSError if none is free.
    """
    owner = workspace.lstat().st_uid
    if owner in candidates:
        return owner
    taken = set()
    for entry in os.scandir(root):
        with suppress(FileNotFoundError):  # it is being removed
            taken.add(entry.stat(follow_symlinks=False).st_uid)
    # Each root starts at another number, or two of our programs on one machine would use the same users.
    start = zlib.crc32(os.fsencode(root.resolve())) % len(candidates)
    turned = chain(candidates[start:], candidates[:start])
    uid = next((number for number in turned if number not in taken), None)
    if uid is None:
        raise OSError(f"every one of {len(candidates)} users has a workspace")
    for _, folders, files, descriptor in os.fwalk(workspace, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, uid, uid, dir_fd=descriptor, follow_symlinks=False)
    os.chown(workspace, uid, uid, follow_symlinks=False)
    return uid
