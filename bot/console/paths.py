"""The path of a file as a person or a program names it.

path = named("~/notebook.ipynb")
"""

import errno
import os
from pathlib import Path

from kernels.text import repair

__all__ = ["named"]


def named(text: str) -> Path:
    """The path; `~` is the home folder. Raises: FileNotFoundError when no file can be called that."""
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        encoded = b""
    if not encoded or b"\0" in encoded:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), repair(text))
    return Path(os.path.expanduser(text))  # Path.expanduser raises at a ~ that is nobody's
