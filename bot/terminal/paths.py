"""Files of this machine as a person or a program names them.

path = named("~/notebook.ipynb")
name, data = content("~/data.csv", limit=50 * MiB)
with created(path) as file: ...
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bot.errors import NotAFile
from kernels.text.clipping import repair

__all__ = ["content", "created", "named", "opened"]


def named(text: str) -> Path:
    """The path; `~` is the home folder. Raises: FileNotFoundError if no file can have that name."""
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        encoded = b""
    if not encoded or b"\0" in encoded:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), repair(text))
    return Path(os.path.expanduser(text))  # Path.expanduser raises if nobody has the name after the ~


def opened(text: str) -> BinaryIO:
    """The file, open. Raises: OSError; NotAFile for a device or a pipe, which may never end."""
    file = named(text)
    if file.exists() and not file.is_file() and not file.is_dir():
        raise NotAFile(file)
    return file.open("rb")


def content(text: str, *, limit: int) -> tuple[str, bytes]:
    """The file's name and its bytes, at most one more than `limit`, which is enough for it to be refused.

    Raises: as `opened`.
    """
    with opened(text) as file:
        return named(text).name, file.read(limit + 1)


@contextmanager
def created(path: Path) -> Iterator[BinaryIO]:
    """A file to write. It replaces `path` at the end of the block; if the block fails, nothing changes.

    Raises: OSError; NotAFile if the path is a pipe or a device.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_file():
        raise NotAFile(path)
    if place.exists() and not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    aside = place.with_name(f".{secrets.token_hex(8)}.part")
    try:
        file = aside.open("x+b")
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        with file:
            yield file
        if place.exists():
            shutil.copymode(place, aside)
        os.replace(aside, place)
    except BaseException:  # whatever ended the block, no half-written file may stay
        aside.unlink(missing_ok=True)
        raise
