"""Copies of transcripts in MongoDB, a few entries at a time.

copies = Copies(database)
count = await copies.copy(session_id, to, upto)

The counter of `to` is set first, so that entries that are added there meanwhile get higher numbers.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from filestore.errors import NoSuchSession, StoreUnavailable
from filestore.mongo.database import Document, MongoDatabase, Taken, equal
from filestore.mongo.entries import references
from filestore.mongo.quotas import ROWS, MongoQuotas
from filestore.mongo.texts import Texts
from filestore.records import Copyable, copied_key

__all__ = ["Copies"]

log = logging.getLogger(__name__)

AT_ONCE = 20  # entries read at once: each may have megabytes
READ_TRIES = 5  # if an entry's outputs are replaced while it is copied, it is read again


@dataclass(frozen=True, slots=True)
class _MongoTarget:
    """The session that gets the copies, of the entries up to number `last`."""

    session_id: str
    owner: int
    created_at: datetime  # tells it from a new session of this name, if it is deleted meanwhile
    last: int


class Copies:
    """Copies entries of a person's sessions."""

    def __init__(self, database: MongoDatabase) -> None:
        self._entries = database["entries"]
        self._counters = database["counters"]
        self._outside = database["outside"]
        self._sessions = database["sessions"]
        self._texts = Texts(database)
        self._quotas = MongoQuotas(database)

    async def copyable(self, session_id: str, to: str, upto: int) -> Copyable:
        """See store.Transcripts."""
        await self._owned(session_id, to)
        if await self._last(to):
            raise _not_empty(to)
        which = equal(session_id=session_id) | {"seq": {"$lte": upto}}
        sums = await self._entries.sums(which, *ROWS.values())
        outside = await self._outside.many(which, [("order", 1)])
        size = sum(int(sums[name]) for name in ("text_size", "output_size"))
        return Copyable(size, tuple(document["_id"] for document in outside))

    async def copy(self, session_id: str, to: str, upto: int) -> int:
        """See store.Transcripts."""
        target = await self._begin(session_id, to, upto)
        count = after = 0
        with self._quotas.changing(target.owner):
            try:
                while found := await self._some(session_id, after, target.last):
                    copied = [own for entry in found if (own := await self._copied(entry, target))]
                    await self._insert(target, copied)
                    count += len(copied)
                    after = found[-1]["seq"]
            except BaseException:  # whatever stopped it, no part of a transcript is taken for all of it
                await self._undo(target)
                raise
        return count

    async def _begin(self, session_id: str, to: str, upto: int) -> _MongoTarget:
        """Set the counter of the session `to`."""
        session = await self._owned(session_id, to)
        last = max(0, min(upto, await self._last(session_id)))
        await self._counters.delete(equal(_id=to, seq=0))
        try:
            await self._counters.insert({"_id": to, "seq": last}, key=["_id"])
        except Taken:
            raise _not_empty(to) from None
        return _MongoTarget(to, session["user_id"], session["created_at"], last)

    async def _some(self, session_id: str, after: int, last: int) -> list[Document]:
        these = equal(session_id=session_id) | {"seq": {"$gt": after, "$lte": last}}
        return await self._entries.many(these, [("seq", 1)], AT_ONCE)

    async def _copied(self, entry: Document, target: _MongoTarget) -> Document | None:
        """The document for a copy, with texts of its own; None if the entry was deleted meanwhile."""
        which = equal(session_id=entry["session_id"], seq=entry["seq"])
        for _ in range(READ_TRIES):
            wanted = references(entry)
            texts = await self._texts.read(wanted)
            if texts.keys() == set(wanted):
                own = {each: await self._texts.put(target.session_id, text) for each, text in texts.items()}
                return _document(entry, target, own)
            again = await self._entries.one(which)
            if again is None:
                return None
            entry = again
        raise StoreUnavailable("outputs of a cell are missing")

    async def _insert(self, target: _MongoTarget, copied: Sequence[Document]) -> None:
        """Add copies, and take them back if their session was deleted meanwhile. Raises: NoSuchSession."""
        to, owner = target.session_id, target.owner
        outside = [
            {"_id": key, "session_id": to, "seq": entry["seq"], "owner": owner, "order": ObjectId()}
            for entry in copied
            for key in _keys(entry)
        ]
        try:
            if outside:
                await self._outside.insert_all(outside)
            if copied:
                await self._entries.insert_all(copied)
        except StoreUnavailable:  # perhaps because a new session of this name has these numbers
            await self._remove(copied)
            if not await self._is_there(target):
                raise NoSuchSession(to) from None
            raise
        sizes = {name: sum(int(entry[name]) for entry in copied) for name in ROWS.values()}
        await self._quotas.count(owner, sizes)
        if not await self._is_there(target):
            await self._quotas.count(owner, await self._remove(copied))
            raise NoSuchSession(to)

    async def _undo(self, target: _MongoTarget) -> None:
        """Delete what was copied, unless that went with its session."""
        to, last = target.session_id, target.last
        try:
            if not await self._is_there(target):
                return
            while found := await self._some(to, 0, last):
                await self._quotas.count(target.owner, await self._remove(found))
            these = equal(session_id=to) | {"seq": {"$lte": last}}
            await self._outside.delete(these)
            await self._counters.delete(equal(_id=to, seq=last))
        except StoreUnavailable as error:
            log.warning("a part of a transcript stays in %s until that is deleted: %s", to, error)

    async def _remove(self, copied: Sequence[Document]) -> dict[str, int]:
        """Delete copies, and nothing of a new session; returns by how much that changes the sums."""
        these = {"_id": {"$in": [entry["_id"] for entry in copied]}}
        sizes = await self._entries.sums(these, *ROWS.values())
        await self._entries.delete(these)
        await self._texts.drop(text for entry in copied for text in references(entry))
        await self._outside.delete({"_id": {"$in": [key for entry in copied for key in _keys(entry)]}})
        return {name: -int(sizes[name]) for name in ROWS.values()}

    async def _is_there(self, target: _MongoTarget) -> bool:
        which = equal(session_id=target.session_id, created_at=target.created_at)
        return await self._sessions.one(which) is not None

    async def _owned(self, session_id: str, to: str) -> Document:
        """The session `to`. Raises: NoSuchSession unless both are there, and of one person."""
        session: Document = {}
        for each in (session_id, to):
            found = await self._sessions.one(equal(session_id=each))
            if found is None or found["user_id"] != session.get("user_id", found["user_id"]):
                raise NoSuchSession(each)
            session = found
        return session

    async def _last(self, session_id: str) -> int:
        """The last number given in a session; 0 for none."""
        counter = await self._counters.one(equal(_id=session_id))
        return int(counter["seq"]) if counter else 0


def _document(entry: Document, target: _MongoTarget, own: Mapping[ObjectId, ObjectId]) -> Document:
    """The document for a copy, with references to texts and bytes of its own."""

    def mine(kept: Any) -> Any:
        if isinstance(kept, dict) and "blob" in kept:
            return kept | {"blob": copied_key(kept["blob"], target.session_id)}
        return own[kept] if isinstance(kept, ObjectId) else kept

    copied = entry | {"_id": ObjectId(), "session_id": target.session_id, "owner": target.owner}
    copied["text"] = mine(entry["text"])
    if "outputs" in entry:
        copied |= {"outputs": mine(entry["outputs"]), "late": [mine(kept) for kept in entry["late"]]}
    return copied


def _keys(entry: Document) -> list[str]:
    """The keys of the bytes of an entry's outputs."""
    kept = (entry.get("outputs"), *entry.get("late", ()))
    return [each["blob"] for each in kept if isinstance(each, dict) and "blob" in each]


def _not_empty(to: str) -> ValueError:
    return ValueError(f"{to} has, or had, entries of its own")
