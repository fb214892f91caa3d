"""Copies of transcripts in MongoDB, one entry after the other.

copies = Copies(database)
count = await copies.copy(session_id, to, upto)

The counter of `to` is set first. So entries that are added there meanwhile get higher numbers, and its value
tells whether `to` is still the session that it was.
"""

import logging
from collections.abc import Sequence
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
        await self._owner(session_id, to)
        if await self._last(to):
            raise _not_empty(to)
        which = equal(session_id=session_id) | {"seq": {"$lte": upto}}
        sums = await self._entries.sums(which, *ROWS.values())
        outside = await self._outside.many(which, [("order", 1)])
        size = sum(int(sums[name]) for name in ("text_size", "output_size"))
        return Copyable(size, tuple(document["_id"] for document in outside))

    async def copy(self, session_id: str, to: str, upto: int) -> int:
        """See store.Transcripts."""
        owner = await self._owner(session_id, to)
        last = await self._begin(session_id, to, upto)
        count = after = 0
        with self._quotas.changing(owner):
            try:
                while found := await self._some(session_id, after, last):
                    for entry in found:
                        count += await self._copy_one(entry, to, owner, last)
                    after = found[-1]["seq"]
            except BaseException:  # whatever stopped it, no part of a transcript is taken for all of it
                await self._undo(to, owner, last)
                raise
        return count

    async def _begin(self, session_id: str, to: str, upto: int) -> int:
        """Set the counter of `to`; returns the last number that can be copied."""
        last = min(upto, await self._last(session_id))
        await self._counters.delete(equal(_id=to, seq=0))
        try:
            await self._counters.insert({"_id": to, "seq": last}, key=["_id"])
        except Taken:
            raise _not_empty(to) from None
        return last

    async def _some(self, session_id: str, after: int, last: int) -> list[Document]:
        these = equal(session_id=session_id) | {"seq": {"$gt": after, "$lte": last}}
        return await self._entries.many(these, [("seq", 1)], AT_ONCE)

    async def _copy_one(self, entry: Document, to: str, owner: int, last: int) -> bool:
        """Copy an entry; False if it was deleted meanwhile. Raises: NoSuchSession if `to` was."""
        which = equal(session_id=entry["session_id"], seq=entry["seq"])
        for _ in range(READ_TRIES):
            wanted = references(entry)
            texts = await self._texts.read(wanted)
            if texts.keys() == set(wanted):
                break
            again = await self._entries.one(which)
            if again is None:
                return False
            entry = again
        else:
            raise StoreUnavailable("outputs of a cell are missing")
        own = {each: await self._texts.put(to, text) for each, text in texts.items()}
        try:
            await self._insert(_copied(entry, to, owner, own), last)
        except BaseException:
            await self._texts.drop(own.values())
            raise
        return True

    async def _insert(self, copied: Document, last: int) -> None:
        """Add a copy, and take it back if its session was deleted meanwhile. Raises: NoSuchSession."""
        to, seq, owner = copied["session_id"], copied["seq"], copied["owner"]
        for kept in (copied.get("outputs"), *copied.get("late", ())):
            if isinstance(kept, dict) and "blob" in kept:
                noted = {"_id": kept["blob"], "session_id": to, "seq": seq, "owner": owner}
                await self._outside.insert(noted | {"order": ObjectId()}, key=["_id"])
        try:
            await self._entries.insert(copied, key=["session_id", "seq"])
        except Taken:  # `to` is a new session of this name already
            raise NoSuchSession(to) from None
        await self._quotas.count(owner, copied)
        if await self._sessions.one(equal(session_id=to)) is None or await self._last(to) < last:
            await self._remove(copied)
            raise NoSuchSession(to)

    async def _undo(self, to: str, owner: int, last: int) -> None:
        """Delete what was copied, unless that went with its session."""
        try:
            if await self._last(to) < last:
                return
            while found := await self._some(to, 0, last):
                for entry in found:
                    await self._remove(entry | {"owner": owner})
            await self._outside.delete(equal(session_id=to) | {"seq": {"$lte": last}})
            await self._counters.delete(equal(_id=to, seq=last))
        except StoreUnavailable as error:
            log.warning("a part of a transcript stays in %s until that is deleted: %s", to, error)

    async def _remove(self, copied: Document) -> None:
        which = equal(session_id=copied["session_id"], seq=copied["seq"])
        if await self._entries.delete_one(which) is not None:
            await self._quotas.count(copied["owner"], {name: -copied[name] for name in ROWS.values()})
        await self._texts.drop(references(copied))
        await self._outside.delete(which)

    async def _owner(self, session_id: str, to: str) -> int:
        """The person who has both sessions. Raises: NoSuchSession."""
        owners: list[int] = []
        for each in (session_id, to):
            session = await self._sessions.one(equal(session_id=each))
            if session is None or session["user_id"] not in (owners or [session["user_id"]]):
                raise NoSuchSession(each)
            owners.append(session["user_id"])
        return owners[0]

    async def _last(self, session_id: str) -> int:
        """The last number given in a session; 0 for none."""
        counter = await self._counters.one(equal(_id=session_id))
        return int(counter["seq"]) if counter else 0


def _copied(entry: Document, to: str, owner: int, own: dict[ObjectId, ObjectId]) -> Document:
    """The document for a copy, with references to texts and bytes of its own."""

    def mine(kept: Any) -> Any:
        if isinstance(kept, dict) and "blob" in kept:
            return kept | {"blob": copied_key(kept["blob"], to)}
        return own[kept] if isinstance(kept, ObjectId) else kept

    copied = {name: value for name, value in entry.items() if name != "_id"}
    copied |= {"session_id": to, "owner": owner, "text": mine(entry["text"])}
    if "outputs" in entry:
        late: Sequence[Any] = entry["late"]
        copied |= {"outputs": mine(entry["outputs"]), "late": [mine(kept) for kept in late]}
    return copied


def _not_empty(to: str) -> ValueError:
    return ValueError(f"{to} has, or had, entries of its own")
