"""Private messages with buttons, and forms: used once, left for too long, or sent by an earlier bot."""

from pathlib import Path

import pytest

from bot.discord.bounds import Bounds
from filestore.errors import StoreUnavailable
from tests.discord.kernelcord import SOON, code, finished, labels, run, running
from tests.loopback.loopback import Discord


async def test_a_deletion_is_confirmed_once(discord: Discord, data: Path) -> None:
    """The result replaces the question, so that there is nothing left to click."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await (await ada.slash(general, "privacy", what="delete")).wait_for_message()
        await (await ada.click(asked, "Delete everything")).wait_for_ack()
        await asked.wait_for(lambda m: "is deleted" in m.content, SOON)
        assert labels(asked) == []


@pytest.mark.parametrize("used", [False, True])
async def test_a_message_whose_time_is_over_says_so(discord: Discord, data: Path, used: bool) -> None:
    """A list and a question name the command that brings them back, and have no button left."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data, bounds=Bounds(list_open=2.0, question_open=0.5)):
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
        await ada.click(fresh, "Extend")  # updating a list must not take its buttons' ids from the others
        await fresh.wait_for(lambda m: "is kept" in m.content)
        await ada.select(listed, "made.txt")
        await listed.wait_for(lambda m: "`/files` opens it again" in m.content, SOON)
        await ada.click(other, "Get")
        await other.wait_for(lambda m: "`/files` opens it again" in m.content, SOON)
        await ada.click(asked, "Delete everything")
        await asked.wait_for(lambda m: "`/privacy` asks it again" in m.content, SOON)
        assert labels(asked) == labels(other) == []


async def test_a_window_of_a_bot_before_this_one_runs_its_code(discord: Discord, data: Path) -> None:
    """Forms of /run and of Edit & run, submitted in reverse order: each runs what was typed into it."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        answer = await run(discord, ada, "n = 20")
        forms = [await (await ada.slash(general, "run")).wait_for_modal() for _ in range(2)]
        forms.append(await (await ada.click(answer, "Edit & run")).wait_for_modal())
    async with running(discord, data):
        for number, form in reversed(list(enumerate(forms, 1))):
            sent = await ada.submit_modal(form, {"Python": f"print('sum', {number} + 20)"})
            ran = await sent.wait_for_message(lambda m: m is not answer and finished(m), timeout=SOON)
            assert f"sum {number + 20}\n" in ran.content
            assert f"print('sum', {number} + 20)" in ran.content


async def test_what_was_typed_comes_back_where_nothing_is_begun(discord: Discord, data: Path) -> None:
    """From a form, /run or /ask: Discord does not keep the text. Long text comes back as a file."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    async with running(discord, data, rate=1):
        form = await (await ada.slash(general, "run")).wait_for_modal()
        long = await (await ada.slash(general, "run")).wait_for_modal()
        await run(discord, ada, "1")
        asked = {
            "print('mine')": await ada.submit_modal(form, {"Python": "print('mine')"}),
            "print('line')": await ada.slash(general, "run", code="print('line')"),
            "in words": await ada.slash(general, "ask", words="in words"),
        }
        for typed, interaction in asked.items():
            told = await interaction.wait_for_message()
            assert told.ephemeral
            assert "a lot in one minute" in told.content
            assert f"```\n{typed}\n```" in told.content
        text = "#" * 3999 + "!"
        told = await (await ada.submit_modal(long, {"Python": text})).wait_for_message()
        assert told.file("typed.txt").data == text.encode()
        assert "one minute" in told.content
        assert bob.sees(general)[-1].content.count("mine") == 0


@pytest.mark.parametrize("known", [True, False])
async def test_an_answer_comes_back_where_its_cell_cannot_be_found(
    discord: Discord, data: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """The database is away or does not know the message; a password is not repeated."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")

    async def nothing(*_: object) -> None:
        if known:
            raise StoreUnavailable("away")

    async with running(discord, data):
        text = "from getpass import getpass\nprint(len(getpass()), input('Name? '))"
        asked = await ada.say(general, f"{discord.bot.mention} {code(text)}")
        answer = await asked.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
        for word, typed in (("swordfish", ""), ("Ada", "```\nAda\n```")):
            forms = [await (await ada.click(answer, "Answer")).wait_for_modal() for _ in range(2)]
            field = forms[0].fields()[0][0]
            with monkeypatch.context() as patched:
                patched.setattr("bot.discord.buttons.ownership.cell_of", nothing)
                sent = await ada.submit_modal(forms[0], {field: word})
                told = await sent.wait_for_message(lambda m: m.ephemeral)
            assert ("database" if known else "do not know this cell") in told.content
            assert (word in told.content, typed in told.content) == (bool(typed), True)
            await ada.submit_modal(forms[1], {forms[1].fields()[0][0]: word})
            if not typed:
                await answer.wait_for(lambda m: "Name?" in m.content, SOON)
        await answer.wait_for(lambda m: finished(m) and "9 Ada" in m.content, SOON)


async def test_a_window_or_a_button_that_nobody_knows_is_answered(discord: Discord, data: Path) -> None:
    """It may come from another version of the bot; the text may be a password, and is not repeated."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        answer = await run(discord, ada, "1")
        for custom_id in ("0123456789abcdef" * 2, "kernelcord:other", "kernelcord:answer:x:y:z"):
            form = await (await ada.slash(general, "run")).wait_for_modal()
            form.custom_id = custom_id
            told = await (await ada.submit_modal(form, {"Python": "swordfish"})).wait_for_message()
            assert told.ephemeral
            assert "do not know this form" in told.content
            assert "swordfish" not in told.content
        (rerun,) = [part for part in answer.parts() if part.get("label") == "Re-run"]
        rerun["custom_id"] = "kernelcord:other"
        told = await (await ada.click(answer, "Re-run")).wait_for_message(lambda m: m.ephemeral)
        assert "do not know this button" in told.content
