"""The SQLite file: one writer thread that runs whole transactions, and readers with connections of their own.

    async with opened(path) as database:
        await database.write(lambda connection: connection.execute(...))
        sessions = await database.rows(lambda row: record(SessionRecord, row), "SELECT ...", user_id)

A transaction is one call. If its caller is cancelled, it is either dropped whole or runs to its end, and
never stays open (when BEGIN and COMMIT were awaited one by one, 50 of 200 transactions stayed open).
`synchronous=FULL` in WAL mode makes each commit durable before `write` returns. `write_soon` does not wait
for the disk, nor for the thread if there is little to write (each takes 0.2 ms of a turn's 3). What it has
written is synced `soon` after, so that the writes of a short turn, and those of others at that moment, share
a sync.
"""

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filestore.errors import StoreDamaged, StoreFull, StoreTooNew, StoreUnavailable
from filestore.sqlite.rows import values
from filestore.sqlite.schema import MIGRATIONS

log = logging.getLogger(__name__)

READERS = 3  # threads, each with a connection
SMALL = 64 * 1024  # characters that the event loop itself writes, to the system's cache, in 0.1 ms
TIDIED = 200  # writes after which the log is copied into the file; the event loop itself never does that
NO_ROOM = 64 * 1024  # bytes; a disk with less free space is full, whatever error the database reports


@dataclass(frozen=True, slots=True)
class Waits:
    """How long things may take, and how much may be done while others wait."""

    busy: int = 10_000  # milliseconds to wait for another process that writes
    locked: int = 100  # milliseconds to wait for it right after a wait of `busy` has failed
    soon: float = 0.005  # seconds until what `write_soon` has written is synced
    check: float = 5.0  # seconds that a start spends on checking the file; 1 GB in the cache takes 0.4
    reading: int = 100  # milliseconds to wait for readers of the file as it was; nobody can write meanwhile
    erasing: int = 20  # tries to empty the log, each of which waits `reading`
    compacted: int = 16 * 1024 * 1024  # bytes of a file that may be written anew, while writers wait: 0.3 s
    rest: float = 20.0  # times as long as an erasing has kept the writer busy, until the next one begins


class _Busy(Exception):
    """Another connection writes, or there is too much to write in the event loop."""


class SqliteDatabase:
    """Runs functions of a connection, each in a transaction of its own, off the event loop.

    Where the database refuses (disk full, locked, broken file), they raise StoreUnavailable.
    """

    def __init__(self, path: Path, waits: Waits) -> None:
        self.folder = ""  # id of the folder of bytes that this program works on, once that is known
        self._path = path
        self._waits = waits
        self._connections: list[sqlite3.Connection] = []
        self._own = threading.local()
        self._loop_thread = threading.get_ident()
        self._syncing: asyncio.TimerHandle | None = None  # until then more may be written
        self._untidied = 0
        self._unerased = False  # the log could not be emptied of what was deleted
        self._erasing = asyncio.Lock()
        self._begun = self._erased = 0  # numbers of erasings: the last that has begun, and that has ended
        self._rests_until = 0.0  # by the monotonic clock
        self._locked_until = 0.0  # by the monotonic clock; until then other writers wait only `locked`
        self._writer = ThreadPoolExecutor(1, "sqlite-writer")
        self._readers = ThreadPoolExecutor(READERS, "sqlite-reader")

    async def write[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a write transaction: committed when this returns, rolled back when `work` raises."""
        return await self._run(self._writer, "BEGIN IMMEDIATE", work)

    async def write_soon[T](self, work: Callable[[sqlite3.Connection], T], size: int) -> T:
        """Like `write`, but synced soon after this returns: a crash of ours cannot undo it, a power cut can.

        `size` is about how many characters it writes.
        """
        try:
            if size > SMALL:
                raise _Busy
            result = self._transaction("BEGIN IMMEDIATE", work, "NORMAL")
        except _Busy:
            result = await self._run(self._writer, "BEGIN IMMEDIATE", work, synchronous="NORMAL")
        self._untidied += 1
        if self._syncing is None:
            self._syncing = asyncio.get_running_loop().call_later(self._waits.soon, self._sync_now)
        return result

    async def read[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on one consistent view of the database."""
        return await self._run(self._readers, "BEGIN", work)

    async def rows[R](self, made: Callable[[sqlite3.Row], R], query: str, *given: object) -> list[R]:
        """What `made` makes of each row that a query finds."""
        bound = values(*given)
        return await self.read(lambda connection: list(map(made, connection.execute(query, bound))))

    async def first[R](self, made: Callable[[sqlite3.Row], R], query: str, *given: object) -> R | None:
        """What `made` makes of the first row that a query finds, if any."""
        return next(iter(await self.rows(made, query, *given)), None)

    async def change(self, query: str, *given: object) -> int:
        """Run one statement; returns how many rows it has changed."""
        bound = values(*given)
        return await self.write(lambda connection: connection.execute(query, bound).rowcount)

    async def erase_deleted(self) -> None:
        """Leave nothing in the database's files of what was deleted before this call.

        `secure_delete` has overwritten it in the file, but for copies in gaps of pages, which rows leave when
        they move. A file of up to `Waits.compacted` bytes is written anew without them. Then the log is
        emptied, if need be after one of the next writes. What cannot be done is logged.

        Meanwhile nobody can write. So one erasing serves everybody who has called this before it begins, and
        it takes at most one part in `Waits.rest` of the time: others wait rarely, and those who delete wait
        for it.
        """
        before = self._begun
        async with self._erasing:
            if self._erased > before:
                return
            # Others write meanwhile: what is waited for is their share of the time.
            await asyncio.sleep(max(0.0, self._rests_until - time.monotonic()))
            self._begun += 1
            await self._erase()
            self._erased = self._begun

    async def _erase(self) -> None:
        await self._erasing_step(self._compact)
        for _ in range(self._waits.erasing):
            if await self._erasing_step(self._empty_log):
                return
            await asyncio.sleep(self._waits.reading / 1000)  # others write
        self._unerased = True
        log.warning("what was deleted stays in the log of %s for now", self._path.name)

    async def _erasing_step[T](self, work: Callable[[], T]) -> T:
        """Do it in the writer's thread; a rest follows that is in proportion to how long it takes there."""

        def timed() -> T:
            began = time.monotonic()
            try:
                return work()
            finally:
                ended = time.monotonic()
                self._rests_until = max(self._rests_until, ended) + self._waits.rest * (ended - began)

        return await asyncio.get_running_loop().run_in_executor(self._writer, timed)

    async def close(self) -> None:
        """Let running transactions end, sync what was written, then close every connection."""
        if self._syncing is not None:
            self._syncing.cancel()
            self._sync_now()
        for executor in (self._readers, self._writer):
            await asyncio.to_thread(executor.shutdown)
        for connection in self._connections:
            connection.close()

    async def _run[T](
        self,
        executor: ThreadPoolExecutor,
        begin: str,
        work: Callable[[sqlite3.Connection], T],
        synchronous: str = "FULL",
    ) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(executor, self._transaction, begin, work, synchronous)

    def _transaction[T](self, begin: str, work: Callable[[sqlite3.Connection], T], synchronous: str) -> T:
        in_loop = threading.get_ident() == self._loop_thread
        try:
            connection = self._connection()
            if not in_loop:
                waits = self._waits
                patience = waits.locked if time.monotonic() < self._locked_until else waits.busy
                connection.execute(f"PRAGMA busy_timeout = {patience}")
            if self._own.synchronous != synchronous:
                connection.execute(f"PRAGMA synchronous = {synchronous}")
                self._own.synchronous = synchronous
            connection.execute(begin)
            try:
                result = work(connection)
                if isinstance(result, sqlite3.Cursor):  # destroyed in another thread it would reset this
                    result.close()  # connection, and an error of the statement that runs then would be lost
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):  # a full disk can have rolled back already
                        connection.execute("ROLLBACK")
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_BUSY and in_loop:
                raise _Busy from None
            if code == sqlite3.SQLITE_BUSY:
                self._locked_until = time.monotonic() + self._waits.busy / 1000
            raise self._unavailable(code)(f"{self._path.name}: {error}") from error
        return result

    def _unavailable(self, code: int) -> type[StoreUnavailable]:
        """The error of ours that stands for a primary result code of SQLite."""
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StoreDamaged
        if code == sqlite3.SQLITE_FULL:
            return StoreFull
        if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):  # its log or index had no room
            with suppress(OSError):
                disk = os.statvfs(self._path.parent)
                if disk.f_bavail * disk.f_frsize < NO_ROOM:
                    return StoreFull
        return StoreUnavailable

    def _sync_now(self) -> None:
        self._syncing = None  # what is written from now on is left to the next sync
        self._writer.submit(self._sync)

    def _sync(self) -> None:
        """Sync the log, which holds all commits so far: that makes them durable."""
        try:
            log_file = os.open(f"{self._path}-wal", os.O_RDWR | os.O_CLOEXEC)
            try:
                os.fsync(log_file)
            finally:
                os.close(log_file)
            if self._unerased and self._empty_log():
                self._unerased = False
                self._untidied = 0
            if self._untidied >= TIDIED:
                self._untidied = 0
                self._tidy(self._connection(), "FULL")
        except (OSError, sqlite3.Error):
            log.exception("the log of %s could not be synced", self._path.name)

    def _compact(self) -> None:
        """Write the file anew if it is small; a full disk or another writer may prevent it."""
        try:
            connection = self._connection()
            pages, size = (
                connection.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size")
            )
            if pages * size <= self._waits.compacted:
                connection.execute("PRAGMA temp_store = MEMORY")  # no copy of it in the system's folder
                connection.execute(f"PRAGMA busy_timeout = {self._waits.reading}")
                connection.execute("VACUUM")
        except sqlite3.Error as error:
            log.warning("%s could not be compacted: %s", self._path.name, error)

    def _empty_log(self) -> bool:
        """Copy the log into the file and truncate it; returns whether that was possible."""
        try:
            return self._tidy(self._connection(), "TRUNCATE")
        except sqlite3.Error as error:
            log.debug("the log of %s could not be emptied: %s", self._path.name, error)
            return False

    def _tidy(self, connection: sqlite3.Connection, how: str) -> bool:
        """Copy the log into the file, except what would replace pages that somebody still reads.

        Returns whether all was done.
        """
        connection.execute(f"PRAGMA busy_timeout = {self._waits.reading}")
        try:
            busy = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchall()[0][0]
        finally:
            connection.execute(f"PRAGMA busy_timeout = {self._waits.busy}")
        return not busy

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._own, "connection"):
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._connections.append(connection)
            connection.row_factory = sqlite3.Row
            if threading.get_ident() == self._loop_thread:  # which must neither wait nor copy the log
                connection.execute("PRAGMA busy_timeout = 0")
                connection.execute("PRAGMA wal_autocheckpoint = 0")
            else:
                connection.execute(f"PRAGMA busy_timeout = {self._waits.busy}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, not only let go
            self._own.connection = connection
            self._own.synchronous = ""  # not set yet
        own: sqlite3.Connection = self._own.connection
        return own


@asynccontextmanager
async def opened(path: Path, waits: Waits | None = None) -> AsyncIterator[SqliteDatabase]:
    """The database at `path`, which is first created (0600) or migrated to the newest schema.

    A log shows that an earlier program was killed, perhaps before it had erased what was deleted: that is
    done then. (Another program that is at work has a log, too, and hardly notices.)
    Raises: StoreUnavailable, StoreTooNew; StoreDamaged after a check of a few seconds at most.
    """
    waits = waits or Waits()
    database = SqliteDatabase(path, waits)
    try:
        try:
            await asyncio.to_thread(_make_private, path)
        except OSError as error:
            raise StoreUnavailable(f"{path}: {error.strerror}") from error
        killed = await asyncio.to_thread(_has_log, path)
        await database.write(_migrate)
        await database.read(partial(_check, path, waits.check))
        if killed:
            await database.erase_deleted()
        yield database
    finally:
        await database.close()


def _make_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _has_log(path: Path) -> bool:
    """Whether there is a log with something in it, which closing a database removes."""
    try:
        return os.stat(f"{path}-wal").st_size > 0
    except OSError:
        return False


def _migrate(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > len(MIGRATIONS):
        raise StoreTooNew(found, len(MIGRATIONS))
    for statements in MIGRATIONS[found:]:
        for statement in statements:
            connection.execute(statement)
    if found < len(MIGRATIONS):  # else nothing is written, so a full disk does not hinder the start
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _check(path: Path, seconds: float, connection: sqlite3.Connection) -> None:
    """Look for damage, which would otherwise be noticed only when somebody needs that part of the file."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        log.info("%s is large: only its beginning was checked for damage", path.name)
        return
    finally:
        timer.cancel()
        timer.join()
    if found != "ok":
        raise StoreDamaged(f"{path.name}: {' '.join(found.split())}")
