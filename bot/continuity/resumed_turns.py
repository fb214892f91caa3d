"""Turns that an earlier program began and that continue: their tasks, until they end or we do.

The end of cells that do not continue is told in tasks as well.

resumed = ResumedTurns()
resumed.begin(session, begun, front)
resumed.tell(broken_off_reply(cell), tell)
await resumed.wait_all()
"""

import asyncio
import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from bot.reply import Front, Reply, Tell
from bot.request import Request
from bot.session import BegunCell, Session
from bot.turn import take_turn
from filestore.records import SessionRecord
from filestore.store import SessionRecords
from kernels.errors import GoesOn, KernelClosed, KernelError
from kernels.interface import Kernels

__all__ = ["ResumedTurns", "unfinished_sessions"]

log = logging.getLogger(__name__)

LONGEST_AWAY = timedelta(days=1)  # nobody waits longer for a cell that was running
LETTING_GO = 2.0  # seconds that a resumed turn has to end by itself


class ResumedTurns:
    """The resumed turns of one program, which get `patience` seconds to end by themselves."""

    def __init__(self, patience: float = LETTING_GO) -> None:
        self._patience = patience
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving = False

    def begin(self, session: Session, begun: BegunCell, front: Front) -> None:
        """Resume a cell, and show it on `front`."""
        cell, run = begun
        tell = partial(front.tell_resumed, session.record)
        request = Request(session.record.user_id, cell.author, cell.place, cell.code, turn=run.turn)

        async def give_up(error: Exception) -> None:
            if not run.goes_on:  # otherwise we end, and the next program resumes it
                await front.fail_resumed(session.record, cell.seq, error)

        async def resume() -> None:
            try:
                await take_turn(session, request, tell, begun=begun)
            except GoesOn:  # this program ends, and the next one resumes the cell
                if not self._leaving:  # or it goes with its session, which is deleted
                    await front.fail_resumed(session.record, cell.seq, KernelClosed())
            except KernelError as error:
                log.info("cell %d of session %s: %s", cell.seq, session.record.session_id, error)
                await give_up(error)
            except Exception as error:  # a failing front must not keep other cells from being told
                log.exception("cell %d of session %s", cell.seq, session.record.session_id)
                await give_up(error)

        # Started eagerly: what a person answers or stops now is this cell, not one that they send next.
        loop = asyncio.get_running_loop()
        task = asyncio.Task(resume(), loop=loop, eager_start=True, name=f"resumed cell {cell.seq}")
        self._tasks.add(task)
        session.resumed.append(task)
        task.add_done_callback(self._tasks.discard)

    def tell(self, reply: Reply, tell: Tell) -> None:
        """Tell the end of a cell that does not continue."""

        async def told() -> None:
            try:
                await tell(reply)
            except Exception:  # a failing front must not keep other cells from being told
                log.exception("the end of cell %d is not told", reply.cell)

        task = asyncio.create_task(told(), name=f"end of cell {reply.cell}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def leaving(self) -> None:
        """From now on, a cell whose kernel is let go is one for the next program."""
        self._leaving = True

    async def wait_all(self) -> None:
        """Wait until they end, now that their sessions are released.

        A turn that is telling its front something, which may take minutes, is cancelled.
        """
        if self._tasks:
            _, slow = await asyncio.wait(self._tasks, timeout=self._patience)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)


async def unfinished_sessions(pool: Kernels, sessions: SessionRecords, now: datetime) -> list[SessionRecord]:
    """The sessions of which there is something to tell: with cells that were running, or news in a node."""
    found = await sessions.unfinished(now - LONGEST_AWAY)
    return found + await _untold(pool, sessions, {record.session_id for record in found})


async def _untold(pool: Kernels, sessions: SessionRecords, known: Collection[str]) -> list[SessionRecord]:
    """The sessions, besides those `known`, of which a node has news.

    It may be a cell that ran before it was recorded, if the previous program was killed at that moment.
    """
    try:
        names = set(await pool.untold()) - set(known)
    except (KernelError, OSError) as error:
        log.warning("the news of cells of earlier programs cannot be fetched now: %r", error)
        return []
    records = [await sessions.get(name) for name in sorted(names)]
    return [record for record in records if record is not None]
