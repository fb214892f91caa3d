"""Faults on demand, the log of requests, and a bot in a process of its own."""

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import nextcord
import pytest

from tests.loopback import Discord
from tests.loopback.raw import Raw

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def path(discord: Discord) -> str:
    """Where messages are posted."""
    return f"/channels/{discord.guild.channel().id}/messages"


async def test_status_is_answered_so_many_times(discord: Discord, raw: Raw, path: str) -> None:
    """A status comes exactly twice; from 500 up, without Discord's JSON."""
    fault = discord.faults.status("POST", "/channels/*/messages", 503, times=2)
    answers = [await raw("POST", path, {"content": "a"}) for _ in range(3)]
    assert [a.status for a in answers] == [503, 503, 200]
    assert "html" in answers[0].body
    assert fault.hits == 2
    discord.faults.status("POST", path, 403, code=50013)
    assert (await raw("POST", path, {"content": "a"})).code == 50013
    assert len(discord.guild.channel().messages) == 1


@pytest.mark.parametrize("handled", [False, True])
async def test_connection_is_dropped(discord: Discord, raw: Raw, path: str, handled: bool) -> None:
    """The connection breaks before the request does its work, or after."""
    discord.faults.drop("POST", path, handled=handled)
    with pytest.raises(aiohttp.ClientError):
        await raw("POST", path, {"content": "a"})
    assert len(discord.guild.channel().messages) == handled
    assert discord.requests.matching("POST", path)[0].status == 0
    assert (await raw("POST", path, {"content": "b"})).status == 200


async def test_request_is_held_until_released(discord: Discord, raw: Raw, path: str) -> None:
    """A held request waits, and does its work when it is released."""
    held = discord.faults.hold("POST", path)
    asking = asyncio.create_task(raw("POST", path, {"content": "a"}))
    await held.wait_for_hit()
    assert discord.guild.channel().messages == []
    assert (await raw("GET", path)).body == []
    held.release()
    assert (await asking).status == 200


async def test_delayed_request_is_handled_later(discord: Discord, raw: Raw, path: str) -> None:
    """A delayed request is overtaken by the next one."""
    delayed = discord.faults.delay("POST", path, 1.5)
    asking = asyncio.create_task(raw("POST", path, {"content": "slow"}))
    await delayed.wait_for_hit()
    await raw("POST", path, {"content": "quick"})
    await asking
    assert [m.content for m in discord.guild.channel().messages] == ["quick", "slow"]


@pytest.mark.parametrize(("bare", "scope"), [(False, "shared"), (False, "global"), (True, "user")])
async def test_too_many_as_discord_and_as_cloudflare(
    discord: Discord, raw: Raw, path: str, bare: bool, scope: str
) -> None:
    """A 429 has its scope and a Via header; Cloudflare's has Retry-After and nothing else."""
    discord.faults.too_many("POST", path, retry_after=0.5, scope=scope, bare=bare)
    answer = await raw("POST", path, {"content": "a"})
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "1"
    assert ("Via" in answer.headers) is not bare
    if not bare:
        assert answer.headers["X-RateLimit-Scope"] == scope
        assert answer.body["retry_after"] == 0.5
        assert answer.body["global"] is (scope == "global")


async def test_requests_are_logged(discord: Discord, raw: Raw, path: str) -> None:
    """The log has each request with its body, files and answer, and can be waited on."""
    asking = asyncio.create_task(raw("POST", path, {"content": "a"}, {0: ("a", b"1")}))
    entry = await discord.requests.wait_for("POST", "/channels/*/messages")
    await asking
    assert (entry.body, entry.files, entry.status) == ({"content": "a"}, {0: ("a", b"1")}, 200)
    assert entry.answer["content"] == "a"
    assert discord.requests.matching("DELETE") == []


async def test_strangers_are_unauthorized(discord: Discord, raw: Raw, path: str) -> None:
    """Another token gets 401."""
    assert (await raw("POST", path, {"content": "a"}, token="other")).status == 401


async def test_nextcord_meets_a_fault(discord: Discord, tiny_bot: nextcord.Client) -> None:
    """A 502 makes nextcord try again, and the answer still arrives."""
    discord.faults.status("POST", "/channels/*/messages", 502)
    asked = await discord.guild.member("ada").say(discord.guild.channel(), "hi")
    await asked.wait_for_reply()
    assert [r.status for r in discord.requests.matching("POST", "/channels/*")] == [502, 200]


BOT = """
import sys
from tests.loopback.bots import tiny
tiny().run(sys.argv[1])
"""


async def test_bot_in_a_process_is_killed_and_started_again(discord: Discord, tmp_path: Path) -> None:
    """A bot that runs as a program finds its messages again after being killed."""
    (tmp_path / "started_bot.py").write_text(BOT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "tests.loopback.launch", discord.address, "started_bot", discord.token]
    ada, channel = discord.guild.member("ada"), discord.guild.channel()
    for number in (1, 2):
        bot = await asyncio.create_subprocess_exec(*command, env=environment)
        try:
            await discord.gateway.wait_for_online(30)
            asked = await ada.say(channel, str(number))
            assert (await asked.wait_for_reply(timeout=30)).content == f"heard: {number}"
        finally:
            bot.kill()
            await bot.wait()
        await discord.gateway.wait_for_offline()
    assert len(channel.messages) == 4
