"""A cell's outputs as the kinds of things that a chat can show: text, Markdown, errors, drawings, files."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bot.rich import PLOTLY, as_text, is_picture, only_script, says_nothing
from kernels.cell.display_updates import is_mark, is_note
from kernels.text.clipping import strip_ansi

__all__ = ["DrawingPiece", "FilePiece", "MarkdownPiece", "Piece", "TextPiece", "TracebackPiece", "pieces"]

WIDE = 64  # columns of a code block in a small window; wider text wraps and is hard to read
TALL = 30  # lines of the longest table that is shown as text
SURELY = 10_000  # characters beyond which a text is taken to be visible without looking
RULER = re.compile("-{20,}")  # the line above a traceback, which would take two lines on a phone
LONGEST_RULER = 1000  # characters of that line, colour codes included
WRAPPED = "\\\n"  # where pandas broke a table that it found too wide


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Lines in a fixed-width font, with ANSI colours."""

    text: str


@dataclass(frozen=True, slots=True)
class MarkdownPiece:
    """The source of Markdown, to be shown as code: otherwise a cell could speak for us or the model."""

    text: str


@dataclass(frozen=True, slots=True)
class TracebackPiece:
    """An error's lines, with ANSI colours."""

    text: str


@dataclass(frozen=True, slots=True)
class DrawingPiece:
    """Something that has to be drawn first; `text` shows the same without a picture."""

    kind: Literal["latex", "svg", "table"]
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class FilePiece:
    """Something to be sent as a file: see `bot.rich.as_file`. Its cell has also saved it as `files`."""

    bundle: Mapping[str, Any]
    files: tuple[str, ...] = ()


Piece = TextPiece | MarkdownPiece | TracebackPiece | DrawingPiece | FilePiece


def pieces(outputs: Iterable[Mapping[str, Any]]) -> list[Piece]:
    """The pieces of nbformat v4 output dicts, in order; texts that follow each other are joined."""
    found: list[Piece] = []
    texts: list[str] = []  # those that follow each other
    for output in outputs:
        if only_script(output.get("data", {})) or is_mark(output) or is_note(output):
            continue
        piece = _piece(output)
        if not isinstance(piece, TextPiece):
            if texts:
                found.append(TextPiece("".join(texts)))
                texts.clear()
            found.append(piece)
        elif texts:
            between = "" if texts[-1].endswith("\n") else "\n"
            texts += filter(None, (between, piece.text))
        elif len(piece.text) > SURELY or strip_ansi(piece.text).strip():
            texts.append(piece.text)
    if texts:
        found.append(TextPiece("".join(texts)))
    return found


def _piece(output: Mapping[str, Any]) -> Piece:
    match output.get("output_type"):
        case "stream":
            return TextPiece(str(output["text"]))
        case "error":
            text = "\n".join(output["traceback"])
            first, _, rest = text.partition("\n")
            if len(first) <= LONGEST_RULER and RULER.fullmatch(strip_ansi(first)):
                text = rest
            return TracebackPiece(
                text if text and not text.isspace() else f"{output['ename']}: {output['evalue']}"
            )
    return _shown(output.get("data", {}), output.get("metadata", {}))


def _shown(bundle: Mapping[str, Any], metadata: Any) -> Piece:
    if is_picture(bundle) or PLOTLY in bundle:
        files = metadata.get("files") if isinstance(metadata, dict) else None
        return FilePiece(bundle, tuple(map(str, files)) if isinstance(files, list) else ())
    page, latex, drawing = (bundle.get(mime) for mime in ("text/html", "text/latex", "image/svg+xml"))
    if isinstance(drawing, str):
        return DrawingPiece("svg", drawing, "" if says_nothing(bundle) else as_text(bundle))
    if isinstance(page, str):
        if page.count("<table") == 1 or ("<table" in page and says_nothing(bundle)):
            return _table(page, bundle)
        return FilePiece(bundle) if says_nothing(bundle) else TextPiece(as_text(bundle))
    if isinstance(latex, str):
        return DrawingPiece("latex", latex, as_text(bundle))
    if isinstance(bundle.get("text/markdown"), str) and says_nothing(bundle):
        return MarkdownPiece(bundle["text/markdown"])
    return TextPiece(as_text(bundle))


def _table(page: str, bundle: Mapping[str, Any]) -> Piece:
    text = "" if says_nothing(bundle) else as_text(bundle)
    lines = text.splitlines() if len(text) <= TALL * (WIDE + 2) else []
    fits = lines and len(lines) <= TALL and max(map(len, lines)) <= WIDE
    return TextPiece(text) if fits and WRAPPED not in text else DrawingPiece("table", page, text)
