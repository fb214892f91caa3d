"""What comes after a cell's end."""

from pathlib import Path

from tests.discord.kernelcord import SOON, output, run, running
from tests.filestore.faults import full
from tests.loopback.loopback import Discord


async def test_late_output_is_told_in_a_message_of_its_own(discord: Discord, data: Path) -> None:
    """What a thread prints and writes after its cell comes as one message below it, without buttons."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    text = (
        "import threading, time\ndef later():\n    time.sleep(3)\n    print('here I am')\n"
        "    open('late.txt', 'w').write('late')\nthreading.Thread(target=later).start()\nprint('begun')"
    )
    async with running(discord, data):
        answer = await run(discord, ada, text)
        assert "here I am" not in answer.content
        late = await general.wait_for(
            lambda m: m.author is not ada.user and "here I am" in m.content, timeout=SOON
        )
        assert late.reference is answer
        await late.wait_for(lambda m: "late.txt" in m.content, SOON)
        assert not [state for state in late.history_of_states if state.components]


async def test_a_cell_in_an_outage_of_the_database_says_so_and_its_file_comes_later(
    discord: Discord, data: Path
) -> None:
    """The answer is there, with what was shown; the file comes below it once the database is back."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        await run(discord, ada, "x = 6")
        async with full():
            answer = await run(discord, ada, "open('a.txt', 'w').write('abc'); print(x * 7)")
            assert "42" in output(answer)
            assert "-# Not recorded yet: the disk is full." in answer.content
        late = await general.wait_for(
            lambda m: m.author is not ada.user and "a.txt" in m.content and "load_file" in m.content,
            timeout=SOON,
        )
        assert late.reference is answer
