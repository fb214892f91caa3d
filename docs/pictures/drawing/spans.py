"""Pieces of text with one look, and how they are broken into lines. Pure: the caller measures text."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Line", "Span", "joined", "wrapped"]

Look = Literal["", "code", "mention", "time", "link"]
UNSEEN = re.compile("[\u200b-\u200f\u2060-\u2064\ufe0f]")
WORD = re.compile(r"\s+|\S+")


@dataclass(frozen=True, slots=True)
class Span:
    """Text with one look; `colour` and `behind` are "#rrggbb", or "" for the default."""

    text: str
    bold: bool = False
    italic: bool = False
    underlined: bool = False
    struck: bool = False
    look: Look = ""
    colour: str = ""
    behind: str = ""


Line = tuple[Span, ...]
Measure = Callable[[Span], float]


def wrapped(line: Sequence[Span], width: float, measure: Measure, *, anywhere: bool = False) -> list[Line]:
    """A line broken into lines of at most `width`: at spaces, or `anywhere` as in a code block.

    A word that is wider than a whole line is broken where necessary.
    """
    lines: list[list[Span]] = [[]]
    used = 0.0
    for span in line:
        text = UNSEEN.sub("", span.text)
        for word in [text] if anywhere or span.look in ("mention", "time") else WORD.findall(text):
            piece = replace(span, text=word)
            size = measure(piece)
            if used + size > width and lines[-1] and not anywhere:
                lines.append([])
                used = 0.0
                if word.isspace():
                    continue
            while size > width - used and len(piece.text) > 1:
                fits = _fitting(piece, width - used, measure)
                lines[-1].append(replace(piece, text=piece.text[:fits]))
                lines.append([])
                used = 0.0
                piece = replace(piece, text=piece.text[fits:])
                size = measure(piece)
            lines[-1].append(piece)
            used += size
    if anywhere:
        return [joined(each) for each in lines]
    return [_without_end(joined(each)) for each in lines]


def joined(line: Sequence[Span]) -> Line:
    """The line with neighbours of the same look joined."""
    found: list[Span] = []
    for span in line:
        if found and replace(found[-1], text="") == replace(span, text=""):
            found[-1] = replace(span, text=found[-1].text + span.text)
        elif span.text:
            found.append(span)
    return tuple(found)


def _without_end(line: Line) -> Line:
    """A line without the space at which it was broken."""
    return (*line[:-1], replace(line[-1], text=line[-1].text.rstrip())) if line else line


def _fitting(span: Span, width: float, measure: Measure) -> int:
    """How many characters fit, at least one."""
    count = 1
    while count < len(span.text) and measure(replace(span, text=span.text[: count + 1])) <= width:
        count += 1
    return count
