"""Private messages with buttons: used once, left for too long, or sent by a bot before this one."""

from pathlib import Path

import pytest

from tests.discord.kernelcord import SOON, labels, run, running
from tests.discord.loopback import Discord


async def test_a_deletion_is_confirmed_once(discord: Discord, data: Path) -> None:
    """What is deleted takes the place of the question, so that there is nothing left to click."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await (await ada.slash(general, "privacy", what="delete")).wait_for_message()
        await (await ada.click(asked, "Delete all of mine")).wait_for_ack()
        await asked.wait_for(lambda m: "is deleted" in m.content, SOON)
        assert labels(asked) == []


@pytest.mark.parametrize("used", [False, True])
async def test_a_message_whose_time_is_over_says_so(
    discord: Discord, data: Path, monkeypatch: pytest.MonkeyPatch, used: bool
) -> None:
    """A list and a question name the command that brings them back, and have no button left."""
    monkeypatch.setattr("bot.front.filelist.OPEN", 2.0)
    monkeypatch.setattr("bot.front.privacy.OPEN", 0.5)
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        await run(discord, ada, "open('made.txt', 'w').write('x');")
        listed = await (await ada.slash(general, "files")).wait_for_message(lambda m: m.selects)
        if used:
            await ada.select(listed, "made.txt")
        await listed.wait_for(lambda m: "`/files` opens it again" in m.content, SOON)
        assert (labels(listed), listed.selects) == ([], [])
        asked = await (await ada.slash(general, "privacy", what="delete")).wait_for_message()
        await asked.wait_for(lambda m: "`/privacy` asks it again" in m.content, SOON)
        assert labels(asked) == []
        assert "made.txt" in str((await (await ada.slash(general, "files")).wait_for_message()).selects)


async def test_a_message_of_a_bot_before_this_one_says_which_command_to_use(
    discord: Discord, data: Path
) -> None:
    """Nobody is left with Discord's "this interaction failed"."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        await run(discord, ada, "open('made.txt', 'w').write('x');")
        listed = await (await ada.slash(general, "files")).wait_for_message(lambda m: m.selects)
        other = await (await ada.slash(general, "files")).wait_for_message(lambda m: m.selects)
        asked = await (await ada.slash(general, "privacy", what="delete")).wait_for_message()
    async with running(discord, data):
        fresh = await (await ada.slash(general, "files")).wait_for_message(lambda m: m.selects)
        await ada.select(fresh, "made.txt")
        await fresh.wait_for(lambda m: "expires" in m.content)
        await ada.click(fresh, "Extend")  # a list that is turned must not take the names of its buttons along
        await fresh.wait_for(lambda m: "stays" in m.content)
        await ada.select(listed, "made.txt")
        await listed.wait_for(lambda m: "`/files` opens it again" in m.content, SOON)
        await ada.click(other, "Get")
        await other.wait_for(lambda m: "`/files` opens it again" in m.content, SOON)
        await ada.click(asked, "Delete all of mine")
        await asked.wait_for(lambda m: "`/privacy` asks it again" in m.content, SOON)
        assert labels(asked) == labels(other) == []
