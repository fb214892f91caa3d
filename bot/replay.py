"""A notebook run again in a person's kernel, cell by cell.

    async for step in replay(session, imported, author="Ada", keep_going=False): ...

Tags mean what they mean to Jupyter's tools: a cell with `skip-execution` is left out, one with
`raises-exception` may fail. What differs from the stored outputs is said, and is no failure.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bot.failures import sentence
from bot.message import Incoming
from bot.reply import ExecutionResult, Tell
from bot.session import Session
from bot.turn import take_turn
from kernels.errors import TooLarge
from kernels.notebook import RAISES, SKIP, Code, Imported, Markdown, differences

__all__ = ["Step", "replay"]


@dataclass(frozen=True, slots=True)
class Step:
    """One code cell of `total` was run, left out, or refused; only of the first there is a result."""

    number: int
    total: int
    code: str
    result: ExecutionResult | None = None
    differs: tuple[str, ...] = ()
    may_fail: bool = False
    refused: str = ""  # why it was not sent

    @property
    def failed(self) -> bool:
        """Whether it ended in a way that its tags do not allow."""
        if self.result is None or self.result.success:
            return bool(self.refused)
        return not (self.may_fail and self.result.status == "error")


async def replay(
    session: Session, notebook: Imported, message: Incoming, tell: Tell, *, keep_going: bool
) -> AsyncIterator[Step]:
    """Run the notebook's code cells in order, each as a turn of `message`'s person.

    All of the notebook goes to the transcript: words as words, and cells that are left out, by their tags or
    after one that failed (unless `keep_going`), with the outputs that they had. Raises: as `take_turn`.
    """
    total = sum(isinstance(cell, Code) for cell in notebook.cells)
    number, failed = 0, False
    for cell in notebook.cells:
        if not isinstance(cell, Code):
            words = cell.source if isinstance(cell, Markdown) else cell.text
            await session.transcript.say(message.place, "", words)  # the author is only claimed
            continue
        number += 1
        if SKIP in cell.tags or not cell.code.strip() or (failed and not keep_going):
            await session.transcript.leave_out(message, cell)
            yield Step(number, total, cell.code)
            continue
        try:
            result = await take_turn(session, message.with_code(cell.code), tell)
        except TooLarge as error:
            await session.transcript.leave_out(message, cell)
            failed = True
            yield Step(number, total, cell.code, refused=sentence(error))
            continue
        differs = await asyncio.to_thread(differences, cell.outputs, result.outputs) if cell.outputs else ()
        step = Step(number, total, cell.code, result, differs, may_fail=RAISES in cell.tags)
        failed |= step.failed
        yield step
