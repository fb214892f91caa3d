"""One turn: a person's message becomes a reply. This is the whole flow.

    Incoming -> the person's Session -> Kernel.run(code), told event by event
             -> the files it wrote are stored, the cell's record is finished -> the last Reply

The record is begun before anything of the cell is shown, and finished whatever happens, so that a transcript
has every cell that a person has seen anything of. While the record's beginning is written the kernel works
already, if nothing can refuse the record (`SpooledTranscripts.begin_cell`): that hides most of the time that
the writing takes, 0.2 ms with SQLite and two requests with MongoDB. If this program is killed right then, a
node still has the cell, and the next program enters it into the record; a kernel of this process ends with
it, before it was shown to anybody.

Where the kernel lives in a node and this program ends, the cell goes on, and the next program resumes the
turn. `tell` belongs to the front; nothing here knows what a front is.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from bot.continuity.early_events import Ahead
from bot.continuity.losses import together
from bot.files import Kept
from bot.reply import ExecutionResult, Reply, Tell
from bot.request import Incoming
from bot.session import Asked, Session
from filestore.records import CellRecord
from kernels.cell.events import Event, Restarted
from kernels.concurrency.cancellation import to_the_end
from kernels.interface import Cell

__all__ = ["resume_turn", "take_turn"]

log = logging.getLogger(__name__)


async def take_turn(
    session: Session, message: Incoming, tell: Tell, asked: Asked | None = None
) -> ExecutionResult:
    """Run the message's code in the person's kernel, telling each event and at last the result.

    With `asked` the code is that turn's model's, and is told before it runs. The person's failing code is a
    result. Raises: NoSuchFile when one of `user_files` is not theirs; StoreUnavailable and KernelStartFailed
    when we fail, and then the code has not run.
    """
    run = session.kernel.run(message.code, turn=message.turn, allow_input=message.can_answer)
    cell: CellRecord | None = None
    async with session.notes.losses() as losses:
        events = Ahead(run, losses.missed)

        def early(numbered: CellRecord) -> None:
            nonlocal cell
            cell, run.tag = numbered, numbered.seq
            events.begin()

        with session.turn():
            try:
                async with run, session.at_work(run, message.place, asked), events:
                    await session.files.bring(message.user_files)
                    cell = await session.transcript.begin(message, early)
                    run.tag = cell.seq
                    await tell(Reply(cell.seq, code=message.code if asked is not None else ""))
                    await _tell_events(cell, losses.before(run, events), tell)
            finally:
                if cell is not None and not run.goes_on:
                    kept, result = await to_the_end(_finish(session, cell, run, losses.told))
        await tell(Reply(cell.seq, files=kept.files, skipped=kept.skipped, result=result))
    return result


async def resume_turn(session: Session, cell: CellRecord, run: Cell, tell: Tell) -> ExecutionResult:
    """Go on with a turn that a program before us began, from the first event that it has not told."""
    async with session.notes.losses() as losses:
        with session.turn():
            try:
                async with run, session.at_work(run, cell.place):
                    await tell(Reply(cell.seq))
                    await _tell_events(cell, losses.before(run), tell)
            finally:
                if not run.goes_on:
                    kept, result = await to_the_end(_finish(session, cell, run, losses.told))
        await tell(Reply(cell.seq, files=kept.files, skipped=kept.skipped, result=result))
    return result


async def _tell_events(cell: CellRecord, events: AsyncGenerator[Event], tell: Tell) -> None:
    async with aclosing(events):
        async for event in events:
            await tell(Reply(cell.seq, event))


async def _finish(
    session: Session,
    cell: CellRecord,
    run: Cell,
    told: Restarted | None,
) -> tuple[Kept, ExecutionResult]:
    """Store the files and finish the record; only then may the kernel forget the cell.

    `told` is what was told as lost before the cell. What the kernel holds is noted first: after a crash in
    between the cell counts as broken off, and a loss of its variables is told.
    """
    ran = run.result
    if told is not None:
        ran = replace(ran, restarted=together(told, ran.restarted))
    kept = await session.files.keep(ran.captured, ran.skipped, cell.seq)
    await session.note()
    result = await session.transcript.finish(cell, ran, kept)
    ids = {"session": cell.session_id, "cell": cell.seq, "turn": run.turn}
    why = f" ({ran.cause})" if ran.cause else ""
    log.info("cell finished: %s%s after %.1f s", ran.status, why, ran.execution_time, extra=ids)
    run.settle()
    return kept, result
