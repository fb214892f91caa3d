"""A notebook run again in a person's kernel, cell by cell.

    async with imported(sessions.jobs, user_id, file) as notebook:
        async for step in replay(session, notebook, request, tell, keep_going=False): ...

Tags mean what they mean to Jupyter's tools: a cell with `skip-execution` is left out, and one with
`raises-exception` may fail. Differences from the stored outputs are told, and are not failures.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from bot.reply import ExecutionResult, Tell
from bot.request import Request
from bot.scheduling.jobs import Jobs
from bot.scheduling.series import Series
from bot.session import Session
from bot.turn import take_turn
from bot.wording.error_messages import sentence
from filestore.records import ENTRY
from kernels.concurrency.threads import in_thread
from kernels.errors import TooLarge
from kernels.notebooks.cells import RAISES, SKIP, Code, Markdown, Notebook, Raw
from kernels.notebooks.conversion import reading
from kernels.notebooks.diff import diff_outputs

__all__ = ["Step", "imported", "replay"]

KIND = "a notebook that is run again"  # a person can have one at a time


@dataclass(frozen=True, slots=True)
class Step:
    """One code cell of `total` was run, left out, or refused; only a cell that was run has a result."""

    number: int
    total: int
    code: str
    result: ExecutionResult | None = None
    differs: tuple[str, ...] = ()
    may_fail: bool = False
    refused: str = ""  # why it was not run

    @property
    def failed(self) -> bool:
        """Whether it ended in a way that its tags do not allow."""
        if self.result is None or self.result.success:
            return bool(self.refused)
        return not (self.may_fail and self.result.status == "error")


@asynccontextmanager
async def imported(
    jobs: Jobs, user_id: int, opened: Callable[[], Awaitable[BinaryIO]]
) -> AsyncIterator[Notebook]:
    """A notebook from anybody, while it is being run again; `opened` gives an open file with it.

    Raises: AtWork while the person runs another one; TooBusy, NotebookError, OSError, and what `opened` does.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(jobs.claim(user_id, KIND))
        async with jobs.job(user_id, KIND):
            with await opened() as file:
                notebook = await stack.enter_async_context(reading(file))
        yield notebook


async def replay(
    session: Session, notebook: Notebook, request: Request, tell: Tell, *, keep_going: bool
) -> AsyncIterator[Step]:
    """Run the notebook's code cells in order, each as a turn of `request`'s person.

    The whole notebook goes into the transcript: words as words, and cells that are left out with the outputs
    that they had. Cells are left out because of their tags, after a failed cell unless `keep_going`, and
    once it is stopped between two of them. All of it is one turn, so that nothing is recorded any more once
    the session is deleted. It counts as one for `RATE`, too, and so it ends when the person's quota is used
    up, even by what is always recorded.
    Raises: as `take_turn`; KernelClosed when the session ends; QuotaExceeded.
    """
    with session.turn(), session.series.one(request.place) as series:
        async for step in _replay(session, notebook, request, tell, series, keep_going=keep_going):
            yield step


async def _replay(
    session: Session, notebook: Notebook, request: Request, tell: Tell, series: Series, *, keep_going: bool
) -> AsyncIterator[Step]:
    total = notebook.code_cells
    number, failed = 0, False
    cells = iter(notebook.cells)
    while (cell := await in_thread(next, cells, None)) is not None:
        session.turns.go_on()
        words = cell.code if isinstance(cell, Code) else _words(cell)
        await session.files.make_room(ENTRY + len(words))
        if not isinstance(cell, Code):
            await session.transcript.say(request.place, "", words)  # nobody has checked who the author is
            continue
        number += 1
        ended = series.stopped or (failed and not keep_going)
        if ended or SKIP in cell.tags or not cell.code.strip():
            await session.transcript.leave_out(request, cell)
            yield Step(number, total, cell.code)
            continue
        try:
            result = await take_turn(session, request.with_code(cell.code), tell)
        except TooLarge as error:
            await session.transcript.leave_out(request, cell)
            failed = True
            yield Step(number, total, cell.code, refused=sentence(error))
            continue
        differs = await in_thread(diff_outputs, cell.outputs, result.outputs) if cell.outputs else ()
        step = Step(number, total, cell.code, result, differs, may_fail=RAISES in cell.tags)
        failed |= step.failed
        yield step


def _words(cell: Markdown | Raw) -> str:
    return cell.source if isinstance(cell, Markdown) else cell.text
