"""The system's font files, without opening one: whether they have changed, and whether any has Chinese.

Standard library only. Which families a plot uses is chosen in `warm.py`, where matplotlib can read the files.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["FOLDERS", "has_cjk", "state"]

FOLDERS = tuple(
    Path(os.path.expanduser(folder))
    for folder in (
        *("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
        *("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    )
)
CJK_FILE = re.compile(
    r"cjk|wqy|notosans(sc|tc|jp|kr|hk)|droidsansfallback|ipa(ex)?g|nanum|pingfang|hiragino", re.IGNORECASE
)


def state(folders: Iterable[Path] = FOLDERS) -> str:
    """A digest of the folders' names and times of change, which changes if a font is added or removed."""
    digest = hashlib.sha256()
    for folder, _ in _walk(folders):
        digest.update(f"{folder} {os.stat(folder).st_mtime_ns}\n".encode())
    return digest.hexdigest()


def has_cjk(folders: Iterable[Path] = FOLDERS) -> bool:
    """Whether a font for Chinese, Japanese or Korean is there, by its file's name."""
    return any(CJK_FILE.search(name) for _, names in _walk(folders) for name in names)


def _walk(folders: Iterable[Path]) -> Iterator[tuple[str, list[str]]]:
    for top in folders:
        for folder, below, names in os.walk(top):
            below.sort()
            yield folder, names
