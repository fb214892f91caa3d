"""Talking to the bot in channels, in direct messages and in threads."""

from pathlib import Path

from tests.discord.bots import SOON, running
from tests.discord.loopback import Discord


async def test_code_block_runs_as_it_is(discord: Discord, data: Path) -> None:
    """A mention with a block of Python is answered with what the code says."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} ```py\nx = 6\nprint(x * 7)\n```")
        answer = await asked.wait_for_reply(lambda m: "42" in m.content, timeout=SOON)
        await answer.wait_for(lambda m: "Re-run" in [button.label for button in m.buttons], SOON)
