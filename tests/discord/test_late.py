"""What comes after a cell's end."""

from pathlib import Path

from tests.discord.kernelcord import SOON, run, running
from tests.discord.loopback import Discord


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
