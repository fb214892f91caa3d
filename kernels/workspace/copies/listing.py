"""The files of a workspace as they are at a moment, with digests of their bytes, for going back to them.

    listing = Listing(workspace.path, max_file=50 * MiB)
    files = listing.now()       # by path; a file is read again only when it has changed

Everything here may wait for the disk.
"""

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from kernels.workspace.captured import Stamp
from kernels.workspace.names import shown_name
from kernels.workspace.safe_open import folder, open_path
from kernels.workspace.walk import PROBLEMS, UNREADABLE, VANISHED, Walk

__all__ = ["MOST_FILES", "UNLISTED", "FileState", "ListedFiles", "Listing", "is_cut"]

MOST_FILES = 2_000  # that are listed: the first ones by their paths
MOST_DEPTH, MOST_ENTRIES = 8, 5_000  # of what is looked at, as `kernels.workspace.scan` does
HASHED = 512 << 20  # bytes that are read for one list; the rest is read for a later one
CHUNK = 1 << 20  # bytes
UNSEEN = {UNREADABLE, VANISHED}  # folders whose files may be there, or may have been
TICK = 50_000_000  # ns after which two changes of a file certainly have different times


class FileState(NamedTuple):
    """A file: its name as text, its size, the digest of its bytes, and when it was written (seconds).

    A file that was not read has the digest "": then its size and time tell whether it is the same.
    """

    name: str
    size: int
    sha256: str
    modified: float


UNLISTED = FileState("", 0, "", 0.0)  # stands in a list for any others, of which nothing is known

type ListedFiles = Mapping[str, FileState]  # by their paths, as the file system has them


class Listing:
    """See the module's text. `max_file` is the size in bytes of the largest file that is read."""

    def __init__(self, workspace: Path, *, max_file: int) -> None:
        self._workspace = workspace
        self._max_file = max_file
        self._digests: dict[str, tuple[Stamp, str]] = {}
        self._lock = threading.Lock()

    def now(self, *, hashed: int = HASHED) -> ListedFiles:
        """The files as they are; at most so many bytes are read.

        UNLISTED is among them if there are too many files and folders, or if some cannot be looked at.
        """
        with self._lock:
            try:
                return self._now(hashed)
            except FileNotFoundError:  # there is no workspace yet
                return {}
            except OSError:
                return {UNLISTED.name: UNLISTED}

    def _now(self, hashed: int) -> ListedFiles:
        with folder(self._workspace) as top:
            walk = Walk(max_depth=MOST_DEPTH, max_entries=MOST_ENTRIES)
            entries = list(walk.entries(top))
            found = {
                entry.path: (entry.stamp, entry.problem == "")
                for entry in entries
                if not entry.problem or entry.problem in PROBLEMS.values()
            }
            before, self._digests = self._digests, {}
            files, left, now = {}, hashed, time.time_ns()
            for path in islice(sorted(found), MOST_FILES):
                (stamp, plain), name, digest = found[path], shown_name(path), ""
                if path in before and before[path][0] == stamp:
                    self._digests[path], digest = before[path], before[path][1]
                elif plain and name == path and stamp.size <= min(self._max_file, left):
                    left -= stamp.size
                    digest = _digest(path, stamp, top)
                    if digest and now - stamp.ctime_ns > TICK:
                        self._digests[path] = stamp, digest
                files[path] = FileState(name, stamp.size, digest, stamp.mtime_ns / 1e9)
            if walk.cut or any(entry.problem in UNSEEN for entry in entries):
                files[UNLISTED.name] = UNLISTED
            return files


def is_cut(files: Iterable[FileState] | ListedFiles) -> bool:
    """Whether there may be more files than are listed."""
    return len(list(files)) >= MOST_FILES


def _digest(path: str, stamp: Stamp, top: int) -> str:
    """The digest of a file's bytes; "" if it is not what was found, or changes meanwhile."""
    try:
        descriptor = open_path(path, top)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb", buffering=0) as file, suppress(OSError):
        digest, left = hashlib.sha256(), stamp.size
        while left and (piece := file.read(min(left, CHUNK))):
            digest.update(piece)
            left -= len(piece)
        if not left and Stamp.of(os.fstat(descriptor)) == stamp:
            return digest.hexdigest()
    return ""
