"""The buttons under an answer: what they do, and for whom."""

import asyncio
import io
import zipfile
from pathlib import Path

from tests.discord.kernelcord import SOON, code, finished, labels, output, run, running
from tests.loopback.loopback import Discord, loopback
from tests.loopback.settings import Limits
from tests.model_server import ModelServer, says


async def test_stop_ends_the_cell(discord: Discord, data: Path) -> None:
    """Stop interrupts a cell that runs on; the answer says so, and the next cell works."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code('print("on")\nwhile True: pass')}")
        answer = await asked.wait_for_reply(lambda m: "on" in m.content, timeout=SOON)
        await (await ada.click(answer, "Stop")).wait_for_ack()
        await answer.wait_for(lambda m: finished(m) and "Interrupted" in m.content, SOON)
        assert "2" in output(await run(discord, ada, "1 + 1"))


async def test_only_the_owner_may_click(discord: Discord, data: Path) -> None:
    """Anybody else is told so privately, and the cell keeps running."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code('print(input())')}")
        answer = await asked.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
        for button in ("Stop", "Answer"):
            refused = await (await bob.click(answer, button)).wait_for_message(lambda m: m.ephemeral)
            assert "person whose cell" in refused.content
        modal = await (await ada.click(answer, "Answer")).wait_for_modal()
        await ada.submit_modal(modal, {modal.fields()[0][0]: "still here"})
        await answer.wait_for(lambda m: finished(m) and "still here" in m.content, SOON)
        for button in ("Re-run", "Edit & run", "Notebook", "Files"):
            refused = await (await bob.click(answer, button)).wait_for_message(lambda m: m.ephemeral)
            assert "person whose cell" in refused.content
    assert len([m for m in general.messages if m.author.id == discord.bot.id and not m.ephemeral]) == 1


async def test_rerun_and_edit_and_run(discord: Discord, data: Path) -> None:
    """Re-run runs the same code again; Edit & run opens it in a form and runs what is submitted."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        await run(discord, ada, "n = 0")
        answer = await run(discord, ada, "n += 1\nprint('n is', n)")
        clicked = await ada.click(answer, "Re-run")
        again = await clicked.wait_for_message(lambda m: m is not answer and finished(m), timeout=SOON)
        assert "n is 2" in again.content
        modal = await (await ada.click(again, "Edit & run")).wait_for_modal()
        submitted = await ada.submit_modal(modal, {"Python": "print('n was', n)"})
        edited = await submitted.wait_for_message(lambda m: m is not again and finished(m), timeout=SOON)
        assert "n was 2" in edited.content


async def test_notebook_and_files_come_privately(discord: Discord, data: Path) -> None:
    """Notebook sends the session, Files lists what there is, to the person only."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        answer = await run(discord, ada, "open('made.txt', 'w').write('x');")
        assert "made.txt" in answer.content
        sent = await (await ada.click(answer, "Notebook")).wait_for_message(
            lambda m: m.attachments, timeout=SOON
        )
        assert sent.ephemeral
        assert b"made.txt" in sent.file("session.ipynb").data
        listed = await (await ada.click(answer, "Files")).wait_for_message(lambda m: m.selects)
        assert listed.ephemeral
        await (await ada.select(listed, "made.txt")).wait_for_ack()
        await listed.wait_for(lambda m: "expires" in m.content)
        await (await ada.click(listed, "Extend")).wait_for_ack()
        await listed.wait_for(lambda m: "is kept" in m.content)
        await ada.select(listed, "made.txt")
        got = await (await ada.click(listed, "Get")).wait_for_message(lambda m: m.attachments)
        assert got.file("made.txt").data == b"x"
        await (await ada.click(listed, "Delete")).wait_for_ack()
        await listed.wait_for(lambda m: "no files" in m.content)


async def test_list_of_files_whose_last_page_is_emptied_shows_the_one_before(
    discord: Discord, data: Path
) -> None:
    """A person who deletes the only file of a later page sees the files that are left."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        await ada.say(ada.dm(), code("for n in range(26):\n    open(f'{n}.txt', 'w').close()"))
        await ada.dm().wait_for(finished, SOON)
        listed = await (await ada.slash(ada.dm(), "files")).wait_for_message(lambda m: m.selects)
        await ada.click(listed, "Older")
        await listed.wait_for(lambda m: "Newer" in labels(m))
        (last,) = listed.selects[0]["options"]
        await ada.select(listed, last["value"])
        await listed.wait_for(lambda m: "expires" in m.content)
        await ada.click(listed, "Delete")
        await listed.wait_for(lambda m: "is deleted" in m.content)
        assert len(listed.selects[0]["options"]) == 25
        assert not {"Newer", "Older"} & set(labels(listed))


async def test_notebook_that_discord_does_not_take_comes_zipped(data: Path) -> None:
    """If it is too large, the button and /notebook zip it; if the zip is too large, they say what to do."""
    async with loopback(Limits(file=20_000)) as discord:
        ada = discord.guild.member("ada")
        async with running(discord, data, discord_max_file="20kB"):
            answer = await run(discord, ada, "print('x' * 40_000)", ada.dm())
            for asked in (await ada.click(answer, "Notebook"), await ada.slash(ada.dm(), "notebook")):
                sent = await asked.wait_for_message(lambda m: m.attachments, timeout=SOON)
                with zipfile.ZipFile(io.BytesIO(sent.file("session.ipynb.zip").data)) as archive:
                    assert b"x" * 40_000 in archive.read("session.ipynb")
            noise = "import random\nprint(random.Random(1).randbytes(30_000).hex())"
            answer = await run(discord, ada, noise, ada.dm())
            for asked in (await ada.click(answer, "Notebook"), await ada.slash(ada.dm(), "notebook")):
                told = await asked.wait_for_message(lambda m: "even zipped" in m.content, timeout=SOON)
                assert "/files" in told.content


async def test_password_is_neither_shown_nor_stored(discord: Discord, data: Path) -> None:
    """getpass opens a form that says that Discord has no password field; its answer appears nowhere."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        text = "import getpass\nword = getpass.getpass('Key: ')\nprint(len(word))"
        asked = await ada.say(general, f"{discord.bot.mention} {code(text)}")
        answer = await asked.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
        modal = await (await ada.click(answer, "Answer")).wait_for_modal()
        assert "no password field" in modal.title
        await ada.submit_modal(modal, {modal.fields()[0][0]: "swordfish"})
        await answer.wait_for(lambda m: finished(m) and "9" in output(m), SOON)
        sent = await (await ada.click(answer, "Notebook")).wait_for_message(
            lambda m: m.attachments, timeout=SOON
        )
        assert b"swordfish" not in sent.file("session.ipynb").data
    assert not [state for state in answer.history_of_states if "swordfish" in state.content]


async def test_form_of_an_earlier_question_answers_no_later_one(discord: Discord, data: Path) -> None:
    """What was typed into a second form for a password is not passed to the input() that follows."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        text = "from getpass import getpass\nlength = len(getpass())\nprint(input('Name? '), length)"
        asked = await ada.say(general, f"{discord.bot.mention} {code(text)}")
        answer = await asked.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
        forms = [await (await ada.click(answer, "Answer")).wait_for_modal() for _ in range(2)]
        field = forms[0].fields()[0][0]
        await ada.submit_modal(forms[0], {field: "swordfish"})
        await answer.wait_for(lambda m: "Name?" in m.content, SOON)
        late = await ada.submit_modal(forms[1], {forms[1].fields()[0][0]: "swordfish"})
        refused = await late.wait_for_message(lambda m: m.ephemeral)
        assert "No question" in refused.content
        modal = await (await ada.click(answer, "Answer")).wait_for_modal()
        await ada.submit_modal(modal, {modal.fields()[0][0]: "Ada"})
        await answer.wait_for(lambda m: finished(m) and "Ada 9" in m.content, SOON)
    assert not [state for state in answer.history_of_states if "swordfish" in state.content]


async def test_keep_running_gives_time_and_pings_its_person_at_the_end(discord: Discord, data: Path) -> None:
    """Near its deadline a cell can be kept running; only its person is pinged when it ends."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    async with running(discord, data, cell_timeout="4s", keep_running="3s", max_running="30s"):
        text = f"import time\nfor n in range(12):\n    time.sleep(.5)\nprint('kept', '{bob.mention}')"
        asked = await ada.say(general, f"{discord.bot.mention} {code(text)}")
        answer = await asked.wait_for_reply(lambda m: "Keep running" in labels(m), timeout=SOON)
        await (await ada.click(answer, "Keep running")).wait_for_ack()
        await answer.wait_for(lambda m: finished(m) and "kept" in m.content, SOON)
        ping = await general.wait_for(lambda m: m.pinged and m.author.id == discord.bot.id)
        assert ping.pinged == {ada.id}


async def test_cells_of_one_kernel_wait_for_each_other(discord: Discord, data: Path) -> None:
    """A person's second cell shows its position, and Stop on it leaves the first alone."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        first = await ada.say(general, f"{discord.bot.mention} {code('print(input())')}")
        running_one = await first.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
        second = await ada.say(general, f"{discord.bot.mention} {code('print(2)')}")
        waiting = await second.wait_for_reply(
            lambda m: "Stop" in labels(m) and "Waiting: 1" in m.content, timeout=SOON
        )
        await (await ada.click(waiting, "Stop")).wait_for_ack()
        await waiting.wait_for(finished, SOON)
        modal = await (await ada.click(running_one, "Answer")).wait_for_modal()
        await ada.submit_modal(modal, {modal.fields()[0][0]: "first is here"})
        await running_one.wait_for(lambda m: finished(m) and "first is here" in m.content, SOON)


async def test_stop_ends_the_models_answer(discord: Discord, data: Path) -> None:
    """Stop cancels the request to the model; what was said stays, and the next question is answered."""
    ada = discord.guild.member("ada")
    held = asyncio.Event()
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url):
        server.will(says("So far.", hold=held), says("Next."))
        asked = await ada.say(ada.dm(), "tell me everything")
        answer = await asked.wait_for_reply(lambda m: "So far." in m.content, timeout=SOON)
        await (await ada.click(answer, "Stop")).wait_for_ack()
        await answer.wait_for(lambda m: not m.buttons, SOON)
        await server.left(1)
        assert "So far." in answer.content
        again = await ada.say(ada.dm(), "and now?")
        await again.wait_for_reply(lambda m: "Next." in m.content, timeout=SOON)
        held.set()
