"""A node's record, by which bots find it. Once a folder has had one, a new one needs no room on the disk.

write(folder, NodeRecord(...))      # whole or not at all, and for us alone
retire(folder)                      # from now on nobody finds the node

A retired record is kept, and the next one is written over it: a disk that is full to the last byte would have
no room for it, and without a node nobody could make room.
"""

import os
from contextlib import suppress
from pathlib import Path

from kernels.node.encoding import encode
from kernels.node.settings import RECORD, NodeRecord

__all__ = ["retire", "write"]

RETIRED = "node.old"


def write(folder: Path, record: NodeRecord) -> None:
    """Write the record of a node that can be reached. Raises: OSError."""
    retire(folder)
    flags = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC  # to truncate it would free its room
    with open(os.open(folder / RETIRED, flags, 0o600), "wb") as file:
        file.write(encode(record))  # what the disk takes only a part of is an error when it is flushed
        file.truncate()
    (folder / RETIRED).rename(folder / RECORD)


def retire(folder: Path) -> None:
    """Take away the record of a node that has ended or is ending, if there is one. Raises: OSError."""
    with suppress(FileNotFoundError):
        (folder / RECORD).rename(folder / RETIRED)
