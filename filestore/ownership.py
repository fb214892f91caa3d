"""Which database a folder of bytes belongs to: each of the two has the other's id.

    found = await begin_run(store, blobs, now)      # once, before anything is put
    found.ours                                      # whether the bytes in the folder are this database's
    found = await current(store, blobs)             # later

A database that is new, or old, or somebody else's does not know the bytes in the folder, which is no reason
to delete them. So the folder has a mark with the id of the database that it belongs to. A folder without a
mark is new, or older than marks are; it goes to the first database that knows one of its files, or to any
database if it has no files. A database that knows none of its files is noted in the mark as a stranger, so
that files that it puts there later do not make the folder its own. The mark also names the run of the program
that worked there last, and so does the database. If the two differ, another database was used in between, or
this one was restored from a copy.
"""

import json
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from filestore.blobs.store import Blobs
from filestore.records import moment
from filestore.store import FileRecords, Store

__all__ = ["DOUBT", "Ownership", "begin_run", "current", "is_ours"]

DOUBT = timedelta(days=1)  # in which a database that has missed something deletes no expired files
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose folder it is: `own` is the id of the database in use, `owner` the id of the folder's database.

    `folder` is the folder's own id, "" if it has none.

    `continued` is False at a start after another database was used, or after this one was restored from a
    copy; `doubtful_since` is when that last happened.
    """

    own: str
    owner: str
    continued: bool = True
    doubtful_since: datetime | None = None
    folder: str = ""

    @property
    def readable(self) -> bool:
        """Whether the mark could be read; if not, the folder belongs to nobody."""
        return self.owner != UNREADABLE

    @property
    def ours(self) -> bool:
        """Whether the bytes belong to the database in use."""
        return self.own == self.owner

    def doubtful(self, now: datetime) -> bool:
        """Whether an expired file may have been renewed without the database knowing of it."""
        since = self.doubtful_since
        return since is not None and since <= now < since + DOUBT


@dataclass(frozen=True, slots=True)
class _Mark:
    folder: str  # an id of its own
    database: str = ""
    strangers: tuple[str, ...] = ()  # databases that knew no file here when they were first used
    run: str = ""
    doubtful_since: datetime | None = None

    def to_text(self) -> str:
        since = self.doubtful_since.isoformat() if self.doubtful_since else None
        return json.dumps(asdict(self) | {"doubtful_since": since}, indent=1) + "\n"

    @classmethod
    def from_text(cls, text: str) -> "_Mark":
        """The mark; if somebody has edited it so that it cannot be read, the folder belongs to nobody."""
        try:
            fields = json.loads(text)
            since = fields["doubtful_since"]
            return cls(
                str(fields["folder"]),
                str(fields["database"]),
                tuple(map(str, fields["strangers"])),
                str(fields["run"]),
                moment(datetime.fromisoformat(since)) if since else None,
            )
        except (ValueError, KeyError, TypeError):
            return cls(UNREADABLE, UNREADABLE)


async def begin_run(
    store: Store, blobs: Blobs, now: datetime, *, files: FileRecords | None = None
) -> Ownership:
    """Find out whom the bytes belong to, and note that a program begins to work with them and the database.

    If the database has missed something, all sessions count as used now, because nothing tells which were.
    `files` (None: the store's) may know records that are not in the database yet.
    Raises: StoreUnavailable, OSError.
    """
    own = await store.identity.id()
    found = await _mark(blobs)
    mark = await _judged(files or store.files, blobs, found or _Mark(secrets.token_hex(8)), own)
    if mark.database == UNREADABLE:
        return Ownership(own, UNREADABLE)
    run = secrets.token_hex(8)
    continued = await store.identity.begin_run(mark.folder, run) == mark.run
    since = mark.doubtful_since
    if not continued:
        since = moment(now)
        await store.sessions.touch_all(since)
    await blobs.set_mark(replace(mark, run=run, doubtful_since=since).to_text())
    return Ownership(own, mark.database, continued, since, mark.folder)


async def is_ours(store: Store, blobs: Blobs) -> bool:
    """Whether the folder is marked as this database's; changes nothing. Raises: StoreUnavailable, OSError."""
    found = await _mark(blobs)
    return found is not None and found.database == await store.identity.id()


async def current(store: Store, blobs: Blobs) -> Ownership:
    """Whom the bytes belong to now; a folder without an owner gets one. Raises: StoreUnavailable, OSError."""
    own = await store.identity.id()
    found = await _mark(blobs)
    if found is None and not await _has_bytes(blobs):
        return Ownership(own, own)  # there is no folder to mark, or its disk is not mounted
    mark = await _judged(store.files, blobs, found or _Mark(secrets.token_hex(8)), own)
    if mark != found:
        await blobs.set_mark(mark.to_text())
    return Ownership(own, mark.database, doubtful_since=mark.doubtful_since, folder=mark.folder)


async def _mark(blobs: Blobs) -> _Mark | None:
    text = await blobs.mark()
    return None if text is None else _Mark.from_text(text)


async def _judged(files: FileRecords, blobs: Blobs, mark: _Mark, own: str) -> _Mark:
    if mark.database or own in mark.strangers:
        return mark
    if await _knows_some(files, blobs) or not await _has_bytes(blobs):
        return replace(mark, database=own, strangers=())
    return replace(mark, strangers=(*mark.strangers, own))


async def _knows_some(files: FileRecords, blobs: Blobs) -> bool:
    async for folder in blobs.folders():
        if await files.known_keys([entry.key for entry in folder]):
            return True
    return False


async def _has_bytes(blobs: Blobs) -> bool:
    async for folder in blobs.folders():
        if folder:
            return True
    return False
