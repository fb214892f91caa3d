"""plotly's figures for a reader: what they show, and nothing that leads elsewhere than to a web page.

    plain_figure({"data": [...], "layout": {...}, "config": {...}})     # with what is kept of each

plotly draws texts as HTML of a few elements, links among them, and as formulas where the page has MathJax; of
its configuration some settings are addresses that a button leads to. A map's style is a document of its own
that can hold HTML, so only those that plotly has a name for are kept.
Attributes: https://plotly.com/javascript/reference/, https://plotly.com/javascript/configuration-options/
"""

import re
from collections.abc import Mapping
from typing import Any

from kernels.harmless import plain_link, plain_source
from kernels.markdown import without_scripts

__all__ = ["plain_figure"]

_SETTINGS = {  # of the configuration those that are no address and no text
    "autosizable",
    "displayModeBar",
    "displaylogo",
    "doubleClick",
    "doubleClickDelay",
    "fillFrame",
    "frameMargins",
    "locale",
    "modeBarButtonsToRemove",
    "plotGlPixelRatio",
    "responsive",
    "scrollZoom",
    "showAxisDragHandles",
    "showAxisRangeEntryBoxes",
    "showTips",
    "staticPlot",
}
_ADDRESSES = {"source", "href", "url", "geojson"}  # keys whose text is an address
_HTML = {"attribution", "sourceattribution"}  # of a map, which is HTML that maps show as it is
MOST = 50_000  # characters of links, formulas and addresses in a figure, which take 1 us each at worst
_PICTURE = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=]*+", re.ASCII)
_WORD = re.compile(r"[\w+ -]{0,100}", re.ASCII)
_TAG = re.compile(r"<[^<>]*+>?+")
_LINK = re.compile(
    r"""<a\s+href\s*=\s*(?P<quote>["'])(?P<address>[^"'<>]*+)(?P=quote)(?:\s+target\s*=\s*["']?_?\w+["']?)?\s*>""",
    re.IGNORECASE | re.ASCII,
)


def plain_figure(figure: Mapping[str, Any]) -> dict[str, Any]:
    """The figure, nested no deeper than a kernel's messages may be, with what only shows."""
    kept: dict[str, Any] = {}
    left = [MOST]
    for key, kind in (("data", list), ("layout", dict), ("frames", list)):
        if isinstance(figure.get(key), kind):
            kept[key] = _plain(figure[key], left)
    if isinstance(figure.get("config"), dict):
        settings = figure["config"].items()
        kept["config"] = {key: value for key, value in settings if key in _SETTINGS and _is_setting(value)}
    return kept


def _is_setting(value: Any) -> bool:
    match value:
        case None | bool() | int() | float():
            return True
        case str():
            return _WORD.fullmatch(value) is not None
        case list():
            return all(isinstance(one, str) and _WORD.fullmatch(one) for one in value)
    return False


def _plain(value: Any, left: list[int]) -> Any:
    match value:
        case str():
            return _text(value, left)
        case list():
            return [_plain(one, left) if isinstance(one, str | list | dict) else one for one in value]
        case dict():
            return {key: _plain(one, left) for key, one in value.items() if _is_kept(key, one, left)}
    return value


def _is_kept(key: str, value: Any, left: list[int]) -> bool:
    if key in _HTML:
        return False
    if key == "style":
        return value is None or (isinstance(value, str) and _WORD.fullmatch(value) is not None)
    if key not in _ADDRESSES or not isinstance(value, str) or _PICTURE.fullmatch(value):
        return True
    left[0] -= len(value)
    return left[0] >= 0 and plain_source(value)


def _text(text: str, left: list[int]) -> str:
    linked = "<" in text and "href" in text.lower()
    formula = "$" in text and "\\" in text
    if not linked and not formula:
        return text
    left[0] -= len(text)
    if left[0] < 0:
        return text.replace("<", "&lt;").replace("$", "&#36;")  # plotly shows what they stand for
    return without_scripts(_TAG.sub(_tag, text))


def _tag(found: re.Match[str]) -> str:
    """A tag, or of one that leads to another thing than a page or a mail only that it is a link."""
    tag = found[0]
    if "href" not in tag.lower():
        return tag
    link = _LINK.fullmatch(tag)
    return tag if link and plain_link(link["address"]) else "<a>"
