"""One turn: a person's message becomes a reply. This is the whole flow.

    Incoming -> the person's Session -> Kernel.run(code), told event by event
             -> the files it wrote are stored, the cell's record is finished -> the last Reply

The record is begun, on disk, before the code runs, and finished whatever happens, so that a transcript never
misses a cell that ran. `tell` belongs to the front; nothing here knows what a front is.
"""

from bot.message import Incoming
from bot.reply import ExecutionResult, Reply, Tell
from bot.session import Session

__all__ = ["take_turn"]


async def take_turn(session: Session, message: Incoming, tell: Tell) -> ExecutionResult:
    """Run the message's code in the person's kernel, telling each event and at last the result.

    The person's failing code is a result. Raises: NoSuchFile when one of `user_files` is not theirs;
    StoreUnavailable and KernelStartFailed when we fail, and then the code has not run.
    """
    run = session.kernel.run(message.code, allow_input=message.can_answer)
    cell = None
    try:
        async with run, session.at_work(run):
            await session.files.bring(message.user_files)
            cell = await session.transcript.begin(message)
            run.tag = cell.seq
            async for event in run:
                await tell(Reply(cell.seq, event))
    finally:
        if cell is not None:
            kept = await session.files.keep(run.result.captured, run.result.skipped, cell.seq)
            result = await session.transcript.finish(cell, run.result, kept)
    await tell(Reply(cell.seq, files=kept.files, skipped=kept.skipped, result=result))
    return result
