"""Faults: a database on a full disk, one that another program has locked, and no disk space for the spool."""

import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from filestore.errors import StoreFull
from filestore.sqlite.database import SqliteDatabase


@asynccontextmanager
async def full(_data: Path | None = None) -> AsyncIterator[None]:
    """While entered, every write to SQLite fails and reads work, as on a full disk."""
    transaction = SqliteDatabase._transaction

    def refuse(database: SqliteDatabase, begin: str, *rest: Any) -> Any:
        if begin == "BEGIN IMMEDIATE":
            raise StoreFull("kernelcord.db: database or disk is full")
        return transaction(database, begin, *rest)

    SqliteDatabase._transaction = refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        SqliteDatabase._transaction = transaction  # type: ignore[method-assign]


@asynccontextmanager
async def locked(data: Path) -> AsyncIterator[None]:
    """While entered, another program holds the write lock, and our writes wait in vain."""
    with closing(sqlite3.connect(data / "kernelcord.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def no_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """While entered, nothing of the spool can be written to the disk."""

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("filestore.spool.journal.os.pwrite", fail)
        yield
