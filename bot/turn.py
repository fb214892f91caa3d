"""One turn: a person's request becomes a reply. This is the whole flow.

    Request -> the person's Session -> Kernel.run(code), told event by event
            -> the files that it wrote are stored, the cell's record is finished -> the last Reply

The record is begun before anything of the cell is shown, and it is finished whatever happens, so a transcript
has every cell of which a person has seen anything. If nothing can refuse the record, the kernel starts work
while the record is being written (`SpooledTranscripts.begin_cell`), which hides most of the time that writing
takes: 0.2 ms with SQLite, two requests with MongoDB. If this program is killed at that moment, a node still
has the cell, and the next program adds it to the transcript; a kernel in this process ends before anybody has
seen the cell.

If the kernel lives in a node and this program ends, the cell goes on, and the next program resumes the turn.
`tell` belongs to the front; nothing here knows what a front is.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from bot.continuity.early_events import EarlyEvents
from bot.continuity.losses import merge_losses
from bot.files import KeptFiles
from bot.model.stopping import ModelTurn
from bot.reply import ExecutionResult, Reply, Tell
from bot.request import Request
from bot.session import BegunCell, Session
from filestore.records import CellRecord
from kernels.cell.events import Event, Restarted
from kernels.concurrency.cancellation import to_the_end
from kernels.interface import Cell

__all__ = ["take_turn"]

log = logging.getLogger(__name__)


async def take_turn(
    session: Session,
    request: Request,
    tell: Tell,
    model_turn: ModelTurn | None = None,
    begun: BegunCell | None = None,
) -> ExecutionResult:
    """Run the request's code in the person's kernel; tell each event, and finally the result.

    With `model_turn` the code is the model's in that turn, and is told before it runs. With `begun` the cell
    was begun by an earlier program: it is resumed from the first event that it has not told. Code that fails
    is a result. Raises: NoSuchFile when one of `user_files` is not the person's; KernelClosed while the
    session is being deleted; StoreUnavailable and KernelStartFailed when we fail. Then the code has not run.
    """
    if begun is None:
        await session.may_begin()  # it must not run while an undo takes its session back
    cell = begun.record if begun else None
    run = (
        begun.run
        if begun
        else session.kernel.run(request.code, turn=request.turn, allow_input=request.can_answer)
    )
    async with session.notes.losses() as losses:
        events = EarlyEvents(run, losses.missed)

        def start(numbered: CellRecord) -> None:
            nonlocal cell
            cell, run.tag = numbered, numbered.seq
            events.begin()

        with session.turn(run):
            try:
                async with run, session.at_work(run, request.place, model_turn), events:
                    if cell is None:
                        await session.files.bring(request.user_files)
                        cell = await session.transcript.begin(request, start)
                        run.tag = cell.seq
                    code = request.code if model_turn is not None else ""
                    await tell(Reply(cell.seq, code=code, turn=run.turn))
                    await _tell_events(cell, run, losses.before(run, events), tell)
            finally:
                if cell is not None and not run.goes_on:
                    kept, result = await to_the_end(_finish(session, cell, run, losses.told))
        await tell(Reply(cell.seq, files=kept.files, skipped=kept.skipped, result=result))
    return result


async def _tell_events(cell: CellRecord, run: Cell, events: AsyncGenerator[Event], tell: Tell) -> None:
    async with aclosing(events):
        async for event in events:
            await tell(Reply(cell.seq, event, outputs=run.outputs))


async def _finish(
    session: Session, cell: CellRecord, run: Cell, told: Restarted | None
) -> tuple[KeptFiles, ExecutionResult]:
    """Store the files and finish the record; only then may the kernel forget the cell.

    `told` is the loss that was told before the cell. What the kernel holds is noted before the record is
    finished: after a crash between the two, the cell counts as broken off and the loss of its variables is
    told.
    """
    ran = run.result
    if told is not None:
        ran = replace(ran, restarted=merge_losses(told, ran.restarted))
    kept = await session.files.keep(ran.captured, ran.skipped, cell.seq)
    await session.note_variables()
    result = await session.transcript.finish(cell, ran, kept)
    ids = {"session": cell.session_id, "cell": cell.seq, "turn": run.turn}
    why = f" ({ran.cause})" if ran.cause else ""
    log.info("cell finished: %s%s after %.1f s", ran.status, why, ran.execution_time, extra=ids)
    run.settle()
    return kept, result
