"""The server: a Jupyter Server with our extension, its socket, its record, its end.

    serve(settings, ready)      # returns when the node has ended; `ready` is called once it answers

Of Jupyter's own services those for kernels are there, for whoever has the token; terminals, contents and the
configuration of this machine's Jupyter are not. The server ends when it is told to, or when nobody needs its
node any more (`kernels.node.node`).
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado import web
from tornado.httpserver import HTTPServer
from traitlets.config import Config

from kernels.concurrency.cancellation import stop
from kernels.concurrency.lasting import lasting
from kernels.node.connection_limits import LimitedServer, TokenIdentity
from kernels.node.http_api import routes
from kernels.node.logging import access
from kernels.node.node import Node
from kernels.node.settings import NodeSettings

__all__ = ["serve"]

log = logging.getLogger(__name__)

NODE = "kernelcord_node"  # in the server's settings
BODY = 1 << 20  # bytes of a request's body, which is read before the token is checked; uploads may have more


class Extension(ExtensionApp):
    """Our part of the server. Its node is in the server's settings."""

    name = "kernelcord"
    load_other_extensions = False
    _idle: asyncio.Task[None] | None = None

    def initialize_handlers(self) -> None:
        """Answer what `kernels.node.http_api` lists."""
        assert self.serverapp is not None
        self.node: Node = self.serverapp.web_app.settings[NODE]
        self.handlers.extend(routes(self.node))

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        try:
            await self.node.start()
        except Exception:  # whatever it is, a node without a pool must not go on
            log.exception("the node cannot start")
            serverapp.stop()
            return
        self._idle = lasting(partial(self._end_when_idle, serverapp), "idle node")

    async def _end_when_idle(self, serverapp: ServerApp) -> None:
        await self.node.until_idle()
        serverapp.stop()
        await asyncio.Event().wait()  # until the server has ended

    async def stop_extension(self) -> None:
        """End the kernels before the server ends."""
        await stop(self._idle)
        await self.node.close()


class _Kernels(AsyncMappingKernelManager):
    """Jupyter's own kernels, with working folders below the root only, since its API accepts `../`."""

    def cwd_for_path(self, path: str, **more: Any) -> str:
        folder = Path(super().cwd_for_path(path, **more)).resolve()  # type: ignore[no-untyped-call]
        if not folder.is_relative_to(Path(self.root_dir).resolve()):
            raise web.HTTPError(400, "the path leads out of the root")
        return str(folder)


class _Server(ServerApp):
    """Jupyter's server without the services that nobody needs here."""

    default_services: tuple[str, ...] = (  # type: ignore[assignment]  # fewer than it has
        "api",
        "auth",
        "kernels",
        "kernelspecs",
        "security",
        "sessions",
        "shutdown",
    )


def serve(settings: NodeSettings, ready: Callable[[], None]) -> None:
    """Serve until told to end, or idle for too long; then end every kernel.

    `ready` is called once the node answers.
    """
    root = settings.folder / "root"
    root.mkdir(mode=0o700, exist_ok=True)
    config = Config()
    config.ServerApp.update(
        {
            "allow_remote_access": True,  # whoever has the token may use any host name
            "allow_root": True,
            "allow_unauthenticated_access": False,
            "jpserver_extensions": {__name__: True},
            "kernel_manager_class": _Kernels,
            "identity_provider_class": TokenIdentity,
            "max_body_size": BODY,
            "open_browser": False,
            "port_retries": 0,
            "root_dir": str(root),
            "terminals_enabled": False,
            **_listening(settings.address),
        }
    )
    config.IdentityProvider.token = settings.token
    HTTPServer.configure(LimitedServer)
    server = _Server.instance(config=config, log=logging.getLogger("kernels.node.jupyter"))
    server.tornado_settings[NODE] = Node(settings, ready)
    server.tornado_settings["log_function"] = access
    server.initialize(argv=[], find_extensions=False)
    signal.signal(signal.SIGINT, server._signal_stop)  # end as by SIGTERM, kernels first
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets it
        signal.signal(signal.SIGHUP, server._signal_stop)
    server.start()


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__, "app": Extension}]


def _listening(address: str) -> dict[str, Any]:
    if address.startswith("/"):
        return {"sock": address, "sock_mode": "0600"}
    host, _, port = address.rpartition(":")
    return {"ip": host.strip("[]"), "port": int(port)}
