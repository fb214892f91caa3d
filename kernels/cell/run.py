"""One cell in flight: iterate its events, leave it at any time, and the kernel is usable again.

    async with kernel.run(code) as run:
        async for event in run: ...
    run.result          # RunResult, once left

The steps of a cell, in order:

1. The cell stands in its kernel's line (one cell at a time) and tells its position: `Queued`.
2. The kernel gets ready. It may have to wait, which `Queued` tells, or to start again, which `Restarted`
   tells. A cell that has waited tells when its turn has come: `Queued(0)`.
3. The code is sent. Events come until the kernel has replied *for this cell*, which it does after its output.
4. When the cell's time is up, or when somebody interrupts it, the kernel is interrupted. If the cell has not
   stopped after `grace`, the kernel is killed, and `Restarted` tells what was lost, as it does when a kernel
   dies by itself. If a person stops the cell, the kernel is not killed then: `Unstopped` asks whether to wait
   or to kill. Without an answer the cell goes on, and the kernel is killed when the cell's own time is up.
5. When the block is left, the workspace is scanned for files, and the next cell may start. If the cell has
   printed more than is shown, a file with all of its text comes last.

Leaving the block early (by a break, an exception, a cancelled task) interrupts the cell first. The clock does
not depend on how quickly the events are read.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from datetime import timedelta
from typing import Self

from msgspec.structs import replace

from kernels.cell.clock import Clock
from kernels.cell.events import (
    END_OF_INPUT,
    Event,
    Failure,
    InputRequest,
    Queued,
    Restarted,
    Stream,
    Unstopped,
)
from kernels.cell.inbox import Inbox
from kernels.cell.outputs import Outputs
from kernels.cell.overflow import Overflow
from kernels.cell.result import RunResult
from kernels.cell.run_host import RunHost
from kernels.cell.stopping import Stop
from kernels.concurrency.cancellation import to_the_end
from kernels.errors import NoQuestion
from kernels.local import LocalCell
from kernels.text.clipping import repair
from kernels.wire import sizes
from kernels.workspace.captured import Captured, Scan

__all__ = ["Run", "RunResult"]

log = logging.getLogger(__name__)

OF_MEMORY = {"memory": ("out of memory", None), "machine": ("out of memory", "machine")}  # by fault
GRACE = timedelta(seconds=2)  # in which an interrupted cell usually has to end by itself
NOT_STOPPED = "it did not stop within {:.0f} s"
OUT_OF_TIME = "it did not stop until its time was up"
ON_REQUEST = "it did not stop, and was killed as you wanted"


class Run(LocalCell):
    """One cell in flight; see the module's text. Made by `Kernel.run`, which takes the same options."""

    def __init__(
        self, host: "RunHost[Run]", code: str, *, tag: int = 0, turn: str = "", allow_input: bool = True
    ) -> None:
        self.code: str = repair(code)
        self.tag = tag
        self.turn = turn
        self.allow_input = allow_input
        self._host = host
        self._overflow = Overflow(host.outputs, most=host.limits.file)
        self._outputs = Outputs(
            max_text=host.limits.text, max_shown=host.limits.shown, overflow=self._overflow
        )
        self.outputs = self._outputs.cells  # see `kernels.interface.Cell`
        self._inbox = Inbox()
        self._events = self._cell()
        self._status: str | None = None
        self._cause: str | None = None
        self._error: Failure | None = None
        self._count: int | None = None
        self._memory: int | None = None
        self._exit_code: int | None = None
        self._restarted: Restarted | None = None
        self._replied = self._interrupting = self._sent = False
        self._gone: str | None = None  # why the kernel is gone
        self._clock = Clock(self._ring)
        self._extended: timedelta | None = None  # its limit, if it was extended before the code was sent
        self._question: InputRequest | None = None
        self._questions = 0
        self._stop = Stop(self._not_stopped)
        self._result: RunResult | None = None

    @property
    def result(self) -> RunResult:
        if self._result is None:
            raise RuntimeError("the run has no result before its block is left")
        return self._result

    @property
    def question(self) -> int | None:
        return self._questions if self._question is not None and not self.over else None

    @property
    def ids(self) -> dict[str, object]:
        """What a log line about this cell has as its `extra`."""
        return {"session": self._host.session_id, "cell": self.tag, "turn": self.turn}

    @property
    def over(self) -> bool:
        """Whether the kernel is done with this cell, or gone."""
        return self._gone is not None or (self._replied and not self._interrupting)

    async def __aenter__(self) -> Self:
        self._entry = self._host.queue.enter()
        return self

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await to_the_end(self._leave(told=kind is None))

    async def interrupt(self) -> None:
        if self._sent:
            self._end("interrupted")
        elif self._result is None:
            self._status = "interrupted"
            if self._entry.served:
                self._host.withdraw()
            else:
                self._entry.leave()

    async def stop(self) -> None:
        if not self._sent:
            await self.interrupt()
        elif self._status is None and not self.over:
            log.info("cell interrupted: somebody stopped it", extra=self.ids)
            if self._question is not None:
                self._question = None
                self._clock.resume()
            self._stop.begin(self._host.grace)
            self._interrupt()

    def decide(self, *, kill: bool) -> None:
        if not self._stop.undecided or self.over:
            raise NoQuestion
        log.info("cell %s", "will be killed" if kill else "is waited for", extra=self.ids)
        if kill:
            self._kill(ON_REQUEST)
        else:
            self._stop.cancel()

    def answer(self, text: str) -> None:
        question = self._question
        if question is None or self.over:
            raise NoQuestion
        sizes.answer(text)
        self._question = None
        self._host.answer(text := repair(text))
        self._clock.resume()
        hidden = question.password or text == END_OF_INPUT
        self.take_event(Stream("stdout", f"{question.prompt}{'' if hidden else text}\n"))

    def extend(self, limit: timedelta) -> None:
        if not self._sent:
            self._extended = limit
        elif self._status is None and not self.over:
            self._stop.time_is_up = False
            self._clock.extend(limit)

    # What the kernel's reader reports:

    def take_event(self, event: Event) -> None:
        """An event of this cell has arrived."""
        if isinstance(event, InputRequest):
            self._ask(event)
            return
        if isinstance(event, Failure):
            self._error = event
        for passed in self._outputs.add_event(event):
            self._inbox.put(passed)

    def reply(self, status: str, count: int | None, memory: int | None = None) -> None:
        """The kernel has answered the request: `status` is "ok", "error" or "aborted"; `memory` in bytes."""
        self._replied, self._count, self._memory = True, count, memory
        if self._status is None:
            self._status = self._ended_as(status)
        if self._interrupting and self._stop.wanted:  # or the wait for `interrupted` might have no limit
            self._stop.cancel()
            self._stop.begin(self._host.grace)
        self._note_the_end()

    def interrupted(self) -> None:
        """The kernel has handled the interrupt, which therefore cannot hit the next cell."""
        self._interrupting = False
        self._note_the_end()

    def died(self, exit_code: int, reason: str = "the kernel died", fault: str | None = None) -> None:
        """The kernel's process has ended or is not ours any more; `fault` is the limit that ended it."""
        if not self.over:
            self._exit_code = exit_code
            if fault is not None and self._status is None:
                self._status, self._cause = OF_MEMORY.get(fault, ("died", fault))
            self._kernel_gone(reason)

    # The cell itself:

    async def _cell(self) -> AsyncGenerator[Event]:
        waited = False
        async with aclosing(self._wait()) as positions:
            async for position in positions:
                waited = True
                yield Queued(position)
        if self._status is None:
            for restarted in self._restarts():
                yield restarted
        if waited and self._status is None:
            yield Queued(0)
        if self._status is not None:  # interrupted while it waited
            return
        self._sent = True
        log.info("cell started", extra=self.ids)
        self._clock.start(self._extended or self._host.limits.cell)
        self._host.execute(self)
        while not self.over:
            if (event := await self._inbox.get()) is not None:
                yield event
        async for event in self._ending():
            yield event

    async def _wait(self) -> AsyncGenerator[int]:
        """Have a kernel that is ready; yields the position in its own line, and then in the pool's."""
        async for position in self._entry:
            yield position
        if self._status is None:
            async with aclosing(self._host.ready()) as positions:
                async for position in positions:
                    yield position

    async def _ending(self) -> AsyncIterator[Event]:
        """What is left to tell when the cell is over."""
        if self._gone is None and (damage := self._host.damage()) is not None:
            self.take_event(Stream("stderr", damage))
        if self._gone is not None:
            await self._host.replace(self._gone)  # which also brings what the process wrote last
        for tail in self._outputs.close():
            self._inbox.put(tail)
        while (event := self._inbox.take()) is not None:
            yield event
        if self._gone is not None:
            for restarted in self._restarts():
                yield restarted

    def _restarts(self) -> Iterator[Restarted]:
        """The restart that the cell has to tell, if there was one."""
        if (restarted := self._host.restarted()) is not None:
            self._restarted = restarted
            yield restarted

    async def _leave(self, *, told: bool) -> None:
        """End the cell, however far it is. Unless its result was `told`, the next cell tells of a restart."""
        try:
            await self.interrupt()
            await self._events.aclose()
            scan = Scan()
            if self._sent:
                while not self.over:
                    await self._inbox.get()
                self._outputs.close()
                if self._gone is not None:
                    await self._host.replace(self._gone)
                if told:
                    list(self._restarts())
                scan = await self._host.look()
            self._result = self._make_result(scan, await self._whole_text())
        finally:
            self._stop.cancel()
            self._clock.stop()
            self._entry.leave()

    def _end(self, status: str, cause: str | None = None) -> None:
        """Interrupt the cell, once; from then on it has `grace` to end."""
        if not self.over and self._status is None:
            log.info("cell interrupted: %s", cause or "somebody stopped it", extra=self.ids)
            self._status, self._cause = status, cause
            self._question = None
            self._stop.cancel()
            self._clock.start(self._host.grace)
            self._interrupt()

    def _interrupt(self) -> None:
        if not self._interrupting:  # otherwise an interrupt is on its way
            self._interrupting = True
            self._host.interrupt()

    def _ring(self) -> None:
        """The cell's time is up, or the time for an answer, or the time to end after an interrupt."""
        if self._status is not None:
            if not self.over:
                self._kill(NOT_STOPPED.format(self._host.grace.total_seconds()))
        elif self._question is not None:
            self._end("timeout", "no answer")
        elif self._stop.undecided:
            self._kill(OUT_OF_TIME)
        elif self._stop.awaited:
            self._stop.time_is_up = True
        else:
            self._end("timeout", "deadline")

    def _not_stopped(self) -> None:
        """A person has stopped the cell, and it did not end within `grace`."""
        self._stop.ask()
        if self._replied or self._stop.time_is_up:
            self._kill(NOT_STOPPED.format(self._host.grace.total_seconds()))
            return
        log.info("cell does not stop", extra=self.ids)
        names, asks = tuple(one.name for one in self._host.variables), self._question is not None
        self._inbox.put(Unstopped(names, self._clock.limited, asks, self._host.saved))

    def _ended_as(self, status: str) -> str | None:
        """How a cell ended whose reply has this status; None if all is well."""
        by_interrupt = self._error is not None and self._error.ename == "KeyboardInterrupt"
        if self._stop.pending or (self._stop.wanted and by_interrupt):
            return "interrupted"
        return None if status == "ok" else "error"

    def _kill(self, reason: str) -> None:
        self._host.kill()
        self._kernel_gone(reason)

    def _kernel_gone(self, reason: str) -> None:
        self._gone = reason
        self._status = self._status or ("interrupted" if self._stop.pending else "died")
        self._note_the_end()

    def _note_the_end(self) -> None:
        if self.over:
            self._stop.cancel()
            self._clock.stop()
        self._inbox.wake()

    def _ask(self, question: InputRequest) -> None:
        """Pass a question on; the cell's own clock stands still until it is answered."""
        if self._status is not None or not self.allow_input or self.over:
            return
        self._questions += 1
        if self._questions > self._host.limits.questions:
            self._end("timeout", "too many questions")
        else:
            self._question = replace(question, number=self._questions)
            self._clock.pause(self._host.limits.answer)
            self._inbox.put(self._question)

    async def _whole_text(self) -> tuple[Captured, ...]:
        """A file with all of the cell's text, if some of it was left out."""
        name = f"output-{self.tag}" if self.tag else "output"
        try:
            file = await self._overflow.close(name) if self._outputs.is_cut else None
        except OSError as error:  # the person still has what was shown
            log.warning("the text of a cell is not kept whole: %s", error, extra=self.ids)
            return ()
        return () if file is None else (file,)

    def _make_result(self, scan: Scan, text: tuple[Captured, ...]) -> RunResult:
        return RunResult(
            status=self._status or ("ok" if self._sent else "interrupted"),
            output=self._outputs.text(),
            outputs=self._outputs.cells(),
            error=self._error if self._status is not None else None,
            execution_time=self._clock.worked,
            execution_count=self._count,
            captured=(*scan.captured, *text),
            skipped=scan.skipped,
            cause=self._cause,
            exit_code=self._exit_code,
            restarted=self._restarted,
            memory=self._memory,
        )
