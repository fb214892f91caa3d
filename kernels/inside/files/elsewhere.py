"""Files outside the workspace: in folders of other services, and in temporary folders, which are not kept.

    outside = TemporaryFiles(temporary(), os.getcwd())
    outside.begin_cell()
    outside.written()               # after the cell: ["/tmp/x.csv"], files that are not kept

Programs and models use the folders of other services by habit.
"""

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress

from ..characters import escaped

__all__ = ["LARGE", "LEFT", "WORKSPACE_NAMES", "TemporaryFiles", "advise", "in_workspace", "temporary"]

# The working folders of ChatGPT, Colab, E2B, Jupyter's images and Kaggle. In tiers with a file tree of their
# own the workspace has these names too.
WORKSPACE_NAMES = ("/mnt/data", "/content", "/home/user", "/home/jovyan", "/kaggle/working")

LARGE = ".tmp"  # the workspace's folder for large temporary files; each new kernel empties it
LEFT = re.compile(r"\.tmp(?:\.[0-9a-f]{8})?")  # the folder itself, and what could not be removed of it yet
SHARED = "/tmp/"  # noqa: S108  in tier B (Landlock) it is the host's, and closed

MOST_FOLDERS, MOST_ENTRIES, DEEPEST = 32, 500, 3  # that are looked at in the temporary folders
TOLD = 8  # files of one cell that are named
COARSE = 0.01  # seconds by which a file's time can lie before the moment at which it was written
# Names that `tempfile` and libraries choose for files of their own, which are gone with the process.
TEMPORARY = re.compile(
    r"\..*|tmp[a-z0-9_]{8}(?:\..*)?|(?:joblib_memmapping_folder|pymp|loky|pip|pyright|npm|ray|matplotlib)[-_].*|.*\.lock"
)


def in_workspace(path: str, names: tuple[str, ...] = WORKSPACE_NAMES) -> str:
    """Where a path below another service's folder, one of `names`, is in the workspace, relative to it.

    "" for any other path, and where the workspace has that service's name too.
    """
    for name in names:
        if (path == name or path.startswith(f"{name}/")) and not os.path.exists(name):
            return path.removeprefix(name).strip("/") or "."
    return ""


def advise(error: BaseException) -> None:
    """Add to an error about a file in another service's folder, or in /tmp, where files belong here."""
    path = error.filename if isinstance(error, OSError) else None
    if not isinstance(path, str):
        return
    note = ""
    if inside := in_workspace(path):
        note = f"There is no {escaped(path)} here. Files are kept in your working folder: use {inside!r}."
    elif isinstance(error, PermissionError) and os.path.join(_here(), path).startswith(SHARED):
        note = "Files are kept in your working folder; temporary ones can be in tempfile.gettempdir()."
    if note and note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def temporary() -> tuple[str, ...]:
    """The kernel's own temporary folders: its small /tmp, and the one for large files."""
    if "TMPDIR" not in os.environ:
        return ()
    return tuple(dict.fromkeys((os.path.dirname(os.environ["IPYTHONDIR"]), os.environ["TMPDIR"])))


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return "/"


class TemporaryFiles:
    """Which files cells leave in a kernel's temporary folders, if it has its own; each is reported once."""

    def __init__(self, folders: tuple[str, ...], workspace: str = "") -> None:
        self._temporary = folders
        self._above = f"{workspace}/"  # in tier B a temporary folder is in the workspace, under a hidden name
        self._folders: dict[str, int] | None = None  # those that are known, with their times
        self._told: set[str] = set()
        self._began = 0.0

    def begin_cell(self) -> None:
        """Note that a cell begins."""
        with suppress(Exception):  # as in `written`
            self._began = time.time()
            if self._temporary and self._folders is None:
                self._folders = {}
                for _ in self._files():  # what is there already is not the person's
                    pass

    def written(self) -> list[str]:
        """The files that the cell has written there, and not a library, in the order of writing."""
        # The person's code can replace anything that is used here, and its cell has to end all the same.
        with suppress(Exception):
            return self._written() if self._temporary else self._left()
        return []

    def _written(self) -> list[str]:
        if not self._folders or not self._changed():
            return []
        found = []
        for path, status in self._files():
            if path not in self._told and status.st_ctime > self._began - COARSE:
                found.append((status.st_ctime_ns, path))
        self._told.update(path for _, path in found)
        return [path.removeprefix(self._above) for _, path in sorted(found)][:TOLD]

    def _left(self) -> list[str]:
        """The folder that the code has changed to; in a shared one nobody knows whose a file is."""
        here = f"{_here()}/"
        if here.startswith(self._above) or self._above == "/" or here in self._told:
            return []
        self._told.add(here)
        return [here]

    def _changed(self) -> bool:
        """Whether a known folder has got or lost a name since; most cells cost no more than this."""
        known = (self._folders or {}).items()
        try:
            return any(os.stat(path).st_mtime_ns != before for path, before in known)
        except OSError:  # one was removed, which is a change too
            return True

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Files that were not named by a library, within bounds; from then on the folders are known."""
        waiting, left = [(folder, 0) for folder in self._temporary], MOST_ENTRIES
        self._folders = {}
        for folder, depth in waiting:  # grows as we go
            with suppress(OSError):  # it was removed meanwhile
                self._folders[folder] = os.stat(folder).st_mtime_ns
                with os.scandir(folder) as listing:
                    for entry in listing:
                        left -= 1
                        if left < 0:
                            return
                        if TEMPORARY.fullmatch(entry.name):
                            continue
                        status = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):
                            yield entry.path, status
                        elif stat.S_ISDIR(status.st_mode) and depth < DEEPEST and len(waiting) < MOST_FOLDERS:
                            waiting.append((entry.path, depth + 1))
