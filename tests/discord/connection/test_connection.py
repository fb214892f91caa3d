"""Nothing that Discord or nextcord does to the connection ends the bot for good."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.__main__ import serve
from bot.discord.api.retry import DiscordRefused
from bot.discord.client import Client
from bot.discord.supervise import CannotServe
from tests.discord.kernelcord import (
    COMMANDS,
    SOON,
    code,
    finished,
    labels,
    output,
    run,
    running,
    settings_for,
)
from tests.loopback.loopback import Discord
from tests.model_server import ModelServer, says


async def test_gateway_that_refuses_at_the_start_is_tried_again(discord: Discord, data: Path) -> None:
    """nextcord gives up with an AttributeError; the bot comes online once Discord accepts it."""
    discord.gateway.refusing = True
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(settings_for(discord, data), stop, guild_ready_timeout=0.05))
    await discord.requests.wait_for("GET", "/gateway*")
    discord.gateway.refusing = False
    await discord.ready(*COMMANDS, timeout=SOON)
    assert "7" in output(await run(discord, discord.guild.member("ada"), "print(3 + 4)"))
    stop.set()
    await serving


async def test_event_that_cannot_be_read_is_left_out(discord: Discord, data: Path) -> None:
    """An event without a field that nextcord needs (a KeyError there) is skipped; nothing else is lost."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        connections = discord.gateway.identified, discord.gateway.resumed
        discord.gateway.dispatch("MESSAGE_CREATE", {"id": "1", "guild_id": str(discord.guild.id)})
        discord.gateway.dispatch("GUILD_MEMBER_ADD", {})
        assert "7" in output(await run(discord, ada, "print(3 + 4)"))
        assert (discord.gateway.identified, discord.gateway.resumed) == connections


async def test_text_that_is_no_event_at_all(discord: Discord, data: Path) -> None:
    """If a gateway sends garbage, the bot disconnects and connects again."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        discord.gateway.send_raw("{")
        await discord.gateway.wait_for(lambda g: g.identified + g.resumed > 1, SOON)
        assert "7" in output(await run(discord, ada, "print(3 + 4)"))


async def test_invalid_session_does_not_register_commands_again(discord: Discord, data: Path) -> None:
    """Discord ends the session: the bot becomes ready again, and one-time work is not repeated."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        registered = len(discord.requests.matching("*", "/applications/*/commands*"))
        discord.gateway.invalidate()
        await discord.gateway.wait_for(lambda g: g.identified == 2, SOON)
        await discord.gateway.wait_for_online(SOON)
        assert "7" in output(await run(discord, ada, "print(3 + 4)"))
        assert len(discord.requests.matching("*", "/applications/*/commands*")) == registered


async def test_wrong_token_ends_with_a_sentence(discord: Discord, data: Path) -> None:
    """A token that Discord refuses is reported, not retried for ever."""
    discord.faults.status("GET", "/users/@me", 401, times=None)
    with pytest.raises(CannotServe, match="DISCORD_TOKEN"):
        await serve(settings_for(discord, data), asyncio.Event())


async def test_nothing_is_asked_of_discord_once_the_bot_has_ended(
    discord: Discord, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late requests are refused; otherwise nextcord would open a new session, which nobody closes."""
    clients: list[Client] = []

    class Kept(Client):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            clients.append(self)

    monkeypatch.setattr("bot.__main__.Client", Kept)
    async with running(discord, data):
        pass
    with pytest.raises(DiscordRefused):
        await clients[0].fetch_user(discord.guild.member("ada").id)


async def test_bot_that_ends_begins_nothing_new(discord: Discord, data: Path) -> None:
    """During the running cells' grace period, anybody who asks is told that the bot is being restarted."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    async with running(discord, data, shutdown_grace="20s") as stop:
        asked = await ada.say(general, f"{discord.bot.mention} {code('print(input())')}")
        answer = await asked.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
        stop.set()
        await asyncio.sleep(0.1)  # until the bot has seen `stop`
        refused = await bob.say(general, f"{discord.bot.mention} {code('print(1)')}")
        await refused.wait_for_reply(lambda m: "being restarted" in m.content)
        command = await bob.slash(general, "run", code="print(1)")
        await command.wait_for_message(lambda m: "being restarted" in m.content)
        modal = await (await ada.click(answer, "Answer")).wait_for_modal()
        await ada.submit_modal(modal, {modal.fields()[0][0]: "in time"})
        await answer.wait_for(lambda m: finished(m) and "in time" in m.content, SOON)


async def test_model_that_answers_when_the_bot_ends(discord: Discord, data: Path) -> None:
    """A model's answer under way ends with what was said, and tells the person to ask again."""
    ada = discord.guild.member("ada")
    held = asyncio.Event()
    async with (
        ModelServer.start() as server,
        running(discord, data, openai_base_url=server.base_url, shutdown_grace="0.5") as stop,
    ):
        server.will(says("So far.", hold=held))
        asked = await ada.say(ada.dm(), "hello?")
        answer = await asked.wait_for_reply(lambda m: "So far." in m.content, timeout=SOON)
        stop.set()
        await answer.wait_for(lambda m: "being restarted" in m.content and not m.buttons, SOON)
        assert "So far." in answer.content
        held.set()
