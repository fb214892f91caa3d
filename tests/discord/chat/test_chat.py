"""Talking to the bot in channels, in direct messages and in threads."""

from pathlib import Path

from tests.discord.kernelcord import SOON, answered, code, finished, output, run, running
from tests.loopback.loopback import Discord
from tests.model_server import ModelServer, calls, run_python, says


async def test_code_runs_wherever_the_bot_is_meant(discord: Discord, data: Path) -> None:
    """A mention, a DM and a reply to the bot run code as it is, all in the person's one kernel."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        mentioned = await run(discord, ada, "x = 6\nprint(x)")
        assert "6" in output(mentioned)
        replied = await answered(await ada.say(general, code("print(x * 7)"), reply_to=mentioned, ping=False))
        assert "42" in output(replied)
        assert "x is 6" in (await run(discord, ada, "print(f'x is {x}')", ada.dm())).content


async def test_what_is_not_for_the_bot_is_left_alone(discord: Discord, data: Path) -> None:
    """Code in a channel without a mention, and a message of another bot, begin nothing."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    bob.user.bot = True
    async with running(discord, data):
        others = await ada.say(general, code("print('left alone')"))
        await bob.say(general, f"{discord.bot.mention} {code('print(1)')}")
        await run(discord, ada, "print('mine')")
    ours = [message for message in general.messages if message.author.id == discord.bot.id]
    assert len(ours) == 1
    assert not others.thread


async def test_answers_in_threads_where_the_server_wants_it(discord: Discord, data: Path) -> None:
    """With this setting, each question opens a thread, and messages in it need no mention."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        chosen = await ada.slash(general, "settings", answer_in="thread")
        assert "thread" in (await chosen.wait_for_message()).content
        asked = await ada.say(general, f"{discord.bot.mention} {code('y = 1; y')}")
        thread = await general.wait_for_thread(timeout=SOON)
        await thread.wait_for(finished, timeout=SOON)
        again = await ada.say(thread, code("y + 1"))
        assert "2" in output(await answered(again))
        assert not [m for m in general.messages if m.reference is asked]


async def test_words_go_to_the_model_with_the_history_of_their_place(discord: Discord, data: Path) -> None:
    """The model's words stream in and its code's output follows; words of a DM never reach a channel."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url):
        server.will(says("I keep it."))
        secret = await ada.say(ada.dm(), "my secret is swordfish")
        await secret.wait_for_reply(lambda m: "I keep it." in m.content, timeout=SOON)
        server.will(calls(run_python("print(6 * 7)"), words=["Let me see."]), says("It is 42."))
        asked = await ada.say(general, f"{discord.bot.mention} what is six times seven?")
        answer = await answered(asked)
        assert "Let me see." in answer.content
        assert "It is 42." in answer.content
        server.will(says("Again 42."))
        again = await ada.say(general, f"{discord.bot.mention} and again?")
        await again.wait_for_reply(lambda m: "Again 42." in m.content, timeout=SOON)
        assert "six times seven" in server.requests[-1].text
        assert not [request for request in server.requests[1:] if "swordfish" in request.text]


async def test_code_of_a_person_called_like_the_model_is_theirs(discord: Discord, data: Path) -> None:
    """The model is not told that it ran what somebody with its name has run."""
    kernelcord = discord.guild.member("Kernelcord")
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url):
        await run(discord, kernelcord, "print('mine')", kernelcord.dm())
        server.will(says("Yours."))
        asked = await kernelcord.say(kernelcord.dm(), "who ran that?")
        await asked.wait_for_reply(lambda m: "Yours." in m.content, timeout=SOON)
        assert "I ran this myself" in server.requests[0].text


async def test_without_a_model_words_are_answered_with_what_is_missing(discord: Discord, data: Path) -> None:
    """Words are answered with a sentence, without advice that a member cannot follow; all else works."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        asked = await ada.say(ada.dm(), "hello")
        answer = await asked.wait_for_reply(lambda m: "no model here" in m.content, timeout=SOON)
        assert "OPENAI" not in answer.content
        assert "3" in output(await run(discord, ada, "1 + 2", ada.dm()))


async def test_edited_message_runs_again_in_its_answer(discord: Discord, data: Path) -> None:
    """Editing the last message runs the new code, and its answer shows only that."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code('print(1 / 0)')}")
        answer = await answered(asked)
        assert "ZeroDivisionError" in answer.content
        await ada.edit(asked, f"{discord.bot.mention} {code('print(1 / 4)')}")
        await answer.wait_for(lambda m: "0.25" in output(m) and finished(m), SOON)
        assert "ZeroDivisionError" not in answer.content
    assert len([m for m in general.messages if m.author.id == discord.bot.id]) == 1


async def test_edit_while_files_are_received_is_what_runs(discord: Discord, data: Path) -> None:
    """A message that is changed before its turn has begun runs once, in its changed form."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        typing = discord.faults.hold("POST", "*/typing")
        asked = await ada.say(ada.dm(), code("print('old')"), files=[("a.csv", b"a\n1\n")])
        await typing.wait_for_hit()
        await ada.edit(asked, code("print('new', len(open('a.csv').read()))"))
        await (await ada.slash(ada.dm(), "help")).wait_for_message()  # it comes after the edit
        typing.release()
        assert "new 4" in (await ada.dm().wait_for(finished, SOON)).content
        assert "old" not in (await run(discord, ada, "'still here'", ada.dm())).content
    assert len([m for m in ada.dm().messages if finished(m)]) == 2


async def test_edit_after_its_time_changes_nothing(discord: Discord, data: Path) -> None:
    """A message edited later than EDIT_WITHIN keeps its old answer."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data, edit_within="0.001s"):
        asked = await ada.say(general, f"{discord.bot.mention} {code('times = 1; times')}")
        await answered(asked)
        await ada.edit(asked, f"{discord.bot.mention} {code('times = 2; times')}")
        assert "times is 1" in (await run(discord, ada, "print('times is', times)")).content


async def test_edit_stops_what_still_runs(discord: Discord, data: Path) -> None:
    """Running code is stopped when its message is edited, and the new code runs."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code('print(5)\nwhile True: pass')}")
        answer = await asked.wait_for_reply(lambda m: "5" in output(m), timeout=SOON)
        await ada.edit(asked, f"{discord.bot.mention} {code('print("new")')}")
        await answer.wait_for(lambda m: "new" in m.content and finished(m), SOON)


async def test_nobody_is_ever_mentioned(discord: Discord, data: Path) -> None:
    """Output with mentions of everybody, roles and people notifies nobody, and ends no fence."""
    ada, bob = discord.guild.member("ada"), discord.guild.member("bob")
    text = f"@everyone @here {bob.mention} ``` {bob.mention}"
    async with running(discord, data):
        answer = await run(discord, ada, f"print({text!r})")
    assert not answer.pinged
    assert not answer.mention_everyone
    assert answer.content.count("```") % 2 == 0


async def test_a_person_who_asks_too_much_is_told_kindly(discord: Discord, data: Path) -> None:
    """The third turn in a minute of two is refused in a sentence; another person's is not."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    async with running(discord, data, rate=2):
        for number in range(2):
            await run(discord, ada, f"print({number})")
        asked = await ada.say(general, f"{discord.bot.mention} {code('print(3)')}")
        await asked.wait_for_reply(lambda m: "one minute" in m.content)
        await run(discord, bob, "print(4)")


async def test_a_flood_of_one_person_does_not_hold_up_others(discord: Discord, data: Path) -> None:
    """A person who carries on after a refusal is not answered each time: others need the channel too."""
    ada, bob, general = (
        discord.guild.member("ada"),
        discord.guild.member("bob"),
        discord.guild.channel("general"),
    )
    async with running(discord, data, rate=1):
        await run(discord, ada, "print(1)")
        for number in range(30):
            await ada.say(general, f"{discord.bot.mention} {code(f'print({number})')}")
        await run(discord, bob, "print(2)")
    assert len([m for m in general.messages if "one minute" in m.content]) == 1
