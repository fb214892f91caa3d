"""What goes wrong between Discord and the bot while a cell streams: each ends with one complete answer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.discord.kernelcord import SOON, answered, code, finished, labels, output, run, running
from tests.loopback.loopback import Discord, loopback
from tests.loopback.settings import Limits
from tests.loopback.world.messages import Message
from tests.model_server import Fault, ModelServer, calls, run_python, says

STREAM = "import time\nfor n in range(8):\n    print('line', n)\n    time.sleep(.25)\nprint('the end')"
EDITS, POSTS = "/channels/*/messages/*", "/channels/*/messages"


def ours(discord: Discord) -> list[Message]:
    """The bot's messages in #general that are still there."""
    general = discord.guild.channel("general")
    return [m for m in general.messages if m.author.id == discord.bot.id and not m.deleted]


def is_whole(message: Message) -> bool:
    """Whether an answer to STREAM is complete."""
    return finished(message) and "line 0" in message.content and "the end" in message.content


FAULTS: dict[str, Callable[[Discord], object]] = {
    "429 of a shared limit": lambda d: d.faults.too_many(
        "PATCH", EDITS, retry_after=0.3, scope="shared", times=7
    ),
    "429 with a bare Retry-After": lambda d: d.faults.too_many(
        "PATCH", EDITS, retry_after=0.3, bare=True, times=3
    ),
    "503": lambda d: d.faults.status("PATCH", EDITS, 503, times=3),
    "reset": lambda d: d.faults.drop("PATCH", EDITS, times=3),
    "reset after the work": lambda d: d.faults.drop("PATCH", EDITS, times=2, handled=True),
    "too many edits of an old message": lambda d: d.faults.status("PATCH", EDITS, 400, code=30046, times=1),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_fault_while_a_cell_streams(discord: Discord, data: Path, fault: str) -> None:
    """However edits fail, one complete answer is left."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code(STREAM)}")
        await asked.wait_for_reply(lambda m: "line" in m.content, timeout=SOON)
        FAULTS[fault](discord)
        await general.wait_for(is_whole, timeout=SOON)
    assert len([m for m in ours(discord) if is_whole(m)]) == 1


@pytest.mark.parametrize("times", [1, 3])
async def test_first_message_is_sent_again(discord: Discord, data: Path, times: int) -> None:
    """A message that Discord does not take at first arrives once."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        discord.faults.status("POST", POSTS, 503, times=times)
        assert "7" in output(await run(discord, ada, "print(3 + 4)"))
    assert len(ours(discord)) == 1


@pytest.mark.parametrize("resumable", [True, False])
async def test_gateway_breaks_while_a_cell_streams(discord: Discord, data: Path, resumable: bool) -> None:
    """The answer arrives although the connection broke, and the next message is received."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code(STREAM)}")
        await asked.wait_for_reply(lambda m: "line" in m.content, timeout=SOON)
        discord.gateway.drop(resumable=resumable)
        await asked.wait_for_reply(is_whole, timeout=SOON)
        await discord.gateway.wait_for_online(SOON)
        assert "7" in output(await run(discord, ada, "print(3 + 4)"))


async def test_message_is_deleted_while_a_cell_streams(discord: Discord, data: Path) -> None:
    """If the live message is deleted, the answer comes in one new message."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.say(general, f"{discord.bot.mention} {code(STREAM)}")
        answer = await asked.wait_for_reply(lambda m: "line" in m.content, timeout=SOON)
        await ada.delete(answer)
        await general.wait_for(is_whole, timeout=SOON)
    assert len(ours(discord)) == 1


async def test_interaction_expires_while_a_cell_streams(discord: Discord, data: Path) -> None:
    """After a quarter of an hour a command's answer continues as an ordinary message in the channel."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked = await ada.slash(general, "run", code="print('line 0')\nprint(input())\nprint('the end')")
        answer = await asked.wait_for_message(lambda m: "Answer" in labels(m), timeout=SOON)
        discord.clock.advance(16 * 60)
        modal = await (await ada.click(answer, "Answer")).wait_for_modal()
        await ada.submit_modal(modal, {modal.fields()[0][0]: "late"})
        await general.wait_for(is_whole, timeout=SOON)
    assert len([m for m in ours(discord) if is_whole(m)]) == 1


async def test_interaction_that_could_not_be_acknowledged_is_answered(discord: Discord, data: Path) -> None:
    """If the three seconds have passed, the answer comes as an ordinary message in the channel."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        discord.faults.status("POST", "/interactions/*", 404, code=10062, times=1)
        await ada.slash(general, "run", code="print(3 + 4)")
        await general.wait_for(lambda m: finished(m) and "7" in output(m), timeout=SOON)


async def test_acknowledgement_whose_answer_was_lost_counts(discord: Discord, data: Path) -> None:
    """A second acknowledgement of one interaction (40060) is not a failure: the first had arrived."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        discord.faults.drop("POST", "/interactions/*", handled=True)
        asked = await ada.slash(general, "run", code="print(3 + 4)")
        await asked.wait_for_message(lambda m: finished(m) and "7" in output(m), timeout=SOON)
    discord.violations()  # the double acknowledgement that this test is about


async def test_model_stream_is_cut(discord: Discord, data: Path) -> None:
    """An answer of the model that breaks off shows what was said, and a sentence about the rest."""
    ada = discord.guild.member("ada")
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url):
        server.will(calls(run_python("print(6 * 7)"), words=["First."]), *[says("Sec", cut="reset")] * 8)
        asked = await ada.say(ada.dm(), "go")
        answer = await answered(asked)
        assert "First." in answer.content
        assert "42" in output(answer)
        assert "broke off" in answer.content or "reached" in answer.content


async def test_model_takes_no_more_requests_for_a_moment(discord: Discord, data: Path) -> None:
    """After a 429 from the model's API the bot waits; the answer is complete."""
    ada = discord.guild.member("ada")
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url):
        server.will(Fault(429), Fault(503), says("Here I am."))
        asked = await ada.say(ada.dm(), "hello?")
        await asked.wait_for_reply(lambda m: "Here I am." in m.content, timeout=SOON)


async def test_where_the_bot_may_not_write_the_answer_comes_directly(discord: Discord, data: Path) -> None:
    """Where the bot may not send, the person gets the answer as a direct message."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    discord.guild.overwrite(general, discord.bot, deny="send_messages")
    async with running(discord, data):
        await ada.say(general, f"{discord.bot.mention} {code('print(3 + 4)')}")
        await ada.dm().wait_for(lambda m: finished(m) and "7" in output(m), timeout=SOON)
    assert not ours(discord)


async def test_channel_goes_while_a_cell_streams(discord: Discord, data: Path) -> None:
    """An answer whose channel was deleted comes as a direct message."""
    ada, random = discord.guild.member("ada"), discord.guild.channel("random")
    async with running(discord, data):
        asked = await ada.say(random, f"{discord.bot.mention} {code(STREAM)}")
        await asked.wait_for_reply(lambda m: "line" in m.content, timeout=SOON)
        random.deleted = True
        await ada.dm().wait_for(is_whole, timeout=SOON)


async def test_files_may_not_be_attached(discord: Discord, data: Path) -> None:
    """Without the permission to attach, the answer says how to get the file."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    discord.guild.overwrite(general, discord.bot, deny="attach_files")
    async with running(discord, data):
        answer = await run(discord, ada, "open('made.txt', 'w').write('x' * 9);")
        assert not answer.attachments
        assert "made.txt" in answer.content
        assert "Generated 1 file(s)" in answer.content


async def test_upload_that_discord_finds_too_large(data: Path) -> None:
    """If Discord accepts less than the setting says, what fits is sent and the rest is named with its id."""
    async with loopback(Limits(file=2000)) as discord:
        ada = discord.guild.member("ada")
        async with running(discord, data):
            general = discord.guild.channel("general")
            text = "open('big.txt', 'w').write('x' * 3000)\nopen('small.txt', 'w').write('y' * 10);"
            asked = await ada.say(general, f"{discord.bot.mention} {code(text)}")
            await general.wait_for(finished, timeout=SOON)
            answer = await asked.wait_for_reply()
            assert "Generated 2 file(s)" in answer.content
            sent = [attachment.filename for message in ours(discord) for attachment in message.attachments]
            assert sent == ["small.txt"]
            named = [message.content for message in ours(discord) if "too large" in message.content]
            assert len(named) == 1
            assert "big.txt" in named[0]
            assert "load_file(" in named[0]
        discord.violations()  # the refused upload that this test is about


async def test_files_over_our_own_limit_are_not_even_sent(discord: Discord, data: Path) -> None:
    """The size limit is a setting, whatever nextcord believes; the answer says how to get the file."""
    ada = discord.guild.member("ada")
    async with running(discord, data, discord_max_file="1kB"):
        answer = await run(discord, ada, "open('big.txt', 'w').write('x' * 3000);")
        assert "big.txt" in answer.content
        assert "load_file(" in answer.content
    assert not any(message.attachments for message in ours(discord))
    assert not [request for request in discord.requests.all if request.status == 413]
