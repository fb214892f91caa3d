"""Transcripts in MongoDB: an entry is a document that holds short texts itself and references to long ones.

A finished cell's outputs are one JSON text, replaced in one update; each late batch is a text of its own. In
place of either there may be a document that describes outputs whose bytes lie outside. Such bytes also have a
document in the collection `outside`, by which they are found. An entry records its sizes, and whose quota
they count towards.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from functools import wraps
from typing import Any, Unpack, cast

from bson import ObjectId

from filestore.errors import NoSuchCell, StoreUnavailable
from filestore.mongo.copies import Copies
from filestore.mongo.database import Document, MongoDatabase, equal, given
from filestore.mongo.entries import entries, references
from filestore.mongo.quotas import ROWS, MongoQuotas
from filestore.mongo.texts import Texts
from filestore.outputs.outside import all_outputs
from filestore.outputs.short import MADE_ROOM, note
from filestore.records import (
    ENTRY,
    MOST_ENTRIES,
    RUNNING,
    Appended,
    CellEnding,
    CellRecord,
    Finished,
    Output,
    OutsideOutputs,
    QuotaRoom,
    Said,
    Wanted,
)

log = logging.getLogger(__name__)

SIZES = ("output_size", "large_size")  # bytes of an entry's outputs, and how many of them lie outside
AT_ONCE = 50  # large outputs shortened at once
READ_TRIES = 5  # if an entry's outputs are replaced while it is read, it is read again


def changing[W: Callable[..., Coroutine[Any, Any, Any]]](write: W) -> W:
    """A method that writes entries of a session; while it runs its person's sums are not recounted."""

    @wraps(write)
    async def counted(self: "MongoTranscripts", session_id: str, *args: Any, **more: Any) -> Any:
        with self._quotas.changing(await self._owner(session_id)):
            return await write(self, session_id, *args, **more)

    return cast("W", counted)


class MongoTranscripts:
    """store.Transcripts; `make_room` shortens up to `at_once` large outputs a call."""

    def __init__(self, database: MongoDatabase, *, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._entries = database["entries"]
        self._counters = database["counters"]
        self._messages = database["message_cells"]
        self._outside = database["outside"]
        self._sessions = database["sessions"]
        self._texts = Texts(database)
        self._quotas = MongoQuotas(database)
        self._database = database
        self._owners: dict[str, int] = {}  # by session, which never changes its owner
        copies = Copies(database)
        self.copyable = copies.copyable
        self.copy = copies.copy

    async def say(self, session_id: str, place: str, author: str, markdown: str, at: datetime) -> Said:
        said = Said(session_id, await self._next_seq(session_id), place, author, markdown, at)
        await self._add(said)
        return said

    async def begin_cell(
        self, session_id: str, place: str, author: str, code: str, at: datetime, *, least: int = 1
    ) -> CellRecord:
        seq = await self._next_seq(session_id, least)
        cell = CellRecord(session_id, seq, place, author, code, (), RUNNING, at)
        await self._add(cell)
        return cell

    async def restore(self, entry: Said | CellRecord) -> int:
        seq = entry.seq
        await self._counters.change(equal(_id=entry.session_id), {"$max": {"seq": seq}}, upsert=True)
        there = await self._entries.one(equal(session_id=entry.session_id, seq=seq))
        if there is not None:
            if await self._is(there, entry):
                return seq
            later = equal(session_id=entry.session_id, at=_kind(entry)[1]) | {"seq": {"$gt": seq}}
            for moved in await self._entries.many(later, [("seq", 1)]):
                if await self._is(moved, entry):  # an earlier program has given it a new number already
                    return int(moved["seq"])
            seq = await self._next_seq(entry.session_id)
        await self._add(replace(entry, seq=seq))
        return seq

    async def _is(self, there: Document, entry: Said | CellRecord) -> bool:
        """Whether a document is this entry, whatever number it has."""
        if (there["kind"], there["at"], there["author"]) != (*_kind(entry), entry.author):
            return False
        text = there["text"]
        if isinstance(text, ObjectId):
            text = (await self._texts.read([text])).get(text)
        return bool(text == (entry.markdown if isinstance(entry, Said) else entry.code))

    async def last_seq(self, session_id: str | None = None) -> int:
        counter = await self._counters.one(given(_id=session_id), [("seq", -1)])
        return int(counter["seq"]) if counter else 0

    @changing
    async def append_outputs(
        self, session_id: str, seq: int, outputs: Sequence[Output], **more: Unpack[Appended]
    ) -> Finished:
        which = equal(session_id=session_id, seq=seq, kind="cell")
        there = await self._entries.one(which)
        if there is None:
            raise NoSuchCell(session_id, seq)
        outside = more.get("outside")
        reference = ObjectId(more.get("batch") or None)
        late: list[ObjectId | Document] = []
        sizes: dict[str, int] = {}
        known = [
            number
            for number, kept in enumerate(there["late"])
            if reference in (kept, kept.get("batch") if isinstance(kept, dict) else None)
        ]
        if known and outside:  # an earlier try succeeded unnoticed, and its bytes may be gone
            return await self._replace_late(there, known[0], await _to_json(outputs), outside)
        if not known:
            text = await _to_json(outputs) if outputs else ""
            sizes = _sizes(text, outside)
            if outside:
                await self._note_outside(session_id, seq, outside, there.get("owner"))
                late = [_told(text, outside) | {"batch": reference}]
            elif outputs:
                late = [await self._texts.put(session_id, text, reference)]
        change: Document = {
            "$addToSet": {"late": {"$each": late}, "file_ids": {"$each": list(more.get("file_ids", ()))}}
        }
        if sizes:
            change["$inc"] = sizes
        if await self._entries.change(which, change) is None:
            await self._texts.drop(late)
            await self._drop_outside([outside.blob_key] if outside else [])
            raise NoSuchCell(session_id, seq)
        await self._quotas.count(there.get("owner"), sizes)
        return Finished()

    async def _replace_late(
        self, entry: Document, number: int, text: str, outside: OutsideOutputs
    ) -> Finished:
        """Make a batch of late outputs refer to a new copy of its bytes."""
        session_id, seq, old = entry["session_id"], entry["seq"], entry["late"][number]
        if not isinstance(old, dict) or "blob" not in old:  # it lies in pieces, or was shortened meanwhile
            return Finished(dropped=(outside.blob_key,))
        await self._note_outside(session_id, seq, outside, entry.get("owner"))
        which = equal(session_id=session_id, seq=seq) | equal(**{f"late.{number}.blob": old["blob"]})
        change = {"$set": {f"late.{number}": _told(text, outside) | {"batch": old["batch"]}}}
        if await self._entries.change(which, change) is None:
            await self._drop_outside([outside.blob_key])
            return Finished(dropped=(outside.blob_key,))
        await self._discard([], [old["blob"]])
        return Finished(dropped=(old["blob"],))

    @changing
    async def finish_cell(self, session_id: str, seq: int, **ending: Unpack[CellEnding]) -> Finished:
        outputs, outside = ending.get("outputs"), ending.get("outside")
        told: Document = {name: ending.get(name) for name in ("status", "execution_time", "execution_count")}
        if outputs is not None:
            text = await _to_json(outputs)
            if outside:
                await self._note_outside(session_id, seq, outside, await self._owner(session_id))
                told["outputs"] = _told(text, outside)
            else:
                told["outputs"] = await self._texts.keep(session_id, text)
            told["late"] = []
            told |= _sizes(text, outside)
        old = await self._entries.change(
            equal(session_id=session_id, seq=seq, kind="cell"),
            {"$set": told, "$addToSet": {"file_ids": {"$each": list(ending.get("file_ids", ()))}}},
            before=True,
        )
        if old is None:
            await self._texts.drop([told.get("outputs")])
            await self._drop_outside([outside.blob_key] if outside else [])
            raise NoSuchCell(session_id, seq)
        if outputs is None:
            return Finished()
        kept = [old["outputs"], *old["late"]]
        dropped = [each["blob"] for each in kept if isinstance(each, dict) and "blob" in each]
        await self._discard(kept, dropped)
        await self._quotas.count(old.get("owner"), {name: told[name] - old.get(name, 0) for name in SIZES})
        return Finished(dropped=tuple(dropped))

    async def mark(self, session_id: str, seqs: Sequence[int], undone: bool) -> None:
        these = equal(session_id=session_id, kind="cell") | {"seq": {"$in": list(seqs)}}
        await self._entries.change_all(these, {"$set": {"undone": undone}})

    async def entries(self, session_id: str, **wanted: Unpack[Wanted]) -> list[Said | CellRecord]:
        condition = equal(session_id=session_id) | given(place=wanted.get("place"))
        condition["seq"] = {"$gt": wanted.get("after", 0)}
        limit, brief = wanted.get("limit", MOST_ENTRIES), wanted.get("brief", False)
        return await self._records(condition, limit, brief=brief)

    async def newest(
        self, session_id: str, *, before: int | None = None, limit: int = 50, place: str | None = None
    ) -> list[Said | CellRecord]:
        condition = equal(session_id=session_id) | given(place=place)
        if before is not None:
            condition["seq"] = {"$lt": before}
        return await self._records(condition, limit, order=-1, brief=True)

    def outputs(self, cell: CellRecord) -> AsyncIterator[Output]:
        return all_outputs(cell, self._in_pieces)

    async def _in_pieces(self, part: OutsideOutputs) -> AsyncIterator[Output]:
        if part.row is not None:
            for text in (await self._texts.read([ObjectId(part.row)])).values():
                for output in await asyncio.to_thread(json.loads, text):
                    yield output

    async def unfinished(self, session_id: str) -> list[CellRecord]:
        ours = {"folder": {"$in": ["", None, self._database.folder]}}  # None: without the field
        records = await self._records(equal(session_id=session_id, status=RUNNING) | ours)
        return [record for record in records if isinstance(record, CellRecord)]

    @changing
    async def clear(self, session_id: str) -> None:
        owner = await self._owner(session_id)
        # Entries that were there before their session's record count as nobody's.
        counted = equal(session_id=session_id, owner=owner)
        sizes = await self._entries.sums(counted, "text_size", *SIZES)
        await self._entries.delete(equal(session_id=session_id))
        await self._quotas.count(owner, {name: -int(sizes[name]) for name in ROWS.values()})
        await self._texts.clear(session_id)
        await self._messages.delete(equal(session_id=session_id))
        await self._outside.delete(equal(session_id=session_id))

    async def kept_outside(self, session_id: str) -> list[str]:
        documents = await self._outside.many(equal(session_id=session_id), [("order", 1)])
        return [document["_id"] for document in documents]

    async def make_room(self, user_id: int, size: int, quota: int, now: datetime) -> QuotaRoom:
        used, sums = await self._quotas.taken(user_id, now)
        dropped: list[str] = []
        if used + size > quota and used - int(sums.get("large_bytes", 0)) + size <= quota:
            for document in await self._outside.many(equal(owner=user_id), [("order", 1)], self._at_once):
                with self._quotas.changing(user_id):
                    used -= await self._shorten(document)
                dropped.append(document["_id"])
                if used + size <= quota:
                    break
        return QuotaRoom(used + size <= quota, used, len(dropped), tuple(dropped))

    async def _shorten(self, outside: Document) -> int:
        """Keep only the short form of outputs that lie outside; returns how many bytes that frees."""
        key, seq = outside["_id"], outside["seq"]
        freed = 0
        entry = await self._entries.one(equal(session_id=outside["session_id"], seq=seq)) or {}
        places = {"outputs": entry.get("outputs")}
        places |= {f"late.{number}": kept for number, kept in enumerate(entry.get("late", ()))}
        for place, kept in places.items():
            if isinstance(kept, dict) and kept.get("blob") == key:
                text = json.dumps([*json.loads(kept["short"]), note(MADE_ROOM)])
                sizes = {"output_size": len(text) - len(kept["short"]) - kept["size"]}
                sizes["large_size"] = -len(kept["short"]) - kept["size"]
                which = equal(session_id=entry["session_id"], seq=seq) | equal(**{f"{place}.blob": key})
                left = text if place == "outputs" else {"short": text, "batch": kept["batch"]}
                change = {"$set": {place: left}, "$inc": sizes}
                if await self._entries.change(which, change) is not None:
                    freed = -sizes["output_size"]
                    await self._quotas.count(entry.get("owner"), sizes)
        await self._drop_outside([key])
        return freed

    async def _note_outside(
        self, session_id: str, seq: int, outside: OutsideOutputs, owner: int | None
    ) -> None:
        """Record bytes before an entry refers to them, so that they are always found."""
        document = {"_id": outside.blob_key, "session_id": session_id, "seq": seq, "owner": owner}
        await self._outside.insert_all([document | {"order": ObjectId()}])

    async def _discard(self, kept: Sequence[object], keys: Sequence[str]) -> None:
        """Delete what an entry refers to no more. If that fails, the entry is recorded all the same.

        If its writer were told of a failure, it would delete the bytes to which the entry refers by now. What
        is left is deleted with the session.
        """
        try:
            await self._texts.drop(kept)
            await self._drop_outside(keys)
        except StoreUnavailable as error:
            log.warning("outputs that were replaced are kept until their session is deleted: %s", error)

    async def _drop_outside(self, keys: Sequence[str]) -> None:
        if keys:
            await self._outside.delete({"_id": {"$in": list(keys)}})

    async def _owner(self, session_id: str) -> int | None:
        name = str(session_id)
        if name not in self._owners:
            session = await self._sessions.one(equal(session_id=session_id))
            if session is None:
                return None
            self._owners[name] = session["user_id"]
        return self._owners[name]

    async def _next_seq(self, session_id: str, least: int = 1) -> int:
        counter = await self._counters.change(equal(_id=session_id), {"$inc": {"seq": 1}}, upsert=True)
        assert counter is not None  # an upsert finds or makes one
        if counter["seq"] < least:
            await self._counters.change(equal(_id=session_id), {"$max": {"seq": least}})
        return max(int(counter["seq"]), least)

    async def _add(self, record: Said | CellRecord) -> None:
        """Add an entry: words, or a cell that has just begun."""
        kind, at = _kind(record)
        text = record.markdown if isinstance(record, Said) else record.code
        document = {"session_id": record.session_id, "seq": record.seq, "place": record.place}
        document |= {"author": record.author, "text": await self._texts.keep(record.session_id, text)}
        owner = await self._owner(record.session_id)
        document |= {"kind": kind, "at": at, "owner": owner, "folder": self._database.folder}
        size = ENTRY + len(text)
        document |= {"text_size": size, "output_size": 0, "large_size": 0}
        if isinstance(record, CellRecord):
            document |= {"status": record.status, "execution_time": None, "execution_count": None}
            document |= {"outputs": "[]", "late": [], "file_ids": [], "undone": record.undone}
        with self._quotas.changing(owner):
            await self._entries.insert(document, key=["session_id", "seq"])
            await self._quotas.count(owner, {"text_size": size})

    async def _records(
        self, condition: Document, limit: int = 0, *, order: int = 1, brief: bool = False
    ) -> list[Said | CellRecord]:
        for _ in range(READ_TRIES):
            documents = await self._entries.many(condition, [("seq", order)], limit)
            wanted = {kept for document in documents for kept in references(document)}
            texts = await self._texts.read(wanted)
            if texts.keys() == wanted:
                return await asyncio.to_thread(entries, documents, texts, brief)
        raise StoreUnavailable("outputs of a cell are missing")


def _kind(entry: Said | CellRecord) -> tuple[str, datetime]:
    return ("said", entry.at) if isinstance(entry, Said) else ("cell", entry.started_at)


def _sizes(text: str, outside: OutsideOutputs | None) -> dict[str, int]:
    size = len(text) + (outside.size if outside else 0)
    return {"output_size": size, "large_size": size if outside else 0}


def _told(text: str, outside: OutsideOutputs) -> Document:
    """What an entry holds in place of outputs that lie outside; `text` is the JSON of their short forms."""
    return {"blob": outside.blob_key, "size": outside.size, "count": outside.count, "short": text}


async def _to_json(outputs: Sequence[Output]) -> str:
    return await asyncio.to_thread(json.dumps, list(outputs))
