"""The server: a Jupyter Server with our extension, its socket, its record, its end.

    serve(settings, ready)      # returns when the node has ended; `ready` is called once it answers

Of Jupyter's own services those for kernels are there, for whoever has the token; terminals, contents and the
configuration of this machine's Jupyter are not. A node without kernels and without clients ends itself after
`lonely`. One that is drained, since a bot of another version has come, takes no new sessions and ends as soon
as its kernels have ended.
"""

import asyncio
import json
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

# The validation of addresses in schemas, of which there is none here: its grammar takes 2.5 s to load.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

from jupyter_server.extension.application import ExtensionApp  # noqa: E402
from jupyter_server.serverapp import ServerApp  # noqa: E402
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager  # noqa: E402
from tornado import web  # noqa: E402
from tornado.httpserver import HTTPServer  # noqa: E402
from traitlets.config import Config  # noqa: E402

from kernels import descriptors  # noqa: E402
from kernels.concurrency.cancellation import stop  # noqa: E402
from kernels.concurrency.lasting import lasting  # noqa: E402
from kernels.inside.procfs import started  # noqa: E402
from kernels.node import PROTOCOL  # noqa: E402
from kernels.node.connection_limits import Bearers, Doors  # noqa: E402
from kernels.node.http_api import routes  # noqa: E402
from kernels.node.logging import access  # noqa: E402
from kernels.node.messages import STOPPED  # noqa: E402
from kernels.node.session import Session  # noqa: E402
from kernels.node.settings import RECORD, NodeSettings  # noqa: E402
from kernels.pool import Pool  # noqa: E402
from kernels.sandbox.policy import Tier  # noqa: E402
from kernels.workspace.folder import SESSION_ID, BadSessionId  # noqa: E402

__all__ = ["Node", "serve"]

log = logging.getLogger(__name__)

NODE = "kernelcord_node"  # in the server's settings
LOOKS = 10  # times within `lonely` that the node looks whether it is
DRAINED = 3600.0  # seconds after which a drained node ends an unused kernel, whatever its settings say
DRAINING = 1.0  # seconds between looks at what a drained node still has
BODY = 1 << 20  # bytes of a request's body, which is read before the token is checked; uploads may have more


class Node:
    """What the handlers serve: the pool, and the sessions that bots have asked for."""

    def __init__(self, settings: NodeSettings, on_ready: Callable[[], None]) -> None:
        self.settings = settings
        self._on_ready = on_ready
        self.id = secrets.token_hex(8)
        self.ready = False
        self.bots = 0  # that are there
        self._draining = asyncio.Event()
        self._sessions: dict[str, Session] = {}
        self._stack = AsyncExitStack()
        self._alone_since = monotonic()

    @property
    def folder(self) -> Path:
        """The node's own folder."""
        return self.settings.folder

    @property
    def local(self) -> bool:
        """Whether it listens on a Unix socket."""
        return self.settings.address.startswith("/")

    async def start(self) -> None:
        """Have a pool, and leave word of it. Raises: OSError."""
        settings = self.settings
        pool = Pool(
            python=settings.python,
            workspaces=settings.workspaces,
            limits=settings.limits,
            size=settings.size,
            idle=settings.idle,
            tier=Tier(settings.tier) if settings.tier else None,
            libraries=settings.libraries,
        )
        self._pool = await self._stack.enter_async_context(pool)
        self.ready, self._alone_since = True, monotonic()
        address = settings.address if self.local else f"http://{settings.address}"
        pid = os.getpid()
        record = {
            "address": address,
            "token": settings.token,
            "pid": pid,
            "started": started(pid),
            "protocol": PROTOCOL,
        }
        _write(self.folder / RECORD, record)
        self._on_ready()

    async def close(self) -> None:
        """End every kernel."""
        if self.ready:
            self.ready = False
            with suppress(OSError):  # the folder may be gone, and the kernels must end all the same
                if self._can_be_found():
                    (self.folder / RECORD).unlink()
                    if self.local:
                        os.unlink(self.settings.address)
        for session in list(self._sessions.values()):  # a bot may end one, or come for one, meanwhile
            await session.close(STOPPED)
        self._sessions.clear()
        await self._stack.aclose()

    def session(self, session_id: str) -> Session:
        """The session, made when it is not there.

        Raises: ValueError for an id that cannot be one; OSError where there is no room for its folder, where
        there are too few descriptors, or when no new session is taken.
        """
        session = self._sessions.get(session_id)
        if session is None:
            if self._draining.is_set():
                raise OSError("this node belongs to another version and takes no new sessions")
            descriptors.need(descriptors.OPENING)
            session = self._sessions[session_id] = Session(self._pool, session_id)
        return session

    async def end(self, session_id: str, *, workspace: bool) -> None:
        """End a session's kernel, and with `workspace` delete its files. Raises: ValueError, OSError."""
        if not SESSION_ID.fullmatch(session_id):
            raise BadSessionId(session_id)
        session = self._sessions.pop(session_id, None)
        if session is not None:
            await session.close()
        await (self._pool.remove(session_id) if workspace else self._pool.close(session_id))

    def untold(self) -> list[str]:
        """The sessions that no bot listens to and that have something to tell."""
        return [name for name, session in self._sessions.items() if session.untold]

    def described(self) -> dict[str, Any]:
        """What a bot is told before anything else."""
        alive = sum(session.kernel.alive or session.kernel.busy for session in self._sessions.values())
        return {
            "id": self.id,
            "tier": self._pool.tier,
            "pid": os.getpid(),
            "kernels": self.settings.kernels,
            "alive": alive,
        }

    def drain(self) -> None:
        """Take no new sessions, and end when no kernel is left."""
        if not self._draining.is_set():
            log.warning("a bot of another version has come: this node ends when its kernels have ended")
            self._draining.set()

    async def lonely(self) -> None:
        """Return when there has been neither kernel nor client for the time that is set.

        Or when its folder was deleted, and maybe made again for another node: no bot can find this one then.
        Or when it is drained, and has no kernel any more.
        """
        limit = self.settings.lonely.total_seconds() if self.settings.lonely else None
        while not self._draining.is_set():
            if limit is not None and monotonic() - self._alone_since >= limit:
                return
            if limit is not None and self.ready and not self._can_be_found():
                return
            with suppress(TimeoutError):  # loneliness is a matter of time passing
                await asyncio.wait_for(self._draining.wait(), None if limit is None else limit / LOOKS)
            if self.bots or any(one.attended or self._has_kernel(one) for one in self._sessions.values()):
                self._alone_since = monotonic()
        while any(map(self._has_kernel, self._sessions.values())):
            for session in list(self._sessions.values()):
                if monotonic() - session.kernel.last_used > DRAINED:
                    await session.kernel.cull("Kernelcord was upgraded, and nobody used it")
            await asyncio.sleep(DRAINING)  # as above

    def _has_kernel(self, session: Session) -> bool:
        return session.kernel.alive or session.kernel.busy

    def _can_be_found(self) -> bool:
        """Whether the record in its folder is this node's."""
        try:
            return bool(json.loads((self.folder / RECORD).read_bytes())["pid"] == os.getpid())
        except (OSError, ValueError, KeyError, TypeError):
            return False


class Extension(ExtensionApp):
    """Our part of the server; it finds its node in the server's settings."""

    name = "kernelcord"
    load_other_extensions = False
    _lonely: asyncio.Task[None] | None = None

    def initialize_handlers(self) -> None:
        """Answer what `kernels.node.http_api` lists."""
        assert self.serverapp is not None
        self.node: Node = self.serverapp.web_app.settings[NODE]
        self.handlers.extend(routes(self.node))

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        try:
            await self.node.start()
        except Exception:  # whatever it is, a node without a pool must not stay
            log.exception("the node cannot start")
            serverapp.stop()
            return
        self._lonely = lasting(partial(self._end_when_lonely, serverapp), "lonely node")

    async def _end_when_lonely(self, serverapp: ServerApp) -> None:
        await self.node.lonely()
        serverapp.stop()
        await asyncio.Event().wait()  # until the server has ended

    async def stop_extension(self) -> None:
        """End the kernels before the server ends."""
        await stop(self._lonely)
        await self.node.close()


class _Kernels(AsyncMappingKernelManager):
    """Jupyter's own kernels, whose working folders stay below the root: its API takes `../`."""

    def cwd_for_path(self, path: str, **more: Any) -> str:
        folder = Path(super().cwd_for_path(path, **more)).resolve()  # type: ignore[no-untyped-call]
        if not folder.is_relative_to(Path(self.root_dir).resolve()):
            raise web.HTTPError(400, "the path leads out of the root")
        return str(folder)


class _Server(ServerApp):
    """Jupyter's server without what nobody needs here."""

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
    """Serve until told to end, or lonely; then every kernel ends. `ready` is called when the node answers."""
    root = settings.folder / "root"
    root.mkdir(mode=0o700, exist_ok=True)
    config = Config()
    config.ServerApp.update(
        {
            "allow_remote_access": True,  # who has the token may come by any name
            "allow_root": True,
            "allow_unauthenticated_access": False,
            "jpserver_extensions": {__name__: True},
            "kernel_manager_class": _Kernels,
            "identity_provider_class": Bearers,
            "max_body_size": BODY,
            "open_browser": False,
            "port_retries": 0,
            "root_dir": str(root),
            "terminals_enabled": False,
            **_listening(settings.address),
        }
    )
    config.IdentityProvider.token = settings.token
    HTTPServer.configure(Doors)
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


def _write(path: Path, fields: dict[str, Any]) -> None:
    """Write a file that only we may read, whole or not at all."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(fields), encoding="utf-8")
    new.rename(path)
