"""Transcripts in MongoDB: an entry is a document that holds short texts itself and references to long ones.

A finished cell's outputs are one JSON text, replaced in one update; each late batch is a text of its own.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bson import ObjectId

from filestore.errors import NoSuchCell, StoreUnavailable
from filestore.mongo.database import Database, Document, equal
from filestore.mongo.texts import Texts
from filestore.records import RUNNING, CellRecord, Output, Said

READ_TRIES = 5  # an entry read while its outputs are replaced is read again


class MongoTranscripts:
    """store.Transcripts."""

    def __init__(self, database: Database) -> None:
        self._entries = database["entries"]
        self._counters = database["counters"]
        self._messages = database["message_cells"]
        self._texts = Texts(database)

    async def say(self, session_id: str, place: str, author: str, markdown: str, at: datetime) -> Said:
        said = Said(session_id, await self._next_seq(session_id), place, author, markdown, at)
        await self._add(said)
        return said

    async def begin_cell(
        self, session_id: str, place: str, author: str, code: str, at: datetime
    ) -> CellRecord:
        seq = await self._next_seq(session_id)
        cell = CellRecord(session_id, seq, place, author, code, (), RUNNING, at)
        await self._add(cell)
        return cell

    async def restore(self, entry: Said | CellRecord) -> int:
        seq = entry.seq
        await self._counters.change(equal(_id=entry.session_id), {"$max": {"seq": seq}}, upsert=True)
        there = await self._entries.one(equal(session_id=entry.session_id, seq=seq))
        if there is not None:
            kind, at = _kind(entry)
            if (there["kind"], there["at"], there["author"]) == (kind, at, entry.author):
                return seq
            seq = await self._next_seq(entry.session_id)
        await self._add(replace(entry, seq=seq))
        return seq

    async def last_seq(self, session_id: str | None = None) -> int:
        whose = {} if session_id is None else equal(_id=session_id)
        counter = await self._counters.one(whose, [("seq", -1)])
        return int(counter["seq"]) if counter else 0

    async def append_outputs(
        self,
        session_id: str,
        seq: int,
        outputs: Sequence[Output],
        file_ids: Sequence[str] = (),
        *,
        batch: str = "",
    ) -> None:
        reference = ObjectId(batch) if batch else None
        late = [await self._texts.put(session_id, await _to_json(outputs), reference)] if outputs else []
        change = {"$addToSet": {"late": {"$each": late}, "file_ids": {"$each": list(file_ids)}}}
        if await self._entries.change(equal(session_id=session_id, seq=seq, kind="cell"), change) is None:
            await self._texts.drop(late)
            raise NoSuchCell(session_id, seq)

    async def finish_cell(
        self,
        session_id: str,
        seq: int,
        *,
        status: str,
        outputs: Sequence[Output] | None = None,
        execution_time: float | None = None,
        execution_count: int | None = None,
        file_ids: Sequence[str] = (),
    ) -> None:
        ending: Document = {
            "status": status,
            "execution_time": execution_time,
            "execution_count": execution_count,
        }
        if outputs is not None:
            ending["outputs"] = await self._texts.keep(session_id, await _to_json(outputs))
            ending["late"] = []
        old = await self._entries.change(
            equal(session_id=session_id, seq=seq, kind="cell"),
            {"$set": ending, "$addToSet": {"file_ids": {"$each": list(file_ids)}}},
            before=True,
        )
        if old is None:
            await self._texts.drop([ending.get("outputs")])
            raise NoSuchCell(session_id, seq)
        if outputs is not None:
            await self._texts.drop([old["outputs"], *old["late"]])

    async def entries(
        self, session_id: str, *, after: int = 0, limit: int = 1000, place: str | None = None
    ) -> list[Said | CellRecord]:
        condition = equal(session_id=session_id) | {"seq": {"$gt": after}}
        return await self._records(condition if place is None else condition | equal(place=place), limit)

    async def unfinished(self, session_id: str) -> list[CellRecord]:
        records = await self._records(equal(session_id=session_id, status=RUNNING))
        return [record for record in records if isinstance(record, CellRecord)]

    async def clear(self, session_id: str) -> None:
        await self._entries.delete(equal(session_id=session_id))
        await self._texts.clear(session_id)
        await self._messages.delete(equal(session_id=session_id))

    async def _next_seq(self, session_id: str) -> int:
        counter = await self._counters.change(equal(_id=session_id), {"$inc": {"seq": 1}}, upsert=True)
        assert counter is not None  # an upsert finds or makes one
        return int(counter["seq"])

    async def _add(self, record: Said | CellRecord) -> None:
        """Add an entry; a cell that has just begun."""
        kind, at = _kind(record)
        text = record.markdown if isinstance(record, Said) else record.code
        document = {"session_id": record.session_id, "seq": record.seq, "place": record.place}
        document |= {"author": record.author, "text": await self._texts.keep(record.session_id, text)}
        document |= {"kind": kind, "at": at}
        if isinstance(record, CellRecord):
            document |= {"status": record.status, "execution_time": None, "execution_count": None}
            document |= {"outputs": "[]", "late": [], "file_ids": []}
        await self._entries.insert(document, key=["session_id", "seq"])

    async def _records(self, condition: Document, limit: int = 0) -> list[Said | CellRecord]:
        for _ in range(READ_TRIES):
            documents = await self._entries.many(condition, [("seq", 1)], limit)
            references = {kept for document in documents for kept in _references(document)}
            texts = await self._texts.read(references)
            if texts.keys() == references:
                return await asyncio.to_thread(_parsed, documents, texts)
        raise StoreUnavailable("outputs of a cell are missing")


def _kind(entry: Said | CellRecord) -> tuple[str, datetime]:
    return ("said", entry.at) if isinstance(entry, Said) else ("cell", entry.started_at)


def _references(document: Document) -> list[ObjectId]:
    kept = [document["text"], document.get("outputs"), *document.get("late", ())]
    return [value for value in kept if isinstance(value, ObjectId)]


def _parsed(documents: Sequence[Document], texts: Mapping[ObjectId, str]) -> list[Said | CellRecord]:
    return [_record(document, texts) for document in documents]


def _record(document: Document, texts: Mapping[ObjectId, str]) -> Said | CellRecord:
    def text_of(kept: str | ObjectId) -> str:
        return kept if isinstance(kept, str) else texts[kept]

    shared = {name: document[name] for name in ("session_id", "seq", "place", "author")}
    if document["kind"] == "said":
        return Said(**shared, markdown=text_of(document["text"]), at=document["at"])
    batches = [document["outputs"], *document["late"]]
    return CellRecord(
        **shared,
        code=text_of(document["text"]),
        outputs=tuple(output for batch in batches for output in json.loads(text_of(batch))),
        status=document["status"],
        started_at=document["at"],
        execution_time=document["execution_time"],
        execution_count=document["execution_count"],
        file_ids=tuple(document["file_ids"]),
    )


async def _to_json(outputs: Sequence[Output]) -> str:
    return await asyncio.to_thread(json.dumps, list(outputs))
