"""A cell that runs in a node, as `kernels.cell.run.Run` is one that runs here.

    async with kernel.run(code) as cell:
        async for event in cell: ...
    cell.result
    cell.settle()       # once it is recorded: until then the node keeps it, for us or for who comes after us

An event is acknowledged when the next one is asked for: by then it has been told, or will be. (The caller may
ask for the next event before it has told a position in line or a restart, see `bot.continuity.early_events`;
the result names the restart again.) A question, and `Unstopped`, are acknowledged when they are answered or
withdrawn.

While the node does not answer, the cell waits and says so, once. Whoever stops the cell then, or has waited
for too long, gets a result with what came until then. If the node comes back, what the cell still shows is
told as late output.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic, time
from typing import Any, Protocol, Self

from msgspec import structs

from kernels.cell.events import Event, InputRequest, Queued, Restarted, Stream, Unstopped
from kernels.cell.outputs import Outputs, stream_output
from kernels.cell.result import RunResult
from kernels.client.connection import SILENT, Link
from kernels.concurrency.cancellation import to_the_end
from kernels.errors import GoesOn, NodeUnavailable, NoQuestion
from kernels.limits import Limits
from kernels.node import messages
from kernels.text.clipping import repair
from kernels.wire import sizes
from kernels.workspace.captured import Captured

__all__ = ["UNREACHABLE", "CellHost", "RemoteCell"]

UNREACHABLE = "unreachable"  # the cause of a result that the node has not told
RUNS_ON = (
    "\n[The process that runs this cell does not answer just now. The cell goes on there, and what it shows"
    " comes here as soon as it answers again. You can stop waiting for it.]\n"
)
STANDS = (
    "\n[The process that runs cells does not answer just now. This cell runs as soon as it answers again. You"
    " can stop waiting for it.]\n"
)


class CellHost(Protocol):
    """What a cell needs of its kernel: of `kernels.client.kernel.RemoteKernel`, which imports this module."""

    limits: Limits

    def send(self, command: messages.Command) -> int:
        """Send a command to the node."""

    def opened(self, number: int, files: tuple[Captured, ...]) -> tuple[Captured, ...]:
        """The captured files that news of this number names, to be read here."""

    def restarted(self) -> Restarted | None:
        """What has to be told of a node that has ended; given once."""

    def forget_cell(self, cell: "RemoteCell") -> None:
        """The cell has its result, or is left to another program."""

    def leave_behind(self, cell: "RemoteCell") -> None:
        """The cell has a result, and goes on in a node that does not answer: what it shows is late output."""


@dataclass(frozen=True, slots=True)
class _OurEnd:
    """An end that the node does not tell: it has ended itself, the cell was given up, or something failed."""

    restarted: Restarted | None = None
    error: BaseException | None = None


class RemoteCell:
    """One cell in flight in a node; with `begun`, another program has begun it.

    `began` is when its turn came, in seconds since 1970; None before that, or if it is not known.
    """

    def __init__(
        self,
        host: CellHost,
        link: Link,
        key: str,
        code: str,
        *,
        tag: int,
        turn: str,
        allow_input: bool = True,
        begun: bool = False,
    ) -> None:
        self.key = key
        self.code: str = repair(code)
        self.tag = tag
        self.turn = turn
        self.allow_input = allow_input
        self.started = begun
        self.began: float | None = None
        self.goes_on = False
        self._entered = begun
        self._host = host
        self._link = link
        self._outputs = Outputs(max_text=host.limits.text, max_shown=host.limits.shown)
        self._since = monotonic()
        self._news: deque[messages.CellEvent | messages.CellEnd | _OurEnd] = deque()
        self._some = asyncio.Event()
        self._question: int | None = None
        self._unstopped: int | None = None
        self._sent: list[int] = []  # the commands that make it run
        self._told_to_wait = self._stopping = self._given_up = False
        self._restarted: Restarted | None = None
        self._lost = False
        self._error: BaseException | None = None
        self._result: RunResult | None = None
        self._events = self._cell()

    @property
    def result(self) -> RunResult:
        if self._result is None:
            raise RuntimeError("the cell has no result before its block is left")
        return self._result

    @property
    def question(self) -> int | None:
        """The number of the news with the question, which the node keeps if it sends the question again."""
        return self._question

    def outputs(self, last: int | None = None) -> tuple[dict[str, Any], ...]:
        """See `kernels.interface.Cell.outputs`. While the node does not answer, the last one says so."""
        notice = (stream_output("stderr", self._notice()),) if self._told_to_wait else ()
        return self._outputs.cells(last) + notice

    async def __aenter__(self) -> Self:
        if not self._entered:
            self._entered = True
            self.enter()
        return self

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    async def __aexit__(self, *_: object) -> None:
        await to_the_end(self._leave())

    async def interrupt(self) -> None:
        """Stop the cell; the next one works. Its questions are withdrawn."""
        self._withdraw_question()
        if self._unstopped is not None:
            self._link.acknowledge(self._unstopped)
            self._unstopped = None
        self._host.send(messages.InterruptCell(run=self.key))
        self._ends()

    async def stop(self) -> None:
        self._withdraw_question()
        self._host.send(messages.StopCell(run=self.key))
        self._ends()

    def decide(self, *, kill: bool) -> None:
        number = self._unstopped
        if number is None:
            raise NoQuestion
        self._unstopped = None
        self._host.send(messages.DecideCell(run=self.key, kill=kill))
        self._link.acknowledge(number)
        if kill:
            self._ends()
        else:
            self._stopping = False  # even if it was stopped again meanwhile, which the node forgets

    def answer(self, text: str) -> None:
        number = self._question
        if number is None:
            raise NoQuestion
        sizes.answer(text)
        self._question = None
        self._host.send(messages.AnswerCell(run=self.key, text=repair(text)))
        self._link.acknowledge(number)

    def extend(self, limit: timedelta) -> None:
        self._host.send(messages.ExtendCell(run=self.key, seconds=limit.total_seconds()))

    def settle(self) -> None:
        """The result is recorded: the node, if it is still there, may forget the cell."""
        if not (self._lost or self._given_up):
            self._host.send(messages.SettleCell(run=self.key))

    # What the kernel reports:

    def enter(self) -> None:
        """Stand in line at the node."""
        entering = messages.EnterCell(
            run=self.key, turn=self.turn, code=self.code, allow_input=self.allow_input
        )
        self._sent = [self._host.send(entering)]
        if self.started:
            self._start()

    def wait(self) -> None:
        """The node does not answer."""
        if self._stopping:
            self.give_up(NodeUnavailable(SILENT))
        elif self._entered and not self._told_to_wait:
            self._told_to_wait = True
            self._tell(messages.CellEvent(run=self.key, event=Stream("stderr", self._notice())))

    def _notice(self) -> str:
        runs = not self._sent or self._link.has_arrived(self._sent[-1])
        return RUNS_ON if runs else STANDS

    def back(self) -> None:
        """The node answers again."""
        self._told_to_wait = False

    def give_up(self, error: BaseException) -> None:
        """Wait no longer. A cell that no node has received does not run; others may go on without us."""
        if not self._entered:
            self.fail(error)
        elif self._sent and self._link.withdraw(self._sent[0]):
            for number in self._sent:
                self._link.withdraw(number)
            self.fail(error)
        elif not self._given_up:
            self._given_up, self._question, self._unstopped = True, None, None
            self._host.leave_behind(self)
            self._tell(_OurEnd())

    def take_news(self, news: messages.CellEvent | messages.CellEnd) -> None:
        """An event of the cell, or its end."""
        if isinstance(news, messages.CellEvent):
            if isinstance(news.event, InputRequest):
                self._withdraw_question()  # an earlier one, which the cell no longer asks
                self._question = news.n
                news.event = structs.replace(news.event, number=news.n)
            if isinstance(news.event, Unstopped):  # somebody has to decide what to do
                if self._unstopped is not None:  # it was stopped once more
                    self._link.acknowledge(self._unstopped)
                self._unstopped, self._stopping = news.n, False
            if news.event == Queued(0):  # it stood in line until now
                self.began = time()
            self._outputs.add_event(news.event)
        else:
            self._question = self._unstopped = None
        self._tell(news)

    def die(self, restarted: Restarted) -> None:
        """The node has ended, and the cell with it."""
        self._outputs.close()
        self._question = self._unstopped = None
        self._tell(messages.CellEvent(run=self.key, event=restarted))
        self._tell(_OurEnd(restarted=restarted))

    def fail(self, error: BaseException) -> None:
        """Nothing more will come of the cell."""
        self._question = self._unstopped = None
        self._tell(_OurEnd(error=error))

    def detach(self) -> None:
        """Let it go on without us, unless we know already what came of it."""
        self.goes_on = self._result is None
        self.fail(GoesOn())

    # The cell itself:

    async def _cell(self) -> AsyncGenerator[Event]:
        for restarted in self._restarts():
            yield restarted
        if not self.started:
            self.started = True
            self._since, self.began = monotonic(), time()
            self._start()
        while self._result is None:
            await self._arrived()
            for restarted in self._restarts():  # of a cell that we have given up, and that has ended by now
                yield restarted
            news = await self._next()  # only now: who leaves at that event waits for the end, too
            if not isinstance(news, messages.CellEvent):
                self._end(news)
                break
            yield news.event
            if news.n and not isinstance(news.event, InputRequest | Unstopped):
                self._link.acknowledge(news.n)
        if self.goes_on:  # let go while its end lay here unread: who comes after us reads it
            raise GoesOn
        if self._error is not None:
            raise self._error

    def _restarts(self) -> Iterator[Restarted]:
        """The restart that has to be told, if there was one."""
        if (restarted := self._host.restarted()) is not None:
            self._restarted = restarted
            yield restarted

    def _start(self) -> None:
        self._sent.append(self._host.send(messages.StartCell(run=self.key, tag=self.tag)))
        self._link.flush()  # the cell's record may be written next

    def _withdraw_question(self) -> None:
        """Nobody will answer the question: acknowledge it, so that the next program is not asked it."""
        if self._question is not None:
            self._link.acknowledge(self._question)
            self._question = None

    def _ends(self) -> None:
        """The node was told to end the cell. Its end is waited for only while the node answers."""
        self._stopping = True
        if self._told_to_wait:
            self.give_up(NodeUnavailable(SILENT))

    def _tell(self, news: messages.CellEvent | messages.CellEnd | _OurEnd) -> None:
        self._news.append(news)
        self._some.set()

    async def _arrived(self) -> None:
        while not self._news:
            self._some.clear()
            await self._some.wait()

    async def _next(self) -> messages.CellEvent | messages.CellEnd | _OurEnd:
        await self._arrived()
        return self._news.popleft()

    async def _leave(self) -> None:
        """Stop the cell unless it is over, and wait for its result, which comes soon."""
        await self._events.aclose()
        if self._result is None and not self.goes_on:
            self._host.send(messages.LeaveCell(run=self.key))
            self._ends()
            while self._result is None and not self.goes_on:
                news = await self._next()
                if not isinstance(news, messages.CellEvent):
                    self._end(news)
        if not self.started and not self.goes_on:
            self.settle()  # it never began, so nobody else settles it
        self._host.forget_cell(self)

    def _end(self, end: messages.CellEnd | _OurEnd) -> None:
        if isinstance(end, _OurEnd):
            self._lost = end.error is not None or end.restarted is not None
            self._error = end.error
            self._result = self._own_result(end.restarted)
            return
        self._lost = False
        self._error = end.error.exception() if end.error is not None else None
        if end.result is None:
            self._result = self._own_result(None)
        else:
            captured = self._host.opened(end.n, end.result.captured)
            restarted = end.result.restarted or self._restarted
            self._result = replace(end.result, captured=captured, restarted=restarted)

    def _own_result(self, restarted: Restarted | None) -> RunResult:
        """The result of a cell whose node has told none: what had come until then."""
        died = restarted is not None
        cause = "node" if died else UNREACHABLE if self._given_up else None
        return RunResult(
            status="died" if died else "interrupted",
            output=self._outputs.text(),
            outputs=self._outputs.cells(),
            execution_time=monotonic() - self._since,
            cause=cause,
            restarted=restarted or self._restarted,
        )
