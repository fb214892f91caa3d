"""Limits on connections that have not shown the token yet: how many there may be, and for how long.

    HTTPServer.configure(LimitedServer)     # from now on Jupyter's HTTPServer is ours
    config.ServerApp.identity_provider_class = TokenIdentity

Whoever reaches the port can connect and send half a request, or nothing at all. So a connection must show the
token within a fixed time, which covers its headers, its body and reading our answers. The number of
connections without the token is limited, in all and from each address, and the oldest makes room for the
newest. Whoever has the token shows it within milliseconds, and is never kept out by those who have not.
Tornado's own limits say how large headers and bodies may be.
"""

import asyncio
import errno
import logging
import resource
import socket
from collections.abc import Iterable
from time import monotonic
from typing import Any

from jupyter_server.auth.identity import PasswordIdentityProvider, User
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.netutil import add_accept_handler
from tornado.web import RequestHandler

__all__ = ["LimitedServer", "TokenIdentity"]

log = logging.getLogger(__name__)

PROOF = 20.0  # seconds to show the token
IDLE = 60.0  # seconds that a connection may be silent between two requests; our clients close it before
HEADERS = 16 * 1024  # bytes
MOST = 256  # connections without the token; never more than a quarter of the files that we may open
SHARE = 2  # one address may have half of them; a Unix socket has no address
WARNED = 60.0  # seconds between two warnings
AT_ONCE = 8  # connections accepted before those that have come are read; Tornado accepts 128
PAUSE = 0.5  # seconds until connections are accepted again after the system had no room for one
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class LimitedServer(HTTPServer):
    """Tornado's server, with limits on connections that do not show the token within `proof` seconds."""

    def initialize(self, *args: Any, proof: float = PROOF, **more: Any) -> None:
        """Set up, as Tornado calls it."""
        super().initialize(*args, **{**more, "max_header_size": HEADERS, "idle_connection_timeout": IDLE})
        self._proof = proof
        self._unproven: dict[IOStream, tuple[str, asyncio.TimerHandle]] = {}  # the oldest first
        self._most = max(SHARE, min(MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4))
        self._warned = -WARNED

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Listen on these; see `_Listener`."""
        for listening in sockets:
            self._sockets[listening.fileno()] = listening
            self._handlers[listening.fileno()] = add_accept_handler(
                _Listener(listening),  # type: ignore[arg-type]  # it has all that Tornado uses
                self._handle_connection,
            )

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Let a new connection in."""
        host = str(address[0]) if isinstance(address, tuple) else ""
        self._make_room(host)
        timer = asyncio.get_running_loop().call_later(
            self._proof, self._close, stream, "takes too long to show it"
        )
        self._unproven[stream] = host, timer
        super().handle_stream(stream, address)

    def on_close(self, server_conn: Any) -> None:
        """Forget a connection that has ended."""
        self.proven(server_conn.stream)
        super().on_close(server_conn)

    def proven(self, stream: IOStream) -> None:
        """Lift the limits from a connection that has shown the token, or forget one that is gone."""
        _, timer = self._unproven.pop(stream, (None, None))
        if timer is not None:
            timer.cancel()

    def _make_room(self, host: str) -> None:
        from_there = [stream for stream, (other, _) in self._unproven.items() if host and other == host]
        if len(from_there) >= self._most // SHARE:
            self._close(from_there[0], f"is one of {len(from_there)} from its address")
        elif len(self._unproven) >= self._most:
            self._close(next(iter(self._unproven)), f"is one of {len(self._unproven)}")

    def _close(self, stream: IOStream, reason: str) -> None:
        host = self._unproven[stream][0]
        if monotonic() - self._warned > WARNED:
            self._warned = monotonic()
            log.warning("a connection without the token, from %s, is closed: it %s", host or "here", reason)
        self.proven(stream)
        stream.close()


class _Listener:
    """A listening socket that gives few connections at once, and pauses when the system has no room for one.

    Otherwise the waiting connection would wake us again at once, and Tornado would log a traceback each time:
    we measured 20 MB in 25 s. If all that wait were accepted at once, those that have sent the token already
    would have to make room for those behind them before anybody has read it.
    """

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._left = AT_ONCE
        self._warned = -WARNED

    def fileno(self) -> int:
        return self._listening.fileno()

    def accept(self) -> tuple[socket.socket, Any]:
        self._left -= 1
        if self._left < 0:
            self._left = AT_ONCE
            raise BlockingIOError  # Tornado asks again in the next turn of the loop
        try:
            return self._listening.accept()
        except OSError as error:
            self._left = AT_ONCE
            if error.errno not in NO_ROOM:
                raise
            if monotonic() - self._warned > WARNED:
                self._warned = monotonic()
                log.warning("new connections have to wait: %s", error.strerror)
            loop = IOLoop.current()
            loop.update_handler(self.fileno(), 0)
            loop.call_later(PAUSE, self._listen_again, loop)
            raise BlockingIOError from None

    def _listen_again(self, loop: IOLoop) -> None:
        if self.fileno() >= 0:  # otherwise the server has ended
            loop.update_handler(self.fileno(), IOLoop.READ)


class TokenIdentity(PasswordIdentityProvider):
    """Jupyter's check of the token, which also tells `LimitedServer` who has shown it."""

    async def get_user(self, handler: RequestHandler) -> User | None:
        """The user whose request this is, or None."""
        user = await self._get_user(handler)
        stream = getattr(handler.request.connection, "stream", None)
        if user is not None and stream is not None:
            handler.settings["serverapp"].http_server.proven(stream)
        return user
