"""The README's conversations: what they show, and that their pictures exist."""

import json
import re
from pathlib import Path

from docs.pictures import scenarios
from docs.pictures.play import FOLDER, IDS, Story
from tests.discord.kernelcord import running
from tests.loopback.loopback import Discord
from tests.model_server import ModelServer

LARGEST = 150_000  # bytes


async def test_a_story_is_what_was_shown(discord: Discord, data: Path) -> None:
    """A scenario with the real bot: its messages in each state shown, with times that are always the same."""
    async with ModelServer.start() as server, running(discord, data):
        story = Story(discord, {})
        await scenarios.question(discord, server, story)
        told = story.told()
    asked, waits, form, _, ended = told["items"]
    assert asked["author"] == "cleo"
    assert [one["label"] for one in waits["rows"][0]] == ["Stop", "Answer"]
    assert form["fields"] == [{"label": "Your guess?", "value": "42"}]
    assert "42 it is!" in ended["content"]
    assert "\n-# 0.2 s" in ended["content"]
    assert waits["reply"]["author"] == "cleo"


def test_ids_are_steady(discord: Discord) -> None:
    """Random ids are replaced by fixed ones, in order of appearance, the same everywhere."""
    story = Story(discord, ids := {})
    story.pause("`abcdefgh23` and `zzzzzzzz99`")
    story.pause('load_file("abcdefgh23"), id zzzzzzzz99)')
    told = json.dumps(story.told())
    assert list(ids) == ["abcdefgh23", "zzzzzzzz99"]
    assert told.count(IDS[0]) == told.count(IDS[1]) == 2
    assert "abcdefgh23" not in told


def test_no_more_fixed_ids_are_needed_than_there_are_files(discord: Discord) -> None:
    """However often each is shown."""
    story = Story(discord, ids := {})
    found = [f"abcdefgh{number}{number}" for number in range(2, 2 + len(IDS))]
    for _ in range(2):
        story.pause(" ".join(f"`{one}`" for one in found))
    story.told()
    assert ids == dict(zip(found, IDS, strict=True))


def test_pages_show_each_picture_and_say_what_is_on_it(root: Path) -> None:
    """Every scenario has a picture that is not too large, which a page shows with alternative text."""
    texts = [(root / name).read_text(encoding="utf-8") for name in ("README.md", "docs/discord.md")]
    found = [
        pair for text in texts for pair in re.findall(r"!\[([^\]]+)\]\((?:docs/)?(pictures/[^)]+)\)", text)
    ]
    shown = {f"docs/{path}": alt for alt, path in found}
    assert set(shown) == {f"docs/pictures/{name}.png" for name in scenarios.ALL}
    assert {path.stem for path in FOLDER.glob("*.png")} == set(scenarios.ALL)
    assert all(len(alt) > 40 for alt in shown.values())
    assert all((root / path).stat().st_size < LARGEST for path in shown)
