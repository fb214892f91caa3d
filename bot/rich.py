"""The best way to show an output on a front that only has text: as a file, or as the text that says most.

shown = as_file(bundle, plotly)        # OutputFile(".png", b"...") or None if its text says it all
as_text(bundle)                        # "$x^2$"
"""

import base64
import html
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kernels.notebooks.sanitize.figures import sanitize_figure
from kernels.notebooks.sanitize.html import MOST_PARTS, parts, sanitize_svg

__all__ = [
    "PICTURES",
    "SOURCE_OF_SVG",
    "OutputFile",
    "as_file",
    "as_text",
    "drawing",
    "is_picture",
    "only_script",
    "output_text",
    "plotly_page",
    "says_nothing",
]

PICTURES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/tiff": ".tiff",
    "image/x-icon": ".ico",
}
BINARY = {**PICTURES, "application/pdf": ".pdf"}
SOURCE_OF_SVG = ".svg.txt"
PLOTLY = "application/vnd.plotly.v1+json"
SOUND = re.compile(r'src="data:audio/(?P<kind>[a-z0-9]{1,8});base64,(?P<data>[A-Za-z0-9+/=]+)"')
A_FIGURE = "Figure({"  # the beginning of a plotly figure's plain text, which is all of its data
A_CLASS = re.compile(r"<[\w.]+(?: object)?(?: at 0x[0-9a-f]+)?>")  # plain text that says nothing more
LONGEST_CLASS = 1000  # characters of such a text
SCRIPT = re.compile(r"\s*<script\b", re.IGNORECASE)
SCRIPT_END = re.compile(r"</script\s*>\s*", re.IGNORECASE)
JSON = 1 << 18  # characters of data that are shown as text
SOURCES = ("text/latex", "text/markdown")  # sources that a person can read


class OutputFile(NamedTuple):
    """An output as a file: its suffix and its bytes."""

    suffix: str
    data: bytes


def as_file(
    bundle: Mapping[str, Any], plotly_script: Callable[[], str], *, most_parts: int = MOST_PARTS
) -> OutputFile | None:
    """The best part of a MIME bundle as a file, or None if its plain text is as good.

    `plotly_script` gives the JavaScript that the page of an interactive plotly figure needs; without a
    browser such a figure cannot be drawn as a picture. `most_parts` is as in `drawing`.
    """
    for mime, suffix in BINARY.items():
        if isinstance(bundle.get(mime), str):
            return _decoded(suffix, bundle[mime])
    if isinstance(bundle.get("image/svg+xml"), str):
        return drawing(bundle["image/svg+xml"], most_parts)
    if isinstance(bundle.get(PLOTLY), dict):
        return OutputFile(".html", plotly_page(bundle[PLOTLY], plotly_script()).encode())
    page, text = bundle.get("text/html"), bundle.get("text/plain", "")
    if not isinstance(page, str) or not _is_only_a_name(str(text)):
        return None
    if sound := SOUND.search(page):
        return _decoded(f".{sound['kind']}", sound["data"])
    return OutputFile(".html", _page("Output", page).encode())


def drawing(svg: str, most_parts: int = MOST_PARTS) -> OutputFile:
    """An SVG as a file that only draws. If it does more, or has too many parts, its source as text.

    Parts are elements and attributes; each takes some 3 us.
    """
    plain = sanitize_svg(svg) if parts(svg) <= most_parts else None
    suffix = SOURCE_OF_SVG if plain is None else ".svg"
    return OutputFile(suffix, (plain or svg).encode("utf-8", "replace"))


def as_text(bundle: Mapping[str, Any]) -> str:
    """The bundle's plain text; if that says nothing, the formula, the words or the data behind it."""
    text = str(bundle.get("text/plain", ""))
    if text and not _is_only_a_name(text):
        return text
    for mime in SOURCES:
        if isinstance(bundle.get(mime), str):
            return str(bundle[mime])
    if "application/json" in bundle:
        return _data(bundle["application/json"])
    return text or f"[{', '.join(bundle)}]"


def output_text(output: Mapping[str, Any]) -> str:
    """The text of an nbformat output; that of a display and of an error ends its line."""
    match output.get("output_type"):
        case "stream":
            return str(output["text"])
        case "error":
            return "\n".join(output["traceback"]) + "\n"
    return as_text(output.get("data", {})) + "\n"


def is_picture(bundle: Mapping[str, Any]) -> bool:
    """Whether it has a picture or a document that needs no drawing."""
    return any(isinstance(bundle.get(mime), str) for mime in BINARY)


def only_script(bundle: Mapping[str, Any]) -> bool:
    """Whether it is HTML with nothing but scripts, such as plotly shows before its first figure."""
    if bundle.keys() != {"text/html"}:
        return False
    page, place = str(bundle["text/html"]), 0
    while place < len(page):
        start = SCRIPT.match(page, place)
        end = SCRIPT_END.search(page, start.end()) if start else None
        if end is None:
            return False
        place = end.end()
    return place > 0


def says_nothing(bundle: Mapping[str, Any]) -> bool:
    """Whether its plain text is empty, or only the name of a class."""
    text = str(bundle.get("text/plain", ""))
    return not text or text.isspace() or _is_only_a_name(text)


def _is_only_a_name(text: str) -> bool:
    return text.startswith(A_FIGURE) or (len(text) <= LONGEST_CLASS and A_CLASS.fullmatch(text) is not None)


def _data(value: Any) -> str:
    """A JSON value as text, which ends where its limit is reached."""
    pieces: list[str] = []
    size = 0
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        pieces.append(piece)
        size += len(piece)
        if size > JSON:
            return f"{''.join(pieces)[:JSON]}\n[... the rest is left out ...]\n"
    return "".join(pieces)


def plotly_page(figure: Mapping[str, Any], script: str) -> str:
    """A complete page that shows a plotly figure without a network.

    No link in it leads to a script, and no setting leads to another page.
    """
    plain = sanitize_figure(figure)
    pieces = [plain.get("data", []), plain.get("layout", {}), plain.get("config", {})]
    data = ",".join(json.dumps(piece) for piece in pieces).replace("<", "\\u003c")
    draw = f'<script>Plotly.newPlot("figure",{data})</script>'
    return _page(_title(figure), f'<div id="figure"></div><script>{script}</script>{draw}')


def _page(title: str, body: str) -> str:
    return f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title>{body}"


def _title(figure: Mapping[str, Any]) -> str:
    layout = figure.get("layout")
    title = layout.get("title") if isinstance(layout, dict) else None
    text = title.get("text") if isinstance(title, dict) else title
    return text if isinstance(text, str) else "Figure"


def _decoded(suffix: str, data: str) -> OutputFile | None:
    try:
        return OutputFile(suffix, base64.b64decode(data))
    except ValueError:
        return None
