"""HTML and SVG that do nothing but show: what is certain to be so passes, anything else does not.

    plain_html("<b>3</b>")                  # True
    plain_svg("<svg ...>...</svg>")         # the drawing written anew, or None
    wording("<b onclick=...>")              # "it had active content"

HTML is recognised, not repaired. Only a small, strict grammar of known elements, attributes and values
passes, in which every parser reads the same thing; so there is nothing that a browser could mend into a
script. Sanitisers were looked at (nh3 0.3): they rewrite a table that was fine, keep what style sheets load,
do not say what they took, and take time that grows with the square of the depth (20,000 nested divs: 0.5 s).
SVG is XML and is written anew from the elements and attributes that passed.
"""

import re
from collections.abc import Iterator
from html import unescape
from xml.etree import ElementTree as ET

__all__ = ["MOST_PARTS", "parts", "plain_html", "plain_svg", "wording"]

# Of HTML only what formats. `style` has its own rule, svg and math are other languages, the rest is active.
_ELEMENT = (
    r"(?:a|abbr|audio|b|blockquote|br|caption|center|code|col|colgroup|dd|del|details|div|dl|dt|em|figcaption"
    r"|figure|font|h[1-6]|hr|i|img|ins|kbd|li|mark|ol|p|pre|q|s|samp|section|small|source|span|strike|strong|sub"
    r"|summary|sup|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|var|video)(?=[ \t\n\f\r/>])"
)
_ENDS = r"(?=[ \t\n\f\r=/>])"
_ATTRIBUTE = (
    r"(?:abbr|align|alt|aria-[a-z]+|autoplay|bgcolor|border|cellpadding|cellspacing|class|color|colspan|controls"
    r"|dir|download|face|frame|headers|height|hspace|id|lang|loop|muted|nowrap|open|preload|rel|role|rowspan"
    r"|rules|scope|scoped|size|span|start|summary|target|title|type|valign|value|vspace|width)" + _ENDS
)
_CHECKED = r"(?:href|src|style)" + _ENDS
_S = r"[ \t\n\f\r]"  # HTML's spaces; Python's \s is more
_VALUE = rf"""(?:{_S}*+={_S}*+(?:"[^"]*+"|'[^']*+'|[^ \t\n\f\r"'<>=`]++))?+"""
# Every repetition is possessive, so the time is proportional to the length. ASCII, because the long s (ſ) is
# an s to Python when case is ignored, but not to a browser.
_FLAGS = re.IGNORECASE | re.ASCII
_PLAIN = re.compile(
    rf"(?:[^<]++|<(?![a-z/!?])|<!--[^<>]*+(?<=--)>|</{_ELEMENT}{_S}*+>"
    rf"|<{_ELEMENT}(?:{_S}++{_ATTRIBUTE}{_VALUE})*+{_S}*+/?+>)++",
    _FLAGS,
)
_START = re.compile(
    rf"<(?:{_ELEMENT}|(?P<style>style(?=[ \t\n\f\r>])))"
    rf"(?P<attributes>(?:{_S}++(?:{_ATTRIBUTE}|{_CHECKED}){_VALUE})*+){_S}*+/?+>",
    _FLAGS,
)
_PAIR = re.compile(rf"{_S}++([a-z-]++)({_VALUE})", _FLAGS)
_SHEET = re.compile(rf"([^<]*+)</style{_S}*+>", _FLAGS)
_IGNORED_IN_URL = dict.fromkeys(range(0x21))  # what a browser drops from or around a scheme
_LINK = re.compile(r"(?:https?:|mailto:).*|[^:]*", _FLAGS | re.DOTALL)
_SOURCE = re.compile(r"https?:.*|data:(?:image|audio|video)/[a-z0-9.+-]+[;,].*|[^:]*", _FLAGS | re.DOTALL)
_LOADS = re.compile(
    r"\\|@import|@namespace|url\s*\((?!\s*[\"']?#)|image-set|src\s*\(|expression|binding|behaviou?r|script\s*:",
    re.IGNORECASE,
)
_ZEROS = re.compile(r"(?<=&#)0+(?=[0-9])|(?<=&#[xX])0+(?=[0-9a-fA-F])")
_NO_CHARACTER = re.compile(r"&#(?:[0-9]{20,}+|[xX][0-9a-fA-F]{20,}+);?")  # the last one is &#1114111;
_ACTIVE = re.compile(
    r"<[\s/]*(?:[a-z]+:)?(?:script|iframe|frame|object|embed|applet|form|input|button|meta|link"
    r"|foreignobject|animate|set)\b|\bon[a-z]+\s*=|script\s*:",
    re.IGNORECASE,
)

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_DRAWN = re.compile(
    r"svg|g|defs|symbol|use|path|rect|circle|ellipse|line|polyline|polygon|text|tspan|textPath|title|desc|style"
    r"|clipPath|mask|pattern|marker|linearGradient|radialGradient|stop|image|filter|feBlend|feColorMatrix"
    r"|feComposite|feFlood|feGaussianBlur|feMerge|feMergeNode|feOffset"
)
_TEXT_ONLY = frozenset({"title", "desc", "style"})  # HTML's parser reads elements in these as HTML
_REFERENCES = {"href": "href", f"{{{_XLINK}}}href": "xlink:href"}
_DRAWN_ATTRIBUTE = re.compile(r"(?!on|data-)[a-z][a-z0-9-]*", re.IGNORECASE)
_INSIDE = re.compile(r"\s*(?:#[^:]*|data:image/(?:png|jpeg|gif|webp)[;,].*)", re.IGNORECASE | re.DOTALL)
DEEPEST = 200  # elements of an SVG within each other
MOST_PARTS = 300_000  # elements and attributes of an SVG, and its comments: each takes about 3 us


def plain_html(html: str) -> bool:
    """Whether `html` is formatted text, tables, pictures and sound and nothing else, whoever parses it."""
    place = 0
    while place < len(html):
        if plain := _PLAIN.match(html, place):
            place = plain.end()
            continue
        start = _START.match(html, place)
        if not start or not all(_is_plain(pair) for pair in _PAIR.finditer(start["attributes"])):
            return False
        place = start.end()
        if start["style"]:
            sheet = _SHEET.match(html, place)
            if not sheet or _LOADS.search(sheet[1]):
                return False
            place = sheet.end()
    return True


def _is_plain(attribute: re.Match[str]) -> bool:
    name, value = attribute[1].lower(), _unescaped(attribute[2].lstrip("= \t\n\f\r").strip("\"'"))
    match name:
        case "href":
            return _LINK.fullmatch(value.translate(_IGNORED_IN_URL)) is not None
        case "src":
            return _SOURCE.fullmatch(value.translate(_IGNORED_IN_URL)) is not None
        case "style":
            return not _LOADS.search(value)
    return True


def wording(markup: str) -> str:
    """Why `markup`, which did not pass, was left out."""
    return "it had active content" if _ACTIVE.search(_unescaped(markup)) else "it is more than plain markup"


def _unescaped(text: str) -> str:
    """`text` with its character references resolved, even those with too many digits for Python's `int`."""
    return unescape(_NO_CHARACTER.sub("&#0;", _ZEROS.sub("", text)))


def parts(svg: str) -> int:
    """An upper bound on the number of a drawing's elements and attributes, known without parsing it."""
    return svg.count("<") + svg.count("=")


def plain_svg(svg: str) -> str | None:
    """The drawing written anew without comments and metadata, or None when it holds more than a drawing."""
    if "<!ENTITY" in svg:
        return None
    parser = ET.XMLParser(target=_Drawing())  # noqa: S314 - entities are refused, nothing is fetched
    try:
        parser.feed(svg)
        drawing: ET.Element = parser.close()
    except (ET.ParseError, _NotPlainError):
        return None
    return ET.tostring(drawing, encoding="unicode")


class _NotPlainError(Exception):
    pass


class _Drawing:
    """Told by the parser, it builds the tree anew, and ends at the first thing that is not allowed."""

    def __init__(self) -> None:
        self._builder = ET.TreeBuilder()
        self._open: list[str] = []
        self._text: list[str] = []  # of the style sheet that is open
        self._passed_over = 0  # depth within <metadata>, or 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.removeprefix(f"{{{_SVG}}}")
        if self._passed_over or (self._open and name == "metadata"):
            self._passed_over += 1
            return
        parent = self._open[-1] if self._open else ""
        if name == tag or not _DRAWN.fullmatch(name) or (not parent and name != "svg"):
            raise _NotPlainError
        if parent in _TEXT_ONLY or len(self._open) == DEEPEST:
            raise _NotPlainError
        kept = {} if parent else {"xmlns": _SVG, "xmlns:xlink": _XLINK}
        self._builder.start(name, kept | dict(_drawn_attributes(attributes)))
        self._open.append(name)

    def data(self, text: str) -> None:
        if self._passed_over:
            return
        if self._open[-1] == "style":
            self._text.append(text)
        self._builder.data(text)

    def end(self, _tag: str) -> None:
        if self._passed_over:
            self._passed_over -= 1
            return
        sheet = "".join(self._text)
        if "<" in sheet or _LOADS.search(sheet):
            raise _NotPlainError
        self._text.clear()
        self._builder.end(self._open.pop())

    def close(self) -> ET.Element:
        return self._builder.close()


def _drawn_attributes(attributes: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The attributes that are kept, as they are written; those of editors' namespaces draw nothing."""
    for key, value in attributes.items():
        if key in _REFERENCES:
            if not _INSIDE.fullmatch(value):
                raise _NotPlainError
            yield _REFERENCES[key], value
        elif not key.startswith("{"):
            if not _DRAWN_ATTRIBUTE.fullmatch(key) or _LOADS.search(value):
                raise _NotPlainError
            yield key, value
