"""File names that are safe to write, and safe to show.

safe_name("../../evil\\n.csv")    # "evil_.csv": one plain component, for a file we write
shown_name("a\\udcff.csv")        # "a_~9c2e41.csv": what a person reads; the file keeps its own name
FreeNames(["data.csv"]).free("DATA.csv", "-2")     # "DATA-2.csv": a place in a folder for any system
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from itertools import count

from kernels.text.visible import one_line

LONGEST_NAME = 200  # bytes of UTF-8; file systems take 255, and a suffix must still fit
# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_REFUSED = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE)


def safe_name(name: str) -> str:
    """The last component of `name` as one plain file name: never empty, never hidden, at most 200 bytes.

    Directories are dropped, unshowable characters become `_`, leading dots and spaces go, and a long name is
    cut before its extension.
    """
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    plain = one_line(last).lstrip(". ").rstrip() or "file"
    return _shortened(plain)


def with_suffix(name: str, suffix: str) -> str:
    """`name` with `suffix` before its extension: `data.csv` and `-2` give `data-2.csv`."""
    stem, extension = os.path.splitext(name)
    return f"{stem}{suffix}{extension}"


def shown_name(path: str) -> str:
    """A path read from the file system as text that can be shown and stored.

    A path that is fine already stays as it is. A repaired one gets six digits of its own bytes' hash, so that
    two names which differ only in what was repaired stay two names.
    """
    repaired = one_line(path)
    if repaired == path:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:6]
    return with_suffix(repaired, f"~{digest}")


class FreeNames:
    """The places of files below one folder, which may lie on a disk that does not tell `a` from `A`."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._numbers: dict[tuple[str, str], int] = {}  # the next to be tried of a name that is taken
        for path in taken:
            self._take(path)

    def free(self, name: str, suffix: str) -> str:
        """A place for `name`, its folders included; where that is taken, one with `suffix` at the top.

        What Windows does not take as a name (`C:a`, `con`), and what a command takes for an option (`-rf`),
        has underscores.
        """
        parts = [_anywhere(_safe_part(part)) for part in name.split("/")]
        path = "/".join(parts)
        wanted = (_keys(parts[-1])[0], suffix)
        for number in count(self._numbers.get(wanted, 2)):
            if self._is_free(path):
                break
            path = with_suffix(parts[-1], suffix if number == 2 else f"{suffix}-{number}")
            self._numbers[wanted] = number + 1
        self._take(path)
        return path

    def _is_free(self, path: str) -> bool:
        key, *folders = _keys(path)
        return key not in self._files and key not in self._folders and self._files.isdisjoint(folders)

    def _take(self, path: str) -> None:
        key, *folders = _keys(path)
        self._files.add(key)
        self._folders.update(folders)


def _safe_part(part: str) -> str:
    """A folder's or file's name; one that is hidden (.gitignore) stays so, as programs look for it."""
    name = safe_name(part)
    return f".{name}" if part.startswith(".") and part.strip(". ") else name


def _keys(path: str) -> list[str]:
    """The path and the folders it is in, the innermost first, as the pickiest file system compares them."""
    parts = unicodedata.normalize("NFC", path).casefold().split("/")
    return ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _anywhere(name: str) -> str:
    """A safe name as one that Windows takes too, and that no command takes for an option."""
    taken = name.translate(_REFUSED).rstrip(". ") or "file"
    return f"_{taken}" if taken.startswith("-") or _DEVICE.fullmatch(taken) else taken


def _shortened(name: str) -> str:
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, extension = os.path.splitext(name)
    tail = extension.encode()[: LONGEST_NAME // 4].decode(errors="ignore")
    return stem.encode()[: LONGEST_NAME - len(tail.encode())].decode(errors="ignore") + tail
