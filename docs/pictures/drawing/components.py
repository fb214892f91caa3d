"""Rows of buttons, and menus, closed or open."""

from typing import Any

from docs.pictures.drawing.canvas import BLURPLE, DIM, FENCE, RIM, TEXT, WHITE, Canvas, size_of
from docs.pictures.drawing.spans import Span

__all__ = ["row"]

Json = dict[str, Any]
BUTTON = 2
STYLES = {1: BLURPLE, 2: "#4e5058", 3: "#248046", 4: "#da373c", 5: "#4e5058"}
OFF = {1: "#454b8f", 2: "#404147", 3: "#2d5a3d", 4: "#7c3437", 5: "#404147"}
HEIGHT, SIZE = 32.0, 13.0
MENU = (400.0, 40.0)
OPTION = 48.0


def row(canvas: Canvas, x: float, y: float, components: list[Json], *, opened: bool = False) -> float:
    """Draw one row of components, its menu `opened` or not, and return where it ends."""
    if components and components[0]["type"] != BUTTON:
        end = _menu(canvas, x, y, components[0])
        return _options(canvas, x, end, components[0]["options"]) if opened else end
    for one in components:
        emoji = (one.get("emoji") or {}).get("name") or ""
        label = Span(" ".join(filter(None, (emoji, one.get("label")))))
        width = size_of(label, SIZE) + 32
        off = bool(one.get("disabled"))
        canvas.box(x, y, width, HEIGHT, (OFF if off else STYLES)[one["style"]], radius=8)
        canvas.write(x + 16, y + HEIGHT / 2, label, SIZE, DIM if off else WHITE)
        x += width + 8
    return y + HEIGHT + 2


def _menu(canvas: Canvas, x: float, y: float, menu: Json) -> float:
    width, height = MENU
    canvas.box(x, y, width, height, RIM, radius=8)
    picked = next((o["label"] for o in menu.get("options", []) if o.get("default")), None)
    text, colour = (picked, TEXT) if picked else (menu.get("placeholder") or "Make a selection", DIM)
    canvas.write(x + 14, y + height / 2, Span(text), 14, colour)
    middle = x + width - 22
    canvas.stroke([(middle - 6, y + 17), (middle, y + 23), (middle + 6, y + 17)], TEXT, 2)
    return y + height + 2


def _options(canvas: Canvas, x: float, y: float, options: list[Json]) -> float:
    width = MENU[0]
    height = OPTION * len(options) + 8
    canvas.box(x, y + 4, width, height, FENCE, radius=8, rim=RIM)
    for number, option in enumerate(options):
        top = y + 8 + OPTION * number
        if number == 0:
            canvas.box(x + 4, top, width - 8, OPTION, "#404249", radius=6)
        canvas.write(x + 16, top + 15, Span(option["label"]), 14, WHITE)
        canvas.write(x + 16, top + 34, Span(option.get("description") or ""), 12, DIM)
    return y + height + 8
