"""One session in a node: it carries out the bot's commands, and logs all that comes of them.

    session = NodeSession(pool, session_id)
    session.attach(socket, hello)       # a bot has come (back); the one before is disconnected
    session.carry_out(EnterCell(m=1, run="a-1", turn="", code="x = 1", allow_input=True))
    session.detach(socket)              # it has gone; what runs goes on

The bot enters a cell (it stands in line), starts it, and leaves or settles it. Each of these is a command
with a number, so a command that arrives twice is carried out once. What comes of a cell stays in the log
until the bot has acknowledged it. A command that cannot be carried out is answered with an error, and ends
nothing else.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import time
from typing import Any, Protocol

from msgspec import Raw

from kernels.cell.events import Queued
from kernels.cell.run import Run
from kernels.concurrency.cancellation import stop, to_the_end
from kernels.concurrency.lasting import lasting
from kernels.errors import KernelError, NoQuestion, TooLarge
from kernels.node import messages
from kernels.node.encoding import RaisedError, encode, on_node
from kernels.node.event_log import EventLog
from kernels.node.file_requests import BotFiles
from kernels.node.settings import limits_for
from kernels.pool import Pool
from kernels.workspace.captured import Captured

__all__ = ["BotSocket", "NodeSession"]

log = logging.getLogger(__name__)

TURN = 64  # characters of a turn's id
TOLD = 1 << 16  # characters of a cell's code that a bot is told which has not begun it
BEGINNING = ("EnterCell", "StartCell")  # the commands without which a cell never ends
GONE = "the node does not have this cell any more"
LONG = 1 << 16  # bytes of an output, after which others have their turn
LARGE = 1 << 20  # bytes of a result's outputs from which the bot fetches them one by one


class BotSocket(Protocol):
    """A session's websocket to its bot; `kernels.node.http_api`, which has it, imports this module."""

    def send_news(self) -> None:
        """Send what is new in the log, soon."""

    def ask(self, question: messages.FileQuestion) -> None:
        """Send a question, outside the log."""

    def end(self, code: int) -> None:
        """Send what waits, and close; `code` says why (`kernels.node.messages`)."""


@dataclass(eq=False)
class _EnteredCell:
    key: str
    run: Run
    started: asyncio.Event = field(default_factory=asyncio.Event)
    began: float | None = None  # seconds since 1970
    task: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        return self.task is not None and self.task.done()

    def described(self) -> messages.RunningCell:
        run = self.run
        code = run.code if len(run.code) <= TOLD else ""
        return messages.RunningCell(self.key, run.tag, run.turn, self.began, code)


class NodeSession:
    """One session's kernel, as a bot commands it."""

    def __init__(self, pool: Pool, session_id: str) -> None:
        self.log = EventLog(self._send_news)
        self.files = BotFiles(self._ask)
        self.kernel = pool.kernel(session_id, self.files)
        self._socket: BotSocket | None = None
        self._client = ""
        self._got = 0  # the number of the last command
        self._cells: dict[str, _EnteredCell] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._limits = pool.limits
        self._late = lasting(self._log_late, f"late output of {session_id}")

    @property
    def attended(self) -> bool:
        """Whether a bot is connected."""
        return self._socket is not None

    @property
    def untold(self) -> bool:
        """Whether no bot is connected although there is news for one, or a cell that one has started."""
        begun = any(cell.started.is_set() for cell in self._cells.values())
        return self._socket is None and (begun or not self.log.empty)

    @property
    def got(self) -> int:
        """The number of the last command that was carried out."""
        return self._got

    def attach(self, socket: BotSocket, hello: messages.Hello) -> messages.Welcome:
        """Let a bot in, for the first time or again; returns the answer to its hello."""
        self.kernel.limits = limits_for(hello.limits, self._limits)
        if self._socket is not None:
            self._socket.end(messages.REPLACED)
        if hello.client != self._client:
            self._client, self._got = hello.client, 0
            for cell in list(self._cells.values()):
                if not cell.started.is_set():
                    self._drop(cell)
        self._socket = socket
        self.log.rewind()
        runs = tuple(cell.described() for cell in self._cells.values())
        return messages.Welcome(self._got, runs, self.files.pending(), self.kernel.limits)

    def detach(self, socket: BotSocket) -> None:
        """Note that a bot has gone, unless another is connected by now."""
        if self._socket is socket:
            self._socket = None

    def carry_out(self, command: messages.Command | messages.NotUnderstood) -> None:
        """Carry a command out, unless it was before. If that fails, the error is its answer."""
        if command.m > self._got:
            self._got = command.m
            try:
                self._perform(command)
            except Exception as error:  # noqa: BLE001  whatever it is, it is this command's: others go on
                self._refuse(command, error)

    async def close(self, code: int = messages.DELETED) -> None:
        """Stop listening and serving; the kernel is the pool's to end. `code` tells the bot why."""
        if self._socket is not None:
            self._socket.end(code)
        tasks = [cell.task for cell in self._cells.values()]
        for task in (self._late, *tasks, *self._tasks):
            await stop(task)

    def _perform(self, command: messages.Command | messages.NotUnderstood) -> None:
        match command:
            case messages.NotUnderstood(reason=reason):
                raise KernelError(reason)
            case messages.EnterCell():
                self._enter(command)
            case messages.StartCell():
                self._start(command)
            case messages.Acknowledge(numbers=numbers):
                self.log.acknowledge(numbers)
            case messages.FilesAnswer():
                self.files.answer(command)
            case messages.Call():
                self._spawn(self._answer(command))
            case messages.CellCommand(run=key) if (cell := self._cells.get(key)) is not None:
                self._control(cell, command)

    def _control(self, cell: _EnteredCell, command: messages.CellCommand) -> None:
        match command:
            case messages.LeaveCell() if cell.task is not None and not cell.over:
                cell.task.cancel()
            case messages.InterruptCell():
                self._spawn(cell.run.interrupt())
            case messages.StopCell():
                self._spawn(cell.run.stop())
            case messages.DecideCell(kill=kill):
                with suppress(NoQuestion):  # the cell was over before this came
                    cell.run.decide(kill=kill)
            case messages.AnswerCell(text=text):
                # The cell was over before the answer came; no bot of ours sends too large a one.
                with suppress(NoQuestion, TooLarge):
                    cell.run.answer(text)
            case messages.ExtendCell(seconds=seconds):
                cell.run.extend(timedelta(seconds=seconds))
            case messages.SettleCell():
                self._drop(cell)

    def _refuse(self, command: messages.Command | messages.NotUnderstood, error: Exception) -> None:
        unforeseen = None if isinstance(error, KernelError) else error
        refusal, key = RaisedError.of(error), getattr(command, "run", None)
        cell = self._cells.get(key) if isinstance(key, str) else None
        ids = cell.run.ids if cell is not None else {"session": self.kernel.session_id}
        log.warning("a command is refused: %s", error, exc_info=unforeseen, extra=ids)
        do = command.do if isinstance(command, messages.NotUnderstood) else type(command).__name__
        if do in BEGINNING and isinstance(key, str):
            if cell is not None:
                self._drop(cell)
            self.log.add_news(key, messages.CellEnd(run=key, error=refusal))
        self.log.add_news("call", messages.Answer(call=command.m, error=refusal))

    # Cells:

    def _enter(self, command: messages.EnterCell) -> None:
        run = self.kernel.run(command.code, turn=command.turn[:TURN], allow_input=command.allow_input)
        cell = self._cells[command.run] = _EnteredCell(command.run, run)
        # Its first step, in which it enters the line, is taken here: the order of commands is that of cells.
        loop = asyncio.get_running_loop()
        cell.task = asyncio.Task(self._serve(cell), loop=loop, eager_start=True, name=f"cell {cell.key}")

    def _start(self, command: messages.StartCell) -> None:
        cell = self._cells.get(command.run)
        if cell is None:
            raise KernelError(GONE)
        cell.run.tag = command.tag
        cell.began = time()
        cell.started.set()

    def _drop(self, cell: _EnteredCell) -> None:
        del self._cells[cell.key]
        if cell.task is not None and not cell.over:
            cell.task.cancel()
        self.log.forget_cell(cell.key)

    async def _serve(self, cell: _EnteredCell) -> None:
        """Carry a cell through. Cancelling this leaves its block early, as `Run` allows at any time."""
        try:
            try:
                async with cell.run as run:
                    await cell.started.wait()
                    async for event in run:
                        if event == Queued(0):  # it stood in line until now
                            cell.began = time()
                        self.log.add_event(cell.key, event)
            except asyncio.CancelledError:
                if cell.key not in self._cells:
                    return
            await to_the_end(self._log_end(cell))
        except Exception as error:  # whatever it is, the bot must hear of it or it would wait for ever
            if not isinstance(error, KernelError):
                log.exception("a cell failed on our side", extra=cell.run.ids)
            end = messages.CellEnd(run=cell.key, error=RaisedError.of(error))
            with suppress(RuntimeError):  # it failed where there is no result
                end.result = replace(cell.run.result, captured=on_node(cell.run.result.captured))
                end.variables = self.kernel.variables
            self.log.add_news(cell.key, end, end.result.captured if end.result is not None else ())

    async def _log_end(self, cell: _EnteredCell) -> None:
        """Log the result. Its outputs are written one by one, and others have their turn in between."""
        result = cell.run.result
        why = f" ({result.cause})" if result.cause else ""
        log.info("cell finished: %s%s", result.status, why, extra=cell.run.ids)
        outputs: list[bytes] = []
        for output in result.outputs:
            outputs.append(encode(output))
            if len(outputs[-1]) > LONG:
                await asyncio.sleep(0)  # others have their turn
        if self._cells.get(cell.key) is cell:
            large = sum(map(len, outputs)) >= LARGE
            written: tuple[Any, ...] = () if large else tuple(map(Raw, outputs))
            told = replace(result, outputs=written, captured=on_node(result.captured))
            end = messages.CellEnd(run=cell.key, result=told, variables=self.kernel.variables)
            self.log.add_news(cell.key, end, result.captured, outputs if large else ())

    # Late output, answers, questions:

    async def _log_late(self) -> None:
        async for late in self.kernel.late():
            await self.log.room()  # the router keeps what is not taken, and bounds it
            if late.scan is not None:
                files = late.scan.captured
                late = replace(late, scan=replace(late.scan, captured=on_node(files)))
                self.log.add_news("late", messages.LateOutput(late=late), files)
            elif late.event is not None:
                self.log.add_event(late.tag, late.event)

    async def _answer(self, command: messages.Call) -> None:
        answer = messages.Answer(call=command.m)
        files: tuple[Captured, ...] = ()
        try:
            match command:
                case messages.GetState():
                    answer.state = await self.kernel.state()
                case messages.RestartKernel():
                    await self.kernel.restart()
                case messages.CatchUp():
                    async with self.kernel.catch_up(command.since) as scan:
                        files = scan.captured
                    answer.scan = replace(scan, captured=on_node(files))
                case _:
                    await self._travel(command, answer)
        except Exception as error:  # noqa: BLE001  the bot raises it
            answer.error = RaisedError.of(error)
        urgent = not isinstance(command, messages.RestartKernel)
        self.log.add_news("call", answer, files, urgent=urgent)

    async def _travel(self, command: messages.Call, answer: messages.Answer) -> None:
        """Carry out a command about the saves."""
        match command:
            case messages.ListSaves():
                answer.saves = tuple(await self.kernel.saves())
            case messages.ListChangedFiles():
                answer.files = tuple(await self.kernel.changed_files())
            case messages.GoTo():
                answer.journey = await self.kernel.go_to(command.number, keep=command.keep)
            case messages.MakeCheckpoint():
                answer.saves = (await self.kernel.checkpoint(command.name),)
            case messages.ListCheckpoints():
                answer.checkpoints = dict(await self.kernel.checkpoints())
            case messages.ForgetCheckpoint():
                await self.kernel.forget_checkpoint(command.name)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _send_news(self) -> None:
        if self._socket is not None:
            self._socket.send_news()

    def _ask(self, question: messages.FileQuestion) -> None:
        if self._socket is not None:
            self._socket.ask(question)
