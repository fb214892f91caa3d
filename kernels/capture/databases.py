"""What SQLite keeps beside a database that is open: parts of it, and no files of the person's.

    database_of("data/x.db-wal")        # "data/x.db"
    is_database("data/x.db", top)

`x.db-wal` has rows that are not in `x.db` yet (https://sqlite.org/wal.html), `x.db-shm` its index, and
`x.db-journal` what a transaction has replaced. The kernel has SQLite write the log into the database when a
cell ends (`kernels/inside/open_files.py`), which empties the log, unless somebody is reading the database.
"""

import os

from kernels.capture.found import open_path

__all__ = ["database_of", "is_database", "is_in_use", "lacking"]

SQLITE = b"SQLite format 3\x00"
HEADER = 28  # bytes of a journal that SQLite overwrites at a commit, with journal_mode=persist
COMPANIONS = {
    "-wal": "{} is open, and its newest rows may be in this log: close it, and it is stored again",
    "-journal": "{} is in the middle of a transaction: commit that, and it is stored again",
    "-shm": "",
}


def database_of(path: str) -> str:
    """The database that a file of this name stands beside; "" for any other name."""
    for ending in COMPANIONS:
        if path.endswith(ending):
            return path.removesuffix(ending)
    return ""


def lacking(path: str) -> str:
    """What a database may lack that is stored without this companion, as a format for its name."""
    return next(text for ending, text in COMPANIONS.items() if path.endswith(ending))


def is_database(path: str, top: int) -> bool:
    """Whether the file below the folder `top` begins as SQLite's do."""
    return _head(path, top, len(SQLITE)) == SQLITE


def is_in_use(path: str, top: int) -> bool:
    """Whether a log or journal below the folder `top` has something: one that is kept begins with zeros."""
    return any(_head(path, top, HEADER))


def _head(path: str, top: int, size: int) -> bytes:
    try:
        descriptor = open_path(path, top)
    except OSError:
        return b""
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)
