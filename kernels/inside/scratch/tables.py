"""Draws HTML tables as SVG, with their colours and the text around them, for `drawing`.

    svg, width, height = sheet(source)      # raises ValueError if there is no table

Of style sheets in the HTML it follows the rules that pandas' Styler writes: those for one cell, and for all
cells of one table.
"""

import re
from collections.abc import Iterator
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import east_asian_width

import matplotlib as mpl
from lxml import html
from PIL import ImageFont

FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
ROWS, COLUMNS, CELL = 40, 24, 48  # rows and columns of a table that are drawn; characters of a cell
LINES, WORDS = 8, 100  # lines of text around the tables that are drawn; characters of each
PADDING, RADIUS = 20, 12  # pixels
LETTER, LINE, GAP = 14, 26, 12  # pixels: the size of letters, the height of rows, the space beside a cell
INK, FAINT, BAND, RULE = "#1f2328", "#656d76", "#f6f8fa", "#d0d7de"
NUMBER = re.compile(r"[-+−]?[\d,. ]*\d(?:[eE][-+]?\d+)?%?|nan|NaN|-?inf|<NA>|None|NaT|\.\.\.|…?")
COLOUR = re.compile(r"#[0-9a-f]{3,8}|[a-z]{3,20}|(?:rgb|hsl)a?\([\d.,%\s]{5,40}\)")
STOP = re.compile(rf"({COLOUR.pattern})\s+([\d.]{{1,9}})%")  # of a gradient, by which Styler draws bars
SELECTOR = re.compile(r"#([\w-]{1,200})(?:\s+(t[dhr]))?")
UNSEEN = {"style", "script", "head", "title", "template"}
INLINE = {"a", "b", "i", "em", "strong", "span", "code", "small", "sub", "sup", "u"}


class TableCell(NamedTuple):
    """A cell to be drawn; `style` has declarations of CSS."""

    text: str
    heading: bool = False
    style: dict[str, str] = {}  # noqa: RUF012  nobody changes it

    @property
    def bold(self) -> bool:
        """Whether its letters are bold."""
        weight = self.style.get("font-weight", "")
        return weight in ("bold", "bolder", "600", "700", "800", "900") or (self.heading and not weight)

    @property
    def width(self) -> float:
        """The width of its text, in pixels."""
        wide = sum(east_asian_width(letter) in "WF" for letter in self.text)
        return float((BOLD if self.bold else NORMAL).getlength(self.text)) + wide * LETTER * 0.5


Grid = list[list[TableCell]]


def sheet(source: str) -> tuple[str, float, float]:
    """All tables of a piece of HTML and the text around them, one below the other. Raises: ValueError."""
    tree = html.fromstring(source)
    rules = _rules("".join(style.text or "" for style in tree.iter("style")))
    blocks = list(_blocks(tree, rules))
    if not any(isinstance(block, list) for block in blocks):
        raise ValueError("no table")
    lines = iter(range(LINES))
    parts, top, widest = [], float(PADDING), 0.0
    for block in blocks:
        if isinstance(block, str):
            if next(lines, None) is None:
                continue
            part, width, height = _words(block, top)
        else:
            part, width, height = _drawn(block, top)
        parts.append(part)
        top, widest = top + height + PADDING / 2, max(widest, width)
    width, height = widest + 2 * PADDING, top + PADDING / 2
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<rect width="{width}" height="{height}" rx="{RADIUS}" fill="#ffffff"/>'
        f'<g font-family="DejaVu Sans" font-size="{LETTER}" fill="{INK}">{"".join(parts)}</g></svg>'
    )
    return svg, width, height


def _blocks(tree: Any, rules: dict[tuple[str, str], dict[str, str]]) -> Iterator[str | Grid]:
    """The tables and the lines of text outside them, in order."""
    text: list[str] = []

    def lines() -> Iterator[str]:
        yield from filter(None, (" ".join(line.split()) for line in "".join(text).split("\n")))
        text.clear()

    waiting: list[tuple[Any, bool]] = [(tree, False)]  # elements, and whether their content was seen
    while waiting:
        element, left = waiting.pop()
        tag = element.tag if isinstance(element.tag, str) else "script"
        if left:
            text.append(("" if tag in INLINE else "\n") + _one_line(element.tail))
            continue
        waiting.append((element, True))
        if tag == "table":
            text += [_one_line(caption.text_content()) for caption in element.iterchildren("caption")]
            yield from lines()
            if grid := _grid(element, rules):
                yield grid
        elif tag not in UNSEEN:
            text.append(("" if tag in INLINE else "\n") + _one_line(element.text))
            waiting += [(child, False) for child in reversed(element)]
    yield from lines()


def _one_line(text: str | None) -> str:
    return (text or "").replace("\n", " ")


def _grid(table: Any, rules: dict[tuple[str, str], dict[str, str]]) -> Grid:
    rows: Grid = []
    name = table.get("id", "")
    for row in table.iter("tr"):
        cells: list[TableCell] = []
        of_all = rules.get((name, "tr"), {}) if rules else {}
        for cell in row.iterchildren("th", "td"):
            own = rules.get((cell.get("id", ""), ""), {}) if cell.get("id") else {}
            style = {**of_all, **rules.get((name, cell.tag), {}), **own, **_declared(cell.get("style", ""))}
            if style.get("display") == "none":
                continue
            text = " ".join(cell.text_content().split())
            shown = text if len(text) <= CELL else text[: CELL - 1] + "…"
            span = int(re.sub(r"\D", "", cell.get("colspan", ""))[:3] or 1)
            heading = cell.tag == "th"
            cells += [TableCell(shown, heading, style), *[TableCell("", heading)] * (min(span, COLUMNS) - 1)]
        rows.append(cells[:COLUMNS] + ([TableCell("…", heading=True)] if len(cells) > COLUMNS else []))
    left_out = len(rows) - ROWS
    return rows[:ROWS] + ([[TableCell(f"… {left_out:,} more rows", heading=True)]] if left_out > 0 else [])


def _rules(css: str) -> dict[tuple[str, str], dict[str, str]]:
    """The declarations for the element of an id, and for elements of a tag (`th`, `td`, `tr`) within it."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for rule in css.split("}"):
        selectors, _, declarations = rule.partition("{")
        declared = _declared(declarations)
        for selector in selectors.split(",") if declared else ():
            if match := SELECTOR.fullmatch(selector.strip()):
                key = match[1], match[2] or ""
                found[key] = {**found.get(key, {}), **declared}
    return found


def _declared(declarations: str) -> dict[str, str]:
    pairs = (declaration.lower().partition(":") for declaration in declarations.split(";"))
    return {name.strip(): value.replace("!important", "").strip() for name, _, value in pairs if value}


def _words(line: str, top: float) -> tuple[str, float, float]:
    """A line of text as SVG, with its width and its height."""
    cell = TableCell(line if len(line) <= WORDS else line[: WORDS - 1] + "…")
    text = f'<text x="{PADDING}" y="{top + LINE * 0.7}" fill="{FAINT}">{escape(cell.text)}</text>'
    return text, cell.width, float(LINE)


def _drawn(rows: Grid, top: float) -> tuple[str, float, float]:
    """A table as SVG from `top` down, with its width and its height."""
    count = max(map(len, rows))
    full = [[TableCell("")] * (count - len(row)) + row if len(row) > 1 else row for row in rows]
    widths = [max((row[n].width for row in full if n < len(row) > 1), default=0) for n in range(count)]
    if count == 1:
        widths = [max((row[0].width for row in full if row), default=0)]
    lefts = [PADDING + sum(widths[:n]) + 2 * GAP * n for n in range(count + 1)]
    right = max(lefts[-1], PADDING + 2 * GAP + max((row[0].width for row in full if row), default=0))
    body = [row for row in full if len(row) > 1 and not all(cell.heading for cell in row)]
    numeric = [all(NUMBER.fullmatch(row[n].text) for row in body) for n in range(count)]
    parts = []
    for number, row in enumerate(full):
        y = top + number * LINE
        headings = all(cell.heading for cell in row)
        if number % 2 == 0 and not headings:
            parts.append(_box(PADDING, y, right - PADDING, BAND))
        for n, cell in enumerate(row):
            whole = len(row) == 1 < count  # a note over all columns
            parts += _background(cell, lefts[n], y, lefts[n + 1] - lefts[n])
            numbers = numeric[n] and not whole
            at, anchor = (lefts[n + 1] - GAP, "end") if numbers else (lefts[n] + GAP, "start")
            ink = _colour(cell.style.get("color")) or (INK if headings or not cell.heading else FAINT)
            look = f'fill="{ink}"' + (' font-weight="bold"' if cell.bold else "")
            text = escape(cell.text)
            parts.append(f'<text x="{at}" y="{y + LINE * 0.7}" text-anchor="{anchor}" {look}>{text}</text>')
        if headings and number + 1 < len(full):
            line = y + LINE
            parts.append(f'<path d="M{PADDING} {line}H{right}" stroke="{RULE}" stroke-width="1"/>')
    return "".join(parts), right - PADDING, float(len(full) * LINE)


def _background(cell: TableCell, left: float, top: float, width: float) -> Iterator[str]:
    """The background of a cell's text: one colour, or the bar that a gradient with hard ends draws."""
    for name in ("background-color", "background"):
        if colour := _colour(cell.style.get(name)):
            yield _box(left, top, width, colour)
    declared = (cell.style.get(name, "") for name in ("background", "background-image"))
    found = next(filter(None, map(STOP.findall, declared)), [])
    stops = [(colour, min(float(percent), 100.0)) for colour, percent in found if percent.count(".") < 2]
    for (colour, begin), (other, end) in pairwise([(first, 0.0) for first, _ in stops[:1]] + stops):
        if colour == other and end > begin and _colour(colour):
            yield _box(left + width * begin / 100, top, width * (end - begin) / 100, colour)


def _colour(value: str | None) -> str | None:
    """A colour for SVG, or None if it is not one or cannot be seen."""
    return value if value and COLOUR.fullmatch(value) and value not in NO_COLOUR else None


def _box(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{LINE}" fill="{colour}"/>'


NO_COLOUR = {"transparent", "none", "inherit", "initial", "unset", "auto"}
NORMAL = ImageFont.truetype(FONTS / "DejaVuSans.ttf", LETTER)
BOLD = ImageFont.truetype(FONTS / "DejaVuSans-Bold.ttf", LETTER)
