"""A session's kernel that lives in a node, as `kernels.kernel.Kernel` is one that lives here.

kernel = node.kernel(session_id, files)
cells = await kernel.left_running()         # by tag: what an earlier program has begun
async with kernel.run("x = 1") as cell: ...
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, BinaryIO, Protocol
from urllib.parse import quote

from kernels import introspection
from kernels.broker import BOT_TIME, FILES_AT_ONCE, FileSource, FileUnavailable
from kernels.cell.events import ClearOutput, Display, Restarted, Result, Stream
from kernels.cell.result import Late, Variable
from kernels.client.captured import RemoteFile
from kernels.client.cell import RemoteCell
from kernels.client.connection import Link
from kernels.client.losses import NodeLosses
from kernels.client.patience import NodePatience
from kernels.client.session_socket import Connect
from kernels.client.traveling import RemoteTraveling
from kernels.errors import KernelClosed, KernelError
from kernels.interface import State
from kernels.limits import Limits
from kernels.node import messages
from kernels.node.encoding import decode
from kernels.wire import sizes
from kernels.workspace.captured import Captured, CapturedFile, Scan

__all__ = ["KernelNode", "RemoteKernel"]

log = logging.getLogger(__name__)


class KernelNode(Protocol):
    """What a kernel needs of its node: of `kernels.client.node.RemoteNode`, which imports this module."""

    limits: Limits
    patience: NodePatience

    @property
    def local(self) -> bool:
        """Whether it is on this machine, and its files may be opened."""

    @property
    def keeps_variables(self) -> bool:
        """Whether variables are saved there, and may be back in the next node."""

    def connect_to(self, session_id: str) -> Connect:
        """How to get a connection to this session."""

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Any = None,
        start: bool = True,
    ) -> bytes:
        """Make a request; returns its body. A file as `data` is left open.

        Raises: OSError, KernelError; NodeGone without `start`.
        """

    def get(self, path: str, *, of: str) -> Any:
        """Make a request to the node of the id `of`, whose answer is read piece by piece."""


@dataclass(frozen=True, slots=True)
class _Lost:
    """A node that is gone: the cell that ran in it, if any, and when it began (seconds since 1970)."""

    tag: int = 0
    since: float | None = None


class RemoteKernel(RemoteTraveling, introspection.Hinting):
    """One session's kernel in a node; made by `RemoteNode.kernel`."""

    def __init__(self, node: KernelNode, session_id: str, source: FileSource) -> None:
        self.session_id = session_id
        self.limits = node.limits
        self._node = node
        self._source = source
        self._path = f"sessions/{quote(session_id, safe='')}"
        self._cells: dict[str, RemoteCell] = {}
        self._left: dict[int, RemoteCell] = {}
        self._given_up: dict[str, int] = {}  # tags of cells that may go on, by their keys
        self._settling: dict[int, str] = {}  # keys of those that have ended, by the number of the news
        self._numbers = count(1)
        self._late: asyncio.Queue[tuple[int, Late]] = asyncio.Queue()
        self._variables: tuple[Variable, ...] = ()
        self._restarted: Restarted | None = None
        self._losses = NodeLosses()
        self._unknown: _Lost | None = None  # set if the next node has to learn the workspace
        self._columns: int | None = None  # how wide tables may be, if somebody has said so
        self._answering: set[asyncio.Task[None]] = set()
        self._files = asyncio.Semaphore(FILES_AT_ONCE)  # that are given or placed
        self._told = False  # it was logged that a cell's question for files was not answered
        self._client = secrets.token_hex(4)  # another for each object, so that numbering begins anew
        hello = messages.Hello(self._client, node.limits)
        self._link = Link(node.connect_to(session_id), hello, self, node.patience)

    @property
    def variables(self) -> tuple[Variable, ...]:
        return self._variables or self._losses.variables

    @property
    def goes_on(self) -> bool:
        return bool(self._given_up)

    def run(self, code: str, *, tag: int = 0, turn: str = "", allow_input: bool = True) -> RemoteCell:
        if self._link.closed:
            raise KernelClosed
        sizes.code(code)
        key = f"{self._client}-{next(self._numbers)}"
        cell = self._cells[key] = RemoteCell(
            self, self._link, key, code, tag=tag, turn=turn, allow_input=allow_input
        )
        return cell

    async def late(self) -> AsyncIterator[Late]:
        while True:
            number, late = await self._late.get()
            yield late
            self._link.acknowledge(number)
            if (key := self._settling.pop(number, None)) is not None:
                self.send(messages.SettleCell(run=key))  # its files are kept

    async def left_running(self) -> Mapping[int, RemoteCell]:
        await self._link.greeted()
        return dict(self._left)

    @asynccontextmanager
    async def catch_up(self, since: float | None) -> AsyncIterator[Scan]:
        answer = await self._link.call(messages.CatchUp(since=since))
        yield self._scan(answer.n, answer.scan)
        self._link.acknowledge(answer.n)

    async def state(self) -> State:
        answer = await self._asked(messages.GetState())
        assert answer.state is not None
        self._variables = answer.state.variables
        return answer.state

    async def _hint(self, question: str, code: str, position: int) -> Any:
        path, at = f"{self._path}/hints/{question}", {"position": str(position)}
        with suppress(KernelError, OSError, TimeoutError):
            asked = self._node.ask("POST", path, params=at, data=code.encode(), start=False)
            return decode(await asyncio.wait_for(asked, 2 * introspection.PATIENCE), dict[str, Any])

    async def widen(self, columns: int) -> None:
        self._columns = columns
        await super().widen(columns)

    async def place(self, name: str, source: BinaryIO | bytes, *, beside: str = "") -> str:
        path = f"{self._path}/files/{quote(name, safe='')}"
        params = {"beside": beside} if beside else None
        placed = await self._node.ask("PUT", path, params=params, data=source)
        return decode(placed, str)

    async def write_back(self, name: str, source: BinaryIO | None) -> None:
        path = f"{self._path}/written/{quote(name, safe='')}"
        await self._node.ask("DELETE" if source is None else "PUT", path, data=source)

    def _stop_given_up(self) -> None:
        """Stop the cells that may go on: nobody is there to be asked about these."""
        for key in self._given_up:
            self.send(messages.InterruptCell(run=key))

    def _forget_losses(self) -> None:
        self._restarted = None
        self._losses.forget()

    def wake(self) -> None:
        """The node answers again: cells that were given up may go on there."""
        if self._given_up:
            self._link.wake()

    async def detach(self) -> None:
        """Let go: the process, and cells that run, go on in the node."""
        for cell in [*self._cells.values(), *self._left.values()]:
            cell.detach()
        await self._link.close()
        for task in self._answering:
            task.cancel()

    # What a cell needs (CellHost):

    def send(self, command: messages.Command) -> int:
        """Send a command to the node. A node that does not know the workspace has to learn it first."""
        lost, self._unknown = self._unknown, None
        if lost is not None and not self._link.closed:
            # Started eagerly, so that its command is sent before this one.
            loop, work = asyncio.get_running_loop(), self._catch_up_after(lost)
            self._keep(asyncio.Task(work, loop=loop, eager_start=True, name="files of a lost cell"))
        return self._link.send(command)

    def opened(self, number: int, files: tuple[Captured, ...]) -> tuple[Captured, ...]:
        path = f"{self._path}/log/{self._link.at_node(number)}/files"
        return tuple(
            RemoteFile(
                file.name,
                file.size,
                file.mtime,
                get=partial(self._node.get, f"{path}/{index}", of=self._link.node_id),
                here=file if self._node.local and isinstance(file, CapturedFile) and file.path else None,
                is_output=file.is_output,
            )
            for index, file in enumerate(files)
        )

    def restarted(self) -> Restarted | None:
        restarted, self._restarted = self._restarted, None
        return restarted

    def forget_cell(self, cell: RemoteCell) -> None:
        self._cells.pop(cell.key, None)
        if self._left.get(cell.tag) is cell:
            del self._left[cell.tag]

    def leave_behind(self, cell: RemoteCell) -> None:
        self._given_up[cell.key] = cell.tag

    # What the link tells (LinkOwner):

    @property
    def waits(self) -> bool:
        return bool(self._cells)

    def greet(self, welcome: messages.Welcome) -> None:
        """Note the limits that apply, and the cells that an earlier program has begun."""
        self.limits = welcome.limits
        if self._columns is not None:  # it may be another node, which does not know it
            self._keep(asyncio.create_task(self.widen(self._columns), name="width for a node"))
        for cell in self._cells.values():
            cell.back()
        known = {cell.key for cell in self._left.values()} | self._cells.keys() | self._given_up.keys()
        for run in welcome.runs:
            if run.run not in known:
                cell = RemoteCell(self, self._link, run.run, run.code, tag=run.tag, turn=run.turn, begun=True)
                cell.began = run.began
                self._left[cell.tag] = self._cells[cell.key] = cell

    def take_news(self, news: messages.CellEvent | messages.CellEnd | messages.LateOutput) -> None:
        """Pass news on to its cell, or as late output; acknowledge events that nobody waits for."""
        if isinstance(news, messages.CellEnd) and news.variables is not None:
            self._variables = news.variables
        if isinstance(news, messages.LateOutput):
            late = news.late
            scan = self._scan(news.n, late.scan) if late.scan is not None else None
            self._late.put_nowait((news.n, replace(late, scan=scan)))
        elif (tag := self._given_up.get(news.run)) is not None:
            self._take_given_up(tag, news)
        elif (cell := self._cells.get(news.run)) is not None:
            for settled in self._losses.settled(news):
                cell.take_news(settled)
        elif isinstance(news, messages.CellEvent):
            self._link.acknowledge(news.n)

    def question(self, asked: messages.FileQuestion) -> None:
        work = self._answer(asked) if asked.op == "list" else self._answer_in_turn(asked)
        self._keep(asyncio.create_task(work, name="stored files for a node"))

    def out_of_reach(self) -> None:
        for cell in list(self._cells.values()):
            cell.wait()

    def given_up(self, error: BaseException) -> None:
        for cell in list(self._cells.values()):
            cell.give_up(error)

    def lost(self, reason: str) -> None:
        """The running cell has died; those that stand in line are sent to the next node.

        That node first learns what is in the workspace, and reports only what the dead cell wrote.
        """
        names = tuple(variable.name for variable in self._variables)
        if self._restarted is not None:  # nobody was told of that yet
            names = tuple(dict.fromkeys((*self._restarted.lost, *names)))
        self._given_up.clear()
        started = [cell for cell in self._cells.values() if cell.started]
        ran = started[0] if started else None  # the others stood in line
        if names or ran:
            ids = {"cell": ran.tag, "turn": ran.turn} if ran else {}
            log.warning("the kernel is lost: %s", reason, extra={"session": self.session_id} | ids)
        restarted = Restarted(reason, ("files",), names, unnamed=bool(started))
        untold = restarted if names and not started else None
        if self._node.keeps_variables:
            restarted, untold = self._losses.hold(restarted), None
        self._not_known(_Lost(ran.tag, ran.began) if ran else _Lost())
        for cell in self._cells.values():
            if cell.started:
                cell.die(restarted)
            else:
                cell.enter()
        self._restarted, self._variables = untold, ()

    def failed(self, error: BaseException) -> None:
        for cell in self._cells.values():
            cell.fail(error)

    def _keep(self, task: asyncio.Task[None]) -> None:
        if not task.done():
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    def _not_known(self, lost: "_Lost") -> None:
        if self._unknown is None or self._unknown.since is None:
            self._unknown = lost

    async def _catch_up_after(self, lost: "_Lost") -> None:
        """Let the node learn the workspace. What the dead cell wrote becomes late output.

        If that fails, the next command tries again.
        """
        try:
            answer = await self._link.call(messages.CatchUp(since=lost.since))
        except (KernelError, OSError) as error:
            log.info("the workspace of session %s is not known yet: %s", self.session_id, error)
            self._not_known(lost)
            return
        scan = self._scan(answer.n, answer.scan)
        if scan == Scan():
            self._link.acknowledge(answer.n)
        else:
            self._late.put_nowait((answer.n, Late(lost.tag, scan=scan)))

    def _take_given_up(self, tag: int, news: messages.CellEvent | messages.CellEnd) -> None:
        """What a cell that we have given up shows is told as late output, and so are its files."""
        if isinstance(news, messages.CellEvent):
            if isinstance(news.event, Stream | Display | Result | ClearOutput):
                self._late.put_nowait((news.n, Late(tag, event=news.event)))
            else:  # its questions have nobody to answer them, and end by themselves
                self._link.acknowledge(news.n)
            return
        del self._given_up[news.run]
        if news.result is None:
            self.send(messages.SettleCell(run=news.run))
            return
        self._restarted = news.result.restarted or self._restarted
        self._settling[news.n] = news.run
        scan = Scan(self.opened(news.n, news.result.captured), news.result.skipped)
        self._late.put_nowait((news.n, Late(tag, scan=scan)))

    def _scan(self, number: int, scan: Scan | None) -> Scan:
        """What a scan found, as news of this number tells it."""
        assert scan is not None
        return Scan(self.opened(number, scan.captured), scan.skipped)

    async def _answer_in_turn(self, asked: messages.FileQuestion) -> None:
        """Answer a question for a file, unless its node has given up by the time that others are done.

        A node asks again when it has given up, and keeps a copy of each file that we still send.
        """
        clock = asyncio.get_running_loop().time
        came = clock()
        async with self._files:
            if clock() - came < BOT_TIME:
                await self._answer(asked)

    async def _answer(self, asked: messages.FileQuestion) -> None:
        answer = messages.FilesAnswer(ask=asked.ask)
        try:
            match asked.op:
                case "list":
                    answer.files = tuple(await self._source.list())
                case "place":
                    answer.name = await self._source.place(asked.wanted)
                case "open":
                    await self._give(asked)
                    return
        except FileUnavailable as refusal:
            answer.refused, answer.number = refusal.message, refusal.number
        except Exception as error:  # whatever it is, the cell must not wait for an answer in vain
            level = logging.DEBUG if self._told else logging.ERROR  # a cell can cause them without end
            self._told, trace = True, not isinstance(error, OSError)
            log.log(
                level, "a question for stored files was not answered (said once): %r", error, exc_info=trace
            )
            answer.failed = type(error).__name__
        self.send(answer)

    async def _give(self, asked: messages.FileQuestion) -> None:
        opened = await self._source.open(asked.wanted)
        with opened.file:
            about = {name: getattr(opened, name) for name in ("file_id", "filename", "file_type")}
            await self._node.ask("PUT", f"{self._path}/asked/{asked.ask}", params=about, data=opened.file)
