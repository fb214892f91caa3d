"""What all requests to a node share, and those with a body of any size: see `kernels.node.http_api`."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast
from urllib.parse import unquote

from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.http1connection import HTTP1Connection

from kernels.interface import WORKSPACE_FULL
from kernels.node.logging import NO_ROOM
from kernels.node.node import Node
from kernels.node.session import NodeSession

__all__ = ["NodeRequest", "UploadRequest"]

UPLOAD = 1 << 40  # bytes of an upload; the bot's store has limits, so the node needs none
ERRNO = "Kernelcord-Errno"


class NodeRequest(JupyterHandler):
    """What all requests share: the node, and errors as a line of text."""

    def initialize(self, node: Node) -> None:
        self.node = node
        self._errno: int | None = None

    def session(self, session_id: str) -> NodeSession:
        """The session. Raises: HTTPError."""
        with self.refusals():
            return self.node.session(unquote(session_id))

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Answer what cannot be a session's id, and what the system refuses, with the reason."""
        try:
            yield
        except ValueError as error:  # it may be our own fault, too, and then nobody else tells
            self.log.warning("%s %s is refused", self.request.method, self.request.path, exc_info=True)
            raise web.HTTPError(400, str(error)) from None
        except OSError as error:
            self._errno = error.errno
            status = NO_ROOM if error.errno == WORKSPACE_FULL else 500
            raise web.HTTPError(status, reason=error.strerror or type(error).__name__) from None

    async def prepare(self, *, _redirect_to_login: bool = False) -> None:
        await super().prepare(_redirect_to_login=False)
        if not self.node.ready:
            raise web.HTTPError(503)

    def write_error(self, status_code: int, **_: Any) -> None:
        if self._errno is not None:
            self.set_header(ERRNO, str(self._errno))
        self.finish(f"{status_code} {self._reason}")


@web.stream_request_body
class UploadRequest(NodeRequest):
    """A request whose body goes into an unnamed file on disk."""

    def initialize(self, node: Node) -> None:
        super().initialize(node)
        self.body: BinaryIO | None = None
        self._failed: OSError | None = None

    async def prepare(self, *, _redirect_to_login: bool = False) -> None:
        await super().prepare(_redirect_to_login=False)
        # Only those who have shown the token get here.
        cast(HTTP1Connection, self.request.connection).set_max_body_size(UPLOAD)
        try:
            self.body = tempfile.TemporaryFile(dir=self.node.folder)  # noqa: SIM115  closed in on_finish
        except OSError as error:
            self._failed = error

    def data_received(self, chunk: bytes) -> None:
        if self.body is not None and self._failed is None:
            try:
                self.body.write(chunk)
            except OSError as error:  # read the rest too: a connection that is cut off cannot tell a reason
                self._failed = error

    def on_finish(self) -> None:
        super().on_finish()
        if self.body is not None:
            self.body.close()

    def received(self) -> BinaryIO:
        """The body, from its start. Raises: OSError if it could not be stored."""
        if self._failed is not None:
            raise self._failed
        assert self.body is not None
        self.body.flush()
        self.body.seek(0)
        return self.body
