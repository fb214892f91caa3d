"""A cell that an earlier bot began: nothing shown of it is lost, whatever goes wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from bot.discord.format.answer import Draft
from bot.reply import Reply, Tell
from bot.turn import take_turn
from filestore.errors import StoreUnavailable
from filestore.files import FileStore
from kernels.errors import KernelStartFailed
from tests.discord.kernelcord import SOON, code, finished, labels, output, running
from tests.loopback.loopback import Discord
from tests.loopback.world.messages import Message

POSTS = "/channels/*/messages"
LONG = "for n in range(300): print('number', n)\nimport time\ntime.sleep(5)\nprint('the end')"


def ours(discord: Discord) -> list[Message]:
    """The bot's messages in #general that are still there."""
    general = discord.guild.channel("general")
    return [m for m in general.messages if m.author.id == discord.bot.id and not m.deleted]


async def left(discord: Discord, data: Path) -> list[Message]:
    """The messages of LONG, which goes on although its bot has ended."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data, shutdown_grace="0.2"):
        asked = await ada.say(general, f"{discord.bot.mention} {code(LONG)}")
        await asked.wait_for_reply(lambda m: "number 299" in m.content, timeout=SOON)
    return ours(discord)


def failing(error: Exception) -> Callable[..., NoReturn]:
    """An async function that raises this error."""

    def fail(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise error

    return fail


async def test_messages_stay_when_what_replaces_them_reaches_nobody(discord: Discord, data: Path) -> None:
    """If the further messages of a long answer are refused everywhere, the earlier ones are not deleted."""
    before = await left(discord, data)
    assert len(before) > 1
    fault = discord.faults.status("POST", POSTS, 403, code=50013, times=None)
    async with running(discord, data):
        await fault.wait_for_hit(2, SOON)  # the channel, and the direct messages
    assert ours(discord) == before


@pytest.mark.parametrize("fault", ["cannot be shown", "is not taken", "is not known"])
async def test_messages_stay_when_not_all_of_the_answer_replaces_them(
    discord: Discord, data: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """If only a sentence replaces it, or earlier output is unknown, nothing is deleted."""
    general, before = discord.guild.channel("general"), await left(discord, data)
    first = before[0].content
    match fault:
        case "cannot be shown":
            monkeypatch.setattr(Draft, "final_page", failing(ValueError("hostile")))
        case "is not taken":
            discord.faults.status("POST", POSTS, 400, code=240000)
        case "is not known":
            monkeypatch.setattr("bot.discord.answers.resumed.cell_record", failing(StoreUnavailable("away")))
    async with running(discord, data):
        last = await general.wait_for(lambda m: finished(m) and m not in before[1:], timeout=SOON)
    assert ours(discord)[: len(before)] == before
    if fault == "is not known":
        assert before[0].content == first
        assert general.messages[general.messages.index(before[-1]) + 1].reference is before[0]
        assert "\nthe end" in last.content


async def test_replay_has_its_own_cells_and_loses_none_for_a_file(
    discord: Discord, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that its person ran in between is not part of it; if a file is missing, the text still comes."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    sources = (
        "_ = open('one.txt', 'w').write('1')\nprint('cell', input())",
        "import time\nprint('go')\ntime.sleep(5)\nprint('the end')",
    )
    cells = [cell | {"id": f"c{n}", "source": source} for n, source in enumerate(sources)]
    notebook = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    async with running(discord, data, shutdown_grace="0.2"):
        asked = await ada.slash(general, "notebook", replay=("a.ipynb", notebook))
        answer = await asked.wait_for_message(lambda m: "Answer" in labels(m), timeout=SOON)
        own = await ada.say(general, f"{discord.bot.mention} {code('print(6 * 111)')}")
        await own.wait_for_reply(lambda m: "Waiting" in m.content, timeout=SOON)
        modal = await (await ada.click(answer, "Answer")).wait_for_modal()
        await ada.submit_modal(modal, {modal.fields()[0][0]: "zero"})
        await answer.wait_for(lambda m: "\ngo\n" in m.content, SOON)
    monkeypatch.setattr(FileStore, "find", failing(StoreUnavailable("away")))
    async with running(discord, data):
        await answer.wait_for(lambda m: finished(m) and "\nthe end" in m.content, SOON)
    assert "cell zero" in answer.content
    assert "666" not in output(answer)


async def test_cell_that_fails_on_our_side_ends_in_a_sentence(
    discord: Discord, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that fails under a resumed cell leaves no message that looks as if it ran."""

    async def resume(session: Any, request: Any, tell: Tell, begun: Any) -> None:
        async def tell_and_fail(reply: Reply) -> None:
            await tell(reply)
            raise KernelStartFailed("no room")

        await take_turn(session, request, tell_and_fail, begun=begun)

    before = await left(discord, data)
    monkeypatch.setattr("bot.continuity.resumed_turns.take_turn", resume)
    async with running(discord, data):
        await before[0].wait_for(lambda m: "could not be started; try again. It said: no room." in m.content)
        assert finished(before[0])
    assert ours(discord) == before
