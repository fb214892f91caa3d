"""The colours of code blocks in Discord's dark theme: Python by pygments, `ansi` by its codes."""

import re
from collections.abc import Iterable
from dataclasses import replace

from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType

from docs.pictures.drawing.spans import Line, Span, joined

__all__ = ["ansi", "python"]

TOKENS: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "#8b949e"),
    (Keyword.Constant, "#79c0ff"),
    (Keyword, "#ff7b72"),
    (Operator.Word, "#ff7b72"),
    (String.Interpol, "#c9d1d9"),
    (String, "#a5d6ff"),
    (Number, "#79c0ff"),
    (Name.Function, "#d2a8ff"),
    (Name.Class, "#d2a8ff"),
    (Name.Decorator, "#d2a8ff"),
    (Name.Builtin, "#ffa657"),
    (Name.Exception, "#ffa657"),
)
FORE = ("#4f545c", "#dc322f", "#859900", "#b58900", "#268bd2", "#d33682", "#2aa198", "#ffffff")
BEHIND = ("#002b36", "#cb4b16", "#586e75", "#657b83", "#839496", "#6c71c4", "#93a1a1", "#fdf6e3")
CODES = re.compile(r"\x1b\[([0-9;]*)m")


def python(text: str) -> tuple[Line, ...]:
    """The lines of Python code."""
    tokens = PythonLexer(stripnl=False, ensurenl=False).get_tokens(text)
    return _lines(Span(value, colour=_colour(kind)) for kind, value in tokens)


def ansi(text: str) -> tuple[Line, ...]:
    """The lines of text with colour codes."""
    spans: list[Span] = []
    look = Span("")
    for place, part in enumerate(CODES.split(text)):
        if place % 2:
            for number in part.split(";"):
                look = _changed(look, int(number or 0))
        else:
            spans.append(replace(look, text=part))
    return _lines(spans)


def _colour(kind: _TokenType) -> str:
    return next((colour for token, colour in TOKENS if kind in token), "")


def _changed(look: Span, number: int) -> Span:
    if number == 0:
        return Span("")
    if number == 1:
        return replace(look, bold=True)
    if number == 4:
        return replace(look, underlined=True)
    if number in range(30, 38):
        return replace(look, colour=FORE[number - 30])
    if number in range(40, 48):
        return replace(look, behind=BEHIND[number - 40])
    return look


def _lines(spans: Iterable[Span]) -> tuple[Line, ...]:
    lines: list[list[Span]] = [[]]
    for span in spans:
        first, *more = span.text.split("\n")
        lines[-1].append(replace(span, text=first))
        lines += [[replace(span, text=text)] for text in more]
    return tuple(joined(line) for line in lines)
