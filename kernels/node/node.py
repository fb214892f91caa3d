"""A node: its pool, and the sessions that bots have asked for.

    node = Node(settings, on_ready)
    await node.start()                  # from now on bots find it by its record
    session = node.session("u1")
    await node.until_idle()             # nobody needs it any more
    await node.close()                  # ends every kernel

A node without kernels and bots ends itself after `node_idle`. One that is drained, because a bot of another
version has come, takes no new sessions and ends as soon as its kernels have ended.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic

from kernels import descriptors
from kernels.inside.procfs import started
from kernels.node import PROTOCOL, record
from kernels.node.encoding import NotDecoded, decode
from kernels.node.messages import STOPPED, NodeInfo
from kernels.node.session import NodeSession
from kernels.node.settings import RECORD, NodeRecord, NodeSettings
from kernels.pool import Pool
from kernels.sandbox.policy import Tier
from kernels.state.store import StateStore
from kernels.workspace.folder import SESSION_ID, BadSessionId

__all__ = ["Node"]

log = logging.getLogger(__name__)

LOOKS = 10  # times within `node_idle` that the node looks whether it is idle
DRAINED = 3600.0  # seconds after which a drained node ends an unused kernel, whatever its settings say
DRAINING = 1.0  # seconds between looks at what a drained node still has


class Node:
    """What the handlers serve: the pool, and the sessions that bots have asked for."""

    def __init__(
        self, settings: NodeSettings, on_ready: Callable[[], None], draining: float = DRAINING
    ) -> None:
        self.settings = settings
        self._draining_look = draining
        self._on_ready = on_ready
        self.id = secrets.token_hex(8)
        self.ready = False
        self.bots = 0  # that are connected
        self._draining = asyncio.Event()
        self._sessions: dict[str, NodeSession] = {}
        self._pool = Pool(
            python=settings.python,
            workspaces=settings.workspaces,
            limits=settings.limits,
            size=settings.size,
            idle=settings.idle,
            tier=Tier(settings.tier) if settings.tier else None,
            libraries=settings.libraries,
            states=_states(settings),
            states_kept=settings.states_kept,
        )
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
        """Start the pool, and write the record. Raises: OSError."""
        await self._stack.enter_async_context(self._pool)
        self.ready, self._alone_since = True, monotonic()
        address = self.settings.address if self.local else f"http://{self.settings.address}"
        pid, token = os.getpid(), self.settings.token
        record.write(self.folder, NodeRecord(address, token, pid, started(pid), PROTOCOL))
        self._on_ready()

    async def close(self) -> None:
        """End every kernel."""
        if self.ready:
            self.ready = False
            with suppress(OSError):  # the folder may be gone, and the kernels must still end
                if self._can_be_found():
                    record.retire(self.folder)
                    if self.local:
                        os.unlink(self.settings.address)
        await asyncio.gather(*map(self._close, self._sessions.values()))
        self._sessions.clear()  # a bot may have ended or opened some meanwhile
        await self._stack.aclose()

    async def _close(self, session: NodeSession) -> None:
        """Close one of many sessions; each may take as long as a cell that does not stop."""
        try:
            await session.close(STOPPED)
        except Exception:  # whatever it is, the others and the kernels must still be ended
            log.exception("session %s could not be closed", session.kernel.session_id)

    def session(self, session_id: str) -> NodeSession:
        """The session, which is made if it is not there.

        Raises: ValueError for an invalid id; OSError if there is no room for its folder, if there are too few
        descriptors, or if the node takes no new sessions.
        """
        session = self._sessions.get(session_id)
        if session is None:
            if self._draining.is_set():
                raise OSError("this node belongs to another version and takes no new sessions")
            descriptors.need(descriptors.OPENING)
            session = self._sessions[session_id] = NodeSession(self._pool, session_id)
        return session

    async def end(self, session_id: str, *, workspace: bool, keep_state: bool = False) -> None:
        """End a session's kernel, and with `workspace` delete its files.

        With them go its saved variables, unless `keep_state`. Raises: ValueError, OSError.
        """
        if not SESSION_ID.fullmatch(session_id):
            raise BadSessionId(session_id)
        session = self._sessions.pop(session_id, None)
        if session is not None:
            await session.close()
        if workspace:
            await self._pool.remove(session_id, keep_state=keep_state)
        else:
            await self._pool.release(session_id)

    async def branch(self, session_id: str, to: str) -> int:
        """Copy a session to a new one; see `kernels.interface.Kernels`. Raises: ValueError, OSError."""
        return await self._pool.branch(session_id, to)

    def untold(self) -> list[str]:
        """The sessions that have news and no bot."""
        return [name for name, session in self._sessions.items() if session.untold]

    def described(self) -> NodeInfo:
        """What a bot asks for first."""
        alive = sum(map(self._has_kernel, self._sessions.values()))
        return NodeInfo(PROTOCOL, os.getpid(), self.id, self._pool.tier, alive, self.settings.kernels)

    def drain(self) -> None:
        """Take no new sessions, and end when no kernel is left."""
        if not self._draining.is_set():
            log.warning("a bot of another version has come: this node ends when its kernels have ended")
            self._draining.set()
            self._pool.stop_saving()

    async def until_idle(self) -> None:
        """Return when nobody needs the node any more.

        That is when there has been neither kernel nor bot for `node_idle`; when the node's folder was
        deleted, and maybe made again for another node, since no bot can find this one then; or when the node
        is drained and has no kernel left.
        """
        limit = self.settings.node_idle.total_seconds() if self.settings.node_idle else None
        while not self._draining.is_set():
            if self.bots or any(one.attended or self._has_kernel(one) for one in self._sessions.values()):
                self._alone_since = monotonic()  # even if we were stopped for longer than `limit`
            elif limit is not None and monotonic() - self._alone_since >= limit:
                return
            if limit is not None and self.ready and not self._can_be_found():
                return
            with suppress(TimeoutError):  # nothing tells that time has passed
                await asyncio.wait_for(self._draining.wait(), None if limit is None else limit / LOOKS)
        while any(map(self._has_kernel, self._sessions.values())):
            for session in list(self._sessions.values()):
                if monotonic() - session.kernel.last_used > DRAINED:
                    await session.kernel.cull("Kernelcord was upgraded, and nobody used it")
            await asyncio.sleep(self._draining_look)  # as above

    def _has_kernel(self, session: NodeSession) -> bool:
        return session.kernel.alive or session.kernel.busy

    def _can_be_found(self) -> bool:
        """Whether the record in its folder is this node's, as far as can be seen."""
        try:
            return decode((self.folder / RECORD).read_bytes(), NodeRecord).pid == os.getpid()
        except (FileNotFoundError, NotADirectoryError, NotDecoded):
            return False
        except OSError:  # as without a free descriptor, which must end nobody's kernel
            return True


def _states(settings: NodeSettings) -> StateStore | None:
    if settings.states is None:
        return None
    return StateStore(settings.states, quota=settings.state_quota, disk=settings.state_disk)
