"""Everything that a conversation can have, as a picture."""

import struct
from pathlib import Path
from typing import Any

from docs.pictures.play import draw

NOW = 1_700_000_000.0
MESSAGE: dict[str, Any] = {
    "type": "message",
    "author": "ada",
    "bot": True,
    "time": "14:00",
    "now": NOW,
    "content": "# a\n**b** `c` <@7>\n```py\nd = 1\n```\n- f\n  - g\n    1. h\n-# e <t:1700000000:R>",
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


def conversation(*items: dict[str, Any]) -> dict[str, Any]:
    """A conversation of these items."""
    return {"place": "# general", "names": {}, "items": list(items)}


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
