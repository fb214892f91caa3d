"""Draws the conversation on standard input into the PNG with the given path."""

import json
import sys
from pathlib import Path
from typing import Any

from docs.pictures.drawing.canvas import RIM, WHITE, Canvas
from docs.pictures.drawing.messages import form, message, pause
from docs.pictures.drawing.spans import Span

WIDTH = 800


def draw(conversation: dict[str, Any], path: Path) -> None:
    """Draw a conversation; the package's docstring describes its format."""
    canvas = Canvas(WIDTH)
    canvas.write(24, 24, Span(conversation["place"], bold=True), 16, WHITE)
    canvas.box(0, 47, WIDTH, 1, RIM)
    names = {int(number): name for number, name in conversation["names"].items()}
    y, author = 52.0, None
    for item in conversation["items"]:
        if item["type"] == "form":
            y, author = form(canvas, y, item), None
        elif item["type"] == "pause":
            y, author = pause(canvas, y, item["text"]), None
        else:
            y = message(canvas, y, item, names, follows=author == item["author"])
            author = item["author"]
    canvas.save(path, y + 20)


if __name__ == "__main__":
    draw(json.load(sys.stdin), Path(sys.argv[1]))
