"""A session's folder below the root of all workspaces. We put files into it, and share it with hostile code.

    workspace = Workspace.open(root, session_id)
    name = workspace.put_file("data.csv", upload)   # the name it got
    workspace.remove()                              # or `kernels.workspace.removal`, if nobody is to wait

The code that runs in the folder can put a link, a folder or a pipe under any name at any moment, so
everything here goes by directory descriptors.
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
PERSON = re.compile(r"u-?[0-9]+(?=-|$)")  # begins the id of each of a person's sessions
CHUNK = 1024 * 1024  # bytes
BATCH = 10_000  # names held at once while deleting
CREATING = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

UNFINISHED = ".placing-"  # begins the name of a file that is being written; 16 hexadecimal digits follow
LEFT_OVER = re.compile(re.escape(UNFINISHED) + r"[0-9a-f]{16}")
SCRATCH = ".apart"  # ends the id of a scratch kernel
# Names for one file that are tried, and whose files are compared with it: code can make any number of files
# with such names, as large as it likes, and nobody could put anything else there meanwhile.
TRIED = 10


def scratch_id(name: str) -> str:
    """The id of a scratch kernel, which does work of ours and takes no slot from people's kernels."""
    return f"{name}{SCRATCH}"


def is_scratch(session_id: str) -> bool:
    """Whether it is the id of a scratch kernel."""
    return session_id.endswith(SCRATCH)


def owner(session_id: str) -> str:
    """Whose session it is: "u7" for "u7-dm-9" and "u7-dm-10", which are one person's; others stand alone."""
    found = PERSON.match(session_id)
    return found[0] if found else session_id


class Stopped(Exception):
    """A deletion was stopped before it was complete."""


class BadSessionId(ValueError):
    """A session id that cannot be a folder's name."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"{session_id!r} cannot name a workspace: use letters, digits, '-', '_' and '.'")


@dataclass(frozen=True)
class Workspace:
    """The folder of one session. It outlives kernels; only `remove` ends it."""

    path: Path

    @classmethod
    def open(cls, root: Path, session_id: str) -> Self:
        """The folder of `session_id` below `root`, made (0700) if it is not there.

        Raises:
            BadSessionId: the id is not 1 to 100 letters, digits, `-`, `_` or `.`, or starts with a dot.
            OSError: the folder cannot be made, or a link or a file has its name.
        """
        path = cls.named(root, session_id).path
        # `mkdir` waits for the lock of the folder above even if there is nothing to make.
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
        """Delete the unfinished files of a program that was killed. No file may be put there meanwhile."""
        with suppress(OSError), folder(self.path) as here, os.scandir(here) as entries:
            for entry in entries:
                if LEFT_OVER.fullmatch(entry.name):
                    with suppress(OSError):  # a folder of that name is not ours
                        os.unlink(entry.name, dir_fd=here)

    def put_file(
        self,
        name: str,
        source: BinaryIO | bytes,
        *,
        beside: str = "",
        check_room: Callable[[int], None] = lambda _size: None,
    ) -> str:
        """Write a file into the folder, whole or not at all, and return the name it got.

        A file or a link of that name is replaced (the link, not its target); if a folder has the name, the
        file becomes `data-2.csv`. With `beside` (a file id) nothing of the person's is replaced: the file
        becomes `data-<beside>.csv`, and if one there has the same bytes already nothing is written. Before
        anything is, `check_room` gets the file's size in bytes, and may raise.

        To capture it is a new file unless it is told otherwise: hold `capture.lock` over this and
        `capture.accept`.

        Raises:
            OSError: the folder is gone or the disk is full; nothing was written.
        """
        stream = BytesIO(source) if isinstance(source, bytes) else source
        temporary = f"{UNFINISHED}{secrets.token_hex(8)}"
        with folder(self.path) as here:
            if beside and (same := _same_file(_candidates(safe_name(name), beside), stream, here)):
                return same
            begin = stream.tell()
            check_room(stream.seek(0, os.SEEK_END) - begin)
            stream.seek(begin)
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
        """Delete the folder and everything in it, whatever its depth, names and modes, if it is there.

        Raises:
            OSError: something in it cannot be deleted, or was added while we deleted.
            Stopped: `stopped`, which is called before each file, returned True.
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
    """Give a file to the owner of its folder: a sandbox gives each workspace a user of its own."""
    owner = os.fstat(here)
    if owner.st_uid != os.geteuid():
        os.fchown(file, owner.st_uid, owner.st_gid)


def _candidates(name: str, beside: str) -> Iterator[str]:
    yield name
    if beside:
        yield with_suffix(name, f"-{beside}")
    for number in count(2):
        last = str(number) if number <= TRIED else secrets.token_hex(8)
        yield with_suffix(name, f"-{beside}-{last}" if beside else f"-{last}")


def _settle(temporary: str, ours: BinaryIO, candidates: Iterator[str], here: int, *, keep: bool) -> str:
    """Give the temporary file the first name that is free or, unless `keep`, may be replaced."""
    for tried, name in enumerate(candidates):
        if keep and _exists(name, here):
            ours.seek(0)
            if tried < TRIED and _has_bytes(name, ours, here):
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


def _same_file(candidates: Iterator[str], stream: BinaryIO, here: int) -> str | None:
    """The first of the names that has the stream's bytes, if no name before it is free."""
    begin = stream.tell()
    for name in islice(candidates, TRIED):
        if not _exists(name, here):
            return None
        found = _has_bytes(name, stream, here)
        stream.seek(begin)
        if found:
            return name
    return None


def _has_bytes(name: str, ours: BinaryIO, here: int) -> bool:
    """Whether the file has the bytes of `ours` from where that stands."""
    try:
        theirs = os.fdopen(open_plain(name, here), "rb")
    except OSError:  # a link, a pipe, a folder, or unreadable
        return False
    with theirs:
        begin = ours.tell()
        size = ours.seek(0, os.SEEK_END) - begin
        if os.fstat(theirs.fileno()).st_size != size:
            return False
        ours.seek(begin)
        while chunk := ours.read(CHUNK):
            if theirs.read(len(chunk)) != chunk:
                return False
        return not theirs.read(1)


def _empty(top: int, stopped: Callable[[], bool]) -> None:
    """Delete everything in `top`. A folder's own folders are moved up into `top` before it is deleted.

    So depth takes neither recursion nor descriptors nor long paths: a tree of 900 levels is no harder than a
    flat one.
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
    """Delete `name` unless it is a folder; returns whether it is gone."""
    try:
        os.unlink(name, dir_fd=here)
    except FileNotFoundError:
        return True
    except IsADirectoryError:
        return False
    return True
