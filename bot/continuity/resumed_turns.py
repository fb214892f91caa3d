"""Turns that a program before us began, and that go on: their tasks, until they end or we do.

What came of those that do not go on is told in tasks as well.

resumed = Resumed()
resumed.begin(session, cell, run, tell, fail)
resumed.tell(broken_off(cell), tell)
await resumed.let_go()
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from bot.reply import Reply, Tell
from bot.session import Session
from bot.turn import resume_turn
from filestore.records import CellRecord, SessionRecord
from filestore.store import SessionRecords
from kernels.errors import KernelError
from kernels.interface import Cell, Kernels

__all__ = ["Resumed", "unknown"]

log = logging.getLogger(__name__)

LETTING_GO = 2.0  # seconds that a resumed turn has to end by itself


class Resumed:
    """The resumed turns of one program."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self,
        session: Session,
        cell: CellRecord,
        run: Cell,
        tell: Tell,
        fail: Callable[[Exception], Awaitable[None]],
    ) -> None:
        """Go on with a cell; `fail` is told the error where it comes to no result."""

        async def give_up(error: Exception) -> None:
            if not run.goes_on:  # else we end, and the next program resumes it
                await fail(error)

        async def resume() -> None:
            try:
                await resume_turn(session, cell, run, tell)
            except KernelError as error:
                log.info("cell %d of session %s: %s", cell.seq, session.record.session_id, error)
                await give_up(error)
            except Exception as error:  # a front that fails must not end the telling of other cells
                log.exception("cell %d of session %s", cell.seq, session.record.session_id)
                await give_up(error)

        # Begun here and now: what a person answers or stops is this cell, not one that they send next.
        loop = asyncio.get_running_loop()
        task = asyncio.Task(resume(), loop=loop, eager_start=True, name=f"resumed cell {cell.seq}")
        self._tasks.add(task)
        session.resumed.append(task)
        task.add_done_callback(self._tasks.discard)

    def tell(self, reply: Reply, tell: Tell) -> None:
        """Tell the end of a cell that does not go on."""

        async def told() -> None:
            try:
                await tell(reply)
            except Exception:  # a front that fails must not end the telling of other cells
                log.exception("the end of cell %d is not told", reply.cell)

        task = asyncio.create_task(told(), name=f"end of cell {reply.cell}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def let_go(self) -> None:
        """See them end, now that their sessions are let go.

        The turn of a cell that goes on without us ends as cancelled, which is no end of ours. One that tells
        its front, which may wait for minutes, is not waited for.
        """
        if self._tasks:
            _, slow = await asyncio.wait(self._tasks, timeout=LETTING_GO)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)


async def unknown(pool: Kernels, sessions: SessionRecords, known: Collection[str]) -> list[SessionRecord]:
    """The sessions, but for those `known`, of which a node has something to tell.

    It may be a cell that ran before it was recorded, if the program before us was killed right then.
    """
    try:
        names = set(await pool.untold()) - set(known)
    except (KernelError, OSError) as error:
        log.warning("what cells of earlier programs have to tell is not known now: %r", error)
        return []
    records = [await sessions.get(name) for name in sorted(names)]
    return [record for record in records if record is not None]
