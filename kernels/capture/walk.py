"""Everything in a workspace, within bounds: a breadth-first walk by descriptor, nearest folders first.

walk = Walk(max_depth=8, max_entries=5000)
for entry in walk.entries(top): ...     # what may be captured, and what cannot be, with the problem
walk.cut                                # whether the bound on entries ended it
"""

import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from kernels.capture.found import Stamp
from kernels.nofollow import folder

CACHES = frozenset({"__pycache__", "node_modules", "lost+found"})
UNREADABLE = "unreadable: its permissions forbid it"
UNSEEN = "the rest was not looked at, and is not stored; delete some, or pack them into one zip"
VANISHED = "vanished while being looked at"


@dataclass(frozen=True)
class Entry:
    """One thing in the workspace; `problem` says why it cannot be captured, "" for a plain file."""

    path: str
    stamp: Stamp
    problem: str = ""
    stands_for_more: bool = False  # for all that was not looked at


class Walk:
    """One walk. Hidden names and caches are passed over in silence, but count as entries."""

    def __init__(self, *, max_depth: int, max_entries: int) -> None:
        self.cut = False
        self._max_depth = max_depth
        self._max_entries = max_entries
        self._left = max_entries
        self._waiting: deque[Entry] = deque()

    def entries(self, top: int) -> Iterator[Entry]:
        """The entries below the folder `top`; those of one folder are sorted by name.

        Raises:
            OSError: `top` itself cannot be listed.
        """
        yield from self._listed(top, Entry("", Stamp.of(os.fstat(top))))
        while self._waiting and not self.cut:
            inner = self._waiting.popleft()
            try:
                with folder(inner.path, inside=top) as here:
                    yield from self._listed(here, inner)
            except PermissionError:
                yield Entry(inner.path, inner.stamp, UNREADABLE)
            except OSError:  # deleted, or swapped for a link or a file
                yield Entry(inner.path, inner.stamp, VANISHED)

    def _listed(self, here: int, parent: Entry) -> Iterator[Entry]:
        with os.scandir(here) as listing:
            found = list(islice(listing, self._left + 1))
        if not found and "." in parent.path.rpartition("/")[2]:  # looks like a file to whoever made it
            yield Entry(parent.path, parent.stamp, "a folder, with nothing in it")
        if len(found) > self._left:
            self.cut = True
            found.pop()
            limit = f"over {self._max_entries:,} files and folders: {UNSEEN}"
            yield Entry(f"{parent.path}/...".lstrip("/"), parent.stamp, limit, stands_for_more=True)
        self._left -= len(found)
        for item in sorted(found, key=lambda item: item.name):
            if not passed_over(item.name):
                yield from self._examined(item, f"{parent.path}/{item.name}".lstrip("/"))

    def _examined(self, item: os.DirEntry[str], path: str) -> Iterator[Entry]:
        try:
            status = item.stat(follow_symlinks=False)
        except FileNotFoundError:  # a temporary file that is gone again: nothing was lost
            return
        stamp = Stamp.of(status)
        if not stat.S_ISDIR(status.st_mode):
            yield Entry(path, stamp, _problem(status))
        elif path.count("/") < self._max_depth:
            self._waiting.append(Entry(path, stamp))
        else:
            yield Entry(path, stamp, f"more than {self._max_depth} folders deep: not looked into")


def passed_over(name: str) -> bool:
    """Whether a thing of this name is none of the person's: hidden, or a cache."""
    return name.startswith(".") or name in CACHES


def _problem(status: os.stat_result) -> str:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return (
            ""
            if status.st_nlink == 1
            else "a hard link, which shares its bytes with another name: copy it instead"
        )
    if stat.S_ISLNK(mode):
        return "a symbolic link: links are not followed, copy the file instead"
    if stat.S_ISFIFO(mode):
        return "a pipe, not a file"
    if stat.S_ISSOCK(mode):
        return "a socket, not a file"
    return "a device, not a file"
