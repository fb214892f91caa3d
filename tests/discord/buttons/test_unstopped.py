"""Stop, and the cell goes on: its owner is asked whether to wait for it or to kill its kernel."""

from pathlib import Path

import pytest

from bot.wording.cell_messages import DOES_NOT_STOP
from tests.discord.kernelcord import SOON, code, finished, labels, output, run, running, saved
from tests.live.cells import deaf
from tests.loopback.loopback import Discord
from tests.loopback.people.person import Person
from tests.loopback.world.messages import Message
from tests.loopback.world.state import Channel
from tests.model_server import ModelServer, calls, run_python, says

DEAF = deaf()


def asks(message: Message) -> bool:
    """Whether an answer asks what to do."""
    return "Kill" in labels(message) and DOES_NOT_STOP in message.content


def runs(message: Message) -> bool:
    """Whether an answer's cell goes on without a question."""
    return "Stop" in labels(message) and DOES_NOT_STOP not in message.content


async def deaf(discord: Discord, ada: Person, channel: Channel, text: str = DEAF) -> tuple[Message, Message]:
    """Ada's message with a cell that does not stop, and the answer, which asks what to do about it."""
    mention = discord.bot.mention if channel.guild is not None else ""
    asked = await ada.say(channel, f"{mention} {code(text)}")
    answer = await asked.wait_for_reply(lambda m: "on\n" in m.content and runs(m), timeout=SOON)
    await (await ada.click(answer, "Stop")).wait_for_ack()
    await answer.wait_for(asks, SOON)
    return asked, answer


async def test_who_waits_has_all_of_the_cell_and_who_kills_is_told_the_loss(
    discord: Discord, data: Path
) -> None:
    """Only its owner is asked. Wait brings Stop back; /stop asks again; Kill kills at once."""
    ada, bob = discord.guild.member("ada"), discord.guild.member("bob")
    general = discord.guild.channel("general")
    async with running(discord, data):
        await run(discord, ada, "kept_here = 7")
        await saved(ada, 1)
        _, answer = await deaf(discord, ada, general)
        assert labels(answer) == ["Wait", "Kill"]
        assert "Killing its kernel loses whatever this cell has defined or changed" in answer.content
        assert "your variables come back as after cell 1" in answer.content
        assert "killed when its time is up" in answer.content
        for button in ("Wait", "Kill"):
            refused = await (await bob.click(answer, button)).wait_for_message(lambda m: m.ephemeral)
            assert "person whose cell" in refused.content
        assert "othing" in (await (await bob.slash(general, "stop")).wait_for_message()).content
        await (await ada.click(answer, "Wait")).wait_for_ack()
        await answer.wait_for(runs, SOON)
        await (await ada.slash(general, "stop")).wait_for_message()
        await answer.wait_for(asks, SOON)
        await (await ada.click(answer, "Kill")).wait_for_ack()
        await answer.wait_for(lambda m: finished(m) and "Interrupted" in m.content, SOON)
        assert "killed as you wanted" in answer.content
        assert "Your variables are as after cell 1." in answer.content
        assert "Lost since then: whatever the cell that was running had defined" in answer.content
        assert DOES_NOT_STOP not in answer.content
        assert output(await run(discord, ada, "kept_here")) == "```\n7\n```"


async def test_the_question_goes_when_its_cell_ends_by_itself(discord: Discord, data: Path) -> None:
    """Nothing is lost. The same holds for a cell of the model, which then stops writing."""
    ada = discord.guild.member("ada")
    async with ModelServer.start() as server, running(discord, data, openai_base_url=server.base_url):
        await run(discord, ada, "kept_here = 7", ada.dm())
        server.will(calls(run_python(DEAF)), says("never"))
        asked = await ada.say(ada.dm(), "run it")
        answer = await asked.wait_for_reply(lambda m: "\non\n" in m.content and runs(m), timeout=SOON)
        await (await ada.click(answer, "Stop")).wait_for_ack()
        await answer.wait_for(asks, SOON)
        user = discord.guild.member("ada").user.id
        (data / "workspaces" / f"u{user}" / "go").touch()
        await answer.wait_for(lambda m: finished(m) and "the end" in m.content, SOON)
        assert DOES_NOT_STOP not in answer.content
        assert "never" not in answer.content
        assert "7" in output(await run(discord, ada, "print(kept_here)", ada.dm()))


@pytest.mark.soak
async def test_without_an_answer_the_kernel_is_killed_at_the_cells_deadline(
    discord: Discord, data: Path
) -> None:
    """And not before."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data, cell_timeout="5s", keep_running="1s"):
        _, answer = await deaf(discord, ada, general)
        await answer.wait_for(lambda m: finished(m) and "until its time was up" in m.content, SOON)
        assert "Interrupted" in answer.content


async def test_an_edit_of_the_message_kills_without_a_question(discord: Discord, data: Path) -> None:
    """The cell that it replaces is killed at once, even while its person is being asked about it."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        asked, answer = await deaf(discord, ada, general)
        await ada.edit(asked, f"{discord.bot.mention} {code('print(6 * 7)')}")
        await answer.wait_for(lambda m: finished(m) and "42" in output(m), SOON)
        assert DOES_NOT_STOP not in answer.content


async def test_a_cell_that_asks_when_it_is_stopped_can_be_answered(discord: Discord, data: Path) -> None:
    """Both questions are in its message, and the answer may be what ends it."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    text = "import time\nprint('on', flush=True)\ntry: time.sleep(600)\n"
    text += "except KeyboardInterrupt: print('so', input('really? '))"
    async with running(discord, data):
        _, answer = await deaf(discord, ada, general, text)
        assert labels(answer) == ["Wait", "Kill", "Answer"]
        assert "**Asks:** really?" in answer.content
        modal = await (await ada.click(answer, "Answer")).wait_for_modal()
        await ada.submit_modal(modal, {modal.fields()[0][0]: "yes"})
        await answer.wait_for(lambda m: finished(m) and "so yes" in m.content, SOON)
        assert "Fresh kernel" not in answer.content


async def test_the_next_bot_asks_again(discord: Discord, data: Path) -> None:
    """In the same message, if nothing had been decided about the cell when the earlier bot ended."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data, shutdown_grace="0.2"):
        await run(discord, ada, "kept_here = 7")
        await saved(ada, 1)
        _, answer = await deaf(discord, ada, general)
    assert "goes on" in answer.content
    assert not {"Wait", "Kill"} & set(labels(answer))
    async with running(discord, data):
        await answer.wait_for(asks, SOON)
        assert "come back as after cell 1" in answer.content
        await (await ada.click(answer, "Kill")).wait_for_ack()
        await answer.wait_for(lambda m: finished(m) and "are as after cell 1." in m.content, SOON)
