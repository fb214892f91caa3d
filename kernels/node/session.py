"""One session in a node: the bot's commands to its kernel, and a log of all that comes of them.

    session = Session(pool, session_id)
    session.attach(channel, client, limits)     # a bot has come (back); the one before is sent away
    session.take({"m": 1, "do": "enter", "run": "a-1", "code": "x = 1", "allow_input": True})
    session.detached(channel)                   # it has gone; what runs goes on

A run is entered (it stands in line), started, and left or settled by the bot, each by a command with a number
`m`, which makes a command that is sent twice count once. What comes of it stands in the log until the bot
has acknowledged it. A command that cannot be carried out is answered with an error, and ends nothing else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import time
from typing import Any, Protocol

from kernels.cell import codec
from kernels.cell.events import Queued
from kernels.cell.run import Run
from kernels.concurrency.cancellation import stop, to_the_end
from kernels.concurrency.lasting import lasting
from kernels.errors import KernelError, NoQuestion, TooLarge
from kernels.node.event_log import OUTPUTS, Log
from kernels.node.file_requests import BotFiles
from kernels.node.messages import DELETED, REPLACED, NotUnderstood, check
from kernels.node.settings import limits_for, limits_to
from kernels.pool import Pool
from kernels.wire.json_texts import dumps
from kernels.workspace.captured import Captured, Scan

__all__ = ["Channel", "Session"]

log = logging.getLogger(__name__)

TURN = 64  # characters of a turn's id
TOLD = 1 << 16  # characters of a cell's code that a bot is told which has not begun it
GONE = "the node does not have this cell any more"
LONG = 1 << 16  # characters of an output that others need not wait for

Fields = dict[str, Any]


class Channel(Protocol):
    """The bot's end of a session's websocket."""

    def news(self) -> None:
        """There may be something to send."""

    def say(self, fields: Fields) -> None:
        """Send this, outside the log."""

    def end(self, code: int) -> None:
        """Send what waits, and close; `code` says why (`kernels.node.messages`)."""


@dataclass(eq=False)
class _Cell:
    key: str
    run: Run
    started: asyncio.Event = field(default_factory=asyncio.Event)
    began: float | None = None  # seconds since 1970
    task: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        return self.task is not None and self.task.done()

    def described(self) -> Fields:
        run = self.run
        code = run.code if len(run.code) <= TOLD else ""
        return {"run": self.key, "tag": run.tag, "turn": run.turn, "began": self.began, "code": code}


class Session:
    """One session's kernel, commanded from afar."""

    def __init__(self, pool: Pool, session_id: str) -> None:
        self.log = Log(self._news)
        self.files = BotFiles(self._ask)
        self.kernel = pool.kernel(session_id, self.files)
        self._channel: Channel | None = None
        self._client = ""
        self._got = 0  # the number of the last command
        self._cells: dict[str, _Cell] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._limits = pool.limits
        self._late = lasting(self._listen, f"late output of {session_id}")
        self._verbs: dict[str, Callable[[Fields], None]] = {
            "enter": self._enter,
            "start": self._start,
            "leave": self._leave,
            "interrupt": self._interrupt,
            "stop": self._stop,
            "decide": self._decide,
            "answer": self._answer,
            "extend": self._extend,
            "settle": self._settle,
            "acknowledge": lambda command: self.log.acknowledge(command["numbers"]),
            "told": lambda command: self.files.answer(command["ask"], command),
            "state": lambda command: self._call(command, self._state(), urgent=True),
            "restart": lambda command: self._call(command, self.kernel.restart()),
            "catch up": lambda command: self._call(command, self._catch_up(command["since"]), urgent=True),
        }

    @property
    def attended(self) -> bool:
        """Whether a bot listens."""
        return self._channel is not None

    @property
    def untold(self) -> bool:
        """Whether something waits here for a bot, and none listens; a cell that it began does, too."""
        begun = any(cell.started.is_set() for cell in self._cells.values())
        return self._channel is None and (begun or not self.log.empty)

    @property
    def got(self) -> int:
        """The number of the last command that was carried out."""
        return self._got

    def attach(self, channel: Channel, client: str, limits: Fields) -> Fields:
        """A bot has come, or come back; returns what it needs to know, the limits that apply among it.

        Of the bot's `limits` the times and the questions apply. Raises: TypeError for limits that are none.
        """
        self.kernel.limits = limits_for(limits, self._limits)
        if self._channel is not None:
            self._channel.end(REPLACED)
        if client != self._client:
            self._client, self._got = client, 0
            for cell in list(self._cells.values()):
                if not cell.started.is_set():
                    self._drop(cell)
        self._channel = channel
        self.log.rewind()
        runs = [cell.described() for cell in self._cells.values()]
        told = {"got": self._got, "runs": runs, "asked": self.files.pending()}
        return {"hello": {**told, "limits": limits_to(self.kernel.limits)}}

    def detached(self, channel: Channel) -> None:
        """The bot has gone, if it was this one's channel."""
        if self._channel is channel:
            self._channel = None

    def take(self, command: Fields) -> None:
        """Carry a command out, unless it has been before; what goes wrong is its answer.

        Raises: KeyError, TypeError for what has no number.
        """
        if command["m"] > self._got:
            self._got = command["m"]
            try:
                check(command)
                self._verbs[command["do"]](command)
            except Exception as error:  # noqa: BLE001  whatever it is, it is this command's: others go on
                self._refuse(command, error)

    async def close(self, code: int = DELETED) -> None:
        """Stop listening and serving; the kernel is the pool's to end. `code` tells the bot why."""
        if self._channel is not None:
            self._channel.end(code)
        tasks = [cell.task for cell in self._cells.values()]
        for task in (self._late, *tasks, *self._calls):
            await stop(task)

    def _refuse(self, command: Fields, error: Exception) -> None:
        unforeseen = None if isinstance(error, NotUnderstood) else error
        refusal, key = codec.error(error), command.get("run")
        cell = self._cells.get(key) if isinstance(key, str) else None
        ids = cell.run.ids if cell is not None else {"session": self.kernel.session_id}
        log.warning("a command is refused: %s", error, exc_info=unforeseen, extra=ids)
        if command.get("do") in ("enter", "start") and isinstance(key, str):
            if key in self._cells:
                self._drop(self._cells[key])
            self.log.add(key, {"run": key, "error": refusal})
        self.log.add("call", {"call": command["m"], "error": refusal})

    # Runs:

    def _enter(self, command: Fields) -> None:
        try:
            turn = command["turn"][:TURN]
            run = self.kernel.run(command["code"], turn=turn, allow_input=command["allow_input"])
        except KernelError as error:
            self.log.add(command["run"], {"run": command["run"], "error": codec.error(error)})
            return
        cell = self._cells[command["run"]] = _Cell(command["run"], run)
        # Its first step, in which it enters the line, is taken here: the order of commands is that of cells.
        loop = asyncio.get_running_loop()
        cell.task = asyncio.Task(self._serve(cell), loop=loop, eager_start=True, name=f"cell {cell.key}")

    def _start(self, command: Fields) -> None:
        cell = self._cells.get(command["run"])
        if cell is None:
            error = codec.error(OSError(GONE))
            self.log.add(command["run"], {"run": command["run"], "error": error})
            return
        cell.run.tag = command["tag"]
        cell.began = time()
        cell.started.set()

    def _leave(self, command: Fields) -> None:
        cell = self._cells.get(command["run"])
        if cell is not None and cell.task is not None and not cell.over:
            cell.task.cancel()

    def _interrupt(self, command: Fields) -> None:
        if (cell := self._cells.get(command["run"])) is not None:
            self._spawn(cell.run.interrupt())

    def _stop(self, command: Fields) -> None:
        if (cell := self._cells.get(command["run"])) is not None:
            self._spawn(cell.run.stop())

    def _decide(self, command: Fields) -> None:
        if (cell := self._cells.get(command["run"])) is not None:
            with suppress(NoQuestion):  # the cell was over before this came
                cell.run.decide(kill=command["kill"])

    def _answer(self, command: Fields) -> None:
        if (cell := self._cells.get(command["run"])) is not None:
            # The cell was over before the answer came; no bot of ours sends too large a one.
            with suppress(NoQuestion, TooLarge):
                cell.run.answer(command["text"])

    def _extend(self, command: Fields) -> None:
        if (cell := self._cells.get(command["run"])) is not None:
            cell.run.extend(timedelta(seconds=command["seconds"]))

    def _settle(self, command: Fields) -> None:
        cell = self._cells.get(command["run"])
        if cell is not None:
            self._drop(cell)

    def _drop(self, cell: _Cell) -> None:
        del self._cells[cell.key]
        if cell.task is not None and not cell.over:
            cell.task.cancel()
        self.log.forget(cell.key)

    async def _serve(self, cell: _Cell) -> None:
        """Carry a cell through; whoever cancels this leaves the run early, as its block can be left."""
        try:
            try:
                async with cell.run as run:
                    await cell.started.wait()
                    async for event in run:
                        if event == Queued(0):  # it stood in line until now
                            cell.began = time()
                        self.log.event("run", cell.key, event)
            except asyncio.CancelledError:
                if cell.key not in self._cells:
                    return
            await to_the_end(self._finished(cell))
        except Exception as error:  # whatever it is, the bot must hear of it or it would wait for ever
            if not isinstance(error, KernelError):
                log.exception("a cell failed on our side", extra=cell.run.ids)
            fields = {"run": cell.key, "error": codec.error(error)}
            with suppress(RuntimeError):  # it failed where there is no result
                fields |= self._result(cell)
            self.log.add(cell.key, fields)

    async def _finished(self, cell: _Cell) -> None:
        """Tell the result. Its outputs are written one by one, and others have their turn between them."""
        result = cell.run.result
        why = f" ({result.cause})" if result.cause else ""
        log.info("the cell ended: %s%s", result.status, why, extra=cell.run.ids)
        outputs = []
        for output in result.outputs:
            outputs.append(dumps(output))
            if len(outputs[-1]) > LONG:
                await asyncio.sleep(0)  # others have their turn
        if self._cells.get(cell.key) is cell:
            fields = self._result(cell)
            fields["result"] |= {"outputs": OUTPUTS}
            self.log.add(cell.key, {"run": cell.key, **fields}, result.captured, outputs)

    def _result(self, cell: _Cell) -> Fields:
        return {
            "result": codec.result(cell.run.result, _files(cell.run.result.captured)),
            "variables": codec.variables(self.kernel.variables),
        }

    # Late output, calls, questions:

    async def _listen(self) -> None:
        async for late in self.kernel.late():
            await self.log.room()  # the router keeps what is not taken, and bounds it
            if late.scan is not None:
                captured = late.scan.captured
                self.log.add("late", {"late": late.tag, "scan": _scan(late.scan)}, captured)
            elif late.event is not None:
                self.log.event("late", str(late.tag), late.event)

    async def _state(self) -> Fields:
        kernel = self.kernel
        variables = codec.variables(kernel.variables)
        return {"alive": kernel.alive, "busy": kernel.busy, "variables": variables}

    async def _catch_up(self, since: float | None) -> tuple[Fields, tuple[Captured, ...]]:
        async with self.kernel.catch_up(since) as scan:
            return _scan(scan), scan.captured

    def _call(self, command: Fields, work: Awaitable[Any], *, urgent: bool = False) -> None:
        async def call() -> None:
            files: tuple[Captured, ...] = ()
            fields: Fields = {"call": command["m"]}
            try:
                value = await work
                if isinstance(value, tuple):
                    value, files = value
                fields["value"] = value
            except Exception as error:  # noqa: BLE001  the bot raises it
                fields["error"] = codec.error(error)
            self.log.add("call", fields, files, urgent=urgent)

        self._spawn(call())

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _news(self) -> None:
        if self._channel is not None:
            self._channel.news()

    def _ask(self, question: Fields) -> None:
        if self._channel is not None:
            self._channel.say(question)


def _files(captured: tuple[Captured, ...]) -> list[Fields]:
    return [codec.file(file, number) for number, file in enumerate(captured)]


def _scan(scan: Scan) -> Fields:
    return {"captured": _files(scan.captured), "skipped": codec.skipped(scan.skipped)}
