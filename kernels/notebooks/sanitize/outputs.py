"""Makes a cell's outputs safe for a notebook: repaired, of known kinds, and without active content.

    sanitize_outputs(outputs)        # nbformat v4 output dicts that validate
    sanitize_outputs(that) == that   # a second time changes nothing

The outputs come from strangers' code or files, so they can be anything at all. The output itself says what
was left out, as text: "[text/html left out: it had active content]".
"""

import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from kernels.cell.display_updates import is_update
from kernels.cell.events import MAX_MIMES
from kernels.notebooks.sanitize.figures import sanitize_figure
from kernels.notebooks.sanitize.formulas import without_script_links, without_script_links_in
from kernels.notebooks.sanitize.html import (
    MOST_PARTS,
    is_plain_html,
    parts,
    sanitize_html,
    sanitize_svg,
    why_refused,
)
from kernels.notebooks.sanitize.markdown import is_plain_markdown, without_hidden, without_scripts
from kernels.notebooks.sanitize.metadata import sanitize_metadata
from kernels.text.clipping import clip, repair

__all__ = ["MOST_VALUES", "count", "has_more_values", "joined", "sanitize_outputs"]

MAX_COUNT = 1 << 53  # up to here numbers are exact in JavaScript, which reads notebooks
MAX_MIME = 100  # characters of a kind that a note mentions
MOST_MIMES = MAX_MIMES  # kinds of one output, as many as in one that comes from a kernel
MOST_VALUES = 100_000  # values in the JSON of one kind
MOST_LINES = 1000  # of a traceback; a longer one becomes a single text
PLOTLY = "application/vnd.plotly.v1+json"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n \t"
_ENCODED = re.compile(r"image/(?:png|jpeg|gif|webp|bmp)|application/pdf|(?:audio|video)/[a-z0-9.+-]+")
# Data that a renderer draws. Kinds that contain code (widgets, bokeh, holoviews) are not among them, nor
# those with texts that renderers take for HTML or addresses: Vega's tooltips and options, GeoJSON's
# properties.
_JSON = re.compile(r"application/(?:json|vnd\.plotly\.v1\+json|vnd\.dataresource\+json)")
_VEGA = re.compile(r"application/vnd\.vega(?:lite)?\.v[0-9.]+\+json")


class _LeftOutError(Exception):
    """Its argument is the reason."""


def sanitize_outputs(outputs: Iterable[Any]) -> list[dict[str, Any]]:
    """The outputs as valid nbformat v4.5 dicts; it never raises, whatever is in `outputs`."""
    return [_output(output) for output in outputs if not is_update(output)]


def count(value: Any) -> int | None:
    """`value` if it is an execution count, or None."""
    return value if type(value) is int and 0 <= value < MAX_COUNT else None


def joined(value: Any) -> str:
    """The text of a value that is one string or, as Jupyter writes it, a list of strings."""
    match value:
        case str():
            return value
        case None:
            return ""
        case list() | tuple():
            return "".join(map(joined, value))
    return str(value)


def has_more_values(value: Any, most: int) -> bool:
    """Whether a JSON value contains more than `most` values; keys count too."""
    left, waiting = most, [value]
    while waiting and left >= 0:
        match waiting.pop():
            case list() as items:
                left -= len(items)
                waiting += items if left >= 0 else ()
            case dict() as items:
                left -= 2 * len(items)
                waiting += items.values() if left >= 0 else ()
    return left < 0


def _output(output: Any) -> dict[str, Any]:
    try:
        output = repair(output)
    except RecursionError:
        return _note("[output left out: it is nested too deep]")
    match output:
        case {"output_type": "stream"}:
            name = "stderr" if output.get("name") == "stderr" else "stdout"
            return {"output_type": "stream", "name": name, "text": joined(output.get("text"))}
        case {"output_type": "error"}:
            lines = output.get("traceback")
            traceback = [joined(line) for line in lines] if isinstance(lines, list) else [joined(lines)]
            if len(traceback) > MOST_LINES:
                traceback = ["\n".join(traceback)]
            names = {key: joined(output.get(key)) for key in ("ename", "evalue")}
            return {"output_type": "error", **names, "traceback": traceback}
        case {"output_type": "execute_result", "data": dict()}:
            counted = {"execution_count": count(output.get("execution_count"))}
            return {"output_type": "execute_result", **counted, **_shown(output)}
        case {"data": dict()}:
            return {"output_type": "display_data", **_shown(output)}
    return _note("[output left out: it is of no known kind]")


def _note(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stderr", "text": text + "\n"}


def _shown(output: dict[str, Any]) -> dict[str, Any]:
    """The MIME bundle of what may be shown, and its metadata."""
    bundle: dict[str, Any] = {}
    notes = []
    for key, value in islice(output["data"].items(), MOST_MIMES):
        mime = key.strip().lower()
        try:
            bundle[mime] = _representation(mime, value)
            if mime == "text/html" and bundle[mime] != without_script_links(joined(value)):
                notes.append("[scripts in text/html left out]")
        except _LeftOutError as why:
            if mime == "text/markdown":
                notes.append(joined(value))
            notes.append(f"[{clip(mime, MAX_MIME)} left out: {why}]")
    if (more := len(output["data"]) - MOST_MIMES) > 0:
        notes.append(f"[{more:,} more kinds left out]")
    if notes:
        plain = [bundle["text/plain"]] if bundle.get("text/plain") else []
        bundle["text/plain"] = "\n".join([*plain, *notes])
    metadata = output.get("metadata")
    about = metadata if isinstance(metadata, dict) else {}
    return {
        "data": bundle,
        "metadata": {mime: known for mime in bundle if (known := sanitize_metadata(mime, about.get(mime)))},
    }


def _representation(mime: str, value: Any) -> Any:
    """The sanitized value of one kind. Raises: _LeftOutError with the reason."""
    if _JSON.fullmatch(mime):
        if has_more_values(value, MOST_VALUES):
            raise _LeftOutError(f"it has more than {MOST_VALUES:,} values")
        return _figure(value) if mime == PLOTLY else without_script_links_in(value)
    text = joined(value)
    if mime == "text/plain":
        return text
    if _ENCODED.fullmatch(mime):
        if not text.isascii() or text.encode().translate(None, _BASE64):
            raise _LeftOutError("it is damaged")
        return text
    if mime in _MARKUP:
        return _MARKUP[mime](text)
    if _VEGA.fullmatch(mime):
        raise _LeftOutError("such a chart can run scripts; display it as a picture to keep it")
    raise _LeftOutError(
        "it had active content" if _is_active(mime) else "notebooks here do not hold this kind"
    )


def _figure(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _LeftOutError("it is damaged")
    return sanitize_figure(value)


def _html(html: str) -> str:
    inert = html if is_plain_html(html) else sanitize_html(html)
    if inert is None:
        raise _LeftOutError(why_refused(html))
    return without_script_links(inert)


def _markdown(words: str) -> str:
    shown = without_hidden(words)
    if not is_plain_markdown(shown):  # there may be HTML in it
        raise _LeftOutError(why_refused(words))
    return without_scripts(shown)


def _drawing(svg: str) -> str:
    if parts(svg) > MOST_PARTS:
        raise _LeftOutError(f"it has more than {MOST_PARTS:,} elements and attributes")
    drawing = sanitize_svg(svg)
    if drawing is None:
        raise _LeftOutError(why_refused(svg))
    return without_script_links(drawing)


_MARKUP: dict[str, Callable[[str], str]] = {
    "text/html": _html,
    "text/markdown": _markdown,
    "text/latex": without_scripts,
    "image/svg+xml": _drawing,
}


def _is_active(mime: str) -> bool:
    return "script" in mime or "widget" in mime or "_exec." in mime or "_load." in mime
