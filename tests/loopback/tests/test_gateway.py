"""The gateway: how sessions start, continue and end, and which events the bot gets by its intents."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import nextcord
import pytest

from tests.loopback import Discord, Limits, loopback
from tests.loopback.bots import running, tiny
from tests.loopback.raw import Raw, raw_client

GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, CONTENT = 1, 1 << 9, 1 << 12, 1 << 15
ALL = GUILDS | GUILD_MESSAGES | DIRECT_MESSAGES | CONTENT


class Wire:
    """A client's end of the gateway."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, token: str) -> None:
        self.socket = socket
        self.token = token

    async def send(self, op: int, data: Any) -> None:
        await self.socket.send_str(json.dumps({"op": op, "d": data}))

    async def identify(self, intents: int = ALL) -> dict[str, Any]:
        """Start a session; READY."""
        await self.send(2, {"token": self.token, "intents": intents, "properties": {}})
        return (await self.until("READY"))["d"]  # type: ignore[no-any-return]

    async def next(self) -> dict[str, Any]:
        """What comes next."""
        return dict(await self.socket.receive_json())

    async def until(self, event: str) -> dict[str, Any]:
        """The next event of that name; others are skipped."""
        while (told := await self.next())["t"] != event:
            pass
        return told

    async def ended(self) -> int | None:
        """The code with which the server closes."""
        async for _ in self.socket:
            pass
        return self.socket.close_code


@asynccontextmanager
async def wired(raw: Raw) -> AsyncIterator[Wire]:
    """A connection that has received its HELLO."""
    async with raw.session.ws_connect(raw.discord.gateway.url) as socket:
        wire = Wire(socket, raw.discord.token)
        hello = await wire.next()
        assert hello["op"] == 10
        assert hello["d"]["heartbeat_interval"] > 0
        yield wire


async def test_session_starts_with_ready_and_guilds(discord: Discord, raw: Raw) -> None:
    """READY names the guilds, and GUILD_CREATE describes them with members and channels."""
    async with wired(raw) as wire:
        ready = await wire.identify()
        assert ready["guilds"] == [{"id": str(discord.guild.id), "unavailable": True}]
        guild = (await wire.until("GUILD_CREATE"))["d"]
        assert {m["user"]["username"] for m in guild["members"]} == {"ada", "bob", "kernelcord"}
        assert [c["name"] for c in guild["channels"]] == ["general", "random"]


async def test_heartbeat_is_answered_and_awaited() -> None:
    """A heartbeat is acknowledged; a client that sends none is disconnected with 4009."""
    async with loopback(Limits(heartbeat=1.0)) as discord, raw_client(discord) as raw, wired(raw) as wire:
        await wire.send(1, None)
        assert (await wire.next())["op"] == 11
        assert await wire.ended() == 4009


@pytest.mark.parametrize(
    ("op", "data", "code"),
    [
        (2, {"token": "wrong", "intents": 0, "properties": {}}, 4004),
        (8, {"guild_id": "1"}, 4003),
        (6, None, 4002),
    ],
)
async def test_wrong_start_is_hung_up_on(raw: Raw, op: int, data: Any, code: int) -> None:
    """A wrong token, a command before IDENTIFY, or unreadable data ends the connection."""
    async with wired(raw) as wire:
        await wire.send(op, data)
        assert await wire.ended() == code


async def test_second_identify_and_unknown_op_are_hung_up_on(raw: Raw) -> None:
    """A session is started once, and only known ops are accepted."""
    for op, code in ((2, 4005), (99, 4001)):
        async with wired(raw) as wire:
            await wire.identify()
            await wire.send(op, {"token": raw.discord.token, "intents": 0, "properties": {}})
            assert await wire.ended() == code


async def test_content_intent_must_be_allowed() -> None:
    """An application that may not read messages is refused with 4014."""
    limits = Limits(message_content=False)
    async with loopback(limits) as discord, raw_client(discord) as raw, wired(raw) as wire:
        await wire.send(2, {"token": discord.token, "intents": ALL, "properties": {}})
        assert await wire.ended() == 4014


async def test_content_is_stripped_without_its_intent(discord: Discord, raw: Raw) -> None:
    """Without the intent the bot reads only mentions of it, DMs, and its own messages."""
    ada, channel = discord.guild.member("ada"), discord.guild.channel()
    async with wired(raw) as wire:
        await wire.identify(ALL & ~CONTENT)
        await ada.say(channel, "hidden", files=[("a", b"1")])
        await ada.say(channel, f"{discord.bot.mention} seen")
        await ada.say(ada.dm(), "private")
        await raw("POST", f"/channels/{channel.id}/messages", {"content": "own"})
        told = [(await wire.until("MESSAGE_CREATE"))["d"] for _ in range(4)]
    assert [m["content"] for m in told] == ["", f"{discord.bot.mention} seen", "private", "own"]
    assert told[0]["attachments"] == []


async def test_events_follow_the_intents(discord: Discord, raw: Raw) -> None:
    """A client that asked only for direct messages gets nothing else, nor what the bot may not see."""
    ada = discord.guild.member("ada")
    secret = discord.guild.channel("secret")
    discord.guild.overwrite(secret, discord.bot, deny="view_channel")
    async with wired(raw) as wire:
        await wire.identify(DIRECT_MESSAGES)
        await ada.say(discord.guild.channel(), "not told")
        await ada.say(ada.dm(), "told")
        assert (await wire.until("MESSAGE_CREATE"))["d"]["content"] == "told"
    async with wired(raw) as wire:
        await wire.identify(ALL)
        await ada.say(secret, "not told")
        await ada.say(discord.guild.channel(), "told too")
        assert (await wire.until("MESSAGE_CREATE"))["d"]["content"] == "told too"


async def test_resume_replays_what_was_missed(discord: Discord, raw: Raw) -> None:
    """After a break a client resumes from its last number; after a goodbye, or too late, it may not."""
    ada, channel = discord.guild.member("ada"), discord.guild.channel()
    async with wired(raw) as wire:
        ready = await wire.identify()
        await ada.say(channel, "one")
        last = (await wire.until("MESSAGE_CREATE"))["s"]
        discord.gateway.drop()
        assert await wire.ended() in (1006, None)
    await ada.say(channel, "two")
    resume = {"token": discord.token, "session_id": ready["session_id"], "seq": last}
    async with wired(raw) as wire:
        await wire.send(6, resume)
        missed = await wire.next()
        assert (missed["d"]["content"], missed["s"]) == ("two", last + 1)
        assert (await wire.next())["t"] == "RESUMED"
        await wire.socket.close(code=1000)
    await discord.gateway.wait_for_offline()
    async with wired(raw) as wire:
        await wire.send(6, resume)
        assert (await wire.next()) == {"op": 9, "d": False, "s": None, "t": None}


async def test_session_is_kept_for_a_while_only(discord: Discord, raw: Raw) -> None:
    """A session without a connection cannot be resumed for ever."""
    async with wired(raw) as wire:
        ready = await wire.identify()
        discord.gateway.drop()
        await wire.ended()
    discord.clock.advance(discord.world.limits.resume + 1)
    async with wired(raw) as wire:
        await wire.send(6, {"token": discord.token, "session_id": ready["session_id"], "seq": 1})
        assert (await wire.next())["op"] == 9


@pytest.mark.parametrize("fault", ["drop", "reconnect", "close", "refused"])
async def test_nextcord_resumes_and_misses_nothing(
    discord: Discord, tiny_bot: nextcord.Client, fault: str
) -> None:
    """After a break, a request to reconnect, or a close, nextcord resumes and hears what it missed."""
    if fault == "close":
        discord.gateway.close(4000)
    elif fault == "reconnect":
        discord.gateway.reconnect()
    else:
        discord.gateway.refusing = fault == "refused"
        discord.gateway.drop()
    asked = await discord.guild.member("ada").say(discord.guild.channel(), "meanwhile")
    if fault == "refused":
        await discord.gateway.wait_for(lambda gateway: gateway.refused)
        discord.gateway.refusing = False
    assert (await asked.wait_for_reply()).content == "heard: meanwhile"
    assert (discord.gateway.identified, discord.gateway.resumed) == (1, 1)


async def test_nextcord_starts_anew_when_its_session_is_invalid(
    discord: Discord, tiny_bot: nextcord.Client
) -> None:
    """An invalid session makes nextcord identify again; it works on."""
    discord.gateway.invalidate()
    await discord.gateway.wait_for(lambda gateway: gateway.identified == 2)
    asked = await discord.guild.member("ada").say(discord.guild.channel(), "again")
    assert (await asked.wait_for_reply()).content == "heard: again"


async def test_refusing_gateway_keeps_the_bot_out(discord: Discord) -> None:
    """While the gateway refuses, nobody comes online."""
    discord.gateway.refusing = True
    client = tiny()
    started = asyncio.create_task(client.start(discord.token))
    with pytest.raises((aiohttp.ClientError, AttributeError)):
        await started
    await client.close()
    assert not discord.gateway.online
    discord.gateway.refusing = False
    async with running(tiny(), discord):
        assert discord.gateway.online
