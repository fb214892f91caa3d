"""A finished answer leaves nothing but ids in the bot's memory."""

import asyncio
import gc
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.discord.answers.answer import LiveAnswer
from bot.discord.format.answer import Draft
from bot.request import Picture, Request
from kernels.cell.outputs import Outputs
from tests.discord.kernelcord import SOON, answered, code, finished, labels, output, run, running
from tests.live.cells import until
from tests.loopback.loopback import Discord
from tests.model_server import ModelServer, calls, run_python, says

HEAVY = (Draft, LiveAnswer, Request, Picture, Outputs)  # everything that holds outputs, pictures and words
PLOT = (  # without matplotlib, whose import takes longer than all the rest
    "from IPython.display import Image, display"
    "; display(Image(b'\\x89PNG\\r\\n\\x1a\\n' + bytes(9999), format='png')); print('x' * 200_000)"
)


def kept() -> dict[str, int]:
    """How many such objects there are."""
    gc.collect()
    found = [type(each).__name__ for each in gc.get_objects() if isinstance(each, HEAVY)]
    return {name: found.count(name) for name in sorted(set(found))}


async def test_finished_answers_are_ids(discord: Discord, data: Path) -> None:
    """Outputs, pictures and words are freed at the end of an answer, however it was requested."""
    ada = discord.guild.member("ada")
    picture = ("a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 1000)
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url, rate=0):
        before = kept()
        await run(discord, ada, PLOT, discord.guild.channel("another"))
        general = discord.guild.channel("general")
        asked = await ada.say(general, f"{discord.bot.mention} {code(PLOT)}", files=[picture])
        await answered(asked)
        await ada.edit(asked, f"{discord.bot.mention} {code(PLOT + '; 1')}")
        await asked.wait_for_reply(lambda m: finished(m) and m.edited and len(m.history_of_states) > 3, SOON)
        ran = await (await ada.slash(general, "run", code=PLOT)).wait_for_message(finished, timeout=SOON)
        await (await ada.click(ran, "Edit & run")).wait_for_modal()  # which stays open
        server.will(calls(run_python(PLOT)), says("Done."))
        await (await ada.say(ada.dm(), "plot it", files=[picture])).wait_for_reply(
            lambda m: "Done." in m.content and "tokens" in m.content, timeout=SOON
        )
        asking = await ada.say(general, f"{discord.bot.mention} {code('print(input())')}")
        answer = await asking.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
        await (await ada.click(answer, "Answer")).wait_for_modal()  # likewise
        await (await ada.click(answer, "Stop")).wait_for_ack()
        await answer.wait_for(finished, SOON)
        for _ in range(300):  # the turn ends a little later than its message
            if kept() == before:
                break
            await asyncio.sleep(0.1)
        assert kept() == before


async def test_edit_of_a_finished_answer_finds_all_of_its_messages(discord: Discord, data: Path) -> None:
    """The new answer replaces the first message, or is a new one if that is gone; the others are deleted."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    long = "for n in range(300): print('number', n, 'of many')"

    def ours() -> list[str]:
        return [
            m.content
            for m in general.messages
            if m.author.id == discord.bot.id and not m.deleted and m.id > asked.id
        ]

    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code(long)}")
        await general.wait_for(lambda m: finished(m) and "number 299" in m.content, after=asked, timeout=SOON)
        assert len(ours()) > 1
        await ada.edit(asked, f"{discord.bot.mention} {code('print(6 * 7)')}")
        answer = await asked.wait_for_reply(lambda m: finished(m) and "42" in output(m), timeout=SOON)
        assert ours() == [answer.content]
        await ada.edit(asked, f"{discord.bot.mention} {code('print(6 * 8)')}")
        await answer.wait_for(lambda m: finished(m) and "48" in output(m), SOON)
        discord.world.remove(answer)
        await ada.edit(asked, f"{discord.bot.mention} {code('print(6 * 9)')}")
        await general.wait_for(lambda m: finished(m) and "54" in output(m), after=asked, timeout=SOON)


async def test_an_answer_whose_files_wait_shows_its_text(discord: Discord, data: Path) -> None:
    """A person's large files go one answer after the other, and there is nothing to stop any more."""
    ada, general, another = discord.guild.member("ada"), *map(discord.guild.channel, ("general", "another"))
    large = code("import os; open('large.bin', 'wb').write(os.urandom(3 << 20)); print(6 * 7)")
    async with running(discord, data):
        held = discord.faults.hold("PATCH", f"/channels/{general.id}/messages/*")
        await ada.say(general, f"{discord.bot.mention} {large}")
        await held.wait_for_hit()
        await until(  # its cell has ended, and its files are being sent
            lambda: any(isinstance(each, LiveAnswer) and each._page for each in gc.get_objects())
        )
        asked = await ada.say(another, f"{discord.bot.mention} {large}")
        waits = await asked.wait_for_reply(lambda m: "large.bin" in m.content and not labels(m), timeout=SOON)
        assert "42" in output(waits)
        assert not waits.attachments
        held.release()
        await waits.wait_for(lambda m: finished(m) and len(m.attachments) == 1, SOON)


@pytest.mark.parametrize("how", ["message", "file", "edit", "command"])
async def test_what_waits_for_discord_is_not_begun_after_a_deletion(
    discord: Discord, data: Path, how: str
) -> None:
    """Whatever a person has asked before /privacy delete: it does not run, and nothing is stored of it."""
    dan, general = discord.guild.member("dan"), discord.guild.channel("general")
    later = f"{discord.bot.mention} {code('print(1)')}"
    async with running(discord, data):
        asked = await dan.say(general, later) if how == "edit" else None
        if asked is not None:
            await answered(asked)
        method, path = {
            "message": ("POST", f"/channels/{general.id}/messages"),
            "file": ("POST", "*/typing"),
            "edit": ("PATCH", f"/channels/{general.id}/messages/*"),
            "command": ("PATCH", "/webhooks/*/messages/@original"),
        }[how]
        held = discord.faults.hold(method, path)
        if asked is not None:
            await dan.edit(asked, f"{discord.bot.mention} {code('print(2)')}")
        elif how == "command":
            await dan.slash(general, "run", code="print(2)")
        else:
            await dan.say(general, later, files=[("a.csv", b"a\n1\n")] if how == "file" else [])
        await held.wait_for_hit()
        confirm = await (await dan.slash(general, "privacy", what="delete")).wait_for_message()
        await (await dan.click(confirm, "Delete everything")).wait_for_message(
            lambda m: "is deleted" in m.content, timeout=SOON
        )
        held.release()
        told = await general.wait_for(lambda m: "Not done: you had everything" in m.content, timeout=SOON)
        assert not finished(told)
    with closing(sqlite3.connect(data / "kernelcord.db")) as database:
        count = "SELECT count(*) FROM sessions WHERE user_id = ?"
        assert database.execute(count, (dan.user.id,)).fetchone() == (0,)


async def test_who_is_forgotten_is_forgotten_here_too(discord: Discord, data: Path) -> None:
    """After /privacy delete, editing an earlier question starts nothing: the bot no longer knows it."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code('print(1)')}")
        answer = await answered(asked)
        confirm = await (await ada.slash(general, "privacy", what="delete")).wait_for_message()
        await (await ada.click(confirm, "Delete everything")).wait_for_message(
            lambda m: "is deleted" in m.content, timeout=SOON
        )
        states = len(answer.history_of_states)
        await ada.edit(asked, f"{discord.bot.mention} {code('print(2)')}")
        await run(discord, ada, "3")
        assert len(answer.history_of_states) == states
