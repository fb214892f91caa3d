"""The bot shuts down: every message reaches a final state, even if Discord makes it wait."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.discord.kernelcord import SOON, answered, code, labels, output, running
from tests.left import cells_left
from tests.loopback.loopback import Discord
from tests.loopback.world.messages import Message
from tests.model_server import ModelServer, calls, run_python, says

EDITS = "/channels/*/messages/*"
SLOW = "print('on')\nimport time\ntime.sleep(60)"
LATE = (
    "import threading, time\n"
    "def later():\n    for n in range(100):\n        print(n)\n        time.sleep(.1)\n"
    "threading.Thread(target=later).start()"
)


def unfinished(discord: Discord) -> list[Message]:
    """The bot's messages in #general that look as if something ran."""
    messages = discord.guild.channel("general").messages
    return [m for m in messages if "Stop" in labels(m) or "-# Running" in m.content]


async def test_last_states_that_have_to_wait(discord: Discord, data: Path) -> None:
    """An edit under way when the bot ends is not cut short, even if it is slow."""
    fay, general = discord.guild.member("fay"), discord.guild.channel("general")
    async with running(discord, data, shutdown_grace="0.5") as stop:
        asked = await fay.say(general, f"{discord.bot.mention} {code('print(input())')}")
        answer = await asked.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
        modal = await (await fay.click(answer, "Answer")).wait_for_modal()
        slow = discord.faults.delay("PATCH", EDITS, 1.5, times=None)
        await fay.submit_modal(modal, {modal.fields()[0][0]: "done"})
        await slow.wait_for_hit()
        stop.set()
    assert "done" in answer.content
    assert not unfinished(discord)


async def test_running_and_waiting_cells(discord: Discord, data: Path) -> None:
    """A running cell and one that waits for it both say what happens to them."""
    gus, general = discord.guild.member("gus"), discord.guild.channel("general")
    async with running(discord, data, shutdown_grace="0.2") as stop:
        first = await gus.say(general, f"{discord.bot.mention} {code(SLOW)}")
        await first.wait_for_reply(lambda m: "on" in m.content, timeout=SOON)
        second = await gus.say(general, f"{discord.bot.mention} {code('print(2)')}")
        await second.wait_for_reply(lambda m: "Waiting" in m.content, timeout=SOON)
        stop.set()
    told = [m for m in general.messages if "being restarted" in m.content]
    assert len(told) == 2
    assert not unfinished(discord)
    assert len(await cells_left(data)) == 2


async def test_late_output(discord: Discord, data: Path) -> None:
    """A message that shows what a thread prints ends with what has come so far."""
    hal, general = discord.guild.member("hal"), discord.guild.channel("general")
    async with running(discord, data, shutdown_grace="0.2") as stop:
        await answered(await hal.say(general, f"{discord.bot.mention} {code(LATE)}"))
        await general.wait_for(lambda m: "Later" in m.content and "7" in output(m), timeout=SOON)
        stop.set()
    assert not unfinished(discord)


async def test_notebook_that_is_run_again(discord: Discord, data: Path) -> None:
    """A replay says that the bot is being restarted, and that the cells after this one will not run."""
    ivy, general = discord.guild.member("ivy"), discord.guild.channel("general")
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    notebook = {"cells": [cell | {"source": SLOW}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    async with running(discord, data, shutdown_grace="0.2") as stop:
        asked = await ivy.slash(general, "notebook", replay=("a.ipynb", json.dumps(notebook).encode()))
        answer = await asked.wait_for_message(lambda m: "on" in m.content, timeout=SOON)
        stop.set()
    assert "The cell goes on" in answer.content
    assert "What was to follow it will not be done." in answer.content
    assert not unfinished(discord)
    assert len(await cells_left(data)) == 1


@pytest.mark.parametrize("over", [False, True])
async def test_answer_of_the_model(discord: Discord, data: Path, over: bool) -> None:
    """The answer says that the cell goes on only if it runs, and then that the model does not."""
    jay, held = discord.guild.member("jay"), asyncio.Event()
    async with ModelServer.start() as server:
        async with running(discord, data, shutdown_grace="0.2", openai_base_url=server.base_url) as stop:
            server.will(calls(run_python("print('on')" if over else SLOW)), says("It said", hold=held))
            asked = await jay.say(jay.dm(), "go on")
            shown = "It said" if over else "```\non"
            answer = await asked.wait_for_reply(lambda m: shown in m.content, timeout=SOON)
            stop.set()
        held.set()
    assert ("The cell goes on" in answer.content) is not over
    assert ("What was to follow it will not be done." in answer.content) is not over
    assert ("Please send this again" in answer.content) is over
    assert len(await cells_left(data)) == (not over)
