"""Sessions, usage, settings of servers and messages' cells in MongoDB; settings are JSON text."""

import json
import re
from dataclasses import asdict
from datetime import datetime
from typing import Any

from filestore.errors import NoSuchSession
from filestore.mongo.database import Document, MongoDatabase, Order, equal, record
from filestore.mongo.transcripts import MongoTranscripts
from filestore.records import (
    EPOCH,
    RUNNING,
    MessageCell,
    SessionRecord,
    UsageRecord,
    UsageTotal,
    storable_history,
)


class MongoSessions:
    """store.SessionRecords."""

    def __init__(self, database: MongoDatabase) -> None:
        self._sessions = database["sessions"]
        self._counters = database["counters"]
        self._entries = database["entries"]
        self._transcripts = MongoTranscripts(database)

    async def get_or_create(self, session_id: str, user_id: int, place: str, at: datetime) -> SessionRecord:
        fresh = asdict(SessionRecord(session_id, user_id, place, None, at, at))
        which = equal(session_id=fresh.pop("session_id"))
        document = await self._sessions.change(which, {"$setOnInsert": fresh}, upsert=True)
        assert document is not None  # an upsert finds or makes one
        return record(SessionRecord, document)

    async def get(self, session_id: str) -> SessionRecord | None:
        document = await self._sessions.one(equal(session_id=session_id))
        return record(SessionRecord, document) if document else None

    async def touch(self, session_id: str, at: datetime) -> None:
        await self._change(session_id, {"$max": {"last_used_at": at}})

    async def touch_all(self, at: datetime) -> None:
        await self._sessions.change_all({}, {"$max": {"last_used_at": at}})

    async def set_kernel(self, session_id: str, kernel: str | None) -> None:
        await self._change(session_id, {"$set": {"kernel": kernel}})

    async def set_history(self, session_id: str, text: str | None) -> None:
        await self._change(session_id, {"$set": {"history": storable_history(text)}})

    async def of_user(self, user_id: int) -> list[SessionRecord]:
        return await self._many(equal(user_id=user_id), [("last_used_at", -1), ("session_id", 1)])

    async def with_history(self, part: str) -> list[SessionRecord]:
        return await self._many({"history": {"$regex": re.escape(part)}}, [("session_id", 1)])

    async def idle_since(self, before: datetime) -> list[SessionRecord]:
        return await self._many({"last_used_at": {"$lt": before}}, [("last_used_at", 1), ("session_id", 1)])

    async def unfinished(self, since: datetime) -> list[SessionRecord]:
        running = await self._entries.values("session_id", equal(status=RUNNING))
        condition = {"session_id": {"$in": running}, "last_used_at": {"$gt": since}}
        return await self._many(condition, [("last_used_at", -1), ("session_id", 1)]) if running else []

    async def delete(self, session_id: str) -> None:
        await self._transcripts.clear(session_id)
        await self._counters.delete(equal(_id=session_id))
        # Last of what is known, so that after a crash the session is still found.
        await self._sessions.delete(equal(session_id=session_id))
        await self._transcripts.clear(session_id)  # of notes on messages that were written meanwhile

    async def erase_deleted(self) -> None:
        """Does nothing: the files, the journal and the oplog are the server's."""

    async def _many(self, condition: Document, order: Order) -> list[SessionRecord]:
        return [record(SessionRecord, document) for document in await self._sessions.many(condition, order)]

    async def _change(self, session_id: str, change: Document) -> None:
        if await self._sessions.change(equal(session_id=session_id), change) is None:
            raise NoSuchSession(session_id)


class MongoUsage:
    """store.Usage."""

    def __init__(self, database: MongoDatabase) -> None:
        self._usage = database["usage"]

    async def add(self, usage: UsageRecord, *, again: bool = False) -> None:
        turn = asdict(usage)
        if not (again and await self._usage.one(equal(**turn))):
            await self._usage.insert_all([turn])

    async def total(self, user_id: int, since: datetime, before: datetime | None = None) -> UsageTotal:
        recent = equal(user_id=user_id) | {"at": {"$gte": since} | ({"$lt": before} if before else {})}
        sums = await self._usage.sums(recent, "input_tokens", "output_tokens", "cost", "cell_seconds")
        return UsageTotal(sums.pop("count"), **sums)

    async def forget_person(
        self, user_id: int, *, kept_as: int | None = None, since: datetime = EPOCH
    ) -> None:
        if kept_as is not None:  # if we crash in between, each turn is still under one number only
            recent = equal(user_id=user_id) | {"at": {"$gte": since}}
            change = {"$set": {"user_id": kept_as, "at": since, "model": ""}}
            await self._usage.change_all(recent, change)
        await self._usage.delete(equal(user_id=user_id))

    async def forget_kept(self, before: datetime) -> None:
        await self._usage.delete({"user_id": {"$lt": 0}, "at": {"$lt": before}})


class MongoServerSettings:
    """store.ServerSettings."""

    def __init__(self, database: MongoDatabase) -> None:
        self._settings = database["server_settings"]

    async def get(self, server_id: int) -> dict[str, Any]:
        document = await self._settings.one(equal(_id=server_id))
        settings: dict[str, Any] = json.loads(document["settings"]) if document else {}
        return settings

    async def set(self, server_id: int, settings: dict[str, Any]) -> None:
        change = {"$set": {"settings": json.dumps(settings)}}
        await self._settings.change(equal(_id=server_id), change, upsert=True)


class MongoMessageCells:
    """store.MessageCells."""

    def __init__(self, database: MongoDatabase) -> None:
        self._cells = database["message_cells"]
        self._sessions = database["sessions"]

    async def set(self, cell: MessageCell) -> None:
        noted = asdict(cell)
        which = equal(_id=noted.pop("message_id"))
        await self._cells.change(which, {"$set": noted}, upsert=True)
        if await self._sessions.one(equal(session_id=cell.session_id)) is None:
            await self._cells.delete(which)

    async def get(self, message_id: int) -> MessageCell | None:
        document = await self._cells.one(equal(_id=message_id))
        return _message_cell(document) if document else None

    async def of_cell(self, session_id: str, seq: int) -> list[MessageCell]:
        documents = await self._cells.many(equal(session_id=session_id, seq=seq), [("_id", 1)])
        return [_message_cell(document) for document in documents]

    async def going_on(self, since: int) -> list[MessageCell]:
        goes_on = {"$or": [{"first": {"$gt": 0}}, {"turn": {"$gt": ""}}]}
        wanted = {"_id": {"$gte": since}} | goes_on
        return [_message_cell(document) for document in await self._cells.many(wanted, [("_id", 1)])]


def _message_cell(document: Document) -> MessageCell:
    return record(MessageCell, document | {"message_id": document["_id"]})
