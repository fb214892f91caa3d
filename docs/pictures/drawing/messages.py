"""Draws a message with everything below it, a form, or a pause."""

import base64
from functools import partial
from typing import Any

from docs.pictures.drawing.canvas import BACK, BLURPLE, DIM, FAINT, FENCE, RIM, TEXT, WHITE, Canvas, size_of
from docs.pictures.drawing.components import row
from docs.pictures.drawing.markdown import Block, blocks, preview
from docs.pictures.drawing.spans import Span, wrapped

__all__ = ["form", "message", "pause"]

Json = dict[str, Any]
LEFT, RIGHT = 72.0, 24.0
SIZE, LINE = 15.0, 22.0
SIZES = {"small": (12.5, 19.0), "heading": (19.0, 30.0)}
CODE, CODE_LINE = 13.0, 18.0
INDENT = 20.0
PICTURE = (520.0, 360.0)
CHIP = (400.0, 56.0)
COLOURS = ("#3ba55d", "#e67e22", "#eb459e", "#1abc9c")
DIALOG = 440.0


def message(canvas: Canvas, y: float, told: Json, names: dict[int, str], *, follows: bool) -> float:
    """Draw a message at `y`, without a head if it `follows` one by the same author; returns where it ends."""
    top = y
    if told["reply"] or told["command"]:
        y = _above(canvas, y + 14, told, names)
        follows = False
    if not follows:
        y = _head(canvas, y + (4 if y > top else 14), told)
    y = _body(canvas, y, told, names)
    pictures = [one for one in told["attachments"] if one["name"].endswith(".png")]
    for one in pictures:
        y += 4 + canvas.picture(LEFT, y + 4, base64.b64decode(one["data"]), *PICTURE) + 4
    for one in told["attachments"]:
        if one not in pictures:
            y = _chip(canvas, y + 4, one["name"], len(base64.b64decode(one["data"])))
    for components in told["rows"]:
        y = row(canvas, LEFT, y + 6, components, opened=told["opened"])
    if told["ephemeral"]:
        y = _eye(canvas, y + 6)
    return y + 2


def form(canvas: Canvas, y: float, told: Json) -> float:
    """Draw a form with the text typed into it."""
    y += 16
    x = (canvas.width - DIALOG) / 2
    lines = [field["value"].split("\n") for field in told["fields"]]
    height = 128.0 + sum(46 + 20 * len(each) for each in lines)
    canvas.box(x - 1, y - 1, DIALOG + 2, height + 2, RIM, radius=9)
    canvas.box(x, y, DIALOG, height, BACK, radius=8)
    _avatar(canvas, x + 34, y + 32, 14, "kernelcord", bot=True)
    canvas.write(x + 58, y + 32, Span(told["title"], bold=True), 16, WHITE)
    at = y + 62
    for field, typed in zip(told["fields"], lines, strict=True):
        canvas.write(x + 20, at + 8, Span(field["label"], bold=True), 12.5, TEXT)
        canvas.box(x + 20, at + 22, DIALOG - 40, 16 + 20.0 * len(typed), RIM, radius=4)
        for number, text in enumerate(typed):
            end = canvas.write(x + 32, at + 40 + 20 * number, Span(text), 14)
        canvas.box(end + 2, at + 32 + 20 * (len(typed) - 1), 1, 17, TEXT)
        at += 46 + 20 * len(typed)
    canvas.box(x, y + height - 60, DIALOG, 52, FENCE)
    canvas.box(x, y + height - 24, DIALOG, 24, FENCE, radius=8)
    canvas.box(x + DIALOG - 106, y + height - 48, 86, 34, BLURPLE, radius=4)
    submit = Span("Submit")
    canvas.write(x + DIALOG - 63 - size_of(submit, 13.5) / 2, y + height - 31, submit, 13.5, WHITE)
    canvas.write(x + DIALOG - 170, y + height - 31, Span("Cancel"), 13.5, WHITE)
    return y + height + 4


def pause(canvas: Canvas, y: float, text: str) -> float:
    """Draw a line across, with a text that says what happens in between."""
    span = Span(text, bold=True)
    width = size_of(span, 11.5)
    canvas.box(16, y + 24, canvas.width - 32, 1, "#3f4147")
    canvas.box((canvas.width - width) / 2 - 8, y + 16, width + 16, 17, BACK)
    canvas.write((canvas.width - width) / 2, y + 24, span, 11.5, DIM)
    return y + 32


def _above(canvas: Canvas, y: float, told: Json, names: dict[int, str]) -> float:
    """Draw the line above a message that shows what it answers: a message or a command."""
    canvas.bend(35, y + 8, 32, 14, FAINT)
    answered = told["reply"] or told["command"]
    _avatar(canvas, 80, y + 8, 8, answered["author"], bot=answered.get("bot", False))
    if told["command"]:
        x = canvas.write(93, y + 8, Span(f"{answered['author']} "), 12.5, TEXT)
        x = canvas.write(x, y + 8, Span("used "), 12.5, DIM)
        canvas.write(x, y + 8, Span(f"/{answered['name']}", look="mention"), 12.5)
        return y + 20
    x = 93.0
    if answered["bot"]:
        x = _tag(canvas, x, y + 8) + 4
    x = canvas.write(x, y + 8, Span(f"@{answered['author']} "), 12.5, TEXT)
    said = preview(blocks(answered["content"], names, told["now"]))
    lines = wrapped(said, canvas.width - x - 2 * RIGHT, partial(size_of, size=12.5))
    more = () if len(lines) < 2 else (Span("…"),)
    canvas.write_line(x, y + 8, (*lines[0], *more), 12.5, DIM)
    return y + 20


def _head(canvas: Canvas, y: float, told: Json) -> float:
    _avatar(canvas, 36, y + 20, 20, told["author"], bot=told["bot"])
    x = canvas.write(LEFT, y + 9, Span(told["author"], bold=True), SIZE, WHITE)
    if told["bot"]:
        x = _tag(canvas, x + 6, y + 9)
    canvas.write(x + 8, y + 9, Span(told["time"]), 11, DIM)
    return y + 21


def _tag(canvas: Canvas, x: float, y: float) -> float:
    canvas.box(x, y - 8, 31, 15.5, BLURPLE, radius=4)
    canvas.write(x + 4, y, Span("APP", bold=True), 10, WHITE)
    return x + 31


def _avatar(canvas: Canvas, x: float, y: float, radius: float, name: str, *, bot: bool) -> None:
    if not bot:
        canvas.circle(x, y, radius, COLOURS[sum(name.encode()) % len(COLOURS)])
        letter = Span(name[:1].upper(), bold=True)
        canvas.write(x - size_of(letter, radius) / 2, y, letter, radius, WHITE)
        return
    canvas.circle(x, y, radius, BLURPLE)
    one = radius / 20
    canvas.stroke([(x - 9 * one, y - 7 * one), (x - 2 * one, y), (x - 9 * one, y + 7 * one)], WHITE, 3 * one)
    canvas.box(x + 1 * one, y + 5 * one, 9 * one, 3 * one, WHITE)


def _body(canvas: Canvas, y: float, told: Json, names: dict[int, str]) -> float:
    shown = blocks(told["content"], names, told["now"])
    end = 0.0
    for place, block in enumerate(shown):
        start = LEFT
        if block.kind == "fence":
            y, end = _fence(canvas, y + 3, block) + 3, 0.0
            continue
        size, height = SIZES.get(block.kind, (SIZE, LINE))
        colour = DIM if block.kind == "small" else WHITE if block.kind == "heading" else TEXT
        start += INDENT * block.depth
        if block.kind == "item":
            start += INDENT
            _mark(canvas, start, y + height / 2, block, size, colour)
        elif block.kind == "quote":
            canvas.box(LEFT, y, 4, height, FAINT, radius=2)
            start += 14
        room = canvas.width - start - RIGHT
        for line in wrapped(block.lines[0], room, partial(size_of, size=size)):
            end = canvas.write_line(start, y + height / 2, line, size, colour)
            y += height
        if place == len(shown) - 1 and told["edited"]:
            canvas.write(end + 5, y - height / 2, Span("(edited)"), 10, DIM)
    if told["edited"] and not end:
        canvas.write(LEFT, y + 7, Span("(edited)"), 10, DIM)
        y += 14
    return y


def _mark(canvas: Canvas, start: float, y: float, block: Block, size: float, colour: str) -> None:
    """Draw an item's mark: its number, or, depending on its depth, a disc, a circle or a square."""
    middle = start - 12
    if block.mark != "-":
        number = Span(block.mark)
        canvas.write(start - 6 - size_of(number, size), y, number, size, colour)
    elif block.depth == 0:
        canvas.circle(middle, y, 2.6, colour)
    elif block.depth == 1:
        canvas.circle(middle, y, 3, colour)
        canvas.circle(middle, y, 2, BACK)
    else:
        canvas.box(middle - 2.5, y - 2.5, 5, 5, colour)


def _fence(canvas: Canvas, y: float, block: Block) -> float:
    width = canvas.width - LEFT - RIGHT - 40

    measure = partial(size_of, size=CODE, mono=True)
    lines = [part for line in block.lines for part in wrapped(line, width - 20, measure, anywhere=True)]
    height = len(lines) * CODE_LINE + 14
    canvas.box(LEFT, y, width, height, FENCE, radius=5, rim=RIM)
    for number, line in enumerate(lines):
        middle = y + 7 + (number + 0.5) * CODE_LINE
        canvas.write_line(LEFT + 10, middle, line, CODE, TEXT, mono=True)
    return y + height


def _chip(canvas: Canvas, y: float, name: str, size: int) -> float:
    """Draw a file that is not a picture."""
    width, height = CHIP
    canvas.box(LEFT, y, width, height, FENCE, radius=8, rim="#232428")
    x = LEFT + 16
    canvas.box(x, y + 12, 24, 32, "#c4c9ff", radius=3)
    for line in range(3):
        canvas.box(x + 5, y + 23 + 6 * line, 14 - 4 * (line == 2), 2, BLURPLE)
    canvas.write(x + 36, y + 20, Span(name, look="link"), 14.5)
    told = f"{size} bytes" if size < 1000 else f"{size / 1000:.2f} KB"
    canvas.write(x + 36, y + 39, Span(told), 11.5, DIM)
    return y + height + 4


def _eye(canvas: Canvas, y: float) -> float:
    """Draw the note that only the reader can see the message."""
    canvas.circle(LEFT + 8, y + 9, 6, DIM)
    canvas.circle(LEFT + 8, y + 9, 3.6, BACK)
    canvas.circle(LEFT + 8, y + 9, 2, DIM)
    x = canvas.write(LEFT + 20, y + 9, Span("Only you can see this · "), 11.5, DIM)
    canvas.write(x, y + 9, Span("Dismiss message", look="link"), 11.5)
    return y + 18
