"""Draws LaTeX, SVG and HTML tables as PNG, for `errands`, in a kernel that is thrown away.

    answer({"kind": "latex", "source": "$x^2$"})        # {"image/png": "..."}

The pictures are light cards: dark text on dark chat would not be seen.
"""

import base64
import re
from collections.abc import Callable
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import latex2mathml.converter
import matplotlib as mpl
import resvg_py
import ziamath
from lxml import html
from PIL import Image, ImageDraw, ImageFont

FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
SCALE = 2  # of all we draw ourselves: a phone's screen is fine-grained
PADDING, RADIUS = 20, 12  # pixels, before SCALE
WIDEST, TALLEST = 2000, 2600  # pixels of a picture
SMALLEST = 480  # pixels to which a small drawing is enlarged
MAGNIFIED = 50  # times, at most, where it has no size of its own; else SCALE
FORMULA = 22  # pixels, its letters
FORMULA_LENGTH = 4000  # characters
ROWS, COLUMNS, CELL = 40, 24, 48  # of a table that are drawn; characters of a cell
LETTER, LINE, GAP = 14, 26, 12  # pixels: a table's letters, its rows, the space beside a cell
INK, FAINT, BAND, RULE = "#1f2328", "#656d76", "#f6f8fa", "#d0d7de"
NUMBER = re.compile(r"[-+−]?[\d,. ]*\d(?:[eE][-+]?\d+)?%?|nan|NaN|-?inf|<NA>|None|NaT|\.\.\.|…?")
UNITS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
LENGTH = re.compile(r"\s*([\d.]{1,20})\s*(px|pt|pc|mm|cm|in)?\s*")


def latex(source: str) -> bytes:
    """A formula. Raises: ValueError for one that has commands which are not known."""
    text = re.sub(r"^\s*(?:\$+|\\\[|\\\()|(?:\$+|\\\]|\\\))\s*$", "", source.strip())
    text = text.replace("\\displaystyle", "").replace("align*", "aligned").replace("{align}", "{aligned}")
    text = re.sub(r"\\(?:begin|end)\{equation\*?\}", "", text)
    if not text.strip() or len(text) > FORMULA_LENGTH:
        raise ValueError("no formula, or one that is too long")
    if re.search(r">\s*\\[a-zA-Z]", latex2mathml.converter.convert(text)):
        raise ValueError("a command that is not known")
    return card(rendered(ziamath.Latex(text, size=FORMULA, color=INK).svg(), SCALE))


def svg(source: str) -> bytes:
    """A drawing, at its own size or somewhat larger. Raises: ValueError."""
    if "<!ENTITY" in source:
        raise ValueError("entities")
    width, height, sized = drawn_size(source)
    enlarged = min(max(1.0, SMALLEST / max(width, height)), SCALE if sized else MAGNIFIED)
    scale = min(enlarged, WIDEST / width, TALLEST / height)
    return card(rendered(source, scale))


def table(source: str) -> bytes:
    """All tables of a piece of HTML, one below the other. Raises: ValueError."""
    grids = [grid(found) for found in html.fromstring(source).iter("table")]
    parts, top, widest = [], float(PADDING), 0.0
    for rows in filter(None, grids):
        part, width, height = drawn_table(rows, top)
        parts.append(part)
        top, widest = top + height + PADDING, max(widest, width)
    if not parts:
        raise ValueError("no table")
    width, height = widest + 2 * PADDING, top
    scale = min(SCALE, WIDEST / width, TALLEST / height)
    sheet = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<rect width="{width}" height="{height}" rx="{RADIUS}" fill="#ffffff"/>'
        f'<g font-family="DejaVu Sans" font-size="{LETTER}" fill="{INK}">{"".join(parts)}</g></svg>'
    )
    return png(rendered(sheet, scale))


def grid(found: Any) -> list[list[tuple[str, bool]]]:
    """A table's rows: the text of each cell, and whether it is a heading."""
    rows = []
    for row in found.iter("tr"):
        cells: list[tuple[str, bool]] = []
        for cell in row.iterchildren("th", "td"):
            text = " ".join(cell.text_content().split())
            shown = text if len(text) <= CELL else text[: CELL - 1] + "…"
            span = int(re.sub(r"\D", "", cell.get("colspan", ""))[:3] or 1)
            cells += [(shown, cell.tag == "th"), *[("", cell.tag == "th")] * (min(span, COLUMNS) - 1)]
        rows.append(cells[:COLUMNS] + ([("…", True)] if len(cells) > COLUMNS else []))
    left_out = len(rows) - ROWS
    return rows[:ROWS] + ([[(f"… {left_out:,} more rows", True)]] if left_out > 0 else [])


def drawn_table(rows: list[list[tuple[str, bool]]], top: float) -> tuple[str, float, float]:
    """A table as SVG from `top` down, its width and its height."""
    count = max(map(len, rows))
    full = [[("", False)] * (count - len(row)) + row if len(row) > 1 else row for row in rows]
    widths = [max((extent(*row[n]) for row in full if n < len(row) > 1), default=0) for n in range(count)]
    lefts = [PADDING + sum(widths[:n]) + 2 * GAP * n for n in range(count + 1)]
    right = max(lefts[-1], PADDING + 2 * GAP + max(extent(*row[0]) for row in full if row))
    body = [row for row in full if len(row) > 1 and not all(heading for _, heading in row)]
    numeric = [all(NUMBER.fullmatch(row[n][0]) for row in body) for n in range(count)]
    parts = []
    for number, row in enumerate(full):
        y = top + number * LINE
        headings = all(heading for _, heading in row)
        if number % 2 == 0 and not headings:
            parts.append(
                f'<rect x="{PADDING}" y="{y}" width="{right - PADDING}" height="{LINE}" fill="{BAND}"/>'
            )
        for n, (text, heading) in enumerate(row):
            at, anchor = (lefts[n + 1] - GAP, "end") if numeric[n] else (lefts[n] + GAP, "start")
            look = f'font-weight="bold" fill="{INK if headings else FAINT}"' if heading else ""
            parts.append(
                f'<text x="{at}" y="{y + LINE * 0.7}" text-anchor="{anchor}" {look}>{escape(text)}</text>'
            )
        if headings and number + 1 < len(full):
            line = y + LINE
            parts.append(f'<path d="M{PADDING} {line}H{right}" stroke="{RULE}" stroke-width="1"/>')
    return "".join(parts), right - PADDING, float(len(full) * LINE)


def extent(text: str, heading: bool) -> float:
    """The width of a cell's text in pixels."""
    wide = sum(east_asian_width(letter) in "WF" for letter in text)
    font = BOLD if heading else NORMAL
    return float(font.getlength(text)) + wide * LETTER * 0.5


def drawn_size(source: str) -> tuple[float, float, bool]:
    """A drawing's size in pixels, as its root element has it, and whether that is more than a view box."""
    root = re.search(r"<(?:\w+:)?svg\b[^>]{0,10000}>", source)
    if root is None:
        raise ValueError("no drawing")
    told = dict(re.findall(r"""\s(width|height|viewBox)\s*=\s*["']([^"']{0,200})["']""", root[0]))
    box = [float(number) for number in re.findall(r"-?[\d.]+(?:e-?\d+)?", told.get("viewBox", ""))]
    sizes = [LENGTH.fullmatch(told.get(side, "")) for side in ("width", "height")]
    width, height = (float(size[1]) * UNITS[size[2] or ""] if size else 0.0 for size in sizes)
    if len(box) == 4 and box[2] > 0 and box[3] > 0 and not (width and height):
        ratio = box[3] / box[2]
        width = width or (height / ratio if height else box[2])
        height = height or width * ratio
    return max(width, 1.0) if width else 100.0, max(height, 1.0) if height else 100.0, any(sizes)


def rendered(source: str, scale: float) -> Image.Image:
    """SVG as a picture without a background."""
    data = resvg_py.svg_to_bytes(
        svg_string=source,
        zoom=scale,
        font_dirs=[str(FONTS)],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
        serif_family="DejaVu Serif",
        monospace_family="DejaVu Sans Mono",
    )
    return Image.open(BytesIO(bytes(data))).convert("RGBA")


def card(picture: Image.Image) -> bytes:
    """The picture on a light card with round corners."""
    picture.thumbnail((WIDEST, TALLEST))
    border = PADDING * SCALE // 2
    size = (picture.width + 2 * border, picture.height + 2 * border)
    large = Image.new("L", (size[0] * 2, size[1] * 2), 0)
    ImageDraw.Draw(large).rounded_rectangle(
        (0, 0, large.width - 1, large.height - 1), RADIUS * SCALE * 2, 255
    )
    sheet = Image.new("RGBA", size, "#ffffff")
    sheet.alpha_composite(picture, (border, border))
    sheet.putalpha(large.resize(size))
    return png(sheet)


def png(picture: Image.Image) -> bytes:
    """The picture's bytes."""
    output = BytesIO()
    picture.save(output, "PNG", optimize=True)
    return output.getvalue()


DRAW: dict[str, Callable[[str], bytes]] = {"latex": latex, "svg": svg, "table": table}
Image.MAX_IMAGE_PIXELS = WIDEST * TALLEST * 4
NORMAL = ImageFont.truetype(FONTS / "DejaVuSans.ttf", LETTER)
BOLD = ImageFont.truetype(FONTS / "DejaVuSans-Bold.ttf", LETTER)


def answer(task: dict[str, str]) -> dict[str, str]:
    """The picture. Raises: whatever the libraries do."""
    return {"image/png": base64.b64encode(DRAW[task["kind"]](task["source"])).decode()}
