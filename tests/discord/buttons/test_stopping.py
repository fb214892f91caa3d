"""What stops a turn, at any moment: Stop before there is a cell, /reset and /privacy while one runs."""

import asyncio
import io
import zipfile
from pathlib import Path

import pytest

from tests.discord.kernelcord import SOON, answered, code, finished, labels, run, running
from tests.loopback.loopback import Discord
from tests.model_server import ModelServer, calls, run_python, says

ENDLESS = "print('on')\nwhile True: pass"


async def test_stop_before_the_kernel_has_started(discord: Discord, data: Path) -> None:
    """Stop at the first moment ends the cell as soon as there is one."""
    eve = discord.guild.member("eve")
    async with running(discord, data):
        asked = await eve.say(eve.dm(), code(ENDLESS))
        answer = await asked.wait_for_reply(lambda m: "Thinking" in m.content)
        await (await eve.click(answer, "Stop")).wait_for_ack()
        await answer.wait_for(finished, SOON)
        assert "Interrupted" in answer.content


async def test_stop_of_a_question_that_waits_stops_no_other(discord: Discord, data: Path) -> None:
    """The second of two questions in one place is stopped while the first is being answered."""
    ada = discord.guild.member("ada")
    held = asyncio.Event()
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url):
        server.will(says("First", hold=held))
        asked = await ada.say(ada.dm(), "one")
        first = await asked.wait_for_reply(lambda m: "First" in m.content, timeout=SOON)
        again = await ada.say(ada.dm(), "two")
        second = await again.wait_for_reply(lambda m: "Stop" in labels(m))
        await (await ada.click(second, "Stop")).wait_for_ack()
        await second.wait_for(lambda m: "Stopped." in m.content and not m.buttons, SOON)
        assert "Stop" in labels(first)
        held.set()
        await first.wait_for(lambda m: not m.buttons, SOON)
        assert len(server.requests) == 1


async def test_stop_command_ends_the_cell_that_the_models_cell_waits_for(
    discord: Discord, data: Path
) -> None:
    """/stop ends both a person's running cell and the model's turn that waits for it in the same place."""
    ada = discord.guild.member("ada")
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url):
        first = await ada.say(ada.dm(), code(ENDLESS))
        endless = await first.wait_for_reply(lambda m: "on" in m.content, timeout=SOON)
        server.will(calls(run_python("print('behind')")), says("never"))
        second = await ada.say(ada.dm(), "run something")
        waiting = await second.wait_for_reply(lambda m: "Waiting" in m.content, timeout=SOON)
        told = await (await ada.slash(ada.dm(), "stop")).wait_for_message()
        assert told.content.startswith("Stopping the ")
        for message in (endless, waiting):
            await message.wait_for(lambda m: "Stop" not in labels(m), SOON)
        assert "Interrupted" in endless.content
        assert len(server.requests) == 1


@pytest.mark.parametrize("everything", [False, True])
async def test_reset_while_a_cell_runs(discord: Discord, data: Path, everything: bool) -> None:
    """The cell ends, its message says so, and the next one gets a fresh kernel."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code(f'mine = 1\n{ENDLESS}')}")
        answer = await asked.wait_for_reply(lambda m: "on" in m.content, timeout=SOON)
        told = await ada.slash(general, "reset", everything=everything)
        assert "fresh kernel" in (await told.wait_for_message(timeout=SOON)).content
        await answer.wait_for(lambda m: "Interrupted" in m.content and "Stop" not in labels(m), SOON)
        assert "NameError" in (await run(discord, ada, "mine")).content


async def test_all_of_a_person_is_deleted_while_their_cell_runs(discord: Discord, data: Path) -> None:
    """The cell ends, its message reaches a final state, and nothing of it is left behind."""
    dan, general = discord.guild.member("dan"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await dan.say(general, f"{discord.bot.mention} {code(f'# canary\n{ENDLESS}')}")
        answer = await asked.wait_for_reply(lambda m: "on" in m.content, timeout=SOON)
        question = await (await dan.slash(general, "privacy", what="delete")).wait_for_message()
        clicked = await dan.click(question, "Delete everything")
        await clicked.wait_for_message(lambda m: "is deleted" in m.content, timeout=SOON)
        await answer.wait_for(lambda m: "Interrupted" in m.content and "Stop" not in labels(m), SOON)
        again = await dan.click(answer, "Re-run")
        refused = (await again.wait_for_message(lambda m: m.ephemeral)).content
        # The second, if the answer has just shown its end and is not closed yet.
        assert refused in ("I do not know this cell any more.", "The code of this cell is no longer kept.")
        exported = await dan.slash(general, "privacy", what="export")
        archive = await exported.wait_for_message(lambda m: m.attachments, timeout=SOON)
        with zipfile.ZipFile(io.BytesIO(archive.file("kernelcord-export.zip").data)) as exported_zip:
            assert not [name for name in exported_zip.namelist() if b"canary" in exported_zip.read(name)]


async def test_several_edits_at_once_run_the_last(discord: Discord, data: Path) -> None:
    """Edits that arrive faster than cells end leave one turn with the newest code, in the same answer."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code(ENDLESS)}")
        answer = await asked.wait_for_reply(lambda m: "on" in m.content, timeout=SOON)
        for number in range(4):
            await ada.edit(asked, f"{discord.bot.mention} {code(f'print("edit", {number})')}")
        await answer.wait_for(lambda m: finished(m) and "edit 3" in m.content, SOON)
        assert "7" in (await answered(await ada.say(ada.dm(), code("print(3 + 4)")))).content
    assert "edit 3" in answer.content
    assert len([m for m in general.messages if m.author.id == discord.bot.id]) == 1


async def test_edits_count_as_turns(discord: Discord, data: Path) -> None:
    """A person who has used up their turns is told so when they edit, and the answer does not change."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data, rate=2):
        asked = await ada.say(general, f"{discord.bot.mention} {code('print("one")')}")
        answer = await answered(asked)
        await ada.edit(asked, f"{discord.bot.mention} {code('print("two")')}")
        await answer.wait_for(lambda m: finished(m) and "two" in m.content, SOON)
        await ada.edit(asked, f"{discord.bot.mention} {code('print("three")')}")
        await general.wait_for(lambda m: "one minute" in m.content)
        assert "two" in answer.content


async def test_more_time_for_a_cell_that_waited(discord: Discord, data: Path) -> None:
    """The message offers more time once the cell runs, and not while it waits."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data, cell_timeout="6s", keep_running="5.5s", max_running="60s"):
        first = await ada.say(general, f"{discord.bot.mention} {code('import time\ntime.sleep(1.5)')}")
        await first.wait_for_reply(lambda m: "Running" in m.content, timeout=SOON)
        second = await ada.say(ada.dm(), code("time.sleep(7)\nprint('all', 'of it')"))
        answer = await second.wait_for_reply(lambda m: "Keep running" in labels(m), timeout=SOON)
        assert "Running" in answer.content
        await (await ada.click(answer, "Keep running")).wait_for_ack()
        await answer.wait_for(finished, SOON)
    assert "all of it" in answer.content


async def test_more_time_for_each_cell_of_the_model(discord: Discord, data: Path) -> None:
    """A person who kept an answer's first cell running is asked about the second too, and pinged once."""
    ada = discord.guild.member("ada")
    slow = run_python("import time\ntime.sleep(6.4)\nprint('over', 'it is')")
    async with (
        ModelServer.start() as server,
        running(
            discord,
            data,
            openai_base_url=server.base_url,
            cell_timeout="6s",
            keep_running="5.5s",
            max_running="60s",
        ),
    ):
        server.will(calls(slow), calls(slow), says("Done."))
        asked = await ada.say(ada.dm(), "twice")
        for before in range(2):
            answer = await asked.wait_for_reply(
                lambda m, before=before: (
                    "Keep running" in labels(m) and m.content.count("over it is") == before
                ),
                timeout=SOON,
            )
            await (await ada.click(answer, "Keep running")).wait_for_ack()
        await answer.wait_for(lambda m: finished(m) and m.content.count("over it is") == 2, SOON)
        await ada.dm().wait_for(lambda m: m.pinged == {ada.id})
