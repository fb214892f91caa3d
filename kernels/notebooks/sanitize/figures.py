"""Makes plotly's figures safe: they keep what they show, and link to nothing but web pages.

    sanitize_figure({"data": [...], "layout": {...}, "config": {...}})     # what is kept of each

plotly draws texts as HTML with a few elements, among them links, and as formulas if the page has MathJax;
some settings in its configuration are addresses that a button leads to. A map's style, and the source of a
layer of it, can be documents with an attribution, which older maps show as HTML without any filter. So of
styles only those are kept for which plotly has a name, and of addresses only those of pictures and of tiles.

A figure can be changed later: by its frames, and by the arguments of its buttons and sliders, in which plotly
also accepts names with dots (`"mapbox.style"`, `"mapbox.layers[0].source"`). The same rules apply to those.
Attributes: https://plotly.com/javascript/reference/, https://plotly.com/javascript/configuration-options/
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from kernels.notebooks.sanitize.html import is_plain_link, is_plain_source
from kernels.notebooks.sanitize.markdown import without_scripts

__all__ = ["sanitize_figure"]

_SETTINGS = {  # of the configuration, those that are neither an address nor a text
    *("autosizable", "displayModeBar", "displaylogo", "doubleClick", "doubleClickDelay", "fillFrame"),
    *("frameMargins", "locale", "modeBarButtonsToRemove", "plotGlPixelRatio", "responsive", "scrollZoom"),
    *("showAxisDragHandles", "showAxisRangeEntryBoxes", "showTips", "staticPlot"),
}
_STYLES = {  # plotly's own names for the styles of maps, and of fonts
    *("basic", "carto-darkmatter", "carto-darkmatter-nolabels", "carto-positron", "carto-positron-nolabels"),
    *("carto-voyager", "carto-voyager-nolabels", "dark", "italic", "light", "normal", "oblique"),
    *("open-street-map", "outdoors", "satellite", "satellite-streets", "stamen-terrain", "stamen-toner"),
    *("stamen-watercolor", "streets", "white-bg"),
}
_ADDRESSES = {"source", "href", "url", "geojson", "topojsonURL", "plotlyServerURL"}  # names of addresses
_NEVER = {
    *("attribution", "sourceattribution"),  # of a map; maps show such HTML as it is
    *("__proto__", "constructor", "prototype"),  # older versions of plotly let a name with dots change these
}
_ARGUMENTS = {"args", "args2"}  # of a button or a step of a slider: what a click changes
_PICTURES = {"images"}  # lists in which every address is that of a picture
_NOTHING = object()
LONGEST_NAME = 1000  # characters
MOST = 50_000  # characters of links, formulas and addresses in a figure; each takes 1 us at worst
# The first bytes show whether it is a picture: maps read a document from any address, whatever kind that
# claims.
_PICTURE = re.compile(
    r"data:image/(?:png|jpe?g|gif|webp);base64,(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR)[A-Za-z0-9+/=]*+", re.ASCII
)
_TILE = re.compile(r"https?://[^\x00-\x20\x7f]+", re.IGNORECASE)
# Commands of TeX that make a link, or give such a command another name; the template of a hover text may add
# the dollar signs of a formula.
_LEADS = re.compile(r"href|def|let|csname|command|environment|mmltoken|mathoperator", re.IGNORECASE)
_WORD = re.compile(r"[\w+ -]{0,100}", re.ASCII)
_SPLIT = re.compile(r"[.\[\]]+")
_TAG = re.compile(r"<[^<>]*+>?+")
_LINK = re.compile(
    r"""<a\s+href\s*=\s*(?P<quote>["'])(?P<address>[^"'<>]*+)(?P=quote)(?:\s+target\s*=\s*["']?_?\w+["']?)?\s*>""",
    re.IGNORECASE | re.ASCII,
)


def sanitize_figure(figure: Mapping[str, Any]) -> dict[str, Any]:
    """The safe parts of a figure, which is nested no deeper than a kernel's messages may be."""
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
    words = value if isinstance(value, list) else [value]
    return isinstance(value, float | int | None) or all(
        isinstance(one, str) and _WORD.fullmatch(one) for one in words
    )


def _plain(value: Any, left: list[int], within: str = "") -> Any:
    """What is kept of a value; `within` is the name of the value, or of the list that contains it."""
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
    """What is kept of the value for a name, which may have dots; `_NOTHING` if not even the name is kept."""
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
    """What is kept of a click's arguments, which are a name and its value, or objects with names."""
    match value:
        case [str(name), new, *others]:
            kept = _kept(name, new, left, "")
            return [] if kept is _NOTHING else [_text(name, left), kept, *_plain(others, left)]
        case list():
            return _plain(value, left)
    return _NOTHING


def _is_style(value: Any) -> bool:
    styles = value if isinstance(value, list) else [value]  # of fonts there is one for each point
    return value is None or all(isinstance(one, str) and one in _STYLES for one in styles)


def _address(value: Any, left: list[int], names: list[str], *, of_picture: bool) -> Any:
    """What is kept where an address may be: a picture, tiles, or other values, such as numbers and shapes.

    To a map an address by itself is that of a document, and one in a list is that of tiles.
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
    """Whether it is a picture itself, or an address that `is_kept` accepts."""
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
        plain = text.replace("<", "&lt;").replace("$", "&#36;")  # plotly shows these references as characters
        return plain if "$" in text else plain.replace("\\", "&#92;")
    return without_scripts(_TAG.sub(_tag, text))


def _tag(found: re.Match[str]) -> str:
    """A tag as it is, or "<a>" if it links to anything but a page or a mail address."""
    tag = found[0]
    if "href" not in tag.lower():
        return tag
    link = _LINK.fullmatch(tag)
    # "%{" is filled in by a template.
    is_plain = link and is_plain_link(link["address"]) and "%{" not in link["address"]
    return tag if is_plain else "<a>"
