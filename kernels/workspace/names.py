"""File names that are safe to write, and safe to show.

safe_name("../../evil\\n.csv")    # "evil_.csv": one plain component, for a file that we write
shown_name("a\\udcff.csv")        # "a_~9c2e41.csv": what a person reads; the file keeps its own name
FreeNames(["data.csv"]).free("DATA.csv", "-2")     # "DATA-2.csv": a name that is free on any system
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from itertools import count

from kernels.text.visible import one_line

LONGEST_NAME = 200  # bytes of UTF-8; file systems allow 255, and a suffix must still fit
# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_REFUSED = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE)


def safe_name(name: str) -> str:
    """The last component of `name` as one plain file name: never empty, never hidden, at most 200 bytes.

    Folders and leading dots and spaces are dropped, characters that cannot be shown become `_`, and a long
    name is cut before its extension.
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

    A path that is fine already stays as it is. A repaired one gets six digits of a hash of its bytes, so that
    two names which differ only in what was repaired remain two names.
    """
    repaired = one_line(path)
    if repaired == path:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:6]
    return with_suffix(repaired, f"~{digest}")


class FreeNames:
    """Gives files below one folder names that are free, even on a disk that takes `a` for `A`."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._numbers: dict[tuple[str, str], int] = {}  # the next to try for a name that is taken
        for path in taken:
            self._add(path)

    def free(self, name: str, suffix: str) -> str:
        """A path for `name`, with its folders; if that is taken, one with `suffix` and without folders.

        Names that Windows does not accept (`C:a`, `con`), or that a command takes for an option (`-rf`), get
        underscores.
        """
        parts = [_anywhere(_safe_part(part)) for part in name.split("/")]
        path = "/".join(parts)
        wanted = (_keys(parts[-1])[0], suffix)
        for number in count(self._numbers.get(wanted, 2)):
            if self._is_free(path):
                break
            path = with_suffix(parts[-1], suffix if number == 2 else f"{suffix}-{number}")
            self._numbers[wanted] = number + 1
        self._add(path)
        return path

    def _is_free(self, path: str) -> bool:
        key, *folders = _keys(path)
        return key not in self._files and key not in self._folders and self._files.isdisjoint(folders)

    def _add(self, path: str) -> None:
        key, *folders = _keys(path)
        self._files.add(key)
        self._folders.update(folders)


def _safe_part(part: str) -> str:
    """The name of a folder or file; a hidden one (.gitignore) stays hidden, since programs look for it."""
    name = safe_name(part)
    return f".{name}" if part.startswith(".") and part.strip(". ") else name


def _keys(path: str) -> list[str]:
    """The path and the folders it is in, the innermost first, as the pickiest file system compares them."""
    parts = unicodedata.normalize("NFC", path).casefold().split("/")
    return ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _anywhere(name: str) -> str:
    """A safe name that Windows accepts too, and that no command takes for an option."""
    taken = name.translate(_REFUSED).rstrip(". ") or "file"
    return f"_{taken}" if taken.startswith("-") or _DEVICE.fullmatch(taken) else taken


def _shortened(name: str) -> str:
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, extension = os.path.splitext(name)
    tail = extension.encode()[: LONGEST_NAME // 4].decode(errors="ignore")
    return stem.encode()[: LONGEST_NAME - len(tail.encode())].decode(errors="ignore") + tail
