"""Places other than the workspace: names that it also has, and the temporary folders, which are not kept.

    outside = TemporaryFiles(temporary(), os.getcwd())
    outside.begin()                 # before a cell
    outside.written()               # after it: ["/tmp/x.csv"], files that are not kept

Programs and models write to the folders of other services by habit.
"""

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress

from ..characters import escaped

__all__ = ["WORKSPACE_NAMES", "TemporaryFiles", "advise", "in_workspace", "temporary"]

# The working folders of ChatGPT, Colab, E2B, Jupyter's images and Kaggle. In a tier with a file tree of its
# own the workspace is there under these names too.
WORKSPACE_NAMES = ("/mnt/data", "/content", "/home/user", "/home/jovyan", "/kaggle/working")

SHARED = "/tmp/"  # noqa: S108  in tier B it is the host's, and closed

MOST_FOLDERS, MOST_ENTRIES, DEEPEST = 32, 500, 3  # that are looked at in the temporary folder
TOLD = 8  # files of one cell that are named
COARSE = 0.01  # seconds by which a file's time can lie before the moment that it was written
# What `tempfile` and libraries name: their own, and gone with the process.
TEMPORARY = re.compile(
    r"\..*|tmp[a-z0-9_]{8}(?:\..*)?|(?:joblib_memmapping_folder|pymp|loky|pip|pyright|npm|ray|matplotlib)[-_].*|.*\.lock"
)


def in_workspace(path: str) -> str:
    """Where a path below another service's folder lies in the workspace, relative to it.

    "" for any other path, and where the workspace has that name too.
    """
    for name in WORKSPACE_NAMES:
        if (path == name or path.startswith(f"{name}/")) and not os.path.exists(name):
            return path.removeprefix(name).strip("/") or "."
    return ""


def advise(error: BaseException) -> None:
    """Say with an error of a file in another service's folder, or in /tmp, where the person's files are."""
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
    """The kernel's own folders for what is not kept: its small /tmp, and that of large files."""
    if "TMPDIR" not in os.environ:
        return ()
    return tuple(dict.fromkeys((os.path.dirname(os.environ["IPYTHONDIR"]), os.environ["TMPDIR"])))


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return "/"


class TemporaryFiles:
    """The temporary folders of a kernel, if it has its own: which files cells leave there, each told once."""

    def __init__(self, places: tuple[str, ...], workspace: str = "") -> None:
        self._places = places
        self._above = f"{workspace}/"  # in tier B the folder is in the workspace, under a hidden name
        self._folders: dict[str, int] | None = None  # the times of those that are known
        self._told: set[str] = set()
        self._began = 0.0

    def begin(self) -> None:
        """A cell begins."""
        with suppress(Exception):  # as in `written`
            self._began = time.time()
            if self._places and self._folders is None:
                self._folders = {}
                for _ in self._files():  # what is there already is not the person's
                    pass

    def written(self) -> list[str]:
        """The files that the cell has written there and that no library does, the first written first."""
        # Code can replace whatever is used here, and its cell has to end all the same.
        with suppress(Exception):
            return self._written() if self._places else self._left()
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
        """The folder that the code has gone to: where it is everybody's, nothing tells whose a file is."""
        here = f"{_here()}/"
        if here.startswith(self._above) or self._above == "/" or here in self._told:
            return []
        self._told.add(here)
        return [here]

    def _changed(self) -> bool:
        """Whether a name came or went in a folder that is known; most cells cost no more than this."""
        for path, before in (self._folders or {}).items():
            try:
                if os.stat(path).st_mtime_ns != before:
                    return True
            except OSError:  # it was removed, which is a change
                return True
        return False

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Files that no library has named, within bounds; the folders are known from then on."""
        waiting, left = [(place, 0) for place in self._places], MOST_ENTRIES
        self._folders = {}
        for folder, depth in waiting:  # grows as we go
            try:
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
            except OSError:  # it went meanwhile
                continue
