"""A canvas in Discord's own pixels, drawn at twice that resolution so that it is crisp.

canvas = Canvas(800)
width = canvas.write(72, 20, Span("hello", bold=True), 16)
canvas.save(path, height)
"""

import io
from functools import cache
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from docs.pictures.drawing.spans import Line, Span

__all__ = ["BACK", "BLURPLE", "DIM", "FAINT", "FENCE", "RIM", "TEXT", "WHITE", "Canvas", "size_of"]

SCALE = 2
TALLEST = 4000  # Discord's pixels
PAD = 3.0  # pixels to the left and right of text that has its own box
SMOOTH = 4  # how many times larger a shape is drawn, for smooth edges
FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"

BACK, FENCE, RIM = "#313338", "#2b2d31", "#1e1f22"
WHITE, TEXT, DIM, FAINT = "#f2f3f5", "#dbdee1", "#949ba4", "#4e5058"
BLURPLE = "#5865f2"
BOXED = ("code", "mention", "time")
LOOKS = {
    "code": (TEXT, "#1e1f22"),
    "mention": ("#c9cdfb", "#3c4270"),
    "time": (TEXT, "#3f4147"),
    "link": ("#00a8fc", ""),
}


class Canvas:
    """All positions and sizes are in Discord's pixels, from the upper left corner."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._image = Image.new("RGB", (width * SCALE, TALLEST * SCALE), BACK)
        self._draw = ImageDraw.Draw(self._image)

    def write(
        self, x: float, y: float, span: Span, size: float, colour: str = TEXT, *, mono: bool = False
    ) -> float:
        """Write a span in a line whose middle is at `y`; returns where it ends."""
        own, behind = LOOKS.get(span.look, (colour, ""))
        behind = span.behind or behind
        width = size_of(span, size, mono=mono)
        pad = PAD if span.look in BOXED else 0
        if behind:
            half = size * 0.62
            self.box(x, y - half, width, 2 * half, behind, radius=3 if pad else 0)
        font, text, fill = _font(span, size, mono), _seen(span, size, mono), span.colour or own
        at = ((x + pad) * SCALE, (y + size * 0.35) * SCALE)
        self._draw.text(at, text, fill=fill, font=font, anchor="ls")
        for is_so, height in ((span.underlined, 0.5), (span.struck, 0.08)):
            if is_so:
                self.box(x, y + size * height, width, 1, fill)
        return x + width

    def write_line(
        self, x: float, y: float, line: Line, size: float, colour: str = TEXT, *, mono: bool = False
    ) -> float:
        """Write spans one after another; returns where they end."""
        for span in line:
            x = self.write(x, y, span, size, colour, mono=mono)
        return x

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        *,
        radius: float = 0,
        rim: str = "",
    ) -> None:
        """Draw a filled box; with `rim`, a colour, it has a rim of one pixel."""
        if radius == 0:
            corners = [x * SCALE, y * SCALE, (x + width) * SCALE - 1, (y + height) * SCALE - 1]
            self._draw.rectangle(corners, fill=fill)
            return
        if rim:
            self._stamp(x, y, width, height, rim, radius)
            x, y, width, height, radius = x + 1, y + 1, width - 2, height - 2, radius - 1
        self._stamp(x, y, width, height, fill, radius)

    def circle(self, x: float, y: float, radius: float, fill: str) -> None:
        """Draw a disc around a point."""
        self._stamp(x - radius, y - radius, 2 * radius, 2 * radius, fill, radius)

    def stroke(self, points: list[tuple[float, float]], colour: str, width: float = 2) -> None:
        """Draw a line through points."""
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self._draw.line(scaled, fill=colour, width=round(width * SCALE), joint="curve")

    def bend(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Draw the line from an avatar up and over to the message that it replies to."""
        radius = 6.0
        ends = [x * SCALE, y * SCALE, (x + 2 * radius) * SCALE, (y + 2 * radius) * SCALE]
        self._draw.arc(ends, 180, 270, fill=colour, width=2 * SCALE)
        self.box(x, y + radius, 2, height - radius, colour)
        self.box(x + radius, y, width - radius, 2, colour)

    def picture(self, x: float, y: float, data: bytes, widest: float, tallest: float) -> float:
        """Draw a picture with round corners, without enlarging it; returns its height."""
        shown = Image.open(io.BytesIO(data)).convert("RGBA")
        factor = min(widest / shown.width, tallest / shown.height, 1.0)
        size = (round(shown.width * factor * SCALE), round(shown.height * factor * SCALE))
        shown = shown.resize(size, Image.Resampling.LANCZOS)
        mask = _rounded(size, 8 * SCALE)
        self._image.paste(shown.convert("RGB"), (round(x * SCALE), round(y * SCALE)), mask)
        return size[1] / SCALE

    def save(self, path: Path, height: float) -> None:
        """Save the upper part as a PNG of 256 colours, which takes half the bytes and looks the same."""
        part = self._image.crop((0, 0, self.width * SCALE, round(height * SCALE)))
        few = part.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(path, optimize=True)

    def _stamp(self, x: float, y: float, width: float, height: float, fill: str, radius: float) -> None:
        size = (max(1, round(width * SCALE)), max(1, round(height * SCALE)))
        self._image.paste(fill, (round(x * SCALE), round(y * SCALE)), _rounded(size, radius * SCALE))


def size_of(span: Span, size: float, *, mono: bool = False) -> float:
    """How wide a span is."""
    pad = 2 * PAD if span.look in BOXED else 0.0
    return float(_font(span, size, mono).getlength(_seen(span, size, mono))) / SCALE + pad


def _rounded(size: tuple[int, int], radius: float) -> Image.Image:
    large = Image.new("L", (size[0] * SMOOTH, size[1] * SMOOTH))
    corners = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(corners, radius * SMOOTH, fill=255)
    return large.resize(size, Image.Resampling.LANCZOS)


def _font(span: Span, size: float, mono: bool) -> ImageFont.FreeTypeFont:
    mono = mono or span.look == "code"
    return _loaded(mono, span.bold, span.italic, round(size * SCALE * (0.88 if span.look == "code" else 1)))


@cache
def _loaded(mono: bool, bold: bool, italic: bool, size: int) -> ImageFont.FreeTypeFont:
    style = ("Bold" if bold else "") + ("Oblique" if italic else "")
    name = f"DejaVuSans{'Mono' if mono else ''}{f'-{style}' if style else ''}.ttf"
    return ImageFont.truetype(FONTS / name, size, layout_engine=ImageFont.Layout.BASIC)


def _seen(span: Span, size: float, mono: bool) -> str:
    """The text without characters that the font lacks, such as most emoji: a gap is better than a box."""
    font = _font(span, size, mono)
    seen = "".join(letter for letter in span.text if letter.isascii() or _has(font, letter))
    return (seen if seen == span.text else seen.strip()).expandtabs(4)


@cache
def _has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    if letter.isspace():
        return True
    absent, there = font.getmask("\uffff"), font.getmask(letter)
    return there.size != absent.size or bytes(there) != bytes(absent)
