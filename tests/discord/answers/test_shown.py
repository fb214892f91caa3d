"""What cells show, as Discord gets it: drawn, coloured, and harmless whatever it says."""

import threading
from pathlib import Path
from typing import Any

import pytest

import bot.discord.answers.delivery
import bot.discord.format.answer
import bot.discord.format.markdown
from tests.discord.kernelcord import SOON, code, finished, labels, run, running
from tests.loopback.loopback import Discord

PNG = b"\x89PNG"
DRAWN = """\
from IPython.display import SVG, Latex, display
import pandas as pd
display(Latex(r'$\\frac{a}{b}$'))
display(SVG('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>'))
pd.DataFrame({f'a long column {n}': range(3) for n in range(12)})"""
HOSTILE = """\
from IPython.display import Markdown, display
print('\\ud800\\x00', '\\u202e' * 3000, '\\U0001f468\\u200d\\U0001f469' * 2000)
print('````' * 500)
display(Markdown('@everyone ```\\n<@&1>'))
open('`@everyone` \\u202e**a**.txt', 'w').write('x')
input('```\\n@everyone \\u202e' * 200)
raise Exception('@everyone `\\x1b[31m`\\x1b[32m`' * 300)"""

ENDLESS = "raise ValueError('\\x1b[' + '1;' * 120_000 + 'm')"


async def test_formula_drawing_and_wide_table_are_pictures(discord: Discord, data: Path) -> None:
    """LaTeX, SVG and a table too wide for a message arrive as PNGs."""
    ada = discord.guild.member("ada")
    async with running(discord, data):
        answer = await run(discord, ada, DRAWN)
    assert len(answer.attachments) == 3
    assert all(picture.data.startswith(PNG) for picture in answer.attachments)


async def test_hostile_output_neither_shouts_nor_leaves_its_place(discord: Discord, data: Path) -> None:
    """Mentions, fences, reversed text and too many emoji: complete messages, complete fences, no pings."""
    ada, general = discord.guild.member("ada"), discord.guild.channel("general")
    async with running(discord, data):
        await ada.say(general, f"{discord.bot.mention} {code(HOSTILE)}")
        live = await general.wait_for(lambda m: "Answer" in labels(m), timeout=SOON)
        modal = await (await ada.click(live, "Answer")).wait_for_modal()
        await ada.submit_modal(modal, {modal.fields()[0][0]: "@everyone ```"})
        await general.wait_for(finished, timeout=2 * SOON)
    ours = [message for message in general.messages if message.author.id == discord.bot.id]
    states = [state.content for message in ours for state in message.history_of_states]
    assert len(ours) > 1
    assert not [state for state in states if state.count("```") % 2]
    assert not [message for message in ours if message.pinged or message.mention_everyone]
    names = [attachment.filename for message in ours for attachment in message.attachments]
    assert not [name for name in names if "@" in name or "`" in name or "\u202e" in name]


async def test_what_is_shown_is_worked_on_in_threads(
    discord: Discord, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages, drawings and zips are made in threads, because everybody shares the event loop."""
    threads: dict[str, set[int]] = {}

    def noted(module: Any, name: str) -> None:
        inner = getattr(module, name)

        def work(*args: Any, **kwargs: Any) -> Any:
            threads.setdefault(name, set()).add(threading.get_ident())
            return inner(*args, **kwargs)

        monkeypatch.setattr(module, name, work)

    noted(bot.discord.format.answer, "live_text")
    noted(bot.discord.format.answer, "fitted")
    noted(bot.discord.format.answer, "_drawings")
    noted(bot.discord.answers.delivery, "plan")
    noted(bot.discord.format.markdown, "coloured")
    async with running(discord, data):
        answer = await run(discord, discord.guild.member("ada"), ENDLESS)
    assert "ValueError" in answer.content
    assert threads.keys() == {"live_text", "fitted", "_drawings", "plan", "coloured"}
    assert threading.get_ident() not in set().union(*threads.values())
