"""The bot as a process that is killed, told to end, and started again: nothing is lost, and buttons work."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.discord.kernelcord import COMMANDS, SOON, code, finished, labels, run
from tests.discord.loopback import Discord
from tests.discord.messages import Message
from tests.nodes import end_nodes

SLOW = "import time\nfor n in range(12):\n    print('line', n)\n    time.sleep(.5)\nprint('the end')"
GRACE = 10.0  # seconds in which a bot that is told to end has to have ended


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Path]:
    """A data folder for bots of this test only."""
    yield tmp_path / "data"
    await end_nodes(tmp_path)


@asynccontextmanager
async def started(discord: Discord, home: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A bot in a process of its own, online; it is killed at the end if it still lives."""
    environment = {
        **os.environ,
        "DISCORD_TOKEN": discord.token,
        "KERNELCORD_DATA": str(home),
        "SHUTDOWN_GRACE": "1",
    }
    before = discord.gateway.identified
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.discord.launch", discord.address, "bot", env=environment
    )
    try:
        await discord.gateway.wait_for(lambda g: g.identified > before, 2 * SOON)
        await discord.ready(*COMMANDS, timeout=SOON)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def asked_for(discord: Discord, text: str, shown: str) -> Message:
    """The answer to ada's code in #general, once it shows this."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    asked = await ada.say(general, f"{discord.bot.mention} {code(text)}")
    return await asked.wait_for_reply(lambda m: shown in m.content, timeout=2 * SOON)


def ours(discord: Discord) -> list[Message]:
    """The bot's messages in #general."""
    general = discord.guild.channel("general")
    return [m for m in general.messages if m.author.id == discord.bot.id and not m.deleted]


async def test_killed_bot_comes_back_to_its_cell(discord: Discord, home: Path) -> None:
    """A bot killed with -9 in the middle of a cell tells all of it in the same message once it is back."""
    ada = discord.guild.member("ada")
    async with started(discord, home) as process:
        await run(discord, ada, "kept = 7")
        answer = await asked_for(discord, SLOW, "line 1")
        process.kill()
        await process.wait()
    async with started(discord, home):
        await answer.wait_for(lambda m: finished(m) and "the end" in m.content, 2 * SOON)
        assert "line 0" in answer.content
        assert len(ours(discord)) == 2
        again = await ada.click(ours(discord)[0], "Re-run")
        await again.wait_for_message(lambda m: m is not ours(discord)[0] and finished(m), timeout=SOON)
        assert "7" in (await run(discord, ada, "kept")).content


async def test_buttons_of_an_earlier_bot_stop_and_answer_its_cell(discord: Discord, home: Path) -> None:
    """A cell that asked before the bot was killed is answered by the next one, by its owner only."""
    ada, bob = discord.guild.member("ada"), discord.guild.member("bob")
    async with started(discord, home) as process:
        answer = await asked_for(discord, "print('for', input('who? '))\nwhile True: pass", "who?")
        process.kill()
        await process.wait()
    shown = len(answer.history_of_states)
    async with started(discord, home):
        await answer.wait_for(lambda m: len(m.history_of_states) > shown and "Answer" in labels(m), SOON)
        refused = await (await bob.click(answer, "Stop")).wait_for_message(lambda m: m.ephemeral)
        assert "person whose cell" in refused.content
        modal = await (await ada.click(answer, "Answer")).wait_for_modal()
        await ada.submit_modal(modal, {modal.fields()[0][0]: "ada"})
        await answer.wait_for(lambda m: "for ada" in m.content, SOON)
        await (await ada.click(answer, "Stop")).wait_for_ack()
        await answer.wait_for(lambda m: finished(m) and "Interrupted" in m.content, SOON)


async def test_bot_that_is_told_to_end_leaves_every_message_in_a_last_state(
    discord: Discord, home: Path
) -> None:
    """SIGTERM: it ends in time, the message says that the cell goes on, and the next bot tells the rest."""
    ada = discord.guild.member("ada")
    async with started(discord, home) as process:
        await run(discord, ada, "kept = 7")
        answer = await asked_for(discord, SLOW, "line 1")
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        await answer.wait_for(lambda m: "goes on" in m.content, SOON)
        assert await asyncio.wait_for(process.wait(), GRACE) == 0
        assert time.monotonic() - begun < GRACE
    assert not [message for message in ours(discord) if "Stop" in labels(message)]
    async with started(discord, home):
        await answer.wait_for(lambda m: finished(m) and "the end" in m.content, 2 * SOON)
        assert "line 0" in answer.content
        assert "7" in (await run(discord, ada, "kept")).content


async def test_cell_that_ends_in_the_grace_is_told_before_the_end(discord: Discord, home: Path) -> None:
    """A cell of less than the grace time is finished as if nothing were."""
    async with started(discord, home) as process:
        answer = await asked_for(discord, "import time\nprint('on')\ntime.sleep(.5)\nprint('over')", "on")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), GRACE) == 0
    assert "over" in answer.content
    assert finished(answer)


async def test_without_a_token_it_says_so(root: Path) -> None:
    """`python -m bot` without a token names the variable, and what there is instead."""
    environment = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", env=environment, stderr=asyncio.subprocess.PIPE, cwd=root
    )
    _, told = await process.communicate()
    assert process.returncode == 2
    assert b"DISCORD_TOKEN" in told
    assert b"bot.console" in told
