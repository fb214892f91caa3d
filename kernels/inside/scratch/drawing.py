"""Draws LaTeX, SVG and HTML tables as PNG, as a task (`tasks`) in a kernel that is thrown away afterwards.

    answer({"kind": "latex", "source": "$x^2$"})        # {"image/png": "..."}

The pictures are light cards: dark text on a dark chat could not be read.
"""

import base64
import re
from collections.abc import Callable
from io import BytesIO

import latex2mathml.converter
import resvg_py
import ziamath
from PIL import Image, ImageDraw

from . import tables

SCALE = 2  # of what we draw ourselves: a phone's screen has many pixels
WIDEST, TALLEST = 2000, 2600  # pixels of a picture
SMALLEST = 480  # pixels to which a small drawing is enlarged
MAGNIFIED = 50  # times at most, if it has no size of its own; otherwise SCALE
FORMULA = 22  # pixels, the size of its letters
FORMULA_LENGTH = 4000  # characters
UNITS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
LENGTH = re.compile(r"\s*([\d.]{1,20})\s*(px|pt|pc|mm|cm|in)?\s*")


def latex(source: str) -> bytes:
    """Draw a formula. Raises: ValueError for one with unknown commands."""
    text = re.sub(r"^\s*(?:\$+|\\\[|\\\()|(?:\$+|\\\]|\\\))\s*$", "", source.strip())
    text = text.replace("\\displaystyle", "").replace("align*", "aligned").replace("{align}", "{aligned}")
    text = re.sub(r"\\(?:begin|end)\{equation\*?\}", "", text)
    if not text.strip() or len(text) > FORMULA_LENGTH:
        raise ValueError("no formula, or one that is too long")
    if re.search(r">\s*\\[a-zA-Z]", latex2mathml.converter.convert(text)):
        raise ValueError("a command that is not known")
    return card(rendered(ziamath.Latex(text, size=FORMULA, color=tables.INK).svg(), SCALE))


def svg(source: str) -> bytes:
    """Draw SVG, at its own size or somewhat larger. Raises: ValueError."""
    if "<!ENTITY" in source:
        raise ValueError("entities")
    width, height, sized = drawn_size(source)
    enlarged = min(max(1.0, SMALLEST / max(width, height)), SCALE if sized else MAGNIFIED)
    scale = min(enlarged, WIDEST / width, TALLEST / height)
    return card(rendered(source, scale))


def table(source: str) -> bytes:
    """Draw all tables in HTML, one below the other, with the text around them. Raises: ValueError."""
    sheet, width, height = tables.sheet(source)
    return png(rendered(sheet, min(SCALE, WIDEST / width, TALLEST / height)))


def drawn_size(source: str) -> tuple[float, float, bool]:
    """A drawing's size in pixels by its root element, and whether that has more than a view box."""
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
        font_dirs=[str(tables.FONTS)],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
        serif_family="DejaVu Serif",
        monospace_family="DejaVu Sans Mono",
    )
    return Image.open(BytesIO(bytes(data))).convert("RGBA")


def card(picture: Image.Image) -> bytes:
    """The picture on a light card with round corners."""
    picture.thumbnail((WIDEST, TALLEST))
    border = tables.PADDING * SCALE // 2
    size = (picture.width + 2 * border, picture.height + 2 * border)
    large = Image.new("L", (size[0] * 2, size[1] * 2), 0)
    ImageDraw.Draw(large).rounded_rectangle(
        (0, 0, large.width - 1, large.height - 1), tables.RADIUS * SCALE * 2, 255
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


def answer(task: dict[str, str]) -> dict[str, str]:
    """The picture. Raises: anything that the libraries raise."""
    return {"image/png": base64.b64encode(DRAW[task["kind"]](task["source"])).decode()}
