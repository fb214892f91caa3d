"""One session's websocket: commands go out in order, news comes in, and a broken connection is made anew.

    link = Link(connect, hello, owner, PATIENCE)
    link.send(StartCell(run="a-1", tag=3))      # at once when connected, else as soon as it is
    answer = await link.call(GetState())
    link.acknowledge(12)

Commands are numbered and kept until the node has them, so that none is lost or carried out twice; news that
arrives twice is passed on once. While a node is silent or refuses, the link tries again at longer and longer
intervals, since what runs in the node goes on. A node is gone when its process is, when another node answers
in its place, or when it says that it stops. Then the link calls `owner.lost`, and the next command connects
to the next node.
"""

import asyncio
import logging
from time import monotonic
from typing import Protocol

import aiohttp

from kernels.client.outbox import Outbox
from kernels.client.patience import NodePatience
from kernels.client.session_socket import Connect, SessionSocket
from kernels.concurrency.cancellation import stop
from kernels.errors import KernelError, NodeGone, NodeUnavailable
from kernels.node import messages
from kernels.node.encoding import decoder, encode

__all__ = ["Link", "LinkOwner"]

log = logging.getLogger(__name__)

ENDED, WAS_STOPPED = "the node that kept it has ended", "the node that kept it was stopped"
SILENT, WAS_CLOSED = "it does not answer", "the connection was closed"
CLOSED = {  # by the code with which the node closed the websocket for good
    messages.REPLACED: "another program has taken this session over",
    messages.TOO_LARGE: "a message was larger than the other end takes",
    messages.REFUSED: "it does not understand what this version of Kernelcord says",
    messages.DELETED: "this session was deleted",
}
BREAKS = "the connection to it breaks again and again"
BRIEF = 10.0  # seconds; a connection that breaks sooner, without any news, will probably break again
BRIEF_ONES = 12  # such connections in a row, after which we give up
TURN = 0.02  # seconds spent on news before other tasks get their turn
LAST_WORDS = 5.0  # seconds to send the rest when the link is closed

_FROM_NODE = decoder(messages.FROM_NODE)


class LinkOwner(Protocol):
    """Whose link it is: `kernels.client.kernel.RemoteKernel`, which imports this module."""

    @property
    def waits(self) -> bool:
        """Whether a cell runs in the node, or is to run there."""

    def greet(self, welcome: messages.Welcome) -> None:
        """The node has said what it has of this session."""

    def take_news(self, news: messages.CellEvent | messages.CellEnd | messages.LateOutput) -> None:
        """messages.News, in order, each once."""

    def question(self, asked: messages.FileQuestion) -> None:
        """A cell asks for the person's stored files."""

    def out_of_reach(self) -> None:
        """The node does not answer, but may live on with all that runs in it; called at each attempt."""

    def given_up(self, error: BaseException) -> None:
        """The node has not answered for so long that nobody should wait any longer."""

    def lost(self, reason: str) -> None:
        """The node is gone, with all that ran in it; what is sent from now on goes to the next."""

    def failed(self, error: BaseException) -> None:
        """There is no node, or none for us: nothing that was asked for will come."""


class Link:
    """See the module's text. `connect` opens a websocket; `hello` is the first message on it."""

    def __init__(
        self, connect: Connect, hello: messages.Hello, owner: LinkOwner, patience: NodePatience
    ) -> None:
        self._connect = connect
        self._hello = hello
        self._owner = owner
        self._patience = patience
        self._node_id = ""
        self._outbox = Outbox()
        self._acknowledged: list[int] = []
        self._highest = 0  # the highest number of this node's news
        self._before = 0  # what its numbers are raised by, so that an earlier node's stay different
        self._calls: dict[int, asyncio.Future[messages.Answer]] = {}
        self._due = False
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._speaking = asyncio.Lock()  # on this socket
        self._sendings: set[asyncio.Future[None]] = set()
        self._greeted = asyncio.Event()
        self._greetings = 0  # how many tasks wait for one
        self._refusal: BaseException | None = None  # why the node cannot serve the session
        self._reader: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self.closed = False

    @property
    def node_id(self) -> str:
        """The node that our news is of; "" where there is none."""
        return self._node_id

    async def greeted(self) -> None:
        """Be connected, now or soon. Raises: KernelError, OSError."""
        self._greetings += 1
        self._have_reader()
        assert self._reader is not None
        waiting = asyncio.create_task(self._greeted.wait())
        try:
            await asyncio.wait(
                [waiting, self._reader], timeout=self._patience.call, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            self._greetings -= 1
            await stop(waiting)
        if not self._greeted.is_set():
            raise self._failure or NodeUnavailable(SILENT)

    def send(self, command: messages.Command) -> int:
        """Send a command; returns its number. Raises: TooLarge for one that no node would take."""
        number = self._outbox.add_command(command)
        self._have_reader()
        self._flush_soon()
        return number

    async def call(self, command: messages.Command) -> messages.Answer:
        """Send a command; returns its answer, to be acknowledged. Raises: KernelError, OSError."""
        if self.closed:  # nothing is sent any more
            raise NodeUnavailable(WAS_CLOSED)
        number = self.send(command)
        answer: asyncio.Future[messages.Answer] = asyncio.get_running_loop().create_future()
        self._calls[number] = answer
        try:
            return await answer
        except NodeUnavailable:  # or it would be carried out at a later time, when nobody expects it
            self._outbox.withdraw(number)
            raise
        finally:
            self._calls.pop(number, None)

    def withdraw(self, number: int) -> bool:
        """Take a command back if it was never sent; returns whether it was taken back."""
        return self._outbox.is_unsent(number) and self._outbox.withdraw(number)

    def has_arrived(self, number: int) -> bool:
        """Whether a node is known to have this command."""
        return number <= self._outbox.confirmed

    def wake(self) -> None:
        """Somebody else has reached the node: go on if we had given up."""
        if self._node_id and not self.closed:
            self._have_reader()

    def acknowledge(self, number: int) -> None:
        """Tell the node that it may forget this piece of news."""
        if number > self._before:
            self._acknowledged.append(self.at_node(number))
            self._flush_soon()

    def at_node(self, number: int) -> int:
        """The number that this piece of news has at its node."""
        return number - self._before

    async def close(self) -> None:
        """Send what is left to send, and close; everything that runs in the node goes on."""
        self.closed = True
        if self._socket is not None and not self._socket.closed:
            self.flush()
            if self._sendings:
                await asyncio.wait(self._sendings, timeout=LAST_WORDS)
            await self._socket.close()
        await stop(self._reader)
        self._fail_calls(NodeUnavailable(WAS_CLOSED))

    # Out:

    def flush(self) -> None:
        """Send what waits, now rather than in the next step of the event loop."""
        self._due = False
        if self._socket is None or self._socket.closed:
            return
        if self._acknowledged:
            numbers, self._acknowledged = self._acknowledged, []
            self._outbox.add_command(messages.Acknowledge(numbers=numbers))
        if texts := self._outbox.messages():
            saying, loop = self._say(self._socket, self._speaking, texts), asyncio.get_running_loop()
            sending = asyncio.Task(saying, loop=loop, eager_start=True, name="commands to a node")
            if not sending.done():
                self._sendings.add(sending)
                sending.add_done_callback(self._sendings.discard)

    def _flush_soon(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self.flush)

    async def _say(
        self, socket: aiohttp.ClientWebSocketResponse, speaking: asyncio.Lock, texts: list[bytes]
    ) -> None:
        try:
            async with speaking:  # the order of commands is the order of cells
                for text in texts:
                    await socket.send_bytes(text)
        except (aiohttp.ClientError, OSError):  # the reader notices it too, and the commands are sent again
            log.debug("the connection to the node broke while something was sent")

    # In:

    def _have_reader(self) -> None:
        if self._reader is None or self._reader.done():
            self._failure = None
            self._reader = asyncio.create_task(self._read(), name="node link")

    async def _read(self) -> None:
        """Stay connected for as long as there is a node; when it is gone, call `lost` and return."""
        try:
            useless = 0
            pauses = self._patience.pauses()
            while not self.closed:
                connected = await self._reached()
                if connected is None:
                    return
                began, known = monotonic(), (self._highest, self._outbox.confirmed)
                try:
                    async with connected.socket as socket:
                        await self._talk(connected, socket)
                except (aiohttp.ClientError, OSError) as error:
                    log.info("the connection to the node broke: %s", error)
                self._socket = None
                self._understand(connected.socket.close_code)
                if monotonic() - began > BRIEF or known != (self._highest, self._outbox.confirmed):
                    useless, pauses = 0, self._patience.pauses()
                else:
                    useless += 1
                if useless == BRIEF_ONES:
                    raise NodeUnavailable(BREAKS)
                await asyncio.sleep(next(pauses))  # it may break at once each time
        except _GivenUp as given_up:
            (self._failure,) = given_up.args
            self._fail_calls(given_up.args[0])
            self._owner.given_up(given_up.args[0])
        except Exception as error:  # whatever it is, those who wait for news must be told
            if not isinstance(error, (KernelError, OSError)):
                log.exception("the link to the node failed")
            self._failure = error
            self._forget(error)
            self._owner.failed(error)
        finally:
            self._socket = None
            self._greeted.clear()

    def _understand(self, code: int | None) -> None:
        """Act on the reason why the node has closed the websocket. Raises: NodeUnavailable, OSError."""
        if code == messages.STOPPED:
            self._lose(NodeGone(WAS_STOPPED))
        elif code in CLOSED:
            raise NodeUnavailable(CLOSED[code])
        elif code == messages.FAILED:
            raise self._refusal or NodeUnavailable(SILENT)

    async def _reached(self) -> SessionSocket | None:
        """A connection to the node that we know, as long as it lives, or else to the one that there is.

        None if the node that we know is gone and there is nothing to send to another.
        """
        if self._node_id:
            try:
                return await self._again()
            except NodeGone as gone:
                self._lose(gone)
        return await self._connect("") if self._outbox or self._greetings else None

    async def _again(self) -> SessionSocket:
        """A connection to the node that we know. Raises: NodeGone, NodeIncompatible, _GivenUp."""
        began, patience = monotonic(), self._patience
        for pause in patience.pauses():
            try:
                return await self._connect(self._node_id)
            except NodeGone:
                raise
            except NodeUnavailable as error:
                waited = monotonic() - began
                if waited > patience.soon:
                    self._owner.out_of_reach()
                if waited > patience.call:
                    self._fail_calls(error)
                if waited > (patience.cell if self._owner.waits else patience.call):
                    raise _GivenUp(error) from error
                await asyncio.sleep(pause)  # nothing tells when it can be reached again
        raise AssertionError

    def _lose(self, gone: NodeGone) -> None:
        """The node that we know is gone, with everything that ran in it."""
        self._forget(gone)
        self._owner.lost(WAS_STOPPED if gone.reason == WAS_STOPPED else ENDED)

    async def _talk(self, connected: SessionSocket, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._refusal = None
        await socket.send_bytes(encode(self._hello))
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                continue
            match told := _FROM_NODE.decode(message.data):
                case messages.Welcome():
                    self._greet(connected.node_id, told)
                    self._socket = socket
                    self._flush_soon()
                case messages.SessionRefused(error=error):
                    self._refusal = error.exception()
                case messages.FileQuestion():
                    self._owner.question(told)
                case messages.NewsBatch(got=got, log=texts):
                    self._outbox.confirm(got)
                    began = monotonic()
                    for text in texts:
                        if monotonic() - began > TURN:
                            await asyncio.sleep(0)  # others have their turn
                            began = monotonic()
                        news = messages.read_news(text)
                        if isinstance(news, messages.LargeNews):
                            news = await connected.fetch_news(news.n)
                        assert not isinstance(news, messages.LargeNews)
                        self._take_news(news)

    def _greet(self, node_id: str, welcome: messages.Welcome) -> None:
        self._node_id = node_id
        self._outbox.confirm(welcome.got)
        self._outbox.rewind()
        self._speaking = asyncio.Lock()
        self._owner.greet(welcome)
        self._greeted.set()
        for asked in welcome.asked:
            self._owner.question(asked)

    def _take_news(
        self, news: messages.CellEvent | messages.CellEnd | messages.LateOutput | messages.Answer
    ) -> None:
        if news.n <= self._highest:
            return
        self._highest = news.n
        news.n += self._before
        if not isinstance(news, messages.Answer):
            self._owner.take_news(news)
            return
        answer = self._calls.get(news.call)
        if answer is not None and not answer.done() and news.error is None:
            answer.set_result(news)
            return
        if answer is not None and not answer.done() and news.error is not None:
            answer.set_exception(news.error.exception())
        self.acknowledge(news.n)

    def _forget(self, error: BaseException) -> None:
        """Forget the node: it sends nothing more, and what was meant for it must not go to another."""
        self._node_id = ""
        self._before += self._highest
        self._highest = 0
        self._outbox.clear()
        self._acknowledged.clear()
        self._fail_calls(error)

    def _fail_calls(self, error: BaseException) -> None:
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(error)


class _GivenUp(Exception):
    """The node has been out of reach for too long; the argument is its last error."""
