"""What comes of a cell without its turn: after a restart of the bot, and after the cell's end.

    afterwards = Afterwards(desk)
    sessions.tell_resumed = afterwards.tell_resumed
    sessions.tell_late = afterwards.tell_late

Both go where the cell's message is; where that is gone, to the person's direct messages. Late output comes
as a message of its own, which ends when nothing more has come for a while.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from bot.front.calls import Refused
from bot.front.desk import Desk
from bot.front.ending import uncancelled
from bot.front.outlets import Outlet, Post
from bot.front.showing import Showing
from bot.page import Draft
from bot.reply import ExecutionResult, Reply
from filestore.errors import FileStoreError
from filestore.records import SessionRecord
from kernels.events import Display, Event, Failure, Result, Stream

__all__ = ["Afterwards"]

log = logging.getLogger(__name__)

QUIET = 3.0  # seconds without late output, after which its message is finished
LATE_MESSAGES = 5  # of one cell; what comes later is in its record only
REMEMBERED = 1000  # cells whose late messages are counted


class Afterwards:
    """See the module's text."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._resumed: dict[tuple[str, int], Showing] = {}
        self._late: dict[tuple[str, int], asyncio.Queue[Reply]] = {}
        self._told: dict[tuple[str, int], int] = {}

    async def tell_resumed(self, record: SessionRecord, reply: Reply) -> None:
        """Go on with the answer to a cell that the program before us began. Raises nothing."""
        key = (record.session_id, reply.cell)
        if key not in self._resumed:
            self._resumed[key] = await self._again(record, reply.cell)
        showing = self._resumed[key]
        if reply.result is not None:  # it has all outputs, also those that the program before us was told
            showing.draft = _drafted(self._desk.draft(), reply.cell, reply.result)
        await showing.tell(reply)
        if reply.result is not None:
            del self._resumed[key]
            self._desk.spawn(showing.finish(), f"the end of cell {reply.cell} of {record.session_id}")

    def tell_late(self, record: SessionRecord, reply: Reply) -> None:
        """Tell what a thread printed or wrote after its cell's end."""
        key = (record.session_id, reply.cell)
        if key not in self._late:
            if self._told.get(key, 0) >= LATE_MESSAGES or self._desk.closing:
                return
            self._told[key] = self._told.pop(key, 0) + 1
            while len(self._told) > REMEMBERED:
                del self._told[next(iter(self._told))]
            self._late[key] = asyncio.Queue()
            self._desk.spawn(self._tell_late(record, reply.cell), f"late output of {record.session_id}")
        self._late[key].put_nowait(reply)

    async def _again(self, record: SessionRecord, cell: int) -> Showing:
        """The answer as it is on Discord, to be gone on with."""
        outlets, post = await self._where(record, cell, answering=False)
        showing = Showing(
            self._desk,
            record.user_id,
            record.session_id,
            record.place,
            outlets,
            Draft(),
            post=post,
            cell=cell,
        )
        try:
            await showing.open()
        except Refused as refused:
            log.error("cell %d of %s is told nowhere: %s", cell, record.session_id, refused)
        return showing

    async def _tell_late(self, record: SessionRecord, cell: int) -> None:
        key = (record.session_id, cell)
        try:
            outlets, _ = await self._where(record, cell, answering=True)
            showing = Showing(
                self._desk,
                record.user_id,
                record.session_id,
                record.place,
                outlets,
                self._desk.draft(),
                late=True,
            )
            await showing.open()
            try:
                while (reply := await self._next(key)) is not None:
                    await showing.tell(reply)
            except asyncio.CancelledError:
                if not self._desk.closing:
                    raise
                uncancelled()
        finally:
            del self._late[key]
        await showing.finish()

    async def _next(self, key: tuple[str, int]) -> Reply | None:
        try:
            return await asyncio.wait_for(self._late[key].get(), QUIET)
        except TimeoutError:
            return None

    async def _where(
        self, record: SessionRecord, cell: int, *, answering: bool
    ) -> tuple[Sequence[Outlet], Post | None]:
        """Where the cell's message is, and the message."""
        direct = self._desk.direct(record.user_id)
        try:
            found = await self._desk.sessions.store.message_cells.of_cell(record.session_id, cell)
        except FileStoreError:
            log.exception("the message of cell %d of %s is not known", cell, record.session_id)
            found = None
        if found is None or not found.channel_id:
            return [direct], None
        try:
            message = (found.channel_id, found.message_id)
            channel = await self._desk.channel(found.channel_id, message if answering else None)
            post = None if answering else await channel.fetch(found.message_id)
        except Refused as refused:
            log.info("the message of cell %d of %s: %s", cell, record.session_id, refused)
            return [direct], None
        return [channel, direct], post


def _drafted(draft: Draft, cell: int, result: ExecutionResult) -> Draft:
    """The draft with all that a cell has shown."""
    for output in result.outputs:
        draft.add(Reply(cell, _event(output)))
    return draft


def _event(output: Mapping[str, Any]) -> Event:
    """The event that made an output of a notebook."""
    match output["output_type"]:
        case "stream":
            return Stream(output["name"], output["text"])
        case "error":
            return Failure(output["ename"], output["evalue"], tuple(output["traceback"]))
        case "execute_result":
            return Result(output["data"], output["execution_count"], output["metadata"])
    return Display(output["data"], output["metadata"])
