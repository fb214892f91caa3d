"""A session's kernel that lives in a node, as `kernels.kernel.Kernel` is one that lives here.

kernel = node.kernel(session_id, files)
cells = await kernel.left_running()         # by tag: what a program before us had begun
async with kernel.run("x = 1") as cell: ...
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from typing import Any, BinaryIO, Protocol
from urllib.parse import quote

import aiohttp

from kernels import introspection
from kernels.broker import FileSource, FileUnavailable
from kernels.cell import codec
from kernels.cell.events import ClearOutput, Display, Restarted, Result, Stream
from kernels.cell.result import Late, Variable
from kernels.client.captured import RemoteFile
from kernels.client.cell import RemoteCell
from kernels.client.connection import Link
from kernels.client.ends import Connect
from kernels.errors import KernelClosed, KernelError
from kernels.interface import State
from kernels.limits import Limits
from kernels.node.settings import limits_from, limits_to
from kernels.wire import sizes
from kernels.workspace.captured import Captured, Scan

__all__ = ["KernelNode", "RemoteKernel"]

log = logging.getLogger(__name__)

Fields = dict[str, Any]


class KernelNode(Protocol):
    """What a kernel needs of its node."""

    limits: Limits

    @property
    def local(self) -> bool:
        """Whether it is on this machine, and its files may be opened."""

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
        """One request; its answer's body. Raises: OSError, KernelError; NodeGone without `start`."""

    def get(self, path: str) -> Any:
        """A request whose answer is read bit by bit."""


@dataclass(frozen=True, slots=True)
class _Lost:
    """A node that is gone: the cell that ran in it, if one did, and when it began (seconds since 1970)."""

    tag: int = 0
    since: float | None = None


class RemoteKernel(introspection.Hinting):
    """One session's kernel in a node; made by `Node.kernel`."""

    def __init__(self, node: KernelNode, session_id: str, source: FileSource) -> None:
        self.session_id = session_id
        self.limits = node.limits
        self._node = node
        self._source = source
        self._path = f"sessions/{quote(session_id, safe='')}"
        self._cells: dict[str, RemoteCell] = {}
        self._left: dict[int, RemoteCell] = {}
        self._given_up: dict[str, int] = {}  # cells that may go on, by their keys: their tags
        self._settling: dict[int, str] = {}  # of those, the ones that have ended: by the number of the news
        self._numbers = count(1)
        self._late: asyncio.Queue[tuple[int, Late]] = asyncio.Queue()
        self._variables: tuple[Variable, ...] = ()
        self._restarted: Restarted | None = None
        self._unknown: _Lost | None = None  # a node was lost, and the next one has to know the workspace
        self._columns: int | None = None  # how wide tables may be, where somebody has said so
        self._answering: set[asyncio.Task[None]] = set()
        self._client = secrets.token_hex(4)  # of this kernel: whoever opens the session anew begins anew
        hello = {"client": self._client, "limits": limits_to(node.limits)}
        self._link = Link(node.connect_to(session_id), hello, self)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The person's variables, as the last cell that we know of left them."""
        return self._variables

    @property
    def goes_on(self) -> bool:
        """Whether a cell that was given up may go on in the node."""
        return bool(self._given_up)

    def run(self, code: str, *, tag: int = 0, turn: str = "", allow_input: bool = True) -> RemoteCell:
        """A cell, to be entered with `async with`; see `kernels.kernel.Kernel.run`.

        Raises: KernelClosed; TooLarge for more than a cell may have.
        """
        if self._link.closed:
            raise KernelClosed
        sizes.code(code)
        key = f"{self._client}-{next(self._numbers)}"
        cell = self._cells[key] = RemoteCell(self, key, code, tag=tag, turn=turn, allow_input=allow_input)
        return cell

    async def late(self) -> AsyncIterator[Late]:
        """What comes after its cell: output of threads, files they write. Never ends; for one reader."""
        while True:
            number, late = await self._late.get()
            yield late
            self.acknowledge(number)
            if (key := self._settling.pop(number, None)) is not None:
                self.send("settle", run=key)  # its files are kept

    async def left_running(self) -> Mapping[int, RemoteCell]:
        """The cells that a program before us began and nobody settled, by their tags. Raises: KernelError."""
        await self._link.greeted()
        return dict(self._left)

    @asynccontextmanager
    async def catch_up(self, since: float | None) -> AsyncIterator[Scan]:
        """Know what lies in the workspace, once; files written from `since` on are news while entered."""
        answer = await self._link.call("catch up", since=since)
        yield self._scan(answer["n"], answer["value"])
        self.acknowledge(answer["n"])

    async def state(self) -> State:
        """The kernel as it is now. Raises: KernelError."""
        answer = await self._link.call("state")
        self.acknowledge(answer["n"])
        value = answer["value"]
        self._variables = codec.to_variables(value["variables"])
        return State(value["alive"], value["busy"], self._variables)

    async def _hint(self, question: str, code: str, position: int) -> Any:
        path, at = f"{self._path}/hints/{question}", {"position": str(position)}
        with suppress(KernelError, OSError, TimeoutError):
            asked = self._node.ask("POST", path, params=at, data=code.encode(), start=False)
            return codec.loads(await asyncio.wait_for(asked, 2 * introspection.PATIENCE))

    async def widen(self, columns: int) -> None:
        """From now on tables of text may be this wide, in whatever node the kernel lives."""
        self._columns = columns
        await super().widen(columns)

    async def restart(self) -> None:
        """End the process, with its variables; the next cell gets a fresh one. Raises: KernelError."""
        for key in self._given_up:  # nobody could be asked about these
            self.send("interrupt", run=key)
        self.acknowledge((await self._link.call("restart"))["n"])
        self._variables, self._restarted = (), None

    async def place(self, name: str, source: BinaryIO | bytes, *, beside: str = "") -> str:
        """Put a file into the workspace, unseen by capture; its name there. Raises: OSError, KernelError."""
        path = f"{self._path}/files/{quote(name, safe='')}"
        params = {"beside": beside} if beside else None
        placed = await self._node.ask("PUT", path, params=params, data=_kept_open(source))
        return str(codec.loads(placed)["name"])

    def wake(self) -> None:
        """The node answers again: what we have given up may go on there."""
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

    def send(self, do: str, **fields: Any) -> int:
        """Send a command to the node. A node that does not know the workspace is told to learn it first."""
        lost, self._unknown = self._unknown, None
        if lost is not None and not self._link.closed:
            # Started eagerly, so that its command is sent before this one.
            loop, work = asyncio.get_running_loop(), self._catch_up_after(lost)
            self._keep(asyncio.Task(work, loop=loop, eager_start=True, name="files of a lost cell"))
        return self._link.send(do, **fields)

    def flush(self) -> None:
        """Let the commands go to the node now."""
        self._link.flush()

    def acknowledge(self, number: int) -> None:
        """News of this number has been told."""
        self._link.acknowledge(number)

    def opened(self, number: int, fields: Fields) -> Captured:
        """A captured file that news of this number names."""
        path = f"{self._path}/log/{self._link.at_node(number)}/files/{fields['number']}"
        file = codec.to_file(fields)
        here = file if self._node.local and not file.is_output else None
        get = partial(self._node.get, path)
        return RemoteFile(file.name, file.size, file.mtime, get, here, is_output=file.is_output)

    def restarted(self) -> Restarted | None:
        """What has to be told of a node that has ended; given once."""
        restarted, self._restarted = self._restarted, None
        return restarted

    def over(self, cell: RemoteCell) -> None:
        """The cell has its result, or is left to others."""
        self._cells.pop(cell.key, None)
        if self._left.get(cell.tag) is cell:
            del self._left[cell.tag]

    def withdraw(self, number: int) -> bool:
        """Take a command back that no node has got; returns whether none has."""
        return self._link.withdraw(number)

    def has_arrived(self, number: int) -> bool:
        """Whether a node is known to have this command."""
        return self._link.has_arrived(number)

    def leave_behind(self, cell: RemoteCell) -> None:
        """The cell has a result, and goes on in a node that does not answer: what comes of it is late."""
        self._given_up[cell.key] = cell.tag

    # What the link tells (Owner):

    @property
    def waits(self) -> bool:
        """Whether a cell runs in the node, or is to run there."""
        return bool(self._cells)

    def greet(self, hello: Fields) -> None:
        """Know the cells that were begun before us, and the limits that apply."""
        self.limits = limits_from(hello.get("limits", {}), self.limits)
        if self._columns is not None:  # it may be another node, which has not been told
            self._keep(asyncio.create_task(self.widen(self._columns), name="width for a node"))
        for cell in self._cells.values():
            cell.back()
        known = {cell.key for cell in self._left.values()} | self._cells.keys() | self._given_up.keys()
        for run in hello["runs"]:
            if run["run"] not in known:
                code, about = run.get("code", ""), {"tag": run["tag"], "turn": run.get("turn", "")}
                cell = RemoteCell(self, run["run"], code, **about, allow_input=True, begun=True)
                cell.began = run.get("began")
                self._left[cell.tag] = self._cells[cell.key] = cell

    def take(self, news: Fields) -> None:
        """Give news to whom it is for; what nobody waits for any more is done with."""
        if "variables" in news:
            self._variables = codec.to_variables(news["variables"])
        if "late" in news:
            self._take_late(news)
        elif (tag := self._given_up.get(news["run"])) is not None:
            self._take_given_up(tag, news)
        elif (cell := self._cells.get(news["run"])) is not None:
            cell.take(news)
        elif "event" in news:
            self.acknowledge(news["n"])

    def question(self, asked: Fields) -> None:
        """Answer a cell that asks for the person's stored files."""
        self._keep(asyncio.create_task(self._answer(asked), name="stored files for a node"))

    def out_of_reach(self) -> None:
        """The node does not answer: the cells wait, and say so."""
        for cell in list(self._cells.values()):
            cell.wait()

    def given_up(self, error: BaseException) -> None:
        """It has not answered for too long: no cell waits on."""
        for cell in list(self._cells.values()):
            cell.give_up(error)

    def lost(self, reason: str) -> None:
        """The running cell has died; those that wait are sent to the next node.

        That node is told to learn what is in the workspace, and to report only what the dead cell wrote.
        """
        names = tuple(variable.name for variable in self._variables)
        self._given_up.clear()
        started = [cell for cell in self._cells.values() if cell.started]
        ran = started[0] if started else None  # the others stood in line
        if names or ran:
            ids = {"cell": ran.tag, "turn": ran.turn} if ran else {}
            log.warning("the kernel is lost: %s", reason, extra={"session": self.session_id} | ids)
        restarted = Restarted(reason, ("files",), names, unnamed=bool(started))
        self._not_known(_Lost(ran.tag, ran.began) if ran else _Lost())
        for cell in self._cells.values():
            if cell.started:
                cell.die(restarted)
            else:
                cell.enter()
        self._restarted = restarted if names and not started else None
        self._variables = ()

    def failed(self, error: BaseException) -> None:
        """There is no node: tell all who wait."""
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
        """Have the node learn the workspace. What the dead cell wrote is told as late.

        Where that fails, the next command tries again.
        """
        try:
            answer = await self._link.call("catch up", since=lost.since)
        except (KernelError, OSError) as error:
            log.info("the workspace of session %s is not known yet: %s", self.session_id, error)
            self._not_known(lost)
            return
        scan = self._scan(answer["n"], answer["value"])
        if scan == Scan():
            self.acknowledge(answer["n"])
        else:
            self._late.put_nowait((answer["n"], Late(lost.tag, scan=scan)))

    def _take_given_up(self, tag: int, news: Fields) -> None:
        """What a cell that we have given up shows is told as late, and so are its files."""
        if "result" in news:
            result = codec.to_result(news["result"], lambda file: self.opened(news["n"], file))
            self._restarted = result.restarted or self._restarted
            self._settling[news["n"]] = news["run"]
            self._late.put_nowait((news["n"], Late(tag, scan=Scan(result.captured, result.skipped))))
        elif "event" in news:
            event = codec.to_event(news["event"])
            if isinstance(event, Stream | Display | Result | ClearOutput):
                self._late.put_nowait((news["n"], Late(tag, event=event)))
            else:  # its questions have nobody to answer them, and end by themselves
                self.acknowledge(news["n"])
        else:
            self.send("settle", run=news["run"])
        if "event" not in news:
            del self._given_up[news["run"]]

    def _take_late(self, news: Fields) -> None:
        number, tag = news["n"], int(news["late"])
        if "scan" in news:
            late = Late(tag, scan=self._scan(number, news["scan"]))
        else:
            late = Late(tag, event=codec.to_event(news["event"]))
        self._late.put_nowait((number, late))

    def _scan(self, number: int, fields: Fields) -> Scan:
        files = tuple(self.opened(number, file) for file in fields["captured"])
        return Scan(files, codec.to_skipped(fields["skipped"]))

    async def _answer(self, asked: Fields) -> None:
        number = asked["ask"]
        try:
            match asked["op"]:
                case "list":
                    files = [asdict(row) for row in await self._source.list()]
                    self.send("told", ask=number, files=files)
                case "place":
                    self.send("told", ask=number, name=await self._source.place(asked["wanted"]))
                case "open":
                    await self._give(number, asked["wanted"])
        except FileUnavailable as refusal:
            self.send("told", ask=number, refused=refusal.message)
        except Exception as error:  # whatever it is, the cell must not wait for it in vain
            log.exception("a cell's question for stored files could not be answered")
            self.send("told", ask=number, failed=type(error).__name__)

    async def _give(self, number: int, wanted: str) -> None:
        opened = await self._source.open(wanted)
        with opened.file:
            about = {name: getattr(opened, name) for name in ("file_id", "filename", "file_type")}
            await self._node.ask("PUT", f"{self._path}/asked/{number}", params=about, data=opened.file)


def _kept_open(source: BinaryIO | bytes) -> Any:
    """`source` as a request's body, which leaves a file open: it is the caller's."""
    return source if isinstance(source, bytes) else aiohttp.payload.IOBasePayload(source)
