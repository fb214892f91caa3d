"""plotly's figures for a reader: what they show, and nothing that leads elsewhere than to a web page.

    sanitize_figure({"data": [...], "layout": {...}, "config": {...}})     # with what is kept of each

plotly draws texts as HTML of a few elements, links among them, and as formulas where the page has MathJax; of
its configuration some settings are addresses that a button leads to. A map's style, and what the source of a
layer of it points to, are documents with an attribution, which older maps show as HTML without a filter: of
styles only those that plotly has a name for are kept, of addresses only those of pictures and of tiles.

A figure can be changed later: by its frames, and by the arguments of its buttons and sliders, in which plotly
also takes names with dots (`"mapbox.style"`, `"mapbox.layers[0].source"`). The same rules hold for those.
Attributes: https://plotly.com/javascript/reference/, https://plotly.com/javascript/configuration-options/
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from kernels.notebooks.sanitize.html import is_plain_link, is_plain_source
from kernels.notebooks.sanitize.markdown import without_scripts

__all__ = ["sanitize_figure"]

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
_STYLES = {  # plotly's own names for the styles of maps, and of fonts
    "basic",
    "carto-darkmatter",
    "carto-darkmatter-nolabels",
    "carto-positron",
    "carto-positron-nolabels",
    "carto-voyager",
    "carto-voyager-nolabels",
    "dark",
    "italic",
    "light",
    "normal",
    "oblique",
    "open-street-map",
    "outdoors",
    "satellite",
    "satellite-streets",
    "stamen-terrain",
    "stamen-toner",
    "stamen-watercolor",
    "streets",
    "white-bg",
}
_ADDRESSES = {"source", "href", "url", "geojson", "topojsonURL", "plotlyServerURL"}  # names of addresses
_NEVER = {
    *("attribution", "sourceattribution"),  # of a map, which is HTML that maps show as it is
    *("__proto__", "constructor", "prototype"),  # which older versions of plotly let a name with dots change
}
_ARGUMENTS = {"args", "args2"}  # of a button or a slider's step: what a click changes
_PICTURES = {"images"}  # lists whose addresses are those of pictures, whatever is there
_NOTHING = object()
LONGEST_NAME = 1000  # characters
MOST = 50_000  # characters of links, formulas and addresses in a figure, which take 1 us each at worst
# The beginning of the bytes tells a picture: maps read a document of any address, whatever kind it claims.
_PICTURE = re.compile(
    r"data:image/(?:png|jpe?g|gif|webp);base64,(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR)[A-Za-z0-9+/=]*+", re.ASCII
)
_TILE = re.compile(r"https?://[^\x00-\x20\x7f]+", re.IGNORECASE)
# Parts of TeX that lead elsewhere, or name such a part anew; a hover text's template may bring the dollars.
_LEADS = re.compile(r"href|def|let|csname|command|environment|mmltoken|mathoperator", re.IGNORECASE)
_WORD = re.compile(r"[\w+ -]{0,100}", re.ASCII)
_SPLIT = re.compile(r"[.\[\]]+")
_TAG = re.compile(r"<[^<>]*+>?+")
_LINK = re.compile(
    r"""<a\s+href\s*=\s*(?P<quote>["'])(?P<address>[^"'<>]*+)(?P=quote)(?:\s+target\s*=\s*["']?_?\w+["']?)?\s*>""",
    re.IGNORECASE | re.ASCII,
)


def sanitize_figure(figure: Mapping[str, Any]) -> dict[str, Any]:
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


def _plain(value: Any, left: list[int], within: str = "") -> Any:
    """A value of the figure; `within` is the name under which it, or the list that has it, stands."""
    match value:
        case str():
            return _text(value, left)
        case list():
            return [_plain(one, left, within) if isinstance(one, str | list | dict) else one for one in value]
        case dict():
            return {
                key: kept
                for key, one in value.items()
                if (kept := _kept(key, one, left, within)) is not _NOTHING
            }
    return value


def _kept(key: str, value: Any, left: list[int], within: str) -> Any:
    """What is kept of the value of a name, which may be one with dots; `_NOTHING` if not even the name is."""
    if len(key) > LONGEST_NAME:
        return _NOTHING
    names = [name for name in _SPLIT.split(key) if name]
    if not _NEVER.isdisjoint(names) or not _ARGUMENTS.isdisjoint(names[:-1]):
        return _NOTHING
    if names and names[-1] in _ARGUMENTS:
        return _arguments(value, left)
    if "style" in names:
        return value if _is_style(value) else _NOTHING
    if not _ADDRESSES.isdisjoint(names):
        return _address(value, left, names, of_picture=not _PICTURES.isdisjoint((within, *names)))
    return _plain(value, left, next((name for name in reversed(names) if not name.isdecimal()), ""))


def _arguments(value: Any, left: list[int]) -> Any:
    """What a click passes on, a name and its value or objects of names, without what is not kept of them."""
    match value:
        case [str(name), new, *others]:
            kept = _kept(name, new, left, "")
            return [] if kept is _NOTHING else [_text(name, left), kept, *_plain(others, left)]
        case list():
            return _plain(value, left)
    return _NOTHING


def _is_style(value: Any) -> bool:
    match value:
        case None:
            return True
        case str():
            return value in _STYLES
        case list():  # of fonts, one for each point
            return all(isinstance(one, str) and one in _STYLES for one in value)
    return False


def _address(value: Any, left: list[int], names: list[str], *, of_picture: bool) -> Any:
    """What is kept where an address may be: a picture, tiles, or what is none, such as numbers and shapes.

    A map takes an address for that of a document where it stands alone, and in a list for that of tiles.
    """
    match value:
        case str():
            return value if _is_picture(value, left, is_plain_source if of_picture else None) else _NOTHING
        case list():
            tiles = _TILE.fullmatch if "source" in names else None
            return [
                _address(one, left, names, of_picture=False) if isinstance(one, list) else _plain(one, left)
                for one in value
                if not isinstance(one, str) or _is_picture(one, left, tiles)
            ]
    return _plain(value, left)


def _is_picture(address: str, left: list[int], is_kept: Callable[[str], Any] | None) -> bool:
    """Whether it is one itself, or an address of the web that is kept for one."""
    if _PICTURE.fullmatch(address):
        return True
    left[0] -= len(address)
    return is_kept is not None and left[0] >= 0 and bool(is_kept(address))


def _text(text: str, left: list[int]) -> str:
    linked = "<" in text and "href" in text.lower()
    formula = "\\" in text and ("$" in text or _LEADS.search(text) is not None)
    if not linked and not formula:
        return text
    left[0] -= len(text)
    if left[0] < 0:
        plain = text.replace("<", "&lt;").replace("$", "&#36;")  # plotly shows what they stand for
        return plain if "$" in text else plain.replace("\\", "&#92;")
    return without_scripts(_TAG.sub(_tag, text))


def _tag(found: re.Match[str]) -> str:
    """A tag, or of one that leads to another thing than a page or a mail only that it is a link."""
    tag = found[0]
    if "href" not in tag.lower():
        return tag
    link = _LINK.fullmatch(tag)
    # "%{" is filled in by a template.
    is_plain = link and is_plain_link(link["address"]) and "%{" not in link["address"]
    return tag if is_plain else "<a>"
