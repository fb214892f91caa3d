"""A cell that runs in a node, as `kernels.cell.run.Run` is one that runs here.

    async with kernel.run(code) as cell:
        async for event in cell: ...
    cell.result
    cell.settle()       # once it is recorded: until then the node keeps it, for us or for who comes after us

An event is acknowledged when the next one is asked for, since it has been told by then, or will be: places in
line and a restart may be asked past before they are told (`bot.continuity.early_events`), and the result
names the restart once more. A question, and `Unstopped`, are acknowledged when they were answered or
withdrawn.

While the node does not answer, the cell waits and says so, once. Whoever stops it then, or has waited for too
long, gets what came until then as its result; if the node comes back, what the cell still shows is told as
late.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from time import monotonic, time
from types import TracebackType
from typing import Any, Protocol, Self

from kernels.cell import codec
from kernels.cell.events import Event, InputRequest, Queued, Restarted, Stream, Unstopped
from kernels.cell.outputs import Outputs
from kernels.cell.result import RunResult
from kernels.concurrency.cancellation import to_the_end
from kernels.errors import NodeUnavailable, NoQuestion
from kernels.limits import Limits
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

SILENT = "it does not answer"

Fields = dict[str, Any]


class CellHost(Protocol):
    """What a cell needs of its kernel."""

    limits: Limits

    def send(self, do: str, **fields: Any) -> int:
        """Send a command to the node."""

    def acknowledge(self, number: int) -> None:
        """News of this number has been told."""

    def opened(self, number: int, fields: Fields) -> Captured:
        """A captured file that news of this number names."""

    def restarted(self) -> Restarted | None:
        """What has to be told of a node that has ended; given once."""

    def over(self, cell: "RemoteCell") -> None:
        """The cell has its result, or is left to others."""

    def withdraw(self, number: int) -> bool:
        """Take a command back that no node has got; returns whether none has."""

    def flush(self) -> None:
        """Let the commands go to the node now, whatever else is to be done in this step of the loop."""

    def has_arrived(self, number: int) -> bool:
        """Whether a node is known to have this command."""

    def leave_behind(self, cell: "RemoteCell") -> None:
        """The cell has a result, and goes on in a node that does not answer: what comes of it is late."""


class RemoteCell:
    """One cell in flight in a node; with `begun`, by another program.

    `began` is when its turn came, in seconds since 1970; None before, or where it is not known.
    """

    def __init__(
        self,
        host: CellHost,
        key: str,
        code: str,
        *,
        tag: int,
        turn: str,
        allow_input: bool,
        begun: bool = False,
    ) -> None:
        self.key = key
        self.code = code
        self.tag = tag
        self.turn = turn
        self.allow_input = allow_input
        self.started = begun
        self.began: float | None = None
        self.goes_on = False
        self._entered = begun
        self._host = host
        self._outputs = Outputs(max_text=host.limits.text, max_shown=host.limits.shown)
        self._since = monotonic()
        self._news: deque[Fields] = deque()
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
        """What came of the cell, once the block is left."""
        if self._result is None:
            raise RuntimeError("the cell has no result before its block is left")
        return self._result

    @property
    def question(self) -> int | None:
        """The number of the news that brought the question: the node tells it again by the same number."""
        return self._question

    async def __aenter__(self) -> Self:
        if not self._entered:
            self._entered = True
            self.enter()
        return self

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await to_the_end(self._leave())

    async def interrupt(self) -> None:
        """Stop the cell; the next one works. Nobody is asked anything any more."""
        self._withdraw_question()
        if self._unstopped is not None:
            self._host.acknowledge(self._unstopped)
            self._unstopped = None
        self._host.send("interrupt", run=self.key)
        self._ends()

    async def stop(self) -> None:
        """Stop the cell because a person wants that: nothing is killed, but `Unstopped` asks about it."""
        self._withdraw_question()
        self._host.send("stop", run=self.key)
        self._ends()

    def decide(self, *, kill: bool) -> None:
        """Answer `Unstopped`: kill the kernel now, or wait for the cell's end. Raises: NoQuestion."""
        number = self._unstopped
        if number is None:
            raise NoQuestion
        self._unstopped = None
        self._host.send("decide", run=self.key, kill=kill)
        self._host.acknowledge(number)
        if kill:
            self._ends()
        else:
            self._stopping = False  # also if it was stopped again meanwhile: the node forgets that

    def answer(self, text: str) -> None:
        """Answer the question that was asked last. Raises: NoQuestion, TooLarge."""
        number = self._question
        if number is None:
            raise NoQuestion
        sizes.answer(text)
        self._question = None
        self._host.send("answer", run=self.key, text=text)
        self._host.acknowledge(number)

    def extend(self, limit: timedelta) -> None:
        """Let the cell work for `limit`, from its start, instead of its kernel's own limit."""
        self._host.send("extend", run=self.key, seconds=limit.total_seconds())

    def settle(self) -> None:
        """The result is recorded: the node may forget the cell, unless it is gone itself."""
        if not (self._lost or self._given_up):
            self._host.send("settle", run=self.key)

    # What the kernel reports:

    def enter(self) -> None:
        """Stand in line, with this node."""
        entered = self._host.send(
            "enter", run=self.key, turn=self.turn, code=self.code, allow_input=self.allow_input
        )
        self._sent = [entered]
        if self.started:
            self._start()

    def wait(self) -> None:
        """The node does not answer."""
        if self._stopping:
            self.give_up(NodeUnavailable(SILENT))
        elif self._entered and not self._told_to_wait:
            self._told_to_wait = True
            runs = not self._sent or self._host.has_arrived(self._sent[-1])
            words = RUNS_ON if runs else STANDS
            self._news.append({"event": Stream("stderr", words), "n": 0})
            self._some.set()

    def back(self) -> None:
        """It answers again."""
        self._told_to_wait = False

    def give_up(self, error: BaseException) -> None:
        """Wait no longer. What no node has got does not run; what may run there goes on without us."""
        if not self._entered:
            self.fail(error)
        elif self._sent and self._host.withdraw(self._sent[0]):
            for number in self._sent:
                self._host.withdraw(number)
            self.fail(error)
        elif not self._given_up:
            self._given_up, self._question, self._unstopped = True, None, None
            self._host.leave_behind(self)
            self._news.append({"given up": True})
            self._some.set()

    def take(self, news: Fields) -> None:
        """Something came of the cell."""
        if "event" in news:
            event = codec.to_event(news["event"])
            if isinstance(event, InputRequest):
                self._withdraw_question()  # an earlier one, if the cell has given that up
                self._question = news["n"]
                event = replace(event, number=news["n"])
            news["event"] = event
            if isinstance(event, Unstopped):  # what is done about it is yet to be said
                if self._unstopped is not None:  # it was stopped once more
                    self._host.acknowledge(self._unstopped)
                self._unstopped, self._stopping = news["n"], False
            if event == Queued(0):  # it stood in line until now
                self.began = time()
            self._outputs.add(event)
        else:
            self._question = self._unstopped = None
        self._news.append(news)
        self._some.set()

    def die(self, restarted: Restarted) -> None:
        """The node has ended, and the cell with it."""
        self._outputs.close()
        self._question = self._unstopped = None
        self._news.append({"event": restarted, "n": 0})
        self._news.append({"died": restarted})
        self._some.set()

    def fail(self, error: BaseException) -> None:
        """Nothing more will come."""
        self._question = self._unstopped = None
        self._news.append({"failed": error})
        self._some.set()

    def detach(self) -> None:
        """Let it go on without us, unless we know already what came of it."""
        self.goes_on = self._result is None
        self.fail(asyncio.CancelledError())

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
            if "event" not in news:
                self._end(news)
                break
            yield news["event"]
            if news["n"] and not isinstance(news["event"], InputRequest | Unstopped):
                self._host.acknowledge(news["n"])
        if self.goes_on:  # let go while its end lay here unread: who comes after us reads it
            raise asyncio.CancelledError
        if self._error is not None:
            raise self._error

    def _restarts(self) -> Iterator[Restarted]:
        """The restart that has to be told, if there was one."""
        if (restarted := self._host.restarted()) is not None:
            self._restarted = restarted
            yield restarted

    def _start(self) -> None:
        self._sent.append(self._host.send("start", run=self.key, tag=self.tag))
        self._host.flush()  # the cell's record may be written next

    def _withdraw_question(self) -> None:
        """Nobody answers it any more, and who comes after us is not asked it again."""
        if self._question is not None:
            self._host.acknowledge(self._question)
            self._question = None

    def _ends(self) -> None:
        """The node is told to end the cell: that is waited for only while the node answers."""
        self._stopping = True
        if self._told_to_wait:
            self.give_up(NodeUnavailable(SILENT))

    async def _arrived(self) -> None:
        while not self._news:
            self._some.clear()
            await self._some.wait()

    async def _next(self) -> Fields:
        await self._arrived()
        return self._news.popleft()

    async def _leave(self) -> None:
        """Stop the cell unless it is over, and wait for its result, which the node has soon."""
        await self._events.aclose()
        if self._result is None and not self.goes_on:
            self._host.send("leave", run=self.key)
            self._ends()
            while self._result is None and not self.goes_on:
                news = await self._next()
                if "event" not in news:
                    self._end(news)
        if not self.started and not self.goes_on:
            self.settle()  # it never began, so nobody else does
        self._host.over(self)

    def _end(self, news: Fields) -> None:
        self._lost = "failed" in news or "died" in news
        if "failed" in news or "error" in news:
            self._error = news.get("failed") or codec.to_error(news["error"])
        if "result" in news:
            number = news["n"]
            result = codec.to_result(news["result"], lambda file: self._host.opened(number, file))
            if self._restarted is not None and result.restarted is None:
                result = replace(result, restarted=self._restarted)
            self._result = result
        else:
            self._result = self._own_result(news.get("died"))

    def _own_result(self, restarted: Restarted | None) -> RunResult:
        """The result of a cell that the node has not told of: what came until then."""
        died = restarted is not None
        cause = "node" if died else UNREACHABLE if self._given_up else None
        return RunResult(
            status="died" if died else "interrupted",
            output=self._outputs.text(),
            outputs=self._outputs.cells(),
            error=None,
            execution_time=monotonic() - self._since,
            execution_count=None,
            captured=(),
            skipped=(),
            cause=cause,
            restarted=restarted or self._restarted,
        )
