"""The README's pictures: what is drawn, and that they are there."""

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from docs.pictures import scenarios
from docs.pictures.drawing.markdown import blocks, preview, relative
from docs.pictures.drawing.spans import Line, Span, wrapped
from docs.pictures.play import FOLDER, IDS, Story, draw
from tests.discord.kernelcord import running
from tests.loopback.loopback import Discord
from tests.model_server import ModelServer

NOW = 1_700_000_000.0
LARGEST = 150_000  # bytes
MESSAGE: dict[str, Any] = {
    "type": "message",
    "author": "ada",
    "bot": True,
    "time": "14:00",
    "now": NOW,
    "content": "# a\n**b** `c` <@7>\n```py\nd = 1\n```\n-# e <t:1700000000:R>",
    "edited": True,
    "ephemeral": True,
    "opened": True,
    "reply": {"author": "bob", "bot": False, "content": "why?"},
    "command": None,
    "attachments": [{"name": "a.csv", "data": "YQ=="}],
    "rows": [
        [{"type": 2, "style": 1, "label": "Go"}, {"type": 2, "style": 4, "label": "Stop", "disabled": True}],
        [{"type": 3, "placeholder": "Pick", "options": [{"label": "one"}]}],
    ],
}


def spans(text: str) -> Line:
    """The spans of a text that is one block."""
    (block,) = blocks(text, {7: "ada"}, NOW)
    return block.lines[0]


def conversation(*items: dict[str, Any]) -> dict[str, Any]:
    """What is drawn of these items."""
    return {"place": "# general", "names": {}, "items": list(items)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**b** and *i*", [Span("b", bold=True), Span(" and "), Span("i", italic=True)]),
        ("**b *both***", [Span("b ", bold=True), Span("both", bold=True, italic=True)]),
        ("~~s~~ __u__", [Span("s", struck=True), Span(" "), Span("u", underlined=True)]),
        ("`a*b*c`", [Span("a*b*c", look="code")]),
        ("``a`b``", [Span("a`b", look="code")]),
        (r"2 \* 3 \* 4", [Span("2 "), Span("*"), Span(" 3 "), Span("*"), Span(" 4")]),
        ("snake_case_name and 2 * 3 * 4", [Span("snake_case_name and 2 * 3 * 4")]),
        ("<@7> <@8>", [Span("@ada", look="mention"), Span(" "), Span("@unknown", look="mention")]),
        ("expires <t:1700172800:R>", [Span("expires "), Span("in 2 days", look="time")]),
        ("[docs](https://example.org)", [Span("docs", look="link")]),
    ],
)
def test_words_have_their_looks(text: str, expected: list[Span]) -> None:
    """Marks become looks and are not shown; what only resembles a mark stays as it is."""
    assert list(spans(text)) == expected


def test_lines_have_their_kinds() -> None:
    """A line's start says what it is, and every line break counts, but not those around a fence."""
    text = "# head\nwords\n\n- item\n> said\n```py\n# no heading\n- 1\n```\n-# small"
    kinds = [block.kind for block in blocks(text, {}, NOW)]
    assert kinds == ["heading", "text", "text", "item", "quote", "fence", "small"]


def test_python_is_coloured_and_stays_the_same_text() -> None:
    """A fence of Python has colours by its words; nothing of its text is lost, blank lines neither."""
    (block,) = blocks("```py\ndef f():\n\n    return 'a'\n```", {}, NOW)
    assert ["".join(span.text for span in line) for line in block.lines] == ["def f():", "", "    return 'a'"]
    assert block.lines[0][0].text == "def"
    assert block.lines[0][0].colour == block.lines[2][-3].colour != ""


def test_ansi_codes_are_colours() -> None:
    """The codes of an `ansi` fence colour what follows, over line ends, until they are taken back."""
    (block,) = blocks("```ansi\n\x1b[1;31mE\nF\x1b[0m: no\n```", {}, NOW)
    first, second = block.lines
    assert first == (Span("E", bold=True, colour="#dc322f"),)
    assert second == (Span("F", bold=True, colour="#dc322f"), Span(": no"))


def test_other_fences_are_plain() -> None:
    """A fence without a language keeps codes and marks as text."""
    (block,) = blocks("```\n**a**\n```", {}, NOW)
    assert block.lines == ((Span("**a**"),),)


@pytest.mark.parametrize(
    ("away", "told"),
    [(172_800, "in 2 days"), (3600, "in an hour"), (-300, "5 minutes ago"), (-86_400, "a day ago")],
)
def test_relative_times(away: float, told: str) -> None:
    """Times are told as from now, in the largest unit."""
    assert relative(NOW + away, NOW) == told


def test_lines_break_at_spaces_and_within_what_is_too_long() -> None:
    """No line is wider than it may be; words stay whole where they can, code is cut anywhere."""

    def measure(span: Span) -> float:
        return len(span.text)

    def texts(line: Line, **how: bool) -> list[str]:
        return ["".join(span.text for span in each) for each in wrapped(line, 6, measure, **how)]

    assert texts((Span("ab "), Span("cd efgh", bold=True))) == ["ab cd", "efgh"]
    assert texts((Span("abcdefgh ij"),)) == ["abcdef", "gh ij"]
    assert texts((Span("ab cd efgh"),), anywhere=True) == ["ab cd ", "efgh"]
    assert texts(()) == [""]


def test_preview_is_one_line() -> None:
    """What is replied to is told in one line, its code too."""
    shown = preview(blocks("look:\n```py\na = 1\nb\n```", {}, NOW))
    assert shown == (Span("look: "), Span("a = 1 b", look="code"))


def test_all_kinds_of_things_are_drawn(tmp_path: Path) -> None:
    """A message with everything, a form and a pause become a PNG; an emoji that no font has leaves no box."""
    form = {"type": "form", "title": "Run", "fields": [{"label": "Python", "value": "1\n2"}]}
    made = tmp_path / "a.png"
    draw(conversation(MESSAGE, form, {"type": "pause", "text": "later"}), made)
    width, height = struct.unpack(">II", made.read_bytes()[16:24])
    assert width == 1600
    assert height > 1000
    without, with_emoji = tmp_path / "b.png", tmp_path / "c.png"
    draw(conversation(MESSAGE | {"rows": [[{"type": 2, "style": 2, "label": "Go"}]]}), without)
    button = {"type": 2, "style": 2, "label": "Go", "emoji": {"name": "\N{GAME DIE}\N{BRAIN}"}}
    draw(conversation(MESSAGE | {"rows": [[button]]}), with_emoji)
    assert without.read_bytes() == with_emoji.read_bytes()


async def test_a_story_is_what_was_shown(discord: Discord, data: Path) -> None:
    """A scenario with the real bot: its messages in their states, with seconds that are always the same."""
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
    """Random ids are replaced by the same ones everywhere, in the order in which they come."""
    story = Story(discord, ids := {})
    story.pause("`abcdefgh23` and `zzzzzzzz99`")
    story.pause('load_file("abcdefgh23"), id zzzzzzzz99)')
    told = json.dumps(story.told())
    assert list(ids) == ["abcdefgh23", "zzzzzzzz99"]
    assert told.count(IDS[0]) == told.count(IDS[1]) == 2
    assert "abcdefgh23" not in told


def test_pages_show_each_picture_and_say_what_is_on_it(root: Path) -> None:
    """Every scenario has its picture, not too large; a page shows it with words for who cannot see it."""
    texts = [(root / name).read_text(encoding="utf-8") for name in ("README.md", "docs/discord.md")]
    found = [
        pair for text in texts for pair in re.findall(r"!\[([^\]]+)\]\((?:docs/)?(pictures/[^)]+)\)", text)
    ]
    shown = {f"docs/{path}": alt for alt, path in found}
    assert set(shown) == {f"docs/pictures/{name}.png" for name in scenarios.ALL}
    assert {path.stem for path in FOLDER.glob("*.png")} == set(scenarios.ALL)
    assert all(len(alt) > 40 for alt in shown.values())
    assert all((root / path).stat().st_size < LARGEST for path in shown)
