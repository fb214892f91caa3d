"""The gateway's sessions: what the bot is told, in order, and what it missed.

discord.gateway.drop()                  # the connection breaks; the bot resumes and gets what it missed
discord.gateway.drop(resumable=False)   # the session is gone as well
discord.gateway.reconnect()             # Discord asks for a new connection
discord.gateway.invalidate()            # the session is invalid; the bot begins another one
discord.gateway.refusing = True         # a client that connects gets 503, until it is False again
discord.gateway.hanging_up = 4011       # connections are closed with this code, until it is None again
"""

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.loopback.clock import WAIT, Clock, Watch
from tests.loopback.gateway.intents import allowed, stripped
from tests.loopback.settings import Limits
from tests.loopback.world.state import User

DISPATCH, HEARTBEAT, RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 0, 1, 7, 9, 10, 11
Json = dict[str, Any]
Close = int | None  # a close code; None: the connection just breaks


@dataclass(eq=False)
class Session:
    """A session that a client started with IDENTIFY; it survives for a while without a connection."""

    intents: int
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    sequence: int = 0
    events: list[tuple[int, str, Json]] = field(default_factory=list)
    connection: "Connection | None" = None
    left: float | None = None

    def tell(self, event: str, data: Json) -> None:
        """Send the event now if somebody is connected, and again to a client that resumes."""
        self.sequence += 1
        self.events.append((self.sequence, event, data))
        if self.connection is not None:
            self.connection.say(DISPATCH, data, self.sequence, event)


class Connection:
    """The outgoing half of one websocket: what waits to be sent, and how it should end."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[str | tuple[Close]] = asyncio.Queue()
        self.session: Session | None = None

    def say(self, op: int, data: Any, sequence: int | None = None, event: str | None = None) -> None:
        """Send a payload, after those that are waiting."""
        self.waiting.put_nowait(json.dumps({"op": op, "d": data, "s": sequence, "t": event}))

    def end(self, code: Close) -> None:
        """Close with a code, or just break the connection, once everything waiting has been sent."""
        if self.session is not None:
            self.session.connection = None
            self.session = None
        self.waiting.put_nowait((code,))


class Gateway:
    """All sessions of the bot, and what a test may do to its connections."""

    def __init__(
        self,
        bot: User,
        token: str,
        watch: Watch,
        clock: Clock,
        limits: Limits,
        guilds: Callable[[], list[Json]],
    ) -> None:
        self.bot = bot
        self.token = token
        self.url = ""
        self.refusing = False
        self.refused = 0  # how often a client was refused
        self.hanging_up: int | None = None
        self.hung_up = 0  # how often a connection was closed by `hanging_up`
        self.identified = 0  # how often a client has started a session
        self.resumed = 0  # how often one was resumed
        self.commands: list[tuple[int, Any]] = []  # everything that clients have sent: op and data
        self.sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        self.limits = limits
        self._watch = watch
        self._clock = clock
        self._guilds = guilds

    def refuse(self) -> bool:
        """Whether a client that connects now is refused; counts the refusal."""
        if self.refusing:
            self.refused += 1
            self._watch.changed()
        return self.refusing

    def hang_up(self) -> int | None:
        """The code to close with if a client identifies or resumes now, or None; counts it."""
        if self.hanging_up is not None:
            self.hung_up += 1
            self._watch.changed()
        return self.hanging_up

    @property
    def online(self) -> bool:
        """Whether the bot is connected."""
        return any(session.connection for session in self.sessions.values())

    async def wait_for_online(self, timeout: float = WAIT) -> None:
        """Wait until the bot is connected."""
        await self._watch.until(lambda: self.online, "the bot to be online", self._told, timeout)

    async def wait_for_offline(self, timeout: float = WAIT) -> None:
        """Wait until the bot is not connected."""
        await self._watch.until(lambda: not self.online, "the bot to be offline", self._told, timeout)

    async def wait_for(self, predicate: Callable[["Gateway"], object], timeout: float = WAIT) -> None:
        """Wait until `predicate` holds, for example `lambda gateway: gateway.resumed`."""
        await self._watch.until(lambda: bool(predicate(self)), "a change of the gateway", self._told, timeout)

    def dispatch(self, event: str, data: Json) -> None:
        """Send an event to every session that asked for such events."""
        for session in self.sessions.values():
            if allowed(event, data, session.intents):
                session.tell(event, stripped(event, data, session.intents, str(self.bot.id)))

    def identify(self, connection: Connection, intents: int) -> None:
        """A new session on a connection: READY, then each guild."""
        session = Session(intents)
        self.sessions[session.id] = session
        self._attach(connection, session)
        guilds = self._guilds()
        session.tell(
            "READY",
            {
                "v": 10,
                "user": {"id": str(self.bot.id), "username": self.bot.name, "discriminator": "0"}
                | {"avatar": None, "bot": True, "global_name": None, "verified": True, "flags": 0}
                | {"mfa_enabled": False, "email": None},
                "guilds": [{"id": guild["id"], "unavailable": True} for guild in guilds],
                "session_id": session.id,
                "resume_gateway_url": self.url,
                "application": {"id": str(self.bot.id), "flags": 1 << 19},
                "session_type": "normal",
                "private_channels": [],
            },
        )
        for guild in guilds:
            session.tell("GUILD_CREATE", guild)
        self.identified += 1
        self._watch.changed()

    def resume(self, connection: Connection, session_id: str, sequence: int | None) -> bool:
        """Resume a session and send what was missed; False if there is none."""
        session = self.sessions.get(session_id)
        if session is None or sequence is None or sequence > session.sequence:
            return False
        if session.left is not None and self._clock.now() - session.left > self.limits.resume:
            del self.sessions[session_id]
            return False
        self._attach(connection, session)
        for number, event, data in session.events:
            if number > sequence:
                connection.say(DISPATCH, data, number, event)
        session.tell("RESUMED", {})
        self.resumed += 1
        self._watch.changed()
        return True

    def _attach(self, connection: Connection, session: Session) -> None:
        if session.connection is not None:
            session.connection.end(4000)
        session.connection, session.left = connection, None
        connection.session = session

    def gone(self, connection: Connection, *, for_good: bool) -> None:
        """A connection has ended; a client that says goodbye (1000, 1001) gives up its session."""
        self.connections.discard(connection)
        if (session := connection.session) is not None:
            session.connection, session.left = None, self._clock.now()
            if for_good:
                self.sessions.pop(session.id, None)
        self._watch.changed()

    def drop(self, *, resumable: bool = True) -> None:
        """Break every connection at once; unless `resumable`, no session is kept for clients that return."""
        self.close(None, resumable=resumable)

    def close(self, code: Close, *, resumable: bool = True) -> None:
        """Close every connection with a code (https://docs.discord.com: gateway close codes)."""
        for session in self.sessions.values():
            session.left = self._clock.now()
        for connection in list(self.connections):
            connection.end(code)
        if not resumable:
            self.sessions.clear()
        self._watch.changed()

    def reconnect(self) -> None:
        """Ask the client to reconnect and resume."""
        for connection in self.connections:
            connection.say(RECONNECT, None)

    def invalidate(self, *, resumable: bool = False) -> None:
        """Tell the client that its session is invalid; a `resumable` one it may try to resume."""
        for connection in self.connections:
            connection.say(INVALID_SESSION, resumable)
        if not resumable:
            self.sessions.clear()

    def send_raw(self, text: str) -> None:
        """Send text that Discord never would."""
        for connection in self.connections:
            connection.waiting.put_nowait(text)

    def _told(self) -> str:
        return (
            f"  {len(self.connections)} connection(s), {len(self.sessions)} session(s), "
            f"identified {self.identified} times, resumed {self.resumed}"
        )
