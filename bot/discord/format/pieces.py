"""A cell's outputs as what chat can show of them: text, words, an error, a picture to be, a file.

for piece in pieces(outputs): ...       # of nbformat v4 output dicts; nothing is decoded yet
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bot.rich import PLOTLY, as_text, is_picture, only_script, says_nothing
from kernels.cell.display_updates import is_mark, is_note
from kernels.text.clipping import strip_ansi

__all__ = ["Attachment", "Drawing", "Piece", "Text", "Traceback", "Words", "pieces"]

WIDE = 64  # columns of a code block on a small window; what is wider wraps and is hard to read
TALL = 30  # lines of a table that is still read as text
SURELY = 10_000  # characters after which a text is taken to show something
RULER = re.compile("-{20,}")  # above a traceback; it would be two lines of a phone
LONGEST_RULER = 1000  # characters of it, with its colours
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
    """What is sent along as a file: see `bot.rich.as_file`. Its cell has saved it as `files`, too."""

    bundle: Mapping[str, Any]
    files: tuple[str, ...] = ()


Piece = Text | Words | Traceback | Drawing | Attachment


def pieces(outputs: Iterable[Mapping[str, Any]]) -> list[Piece]:
    """The pieces in order; texts that follow each other are one."""
    found: list[Piece] = []
    texts: list[str] = []  # of those that follow each other
    for output in outputs:
        if only_script(output.get("data", {})) or is_mark(output) or is_note(output):
            continue
        piece = _piece(output)
        if not isinstance(piece, Text):
            if texts:
                found.append(Text("".join(texts)))
                texts.clear()
            found.append(piece)
        elif texts:
            between = "" if texts[-1].endswith("\n") else "\n"
            texts += filter(None, (between, piece.text))
        elif len(piece.text) > SURELY or strip_ansi(piece.text).strip():
            texts.append(piece.text)
    if texts:
        found.append(Text("".join(texts)))
    return found


def _piece(output: Mapping[str, Any]) -> Piece:
    match output.get("output_type"):
        case "stream":
            return Text(str(output["text"]))
        case "error":
            text = "\n".join(output["traceback"])
            first, _, rest = text.partition("\n")
            if len(first) <= LONGEST_RULER and RULER.fullmatch(strip_ansi(first)):
                text = rest
            return Traceback(
                text if text and not text.isspace() else f"{output['ename']}: {output['evalue']}"
            )
    return _shown(output.get("data", {}), output.get("metadata", {}))


def _shown(bundle: Mapping[str, Any], metadata: Any) -> Piece:
    if is_picture(bundle) or PLOTLY in bundle:
        files = metadata.get("files") if isinstance(metadata, dict) else None
        return Attachment(bundle, tuple(map(str, files)) if isinstance(files, list) else ())
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
    lines = text.splitlines() if len(text) <= TALL * (WIDE + 2) else None
    readable = (
        lines is not None
        and len(lines) <= TALL
        and max(map(len, lines), default=0) <= WIDE
        and WRAPPED not in text
    )
    return Text(text) if text and readable else Drawing("table", page, text)
