"""File names that are safe to write, and safe to show.

safe_name("../../evil\\n.csv")    # "evil_.csv": one plain component, for a file we write
shown_name("a\\udcff.csv")        # "a_~9c2e41.csv": what a person reads; the file keeps its own name
"""

import hashlib
import os
import unicodedata

LONGEST_NAME = 200  # bytes of UTF-8; file systems take 255, and a suffix must still fit

# Joiners are format characters too, and part of honest names: Persian and emoji need them.
JOINERS = "\u200c\u200d"
# Controls, format characters (bidi overrides among them), lone surrogates, line and paragraph separators.
UNSHOWABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def safe_name(name: str) -> str:
    """The last component of `name` as one plain file name: never empty, never hidden, at most 200 bytes.

    Directories are dropped, unshowable characters become `_`, leading dots and spaces go, and a long name is
    cut before its extension.
    """
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    plain = _repaired(last).lstrip(". ").rstrip() or "file"
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
    repaired = _repaired(path)
    if repaired == path:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:6]
    return with_suffix(repaired, f"~{digest}")


def _repaired(text: str) -> str:
    return "".join(
        "_" if unicodedata.category(letter) in UNSHOWABLE and letter not in JOINERS else letter
        for letter in text
    )


def _shortened(name: str) -> str:
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, extension = os.path.splitext(name)
    tail = extension.encode()[: LONGEST_NAME // 4].decode(errors="ignore")
    return stem.encode()[: LONGEST_NAME - len(tail.encode())].decode(errors="ignore") + tail
