"""A file of this machine, read to be stored.

name, data = read("~/data.csv", limit=50 * MiB)
"""

import errno
import os
from pathlib import Path

from bot.errors import NotAFile

__all__ = ["read"]


def read(path: str, *, limit: int) -> tuple[str, bytes]:
    """The file's name and its bytes, of which one more than `limit` is enough to be refused.

    Raises: OSError; NotAFile for what could be read without end, or never.
    """
    file = Path(path).expanduser()
    if file.exists() and not file.is_file() and not file.is_dir():
        raise NotAFile(file)
    try:
        with file.open("rb") as content:
            return file.name, content.read(limit + 1)
    except ValueError:  # NUL, or half an emoji
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
