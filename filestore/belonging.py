"""Whose bytes these are: a database and a folder of bytes know each other by an id that stands in both.

    belonging = await begin(store, blobs, now)      # once, before anything is put
    belonging.ours                                  # whether the bytes in the folder are this database's
    belonging = await known(store, blobs)           # later

A database that is empty, or old, or another's knows nothing of the bytes in the folder, and nothing may be
deleted for that. The folder has a mark with the id of the database that it belongs to. A folder without one
is of before there were marks, or new: the database that knows one of its files gets it, or any that finds no
file in it. One that knows none of them is noted as a stranger, so that it stays one once it has put files of
its own. The mark also names the program that worked there last, and so does the database: where they differ,
another database was used in between, or this one is a copy of what it was earlier.
"""

import json
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from filestore.blobs import Blobs
from filestore.records import moment
from filestore.store import Files, Store

__all__ = ["DOUBT", "Belonging", "begin", "known"]

DOUBT = timedelta(days=1)  # for which a database that has missed something deletes no expired file
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Belonging:
    """What is known of a database and a folder. `own` is the database's id, `owner` that of the folder's.

    `continued` is False at the start where another database was used in between, or this one is a copy of
    what it was earlier; `doubtful_since` is when that was last so.
    """

    own: str
    owner: str
    continued: bool = True
    doubtful_since: datetime | None = None

    @property
    def ours(self) -> bool:
        """Whether the bytes are the database's."""
        return self.own == self.owner

    def doubtful(self, now: datetime) -> bool:
        """Whether the database may think that a file has expired which lives on in another."""
        since = self.doubtful_since
        return since is not None and since <= now < since + DOUBT


@dataclass(frozen=True, slots=True)
class _Mark:
    folder: str  # an id of its own
    database: str = ""
    strangers: tuple[str, ...] = ()  # databases that knew no file here when they came first
    run: str = ""
    doubtful_since: datetime | None = None

    def to_text(self) -> str:
        since = self.doubtful_since.isoformat() if self.doubtful_since else None
        return json.dumps(asdict(self) | {"doubtful_since": since}, indent=1) + "\n"

    @classmethod
    def from_text(cls, text: str) -> "_Mark":
        """The mark; one that cannot be read, after somebody has changed it, makes the folder nobody's."""
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


async def begin(store: Store, blobs: Blobs, now: datetime) -> Belonging:
    """Find out whose the bytes are, and note that a program begins to work with both.

    Where the database has missed something, all sessions count as used now: whether they were it cannot say.
    Raises: StoreUnavailable, OSError.
    """
    own = await store.identity.id()
    found = await _mark(blobs)
    mark = await _judged(store.files, blobs, found or _Mark(secrets.token_hex(8)), own)
    if mark.database == UNREADABLE:
        return Belonging(own, UNREADABLE)
    run = secrets.token_hex(8)
    continued = await store.identity.begin(mark.folder, run) == mark.run
    since = mark.doubtful_since
    if not continued:
        since = moment(now)
        await store.sessions.touch_all(since)
    await blobs.set_mark(replace(mark, run=run, doubtful_since=since).to_text())
    return Belonging(own, mark.database, continued, since)


async def known(store: Store, blobs: Blobs) -> Belonging:
    """What is known now; a folder without an owner gets one. Raises: StoreUnavailable, OSError."""
    own = await store.identity.id()
    found = await _mark(blobs)
    if found is None and not await _has_bytes(blobs):
        return Belonging(own, own)  # there may be no folder, or its disk is away: nothing to be marked
    mark = await _judged(store.files, blobs, found or _Mark(secrets.token_hex(8)), own)
    if mark != found:
        await blobs.set_mark(mark.to_text())
    return Belonging(own, mark.database, doubtful_since=mark.doubtful_since)


async def _mark(blobs: Blobs) -> _Mark | None:
    text = await blobs.mark()
    return None if text is None else _Mark.from_text(text)


async def _judged(files: Files, blobs: Blobs, mark: _Mark, own: str) -> _Mark:
    if mark.database or own in mark.strangers:
        return mark
    if await _knows_some(files, blobs) or not await _has_bytes(blobs):
        return replace(mark, database=own, strangers=())
    return replace(mark, strangers=(*mark.strangers, own))


async def _knows_some(files: Files, blobs: Blobs) -> bool:
    async for folder in blobs.folders():
        if await files.known_keys([entry.key for entry in folder]):
            return True
    return False


async def _has_bytes(blobs: Blobs) -> bool:
    async for folder in blobs.folders():
        if folder:
            return True
    return False
