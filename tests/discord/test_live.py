"""The live message: its pace, and that its last state always comes."""

from itertools import pairwise
from pathlib import Path

from tests.discord.kernelcord import SOON, answered, code, finished, running
from tests.discord.loopback import Discord

PACE = 1.2  # seconds
SLACK = 0.05  # seconds; the loopback's clock and ours are read at different moments


async def test_edits_keep_the_pace_and_the_last_state_comes(discord: Discord, data: Path) -> None:
    """A progress bar is one line that moves, no more often than every 1.2 s, and ends at its end."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    text = "from tqdm import tqdm\nimport time\nfor _ in tqdm(range(40)): time.sleep(.1)\nprint('done')"
    async with running(discord, data, discord_pace="1.2"):
        answer = await answered(await ada.say(general, f"{discord.bot.mention} {code(text)}"))
    states = [state for state in answer.history_of_states if "%|" in state.content]
    assert len(states) >= 3
    assert all(state.content.count("%|") == 1 for state in states)
    assert "100%" in answer.content
    assert "done" in answer.content
    edits = [state.at for state in answer.history_of_states[1:]]
    assert min(later - earlier for earlier, later in pairwise(edits)) >= PACE - SLACK


async def test_ten_people_at_once(discord: Discord, data: Path) -> None:
    """Ten people stream at once: each has their own whole answer, and Discord never says 429."""
    people = [discord.guild.member(f"person{number}") for number in range(10)]
    channels = [discord.guild.channel(f"room{number}") for number in range(5)]
    async with running(discord, data, discord_pace="1.2"):
        asked = []
        for number, person in enumerate(people):
            loop = f"for n in range(6):\n    print('{person.user.name}', n)\n    time.sleep(.2)"
            text = f"import time\n{loop}\nprint('end {number}')"
            asked.append(await person.say(channels[number % 5], f"{discord.bot.mention} {code(text)}"))
        answers = [await message.wait_for_reply(finished, timeout=2 * SOON) for message in asked]
        for number, (person, answer) in enumerate(zip(people, answers, strict=True)):
            assert f"end {number}" in answer.content
            assert answer.content.count(f"{person.user.name} ") == 6
            shown = " ".join(state.content for state in answer.history_of_states)
            assert not [o.user.name for o in people if o is not person and f"{o.user.name} " in shown]
    refused = [request.line() for request in discord.requests.all if request.status == 429]
    assert not refused
