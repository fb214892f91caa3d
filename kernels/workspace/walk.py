"""Walks through a workspace, within bounds: breadth first, by descriptors.

walk = Walk(max_depth=8, max_entries=5000)
for entry in walk.entries(top): ...     # what may be captured, and what cannot, with the problem
walk.cut                                # whether it ended because there were too many entries
"""

import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from kernels.workspace.captured import Stamp
from kernels.workspace.safe_open import folder

# What programs keep for themselves; a person's own hidden files (.gitignore, .streamlit/) are treated like
# others.
CACHES = frozenset(
    {
        *(".DS_Store", ".bash_history", ".cache", ".cargo", ".conda", ".config", ".gnupg", ".hypothesis"),
        *(".ipynb_checkpoints", ".ipython", ".java", ".joblib", ".jupyter", ".keras", ".lesshst", ".local"),
        *(".matplotlib", ".mypy_cache", ".npm", ".nv", ".pki", ".pytest_cache", ".python_history"),
        *(".ruff_cache", ".rustup", ".texlive", ".torch", ".tox", ".triton", ".viminfo", ".wget-hsts"),
        *("__MACOSX", "__pycache__", "lost+found", "node_modules"),
    }
)
# Names that are only used for a while: the temporary folder in tier B (Landlock), files that we are writing
# (kernels/workspace/folder.py), and names of NFS, FUSE and editors.
PASSING = re.compile(
    r"\.tmp(?:\.[0-9a-f]{8})?|\.placing-.*|\.[0-9a-f]{16}|\.nfs[0-9a-f]+|\.fuse_hidden.*|\.~lock\..*#|\.#.*|\..*\.sw[a-p]"
)
# Folders with thousands of files that a tool can make again, or that are of use only as a whole.
WHOLE = frozenset({".git", ".hg", ".svn", ".venv"})
AS_A_WHOLE = "a tool's own folder, whose files are not stored: it stays in the workspace, pack it into a zip"
PROBLEMS = {  # why it is not captured, by its kind
    stat.S_IFREG: "a hard link, which shares its bytes with another name: copy it instead",
    stat.S_IFLNK: "a symbolic link: links are not followed, copy the file instead",
    stat.S_IFIFO: "a pipe, not a file",
    stat.S_IFSOCK: "a socket, not a file",
}
UNREADABLE = "unreadable: its permissions forbid it"
UNSEEN = "the rest was not looked at, and is not stored; delete some, or pack them into one zip"
VANISHED = "vanished while being looked at"


@dataclass(frozen=True)
class WalkEntry:
    """A file or folder in the workspace; `problem` says why it cannot be captured, "" for a plain file."""

    path: str
    stamp: Stamp
    problem: str = ""
    stands_for_more: bool = False  # whether it stands for everything that was not looked at


class Walk:
    """One walk. Caches are skipped without a word, but count as entries."""

    def __init__(self, *, max_depth: int, max_entries: int) -> None:
        self.cut = False
        self._max_depth = max_depth
        self._max_entries = max_entries
        self._left = max_entries
        self._waiting: deque[WalkEntry] = deque()

    def entries(self, top: int) -> Iterator[WalkEntry]:
        """The entries below the folder `top`; those of one folder are sorted by name.

        Raises:
            OSError: `top` itself cannot be listed.
        """
        yield from self._listed(top, WalkEntry("", Stamp.of(os.fstat(top))))
        while self._waiting and not self.cut:
            inner = self._waiting.popleft()
            try:
                with folder(inner.path, inside=top) as here:
                    yield from self._listed(here, inner)
            except PermissionError:
                yield WalkEntry(inner.path, inner.stamp, UNREADABLE)
            except OSError:  # deleted, or swapped for a link or a file
                yield WalkEntry(inner.path, inner.stamp, VANISHED)

    def _listed(self, here: int, parent: WalkEntry) -> Iterator[WalkEntry]:
        with os.scandir(here) as listing:
            found = list(islice(listing, self._left + 1))
        if not found and "." in parent.path.rpartition("/")[2]:  # its maker may think that it is a file
            yield WalkEntry(parent.path, parent.stamp, "a folder, with nothing in it")
        if len(found) > self._left:
            self.cut = True
            found.pop()
            limit = f"over {self._max_entries:,} files and folders: {UNSEEN}"
            yield WalkEntry(f"{parent.path}/...".lstrip("/"), parent.stamp, limit, stands_for_more=True)
        self._left -= len(found)
        for item in sorted(found, key=lambda item: item.name):
            if not passed_over(item.name):
                yield from self._examined(item, f"{parent.path}/{item.name}".lstrip("/"))

    def _examined(self, item: os.DirEntry[str], path: str) -> Iterator[WalkEntry]:
        try:
            status = item.stat(follow_symlinks=False)
        except FileNotFoundError:  # a temporary file that is gone again
            return
        stamp = Stamp.of(status)
        if not stat.S_ISDIR(status.st_mode):
            yield WalkEntry(path, stamp, _problem(status))
        elif item.name in WHOLE:
            yield WalkEntry(path, stamp, AS_A_WHOLE)
        elif path.count("/") < self._max_depth:
            self._waiting.append(WalkEntry(path, stamp))
        else:
            yield WalkEntry(path, stamp, f"more than {self._max_depth} folders deep: not looked into")


def passed_over(name: str) -> bool:
    """Whether something with this name is not the person's: a cache, or a name that is used for a while."""
    return name in CACHES or (name.startswith(".") and PASSING.fullmatch(name) is not None)


def _problem(status: os.stat_result) -> str:
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        return ""
    return PROBLEMS.get(stat.S_IFMT(status.st_mode), "a device, not a file")
