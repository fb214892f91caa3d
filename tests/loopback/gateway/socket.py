"""One websocket of the gateway: HELLO, IDENTIFY or RESUME, heartbeats, and the zlib-compressed stream."""

import asyncio
import json
import zlib
from typing import Any

from aiohttp import WSMsgType, web

from tests.loopback.gateway.intents import GUILD_MEMBERS, MESSAGE_CONTENT
from tests.loopback.gateway.sessions import (
    HEARTBEAT,
    HEARTBEAT_ACK,
    HELLO,
    INVALID_SESSION,
    Connection,
    Gateway,
)
from tests.loopback.payloads import places as payloads
from tests.loopback.world.world import World

IDENTIFY, PRESENCE, VOICE_STATE, RESUME, REQUEST_MEMBERS = 2, 3, 4, 6, 8
UNKNOWN_OP, DECODE_ERROR, NOT_AUTHENTICATED, WRONG_TOKEN, TWICE = 4001, 4002, 4003, 4004, 4005
TIMED_OUT, DISALLOWED_INTENTS = 4009, 4014
GOODBYE = (1000, 1001)
NEEDED = {IDENTIFY: {"token", "intents", "properties"}, RESUME: {"token", "session_id", "seq"}}


class Hangup(Exception):
    """The connection ends with this code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(str(code))


class Socket:
    """A client's connection, from its HELLO to its end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._gateway: Gateway = world.gateway
        self._connection = Connection()
        self._beat = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The whole life of one connection."""
        if self._gateway.refuse():
            return web.Response(status=503, text="upstream connect error")
        socket = web.WebSocketResponse(max_msg_size=4096)
        await socket.prepare(request)
        self._gateway.connections.add(self._connection)
        self._connection.say(HELLO, {"heartbeat_interval": int(self._gateway.limits.heartbeat * 1000)})
        sending = asyncio.create_task(self._send(request, socket))
        watching = asyncio.create_task(self._watch_heartbeats())
        try:
            await self._receive(socket)
        except Exception as error:  # a fault of ours fails the test, whatever the bot does next
            self._world.violations.append(f"the loopback's gateway fails: {error!r}")
            raise
        finally:
            for task in (sending, watching):
                task.cancel()
            await asyncio.gather(sending, watching, return_exceptions=True)
            self._gateway.gone(self._connection, for_good=socket.close_code in GOODBYE)
        return socket

    async def _send(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        packer = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        while True:
            what = await self._connection.waiting.get()
            if isinstance(what, tuple):
                if what[0] is None:
                    if request.transport is not None:
                        request.transport.abort()
                else:
                    await socket.close(code=what[0])
                return
            if packer is None:
                await socket.send_str(what)
            else:
                await socket.send_bytes(packer.compress(what.encode()) + packer.flush(zlib.Z_SYNC_FLUSH))

    async def _watch_heartbeats(self) -> None:
        while True:
            try:
                # As on Discord, a heartbeat may be late by half an interval.
                async with asyncio.timeout(self._gateway.limits.heartbeat * 1.5):
                    await self._beat.wait()
                self._beat.clear()
            except TimeoutError:
                self._connection.end(TIMED_OUT)
                return

    async def _receive(self, socket: web.WebSocketResponse) -> None:
        async for received in socket:
            if received.type is not WSMsgType.TEXT:
                continue
            try:
                self._take(received.data)
            except Hangup as hangup:
                self._connection.end(hangup.code)

    def _take(self, text: str) -> None:
        try:
            told = json.loads(text)
            op, data = told["op"], told.get("d")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Hangup(DECODE_ERROR) from None
        self._gateway.commands.append((op, data))
        if op == HEARTBEAT:
            self._beat.set()
            self._connection.say(HEARTBEAT_ACK, None)
        elif op in (IDENTIFY, RESUME):
            self._authenticate(op, data)
        elif self._connection.session is None:
            raise Hangup(NOT_AUTHENTICATED)
        elif op == REQUEST_MEMBERS:
            self._members(data)
        elif op not in (PRESENCE, VOICE_STATE):
            raise Hangup(UNKNOWN_OP)
        self._world.watch.changed()

    def _authenticate(self, op: int, data: Any) -> None:
        if not isinstance(data, dict) or not NEEDED[op] <= data.keys():
            raise Hangup(DECODE_ERROR)
        if self._connection.session is not None:
            raise Hangup(TWICE)
        if (code := self._gateway.hang_up()) is not None:
            raise Hangup(code)
        if data["token"] != self._gateway.token:
            raise Hangup(WRONG_TOKEN)
        if op == IDENTIFY:
            if data["intents"] & MESSAGE_CONTENT and not self._gateway.limits.message_content:
                raise Hangup(DISALLOWED_INTENTS)
            self._gateway.identify(self._connection, data["intents"])
        elif not self._gateway.resume(self._connection, data["session_id"], data["seq"]):
            self._connection.say(INVALID_SESSION, False)

    def _members(self, data: dict[str, Any]) -> None:
        guild = self._world.guilds[int(data["guild_id"])]
        session = self._connection.session
        assert session is not None
        wanted = data.get("user_ids")
        wanted = [wanted] if isinstance(wanted, str | int) else wanted
        if wanted is None and not session.intents & GUILD_MEMBERS and not data.get("query"):
            return
        found = [
            m
            for m in guild.members.values()
            if (wanted is None or m.user.id in map(int, wanted))
            and m.user.name.startswith(data.get("query") or "")
        ]
        chunk = {
            "guild_id": str(guild.id),
            "members": [payloads.member(each) for each in found],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [],
        }
        if "nonce" in data:
            chunk["nonce"] = data["nonce"]
        session.tell("GUILD_MEMBERS_CHUNK", chunk)
