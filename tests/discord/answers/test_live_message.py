"""The live message: its pace, how it moves, and that its final state always comes."""

import re
import struct
from itertools import pairwise
from pathlib import Path

from tests.discord.kernelcord import SOON, answered, code, finished, run, running
from tests.loopback.loopback import Discord, loopback
from tests.loopback.settings import Limits, Rate
from tests.loopback.world.messages import Attachment

PACE = 1.2  # seconds
SLACK = 0.05  # seconds, because the loopback's clock and ours are read at different moments

CLEARED = """\
import time
import matplotlib.pyplot as plt
from IPython.display import clear_output
print('before')
for n in range(8):
    clear_output(wait=True)
    print('step', n)
    plt.figure(figsize=(2 + n, 2)).add_subplot().plot([n])
    plt.show()
    time.sleep(.3)
print('the end')"""
LAST = """\
plt.figure(figsize=(9, 2)).add_subplot().plot([7])
plt.show()"""
FIGURES = """\
import matplotlib.pyplot as plt
for n in (1, 2, 3):
    print('figure', n)
    plt.figure(figsize=(1 + n, 2)).add_subplot().plot([n])
    plt.show()
print('the end')"""


def width(picture: Attachment) -> int:
    """The width of a PNG, in pixels."""
    assert picture.data.startswith(b"\x89PNG")
    (columns,) = struct.unpack(">I", picture.data[16:20])
    return int(columns)


async def test_edits_keep_the_pace_and_the_last_state_comes(discord: Discord, data: Path) -> None:
    """A progress bar is one line that moves at most every 1.2 s and reaches its last state."""
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


async def test_output_that_is_cleared_gives_way_to_what_follows(discord: Discord, data: Path) -> None:
    """Each step replaces the one before it, pictures included; in the end only the last is left."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        answer = await run(discord, ada, CLEARED)
        (whole,) = (await run(discord, ada, LAST)).attachments
    states = [state.content for state in answer.history_of_states]
    steps = [re.findall(r"step (\d)", state) for state in states]
    assert all(len(shown) <= 1 for shown in steps)
    moved = [int(shown[0]) for shown in steps if shown]
    assert moved == sorted(moved)
    assert len(set(moved)) >= 3
    assert not [state for state in states if "before" in state and "step" in state]
    assert "step 7\n" in answer.content
    assert "the end" in answer.content
    (picture,) = answer.attachments
    assert width(picture) == width(whole)


async def test_pictures_of_a_cell_come_in_their_order(discord: Discord, data: Path) -> None:
    """Three figures are three pictures in one message, each named where it belongs in the text."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        answer = await run(discord, ada, FIGURES)
    assert [picture.filename for picture in answer.attachments] == [f"picture-{n}.png" for n in (1, 2, 3)]
    widths = [width(picture) for picture in answer.attachments]
    assert widths == sorted(set(widths))
    told = re.findall(r"figure \d|picture-\d|the end", answer.content)
    numbered = [name for n in (1, 2, 3) for name in (f"figure {n}", f"picture-{n}")]
    assert told == [*numbered, "the end"]
    assert len([m for m in general.messages if m.author.id == discord.bot.id]) == 1


async def test_a_channel_at_its_limit_holds_up_no_other(data: Path) -> None:
    """While one channel is at its rate limit for a minute, another is answered at once."""
    rates = {("POST", "/channels/{channel_id}/messages"): Rate(2, 60)}
    async with loopback(Limits(rates=rates)) as discord:
        ada, bob = discord.guild.member("ada"), discord.guild.member("bob")
        async with running(discord, data):
            for number in range(2):
                await run(discord, ada, f"print({number})")
            for number in range(2):
                await run(discord, bob, f"print({number})", discord.guild.channel("random"))


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
