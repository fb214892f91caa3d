"""What Discord refuses for good: each answer arrives another way, and no message seems to be running."""

from pathlib import Path

from tests.discord.kernelcord import SOON, code, finished, labels, output, run, running, saved
from tests.loopback.loopback import Discord
from tests.loopback.people.person import Person
from tests.loopback.world.messages import Message

EDITS, POSTS = "/channels/*/messages/*", "/channels/*/messages"


async def asking(discord: Discord, person: Person, *, in_thread: bool = False) -> Message:
    """The answer to code that waits for an `input()`, in #general or in a thread of it."""
    general = discord.guild.channel("general")
    await person.say(general, f"{discord.bot.mention} {code('print(input())')}")
    where = await general.wait_for_thread(timeout=SOON) if in_thread else general
    return await where.wait_for(lambda m: "Answer" in labels(m), timeout=SOON)


async def answer(person: Person, message: Message, text: str) -> None:
    """Answer its question."""
    modal = await (await person.click(message, "Answer")).wait_for_modal()
    await person.submit_modal(modal, {modal.fields()[0][0]: text})


def ours(discord: Discord) -> list[Message]:
    """The bot's messages in #general that are still there."""
    general = discord.guild.channel("general")
    return [m for m in general.messages if m.author.id == discord.bot.id and not m.deleted]


async def test_message_that_may_not_be_edited_any_more_is_replaced(discord: Discord, data: Path) -> None:
    """The answer comes as a new message, and the old one does not stay there with its Stop."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        live = await asking(discord, ada)
        discord.faults.status("PATCH", EDITS, 400, code=30046, times=None)
        await answer(ada, live, "done")
        await general.wait_for(lambda m: finished(m) and "done" in m.content, timeout=SOON)
        await live.wait_for(lambda m: m.deleted)
    assert len(ours(discord)) == 1


async def test_text_that_discord_does_not_take_becomes_a_sentence(discord: Discord, data: Path) -> None:
    """A message refused for what is in it (240000: a link) ends with a sentence and its buttons."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        live = await asking(discord, ada)
        discord.faults.status("PATCH", EDITS, 400, code=240000, times=None)
        await answer(ada, live, "done")
        discord.faults.status("POST", POSTS, 400, code=240000)
        await general.wait_for(lambda m: finished(m) and "/notebook" in m.content, timeout=SOON)
    assert len(ours(discord)) == 1


async def test_answer_in_a_thread_that_is_archived(discord: Discord, data: Path) -> None:
    """A new message opens the thread again, and is the whole answer."""
    ada = discord.guild.member("ada")
    async with running(discord, data, answer_in="thread"):
        live = await asking(discord, ada, in_thread=True)
        modal = await (await ada.click(live, "Answer")).wait_for_modal()
        live.channel.archived = True
        await ada.submit_modal(modal, {modal.fields()[0][0]: "done"})
        await live.channel.wait_for(lambda m: finished(m) and "done" in m.content, timeout=SOON)
        await live.wait_for(lambda m: m.deleted)


async def test_answer_in_a_thread_that_is_locked(discord: Discord, data: Path) -> None:
    """If nobody may write there any more, the answer comes as a direct message."""
    ada = discord.guild.member("ada")
    async with running(discord, data, answer_in="thread"):
        live = await asking(discord, ada, in_thread=True)
        modal = await (await ada.click(live, "Answer")).wait_for_modal()
        live.channel.archived = live.channel.locked = True
        await ada.submit_modal(modal, {modal.fields()[0][0]: "done"})
        await ada.dm().wait_for(lambda m: finished(m) and "done" in m.content, timeout=SOON)


async def test_without_the_history_the_answer_is_no_reply(discord: Discord, data: Path) -> None:
    """A reply needs a permission of its own; without it, the answer is an ordinary message."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    discord.guild.overwrite(general, discord.bot, deny="read_message_history")
    async with running(discord, data):
        await ada.say(general, f"{discord.bot.mention} {code('print(3 + 4)')}")
        told = await general.wait_for(lambda m: finished(m) and "7" in output(m), timeout=SOON)
    assert told.reference is None


async def test_private_answer_that_discord_does_not_take_becomes_a_sentence(
    discord: Discord, data: Path
) -> None:
    """A command whose answer is refused for its content does not keep saying "thinking"."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        discord.faults.status("POST", "/webhooks/*/*", 400, code=50035)
        asked = await ada.slash(ada.dm(), "usage")
        told = await asked.wait_for_message(lambda m: "did not accept" in m.content)
        assert told.ephemeral


async def test_loss_that_reached_nobody_is_told_with_the_next_answer(discord: Discord, data: Path) -> None:
    """Lost variables are named in no transcript, so the names must not vanish with an undelivered answer."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        await run(discord, ada, "precious = 1; cannot = (one for one in ())")
        await saved(ada, 1)
        await ada.say(general, f"{discord.bot.mention} {code('import os; os._exit(int(input()))')}")
        live = await general.wait_for(lambda m: "Answer" in labels(m), timeout=SOON)
        edits = discord.faults.status("PATCH", EDITS, 403, code=50013, times=None)
        posts = discord.faults.status("POST", POSTS, 403, code=50013, times=2)  # the channel, and the person
        await answer(ada, live, "5")
        await posts.wait_for_hit(2, SOON)
        edits.remove()
        told = await run(discord, ada, "print('next')")
        assert "Your variables are as after cell 1. Not back: cannot" in told.content
        assert "Not back" not in (await run(discord, ada, "print('next', precious)")).content
