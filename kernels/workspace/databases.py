"""The files that SQLite keeps beside an open database: they are parts of it, and not the person's own files.

    database_of("data/x.db-wal")        # "data/x.db"
    is_database("data/x.db", top)
    is_sqlites("data/x.db-wal", top, size)      # and not a file of the person's with such a name

`x.db-wal` has rows that are not in `x.db` yet (https://sqlite.org/wal.html), `x.db-shm` is its index, and
`x.db-journal` has what a transaction has replaced. When a cell ends, the kernel makes SQLite write the log
into the database (`kernels/inside/files/open_files.py`), which empties the log unless somebody is reading the
database.

During a transaction the database itself is written only once the journal's header says how many pages it has.
Until then it is as the last transaction left it (https://sqlite.org/fileformat2.html#the_rollback_journal).
"""

import os
import sys

from kernels.inside.files.sqlite_log import LOG_MAGICS, SQLITE
from kernels.workspace.safe_open import open_path

__all__ = ["SQLITE", "database_of", "is_being_written", "is_database", "is_in_use", "is_sqlites", "lacking"]

JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
INDEX_MAGIC = (3007000).to_bytes(4, sys.byteorder)  # https://sqlite.org/walformat.html
INDEX_PAGE = 32768  # bytes
HEADER = 28  # bytes of a journal, which SQLite overwrites at a commit if journal_mode is persist
COMPANIONS = {
    "-wal": "{} is open, and its newest rows may be in this log: close it, and it is stored again",
    "-journal": "{} is in the middle of a transaction: commit that, and it is stored again",
    "-shm": "",
}


def database_of(path: str) -> str:
    """The database that a file with this name belongs to; "" for any other name."""
    return next((path.removesuffix(ending) for ending in COMPANIONS if path.endswith(ending)), "")


def lacking(path: str) -> str:
    """What a database may lack if it is stored without this companion, as a format for its name."""
    return next(text for ending, text in COMPANIONS.items() if path.endswith(ending))


def is_database(path: str, top: int) -> bool:
    """Whether the file below the folder `top` begins as SQLite's databases do."""
    return _head(path, top, len(SQLITE)) == SQLITE


def is_sqlites(path: str, top: int, size: int) -> bool:
    """Whether a file of `size` bytes with a companion's name is really one of SQLite's."""
    if not size:
        return True
    head = _head(path, top, HEADER)
    if path.endswith("-wal"):
        return head.startswith(LOG_MAGICS)
    if path.endswith("-shm"):  # all of it is zeros until the first connection has read the log
        return size % INDEX_PAGE == 0 and head[:4] in (bytes(4), INDEX_MAGIC)
    # The magic and the number of pages are written last, when the pages are on the disk.
    return head[:12] == bytes(12) or head.startswith(JOURNAL_MAGIC)


def is_being_written(path: str, top: int) -> bool:
    """Whether a transaction has written a part of this database, which its journal tells."""
    head = _head(f"{path}-journal", top, HEADER)
    return head.startswith(JOURNAL_MAGIC) and any(head[8:12])


def is_in_use(path: str, top: int) -> bool:
    """Whether a log or journal below the folder `top` contains anything: an unused one begins with zeros."""
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
