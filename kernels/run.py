"""One cell in flight: iterate its events, leave it at any time, and the kernel is usable again.

    async with kernel.run(code) as run:
        async for event in run: ...
    run.result          # RunResult, once left

The steps of a cell, in order:

1. It stands in its kernel's line (one cell at a time) and tells its position: `Queued`.
2. The kernel gets ready: it may have to start, or start again, which it tells: `Queued`, `Restarted`.
3. The code is sent. Events come until the kernel has both replied and said that it is idle *for this cell*.
4. When time is up, or somebody interrupts, the kernel is interrupted; after `GRACE` seconds more it is killed,
   and `Restarted` tells what was lost. A kernel that dies by itself is told in the same way.
5. When the block is left the workspace is scanned for files, and the next cell may go.

Whoever leaves the block early (a break, an exception, a cancelled task) interrupts the cell first.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol, Self

from kernels.capture import CapturedFile, Scan, Skipped
from kernels.errors import NoQuestion
from kernels.events import Event, Failure, InputRequest, Queued, Restarted, Stream
from kernels.inbox import Inbox
from kernels.launch import Limits
from kernels.line import Line
from kernels.outputs import Outputs

__all__ = ["Run", "RunHost", "RunResult"]

GRACE = 2.0  # seconds that an interrupted cell has to end by itself


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a cell.

    `status` is "ok", "error" (the person's exception, in `error`), "timeout", "interrupted", "died" or
    "out of memory". `cause` says more of a time-out: "deadline", "no answer" or "too many questions".
    `output` is all text shown, without colours; `outputs` the nbformat v4 output dicts. `execution_time` is in
    seconds, without waiting in line. `exit_code` is that of a kernel that died (-9: killed by signal 9).
    `skipped` names every file that was not captured, with the reason.
    """

    status: str
    output: str
    outputs: tuple[dict[str, Any], ...]
    error: Failure | None
    execution_time: float
    execution_count: int | None
    captured: tuple[CapturedFile, ...]
    skipped: tuple[Skipped, ...]
    cause: str | None = None
    exit_code: int | None = None


class RunHost(Protocol):
    """What a run needs of its kernel."""

    line: Line
    limits: Limits

    def ready(self) -> AsyncIterator[Event]:
        """Have a live process, telling of waiting and of a restart."""

    def withdraw(self) -> None:
        """Stop waiting in `ready`."""

    def execute(self, run: "Run") -> None:
        """Send the code; from now on the run gets its messages."""

    def answer(self, text: str) -> None:
        """Send the answer to an `input()`."""

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the cell."""

    async def replace(self, reason: str) -> Restarted:
        """Kill the process; the next cell gets a fresh one."""

    async def look(self) -> Scan:
        """Scan the workspace for what the cell wrote."""


class Run:
    """One cell in flight; see the module's text. Made by `Kernel.run`.

    `code` is what runs. `tag` is the caller's own name for the cell, given back with late output. Without
    `allow_input` an `input()` in the cell fails at once.
    """

    def __init__(self, host: RunHost, code: str, *, tag: int = 0, allow_input: bool = True) -> None:
        self.code = code
        self.tag = tag
        self.allow_input = allow_input
        self._host = host
        self._outputs = Outputs(max_text=host.limits.text, max_shown=host.limits.shown)
        self._inbox = Inbox()
        self._events = self._cell()
        self._status: str | None = None
        self._cause: str | None = None
        self._error: Failure | None = None
        self._count: int | None = None
        self._exit_code: int | None = None
        self._replied = self._idle = self._dead = self._told = False
        self._started: float | None = None
        self._ended = 0.0
        self._deadline: float | None = None  # monotonic
        self._left_at_question: float | None = None  # the cell's own seconds that remain after the question
        self._question: InputRequest | None = None
        self._questions = 0
        self._result: RunResult | None = None

    @property
    def result(self) -> RunResult:
        """What came of the cell, once the block is left."""
        if self._result is None:
            raise RuntimeError("the run has no result before its block is left")
        return self._result

    @property
    def over(self) -> bool:
        """Whether the kernel is done with this cell, or gone."""
        return self._dead or (self._replied and self._idle)

    async def __aenter__(self) -> Self:
        self._ticket = self._host.line.enter()
        return self

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._started is not None and not self.over:
                await self.interrupt()
            if self._started is not None:
                async for _ in self._finishing():
                    pass
            await self._events.aclose()
            scan = await self._host.look() if self._started is not None else Scan((), ())
            self._result = self._make_result(scan)
        finally:
            self._ticket.leave()

    async def interrupt(self) -> None:
        """Stop the cell: its events end within `GRACE` seconds, and the next cell works."""
        if self._started is not None and not self.over and self._status is None:
            await self._stop("interrupted")
        elif self._started is None:
            self._status = "interrupted"
            self._ticket.leave()
            self._host.withdraw()

    def answer(self, text: str) -> None:
        """Answer the `input()` that the last `InputRequest` asked. Raises: NoQuestion."""
        question, self._question = self._question, None
        if question is None or self.over:
            raise NoQuestion
        self._host.answer(text)
        self._deadline = None if self._left_at_question is None else time.monotonic() + self._left_at_question
        echo = "" if question.password else text
        self.take(Stream("stdout", f"{question.prompt}{echo}\n"))

    # What the kernel's reader reports:

    def take(self, event: Event) -> None:
        """An event of this cell has come from the kernel."""
        if isinstance(event, Failure):
            self._error = event
        if isinstance(event, InputRequest):
            self._ask(event)
            return
        for passed in self._outputs.add(event):
            self._inbox.put(passed)

    def reply(self, status: str, count: int | None) -> None:
        """The kernel has answered the request: `status` is "ok", "error" or "aborted"."""
        self._replied = True
        self._count = count
        if status != "ok" and self._status is None:
            self._status = "error"
        self._inbox.wake()

    def idle(self) -> None:
        """The kernel says that it is idle for this cell."""
        self._idle = True
        self._inbox.wake()

    def died(self, exit_code: int) -> None:
        """The kernel's process has ended by itself; `exit_code` as in subprocess."""
        if not self.over:
            self._dead = True
            self._exit_code = exit_code
            self._inbox.wake()

    # The cell itself:

    async def _cell(self) -> AsyncGenerator[Event]:
        async for position in self._ticket:
            yield Queued(position)
        if self._status is None:
            async for event in self._host.ready():
                yield event
        if self._status is not None:  # interrupted while it waited
            return
        self._started = time.monotonic()
        self._deadline = _after(self._started, self._host.limits.cell)
        self._host.execute(self)
        async for event in self._finishing():
            yield event

    async def _finishing(self) -> AsyncGenerator[Event]:
        """Events until the cell is over, however that comes about."""
        while not self.over:
            event = await self._inbox.get(self._deadline)
            if event is not None:
                yield event
            elif not self.over and self._deadline is not None and time.monotonic() >= self._deadline:
                if self._status is None:
                    await self._stop("timeout")
                else:
                    self._dead = True
        if self._dead and not self._told:
            self._told = True
            reason = (
                "the kernel died" if self._exit_code is not None else f"it did not stop within {GRACE:.0f} s"
            )
            self._status = self._status or "died"
            yield await self._host.replace(reason)
        if not self._ended:
            self._ended = time.monotonic()
            for event in self._outputs.close():
                self._inbox.put(event)
        while (event := self._inbox.take()) is not None:
            yield event

    async def _stop(self, status: str) -> None:
        self._status = status
        if status == "timeout" and self._cause is None:
            self._cause = "no answer" if self._question else "deadline"
        self._question = None
        self._deadline = time.monotonic() + GRACE
        await self._host.interrupt()
        self._inbox.wake()

    def _ask(self, question: InputRequest) -> None:
        """Pass a question on; the cell's own clock stands still until it is answered."""
        self._questions += 1
        limits, now = self._host.limits, time.monotonic()
        if self._question is None:
            self._left_at_question = None if self._deadline is None else self._deadline - now
        self._question = question
        if self._status is not None:
            return
        if self._questions > limits.questions:
            self._cause = "too many questions"
            self._deadline = now
            self._inbox.wake()
        else:
            self._deadline = _after(now, limits.answer)
            self._inbox.put(question)

    def _make_result(self, scan: Scan) -> RunResult:
        started = self._started if self._started is not None else self._ended
        return RunResult(
            status=self._status or ("ok" if self._started is not None else "interrupted"),
            output=self._outputs.text(),
            outputs=self._outputs.cells(),
            error=self._error,
            execution_time=max(0.0, self._ended - started),
            execution_count=self._count,
            captured=scan.captured,
            skipped=scan.skipped,
            cause=self._cause,
            exit_code=self._exit_code,
        )


def _after(start: float, time_out: timedelta | None) -> float | None:
    return None if time_out is None else start + time_out.total_seconds()
