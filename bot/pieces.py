"""A cell's outputs as what chat can show of them: text, words, an error, a picture to be, a file.

for piece in pieces(outputs): ...       # of nbformat v4 output dicts; nothing is decoded yet
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bot.rich import PLOTLY, as_text, is_picture, only_script, says_nothing
from kernels.text import strip_ansi
from kernels.updates import is_mark, is_note

__all__ = ["Attachment", "Drawing", "Piece", "Text", "Traceback", "Words", "pieces"]

WIDE = 64  # columns of a code block on a small window; what is wider wraps and is hard to read
TALL = 30  # lines of a table that is still read as text
SURELY = 10_000  # characters after which a text is taken to show something
RULER = re.compile("-{20,}")  # above a traceback; it would be two lines of a phone
WRAPPED = "\\\n"  # where pandas has broken a table that is too wide for it


@dataclass(frozen=True, slots=True)
class Text:
    """Lines in a fixed-width font, with ANSI colours."""

    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class Traceback:
    """An error's lines, with ANSI colours."""

    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """What has to be drawn; `text` says the same without a picture."""

    kind: Literal["latex", "svg", "table"]
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """What is sent along as a file: see `bot.rich.as_file`."""

    bundle: Mapping[str, Any]


Piece = Text | Words | Traceback | Drawing | Attachment


def pieces(outputs: Iterable[Mapping[str, Any]]) -> list[Piece]:
    """The pieces in order; texts that follow each other are one."""
    found: list[Piece] = []
    for output in outputs:
        if only_script(output.get("data", {})) or is_mark(output) or is_note(output):
            continue
        piece = _piece(output)
        last = found[-1] if found else None
        if isinstance(piece, Text) and isinstance(last, Text):
            between = "" if last.text.endswith("\n") else "\n"
            found[-1] = Text(last.text + between + piece.text)
        elif not isinstance(piece, Text) or len(piece.text) > SURELY or strip_ansi(piece.text).strip():
            found.append(piece)
    return found


def _piece(output: Mapping[str, Any]) -> Piece:
    match output.get("output_type"):
        case "stream":
            return Text(str(output["text"]))
        case "error":
            lines = [line for text in output["traceback"] for line in text.split("\n")]
            if lines and RULER.fullmatch(strip_ansi(lines[0])):
                del lines[0]
            text = "\n".join(lines)
            return Traceback(text if text.strip() else f"{output['ename']}: {output['evalue']}")
    return _shown(output.get("data", {}))


def _shown(bundle: Mapping[str, Any]) -> Piece:
    if is_picture(bundle) or PLOTLY in bundle:
        return Attachment(bundle)
    page, latex, drawing = (bundle.get(mime) for mime in ("text/html", "text/latex", "image/svg+xml"))
    if isinstance(drawing, str):
        return Drawing("svg", drawing, "" if says_nothing(bundle) else as_text(bundle))
    if isinstance(page, str):
        if page.count("<table") == 1 or ("<table" in page and says_nothing(bundle)):
            return _table(page, bundle)
        return Attachment(bundle) if says_nothing(bundle) else Text(as_text(bundle))
    if isinstance(latex, str):
        return Drawing("latex", latex, as_text(bundle))
    if isinstance(bundle.get("text/markdown"), str) and says_nothing(bundle):
        return Words(bundle["text/markdown"])
    return Text(as_text(bundle))


def _table(page: str, bundle: Mapping[str, Any]) -> Piece:
    text = "" if says_nothing(bundle) else as_text(bundle)
    lines = text.splitlines()
    readable = len(lines) <= TALL and max(map(len, lines), default=0) <= WIDE and WRAPPED not in text
    return Text(text) if text and readable else Drawing("table", page, text)
