"""Where dates and modes of files only seem to change, as in tier B, a missing file is an error again.

The filter of system calls answers there without a look at the file: `Path("new").touch()` asks for a new date
first, and makes the file only if that fails.
"""

import functools
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["follow"]

SETS = (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks)


def follow() -> None:
    """Change `os.utime` and `os.chmod` so, if this process only seems to do what they ask; once is enough."""
    with suppress(OSError):
        os.utime("")
        _look_first("utime")
    with suppress(OSError):
        os.chmod("", 0o600)
        _look_first("chmod")


def _look_first(name: str) -> None:
    call: Callable[..., None] = getattr(os, name)

    @functools.wraps(call)
    def look_first(path: Any, *args: Any, **options: Any) -> None:
        about = {key: options[key] for key in ("dir_fd", "follow_symlinks") if key in options}
        os.stat(path, **about)
        call(path, *args, **options)

    look_first.__module__ = "os"
    for known in SETS:
        if call in known:
            known.add(look_first)
    setattr(os, name, look_first)
