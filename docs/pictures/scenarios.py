"""The conversations in the README's pictures, for `play.py`; each adds to its story what it shows."""

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING

from tests.discord.kernelcord import SOON, answered, code, finished, labels, saved
from tests.loopback.loopback import Discord
from tests.loopback.people.person import Person
from tests.loopback.world.interactions import Modal
from tests.loopback.world.messages import Message
from tests.model_server import ModelServer, calls, run_python, says

if TYPE_CHECKING:
    from docs.pictures.play import Story

PLOT = """\
import pandas as pd
import matplotlib.pyplot as plt

sales = pd.read_csv("sales.csv", parse_dates=["day"])
month = sales["day"].dt.strftime("%b")
monthly = sales.groupby(month, sort=False)["cups"].mean()
monthly.round(1).to_csv("monthly.csv")

monthly.plot.bar(rot=0, figsize=(7, 3.2), xlabel="", color="#5865f2")
plt.title("Cups a day, mean of each month")
plt.show()"""
TOTAL = """\
prices = {"tea": 2.5, "coffee": 3.2}
orders = [("coffee", 2), ("cocoa", 1)]

total = 0
for drink, count in orders:
    total += count * prices[drink]
print(f"{total:.2f}")"""
MENDED = 'prices["cocoa"] = 3.6\nprint(sum(count * prices[drink] for drink, count in orders))'
GAME = """\
secret = 42
while (guess := int(input("Your guess? "))) != secret:
    print(guess, "is too", "low" if guess < secret else "high")
print("Yes,", secret, "it is!")"""
CITIES = """\
import pandas as pd

cities = pd.DataFrame({"city": ["Oslo", "Lima"], "people": [0.7, None]})
cities.to_csv("cities.csv", index=False)
cities"""
SPOILT = """\
cities = cities.dropna(axis=1)
cities.to_csv("cities.csv", index=False)
cities"""


def sales() -> bytes:
    """A year of a coffee bar: a CSV with a row a day."""
    first = date(2025, 1, 1)
    rows = [
        f"{first + timedelta(n)},{round(130 + 45 * math.cos(math.tau * (n - 10) / 365) + n % 7 * 4)}"
        for n in range(365)
    ]
    return "\n".join(["day,cups", *rows, ""]).encode()


async def plot(discord: Discord, server: ModelServer, story: "Story") -> None:
    """A CSV and a question to the model, its code, a plot and a file in return; then the list of files."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    server.will(
        calls(run_python(PLOT), words=["I take the mean of each month and draw it."], usage=(1893, 164, 0)),
        says(
            "People drink most in **January** (about 186 cups a day) and least in **July** (about 98).",
            " The means are in `monthly.csv`.",
            usage=(2951, 47, 1792),
        ),
    )
    asked = await ada.say(
        general,
        f"{discord.bot.mention} plot the monthly mean of this CSV",
        files=[("sales.csv", sales())],
    )
    answer = await answered(asked)
    story.show(*(m for m in general.messages if m.id <= answer.id))


async def files(discord: Discord, server: ModelServer, story: "Story") -> None:
    """A person's files, sent by them or written by cells, in a menu from which they can pick one."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    listed = await (await ada.slash(general, "files")).wait_for_message(lambda m: m.selects)
    story.show(listed, opened=True)


async def error(discord: Discord, server: ModelServer, story: "Story") -> None:
    """/run with code that fails, and a reply that goes on with the same variables."""
    bob, general = discord.guild.member("bob"), discord.guild.channel("general")
    modal = await (await bob.slash(general, "run")).wait_for_modal()
    submitted = await bob.submit_modal(modal, {"Python": TOTAL})
    failed = await submitted.wait_for_message(finished, timeout=SOON)
    story.show(failed)
    mended = await bob.say(general, f"cocoa has no price yet\n{code(MENDED)}", reply_to=failed)
    story.show(mended, await answered(mended))


async def undo(discord: Discord, server: ModelServer, story: "Story") -> None:
    """A frame and a file, a cell that spoils both, and /undo, which says what is back."""
    dora, general = discord.guild.member("dora"), discord.guild.channel("general")
    asked = await dora.say(general, f"{discord.bot.mention} {code(CITIES)}")
    made = await answered(asked)
    await saved(dora, 1)
    spoils = await dora.say(general, code(SPOILT), reply_to=made)
    spoilt = await answered(spoils)
    story.show(asked, made, spoils, spoilt)
    story.show(await (await dora.slash(general, "undo")).wait_for_message(timeout=SOON))


async def question(discord: Discord, server: ModelServer, story: "Story") -> None:
    """input(): its button, its form, and the end."""
    cleo, general = discord.guild.member("cleo"), discord.guild.channel("general")
    asked = await cleo.say(general, f"{discord.bot.mention} {code(GAME)}")
    answer = await asked.wait_for_reply(lambda m: "Answer" in labels(m), timeout=SOON)
    await _guess(answer, cleo, "50")
    await answer.wait_for(lambda m: "too high" in m.content and "Answer" in labels(m), SOON)
    story.show(asked, answer)
    story.show_form(await _guess(answer, cleo, "42"), "42")
    await answer.wait_for(finished, SOON)
    story.pause("the same message, a moment later")
    story.show(answer)


async def _guess(answer: Message, person: Person, text: str) -> Modal:
    """Press Answer and send the form; returns the form."""
    modal = await (await person.click(answer, "Answer")).wait_for_modal()
    await person.submit_modal(modal, {modal.fields()[0][0]: text})
    return modal


ALL = {"plot": plot, "files": files, "error": error, "undo": undo, "question": question}
