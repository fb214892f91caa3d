"""Terminal colours as Discord's `ansi` blocks support them: eight colours, bold and underlined, no more.

    coloured(traceback)         # "\\x1b[31mValueError\\x1b[0m: no"

IPython and others use 256 colours and more; each becomes the nearest of the eight. Every line of the result
has its own codes, so that lines can be left out. The codes are those of ECMA-48, SGR.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kernels.text import visible
from kernels.text.clipping import strip_ansi

__all__ = ["coloured", "has_colour"]

_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
DARK, LIGHT = 0, 7
NUMBERS = 16  # parameters of one code that are read; no honest code has as many
LONGEST = 8 * NUMBERS  # characters of those parameters
FAINT = 1  # of 5: a colour whose channels are all at most this is dark
HALFWAY = 244  # the middle of the grey ramp, which goes from 232 to 255


@dataclass(frozen=True, slots=True)
class _Style:
    bold: bool = False
    underlined: bool = False
    fore: int | None = None
    back: int | None = None

    def code(self) -> str:
        numbers = [0, *([1] if self.bold else []), *([4] if self.underlined else [])]
        numbers += [] if self.fore is None else [30 + self.fore]
        numbers += [] if self.back is None else [40 + self.back]
        return f"\x1b[{';'.join(map(str, numbers))}m"


PLAIN = _Style()


def has_colour(text: str) -> bool:
    """Whether `text` has codes that change its look."""
    return _SGR.search(text) is not None


def coloured(text: str) -> str:
    """`text` with its escape sequences replaced by Discord's, and without other control characters."""
    style = PLAIN
    lines = []
    for line in text.split("\n"):
        shown, written = PLAIN, []
        for place, piece in enumerate(_SGR.split(line)):  # text and codes take turns
            if place % 2:
                style = _after(style, piece)
            elif plain := visible.text(strip_ansi(piece), ""):
                if style != shown:
                    written.append(style.code())
                    shown = style
                written.append(plain)
        lines.append("".join(written) + (PLAIN.code() if shown != PLAIN else ""))
    return "\n".join(lines)


def _after(style: _Style, parameters: str) -> _Style:
    numbers = iter([int(number[:4] or 0) for number in re.split("[;:]", parameters[:LONGEST])[:NUMBERS]])
    for number in numbers:
        style = _with(style, number, numbers)
    return style


def _with(style: _Style, number: int, more: Iterator[int]) -> _Style:
    match number:
        case 0:
            return PLAIN
        case 1 | 22:
            return replace(style, bold=number == 1)
        case 4 | 24:
            return replace(style, underlined=number == 4)
        case 38 | 39:
            return replace(style, fore=_wide(more) if number == 38 else None)
        case 48 | 49:
            return replace(style, back=_wide(more) if number == 48 else None)
    decade, colour = divmod(number, 10)
    if decade in (3, 9) and colour < 8:
        return replace(style, fore=colour)
    if decade in (4, 10) and colour < 8:
        return replace(style, back=colour)
    return style


def _wide(more: Iterator[int]) -> int | None:
    """The nearest of the eight to one of 256 colours, or to red, green and blue values."""
    match next(more, None):
        case 5:
            number = next(more, 0)
            if number < 16:
                return number % 8
            if number >= 232:
                return DARK if number < HALFWAY else LIGHT
            red, rest = divmod(number - 16, 36)
            return _nearest(red, *divmod(rest, 6))
        case 2:
            return _nearest(*(next(more, 0) * 5 / 255 for _ in range(3)))
    return None


def _nearest(red: float, green: float, blue: float) -> int:
    """The colour of the channels, each from 0 to 5, that are over half as strong as the strongest."""
    strongest = max(red, green, blue)
    if strongest <= FAINT:
        return DARK
    return sum(bit for bit, channel in ((1, red), (2, green), (4, blue)) if channel > strongest / 2)
