"""What a node answers: JSON over HTTP, bytes of files both ways, and one websocket a session.

    GET    kernelcord/node                              what node this is
    GET    kernelcord/untold                            the sessions that have news and no bot
    POST   kernelcord/drain                             take no new sessions, end once no kernel is left
    GET    kernelcord/attendance                        a websocket without messages: a bot is there
    DELETE kernelcord/sessions/ID                       end the kernel; ?workspace=1 deletes the files too,
                                                        and the saved variables without &keep_state=1
    PUT    kernelcord/sessions/ID/files/NAME            put a file into the workspace
    PUT    kernelcord/sessions/ID/written/NAME          give this very file its bytes back; or DELETE it
    POST   kernelcord/sessions/ID/branch?to=ID          copy files and saved variables to a new session
    PUT    kernelcord/sessions/ID/asked/NUMBER          the bytes of a file that a cell has asked for
    GET    kernelcord/sessions/ID/log/N                 a piece of news that is too large for the websocket,
                                                        and the outputs of its result, a line each
    GET    kernelcord/sessions/ID/log/N/files/I         a captured file that it names; with ?latest=BYTES
                                                        as it is now, if it is no larger
    GET    kernelcord/sessions/ID/channel               the websocket

Every request needs the token: Jupyter's handlers refuse those without it. Nodes of all versions answer the
first one with their protocol's number. The answer to a request that fails has the reason and, in the header
`Kernelcord-Errno`, the system's number of the error if it has one.
"""

import asyncio
import os
from contextlib import suppress
from typing import Any, BinaryIO
from urllib.parse import unquote

from jupyter_server.auth.decorator import ws_authenticated
from msgspec import Raw, Struct
from tornado import web
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from kernels import introspection
from kernels.broker import Opened
from kernels.cell.overflow import TextFile
from kernels.concurrency.threads import in_thread
from kernels.node import messages
from kernels.node.encoding import RaisedError, decode, encode
from kernels.node.node import Node
from kernels.node.requests import NodeRequest, UploadRequest
from kernels.node.session import NodeSession
from kernels.wire.sizes import MESSAGE
from kernels.workspace.captured import CapturedFile, FileChanged

__all__ = ["routes"]

LARGEST = 16 << 20  # bytes of one message; longer news has to be fetched
TOGETHER = 1 << 20  # bytes of the news that share a message
CHUNK = 1 << 20  # bytes
GONE = 410  # HTTP: the file was there, and has changed


class _Who(NodeRequest):
    @web.authenticated
    def get(self) -> None:
        self.finish(encode(self.node.described()))


class _Untold(NodeRequest):
    @web.authenticated
    def get(self) -> None:
        self.finish(encode(self.node.untold()))


class _EndSession(NodeRequest):
    @web.authenticated
    async def delete(self, session_id: str) -> None:
        workspace, keep_state = (
            bool(self.get_query_argument(one, "")) for one in ("workspace", "keep_state")
        )
        with self.refusals():
            await self.node.end(unquote(session_id), workspace=workspace, keep_state=keep_state)
        self.set_status(204)


class _Drain(NodeRequest):
    @web.authenticated
    def post(self) -> None:
        self.node.drain()
        self.set_status(204)


class _PlacedUpload(UploadRequest):
    @web.authenticated
    async def put(self, session_id: str, name: str) -> None:
        kernel, beside = self.session(session_id).kernel, self.get_query_argument("beside", "")
        with self.refusals():
            placed = await kernel.place(unquote(name), self.received(), beside=beside)
        self.finish(encode(placed))


class _WrittenBack(UploadRequest):
    @web.authenticated
    async def put(self, session_id: str, name: str) -> None:
        kernel = self.session(session_id).kernel
        with self.refusals():
            await kernel.write_back(unquote(name), self.received())
        self.set_status(204)

    @web.authenticated
    async def delete(self, session_id: str, name: str) -> None:
        kernel = self.session(session_id).kernel
        with self.refusals():
            await kernel.write_back(unquote(name), None)
        self.set_status(204)


class _Branch(NodeRequest):
    @web.authenticated
    async def post(self, session_id: str) -> None:
        with self.refusals():
            cell = await self.node.branch(unquote(session_id), self.get_query_argument("to"))
        self.finish(encode(cell))


class _Hints(NodeRequest):
    """What the session's kernel knows about code that is being typed."""

    @web.authenticated
    async def post(self, session_id: str, question: str) -> None:
        kernel, position = self.session(session_id).kernel, int(self.get_query_argument("position"))
        code = self.request.body.decode("utf-8", "replace")
        if question == introspection.COMPLETE:
            found = await kernel.complete(code, position)
            place = {"cursor_start": found.start, "cursor_end": found.end}
            self.finish(encode({"matches": found.matches, **place}))
        elif question == introspection.COLUMNS:
            await kernel.widen(position)
            self.finish("{}")
        else:
            self.finish(encode({"data": {"text/plain": await kernel.inspect(code, position)}}))


class _FileAnswer(UploadRequest):
    @web.authenticated
    def put(self, session_id: str, number: str) -> None:
        about = {name: self.get_query_argument(name) for name in ("file_id", "filename", "file_type")}
        files = self.session(session_id).files
        with self.refusals():
            try:
                file = os.fdopen(os.dup(self.received().fileno()), "rb")
            except OSError as error:
                reason = error.strerror or type(error).__name__
                files.answer(messages.FilesAnswer(ask=int(number), failed=reason))
                raise
        opened = Opened(**about, size=os.fstat(file.fileno()).st_size, file=file)
        if not files.opened(int(number), opened):
            file.close()
        self.set_status(204)


class _FetchedNews(NodeRequest):
    @web.authenticated
    async def get(self, session_id: str, number: str) -> None:
        entry = self.session(session_id).log.entry(int(number))
        if entry is None:
            raise web.HTTPError(404)
        with suppress(StreamClosedError):
            for line in (entry.text, *(b"\n" + output for output in entry.outputs)):
                for start in range(0, len(line), CHUNK):
                    self.write(line[start : start + CHUNK])
                    await self.flush()  # others have their turn here


class _CapturedDownload(NodeRequest):
    @web.authenticated
    async def get(self, session_id: str, number: str, index: str) -> None:
        entry = self.session(session_id).log.entry(int(number))
        files = entry.files if entry is not None else ()
        file = files[int(index)] if int(index) < len(files) else None
        if not isinstance(file, CapturedFile | TextFile):
            raise web.HTTPError(404)
        latest = self.get_query_argument("latest", "")
        with self.refusals():
            try:
                if latest and isinstance(file, CapturedFile):
                    file = await in_thread(file.renewed, int(latest))
                opened = await file.opened()
            except FileChanged:
                raise web.HTTPError(GONE) from None
        with opened:
            self.set_header("Content-Type", "application/octet-stream")
            self.set_header("Content-Length", str(file.size))
            await self._send(opened, file)

    async def _send(self, opened: BinaryIO, file: CapturedFile | TextFile) -> None:
        """Send the file, the last piece only if all of it is one state of the file.

        Otherwise the reader could not see that it has shrunk, or was written to meanwhile.
        """
        left = file.size
        with suppress(StreamClosedError):
            while left and (chunk := await in_thread(opened.read, min(left, CHUNK))):
                left -= len(chunk)
                if not left and isinstance(file, CapturedFile):
                    try:
                        await in_thread(file.check, opened)
                    except FileChanged:
                        left = len(chunk)
                        break
                self.write(chunk)
                await self.flush()
            if left:
                self.detach().close()


class _Commands(WebSocketHandler, NodeRequest):  # type: ignore[misc]  # both have a check of origins
    """A bot's websocket to one session: its first message is `Hello`, the others are commands."""

    def initialize(self, node: Node) -> None:
        super().initialize(node)
        self.served: NodeSession | None = None
        self._session_id = ""
        self._due = False

    @property
    def max_message_size(self) -> int:
        """Bytes of one message from the bot, which has the same limit; Tornado's default is 10 MiB."""
        return MESSAGE

    @ws_authenticated
    async def get(self, session_id: str) -> None:
        self._session_id = unquote(session_id)
        await super().get()

    def open(self, *_: str) -> None:
        if not self.node.local:
            self.set_nodelay(True)  # without it a cell costs 48 ms

    def on_message(self, message: str | bytes) -> None:
        try:
            if self.served is None:
                hello = decode(message, messages.Hello)
                session = self.node.session(self._session_id)
                welcome = session.attach(self, hello)
                self.served = session
                self._write(welcome)
                self._send()
            else:
                for command in messages.read_commands(message):
                    self.served.carry_out(command)
        except ValueError:  # no message, or no session's id
            self.log.exception("a message from the bot could not be understood")
            self.close(messages.REFUSED)
        except Exception as error:  # noqa: BLE001  it would cut the connection, and the bot would come back at once
            self.log.warning("session %s cannot be served: %s", self._session_id, error)
            self._write(messages.SessionRefused(RaisedError.of(error)))
            self.close(messages.FAILED)

    def on_close(self) -> None:
        if self.served is not None:
            self.served.detach(self)

    # What the session tells (kernels.node.session.BotSocket):

    def send_news(self) -> None:
        """Send what is new, together with whatever else is logged in this turn of the loop."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._send)

    def ask(self, question: messages.FileQuestion) -> None:
        self._write(question)

    def end(self, code: int) -> None:
        if code != messages.REPLACED:  # otherwise the next bot gets it
            self._send()
        self.close(code)

    def _send(self) -> None:
        self._due = False
        if self.served is None:
            return
        texts: list[Raw] = []
        size = 0
        for entry in self.served.log.take():
            text = entry.text
            if len(text) > LARGEST or entry.outputs:
                text = encode(messages.LargeNews(n=entry.number))
            if texts and size + len(text) > TOGETHER:
                self._write(messages.NewsBatch(self.served.got, texts))
                texts, size = [], 0
            texts.append(Raw(text))
            size += len(text)
        if texts:
            self._write(messages.NewsBatch(self.served.got, texts))

    def _write(self, message: Struct) -> None:
        with suppress(WebSocketClosedError):
            self.write_message(encode(message), binary=True)


class _Attendance(WebSocketHandler, NodeRequest):  # type: ignore[misc]  # as above
    """Open as long as a bot is there, whatever its sessions do: a node with a bot does not end."""

    @ws_authenticated
    async def get(self) -> None:
        await super().get()

    def open(self, *_: str) -> None:
        self.node.bots += 1

    def on_message(self, message: str | bytes) -> None:
        """Ignore it: nothing is said here."""

    def on_close(self) -> None:
        self.node.bots -= 1


def routes(node: Node) -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """The handlers of `node` with their addresses."""
    session = "kernelcord/sessions/([^/]+)"
    paths: dict[str, type[web.RequestHandler]] = {
        "kernelcord/node": _Who,
        "kernelcord/untold": _Untold,
        "kernelcord/drain": _Drain,
        "kernelcord/attendance": _Attendance,
        session: _EndSession,
        f"{session}/files/([^/]+)": _PlacedUpload,
        f"{session}/written/([^/]+)": _WrittenBack,
        f"{session}/branch": _Branch,
        f"{session}/asked/([0-9]+)": _FileAnswer,
        f"{session}/hints/({introspection.COMPLETE}|{introspection.INSPECT}|{introspection.COLUMNS})": _Hints,
        f"{session}/log/([0-9]+)": _FetchedNews,
        f"{session}/log/([0-9]+)/files/([0-9]+)": _CapturedDownload,
        f"{session}/channel": _Commands,
    }
    return [(f"/{path}", handler, {"node": node}) for path, handler in paths.items()]
