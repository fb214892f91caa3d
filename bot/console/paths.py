"""Files of this machine as a person or a program names them.

path = named("~/notebook.ipynb")
name, data = content("~/data.csv", limit=50 * MiB)
"""

import errno
import os
from pathlib import Path

from bot.errors import NotAFile
from kernels.text import repair

__all__ = ["content", "named"]


def named(text: str) -> Path:
    """The path; `~` is the home folder. Raises: FileNotFoundError when no file can be called that."""
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        encoded = b""
    if not encoded or b"\0" in encoded:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), repair(text))
    return Path(os.path.expanduser(text))  # Path.expanduser raises at a ~ that is nobody's


def content(text: str, *, limit: int) -> tuple[str, bytes]:
    """The file's name and its bytes, of which one more than `limit` is enough to be refused.

    Raises: OSError; NotAFile for what could be read without end, or never.
    """
    file = named(text)
    if file.exists() and not file.is_file() and not file.is_dir():
        raise NotAFile(file)
    with file.open("rb") as opened:
        return file.name, opened.read(limit + 1)
