"""A session's folder: made under the root of all workspaces, filled by us, shared with hostile code.

    workspace = Workspace.open(root, session_id)
    name = workspace.place("data.csv", upload)      # the name it got
    workspace.remove()                              # or `kernels.workspace.removal`, where nobody is to wait

The code that runs in the folder can put a link, a folder or a pipe under any name at any moment, so
everything here goes by directory descriptor.
"""

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO, Self

from kernels.workspace.names import safe_name, with_suffix
from kernels.workspace.safe_open import folder, open_plain, unlock

SESSION_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
CHUNK = 1024 * 1024  # bytes
BATCH = 10_000  # names held at once while deleting
CREATING = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


PLACING = ".placing-"  # a file that is being placed: then 16 hexadecimal digits
LEFT_OVER = re.compile(re.escape(PLACING) + r"[0-9a-f]{16}")
BESIDE = ".apart"  # ends the id of a kernel that is nobody's


def scratch_id(name: str) -> str:
    """The id of a kernel beside those of persons, for work of ours that takes no place from them."""
    return f"{name}{BESIDE}"


def is_scratch(session_id: str) -> bool:
    """Whether an id is one of `scratch_id`."""
    return session_id.endswith(BESIDE)


class Stopped(Exception):
    """A deletion was stopped before its end."""


class BadSessionId(ValueError):
    """A session id that cannot be a folder's name."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"{session_id!r} cannot name a workspace: use letters, digits, '-', '_' and '.'")
        self.session_id = session_id


@dataclass(frozen=True)
class Workspace:
    """The folder of one session. It outlives kernels; only `remove` ends it."""

    path: Path

    @classmethod
    def open(cls, root: Path, session_id: str) -> Self:
        """The folder of `session_id` below `root`, made (0700) when it is not there.

        Raises:
            BadSessionId: the id is not 1 to 100 letters, digits, `-`, `_` or `.`, or starts with a dot.
            OSError: the folder cannot be made, or a link or a file stands in its place.
        """
        path = cls.named(root, session_id).path
        # Only what is missing is made: a call that finds it there waits for a lock of the folder above.
        if not path.is_dir():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
        unlock(path)
        return cls(path)

    @classmethod
    def named(cls, root: Path, session_id: str) -> Self:
        """The folder of `session_id` below `root`, whether it is there or not. Raises: BadSessionId."""
        if not SESSION_ID.fullmatch(session_id):
            raise BadSessionId(session_id)
        return cls(root / session_id)

    def tidy(self) -> None:
        """Delete the half-placed files of a program that was killed. None may be placed meanwhile."""
        with suppress(OSError), folder(self.path) as here, os.scandir(here) as entries:
            for entry in entries:
                if LEFT_OVER.fullmatch(entry.name):
                    with suppress(OSError):  # a folder of that name is not ours
                        os.unlink(entry.name, dir_fd=here)

    def place(self, name: str, source: BinaryIO | bytes, *, beside: str = "") -> str:
        """Write a file into the folder, whole or not at all, and return the name it got.

        A file or a link of that name is replaced (the link, not its target); where a folder has the name
        the file becomes `data-2.csv`. With `beside` (a file id) nothing of the person's is replaced: ours
        becomes `data-<beside>.csv`, and where the same bytes stand already nothing is written.

        Capture takes the file for a new one unless it is told: hold `capture.lock` over this and
        `capture.accept`.

        Raises:
            OSError: the folder is gone or the disk is full; nothing was placed.
        """
        stream = BytesIO(source) if isinstance(source, bytes) else source
        temporary = f"{PLACING}{secrets.token_hex(8)}"
        with folder(self.path) as here:
            try:
                with open(temporary, "w+b", opener=_creator(here)) as ours:
                    shutil.copyfileobj(stream, ours, CHUNK)
                    ours.flush()
                    _give(ours.fileno(), here)
                    return _settle(
                        temporary, ours, _candidates(safe_name(name), beside), here, keep=bool(beside)
                    )
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=here)

    def remove(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Delete the folder and all in it, whatever the depth, the names and the modes; again does nothing.

        Raises:
            OSError: something in it cannot be deleted, or is being added while we delete.
            Stopped: `stopped`, which is asked before each file, said so.
        """
        try:
            unlock(self.path)
            with folder(self.path) as here:
                _empty(here, stopped)
            self.path.rmdir()
        except NotADirectoryError:
            self.path.unlink()
        except FileNotFoundError:
            return


def _creator(here: int) -> Callable[[str, int], int]:
    return lambda name, _flags: os.open(name, CREATING, 0o600, dir_fd=here)


def _give(file: int, here: int) -> None:
    """Make a file its folder's owner's: a sandbox gives each workspace a user of its own."""
    owner = os.fstat(here)
    if owner.st_uid != os.geteuid():
        os.fchown(file, owner.st_uid, owner.st_gid)


def _candidates(name: str, beside: str) -> Iterator[str]:
    yield name
    if beside:
        yield with_suffix(name, f"-{beside}")
    for number in count(2):
        yield with_suffix(name, f"-{beside}-{number}" if beside else f"-{number}")


def _settle(temporary: str, ours: BinaryIO, candidates: Iterator[str], here: int, *, keep: bool) -> str:
    """Give the temporary file the first of the names that is free, or may be replaced (not `keep`)."""
    for name in candidates:
        if keep and _exists(name, here):
            if _has_bytes(name, ours, here):
                return name
            continue
        with suppress(IsADirectoryError):
            os.rename(temporary, name, src_dir_fd=here, dst_dir_fd=here)
            return name
    raise AssertionError("the candidates never end")


def _exists(name: str, here: int) -> bool:
    try:
        os.stat(name, dir_fd=here, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _has_bytes(name: str, ours: BinaryIO, here: int) -> bool:
    try:
        theirs = os.fdopen(open_plain(name, here), "rb")
    except OSError:  # a link, a pipe, a folder, unreadable: not our bytes
        return False
    with theirs:
        ours.seek(0)
        while chunk := ours.read(CHUNK):
            if theirs.read(len(chunk)) != chunk:
                return False
        return not theirs.read(1)


def _empty(top: int, stopped: Callable[[], bool]) -> None:
    """Delete all in `top`. A folder's own folders are moved up into `top` before it is deleted.

    So depth costs neither recursion nor descriptors nor long paths: a 900-deep tree goes as a flat one does.
    """
    while names := _some_names(top):
        for name in names:
            if stopped():
                raise Stopped
            if _unlinked(name, top):
                continue
            unlock(name, top)
            with folder(name, inside=top) as inner:
                while children := _some_names(inner):
                    for child in children:
                        if stopped():
                            raise Stopped
                        if not _unlinked(child, inner):
                            unlock(child, inner)  # moving a folder needs the right to write in it
                            os.rename(child, f".{secrets.token_hex(8)}", src_dir_fd=inner, dst_dir_fd=top)
            os.rmdir(name, dir_fd=top)


def _some_names(here: int) -> list[str]:
    with os.scandir(here) as entries:
        return [entry.name for entry in islice(entries, BATCH)]


def _unlinked(name: str, here: int) -> bool:
    """Whether `name` is gone now; a folder stays."""
    try:
        os.unlink(name, dir_fd=here)
    except FileNotFoundError:
        return True
    except IsADirectoryError:
        return False
    return True
