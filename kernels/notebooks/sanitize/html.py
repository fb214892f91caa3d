"""HTML and SVG that do nothing but show something: only what is certain to be so passes.

    is_plain_html("<b>3</b>")                  # True
    sanitize_html("<b>3</b><script>...")       # "<b>3</b>", or None
    sanitize_svg("<svg ...>...</svg>")         # the drawing written anew, or None
    is_plain_link("https://a"), is_plain_source("data:image/png;base64,...")      # True
    why_refused("<b onclick=...>")              # "it had active content"

HTML is recognised, not repaired. Only a small, strict grammar of known elements, attributes and values
passes, which all parsers read in the same way; so there is nothing that a browser could mend into a script.
Drawings and formulas within HTML consist of elements that are harmless as HTML too, so it does not matter in
which language a parser reads them. We looked at sanitizers (nh3 0.3): they rewrite tables that were fine,
keep what style sheets load, do not say what they removed, and take time that grows with the square of the
depth (20,000 nested divs: 0.5 s). SVG is XML; it is written anew from the elements and attributes that
passed.
"""

import re
from collections.abc import Iterable, Iterator
from html import unescape
from xml.etree import ElementTree as ET

__all__ = [
    "MOST_PARTS",
    "is_plain_html",
    "is_plain_link",
    "is_plain_source",
    "parts",
    "sanitize_html",
    "sanitize_svg",
    "unescaped",
    "why_refused",
]

# Of HTML only elements for formatting, of SVG those that draw and refer to nothing, of MathML those that
# contain no HTML that is not allowed elsewhere. `style` and `input` have rules of their own; everything else
# is active.
_ELEMENT = (
    r"(?:a|abbr|audio|b|blockquote|br|caption|center|code|col|colgroup|dd|del|details|div|dl|dt|em|figcaption"
    r"|figure|font|h[1-6]|hr|i|img|ins|kbd|label|li|mark|meter|ol|p|pre|progress|q|s|samp|section|small|source"
    r"|span|strike|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|time|tr|tt|u|ul|var|video"
    r"|circle|clippath|defs|ellipse|g|line|lineargradient|path|pattern|polygon|polyline|radialgradient|rect|stop"
    r"|svg|text|tspan"
    r"|annotation|math|menclose|merror|mfenced|mfrac|mi|mmultiscripts|mn|mo|mover|mpadded|mphantom|mprescripts"
    r"|mroot|mrow|ms|mspace|msqrt|mstyle|msub|msubsup|msup|mtable|mtd|mtext|mtr|munder|munderover|none|semantics)"
    r"(?=[ \t\n\f\r/>])"
)
_ENDS = r"(?=[ \t\n\f\r=/>])"
_ATTRIBUTE = (
    r"(?:abbr|align|alt|aria-[a-z]+|autoplay|bgcolor|border|cellpadding|cellspacing|checked|class|color|colspan"
    r"|controls|data-param-prefix|datetime|dir|disabled|download|face|for|frame|halign|headers|height|hidden|high"
    r"|hspace|id|lang|loop|low|max|min|muted|nowrap|open|optimum|preload|rel|role|rowspan|rules|scope|scoped|size"
    r"|span|start|summary|tabindex|target|title|type|valign|value|vspace|width|xmlns(?::xlink)?"
    r"|clip-rule|clippathunits|cx|cy|d|dominant-baseline|dx|dy|fill-opacity|fill-rule|font-(?:family|size|style|weight)"
    r"|fx|fy|gradienttransform|gradientunits|letter-spacing|offset|opacity|pathlength|patterncontentunits"
    r"|patterntransform|patternunits|points|preserveaspectratio|r|rotate|rx|ry|shape-rendering|spreadmethod"
    r"|stop-(?:color|opacity)|stroke-(?:dasharray|dashoffset|linecap|linejoin|miterlimit|opacity|width)"
    r"|text-anchor|text-decoration|text-rendering|textlength|transform|vector-effect|version|viewbox|visibility"
    r"|x[12]?|xml:space|y[12]?"
    r"|accent|accentunder|column(?:align|lines|spacing|span)|depth|display|displaystyle|encoding|fence|form"
    r"|largeop|linethickness|lspace|math(?:background|color|size|variant)|maxsize|minsize|movablelimits|notation"
    r"|row(?:align|lines|spacing)|rspace|scriptlevel|separator|stretchy|symmetric|voffset)" + _ENDS
)
_STYLES = re.compile(r"clip-path|cursor|fill|filter|marker-(?:end|mid|start)|mask|stroke|style")  # can load
_CHECKED = rf"(?:href|src|{_STYLES.pattern})" + _ENDS
_S = r"[ \t\n\f\r]"  # HTML's spaces; Python's \s is more
_VALUE = rf"""(?:{_S}*+={_S}*+(?:"[^"]*+"|'[^']*+'|[^ \t\n\f\r"'<>=`]++))?+"""
# Every repetition is possessive, so that the time is proportional to the length. With ASCII, because
# otherwise Python takes the long s (ſ) for an s when it ignores case, and browsers do not.
_FLAGS = re.IGNORECASE | re.ASCII
_PLAIN = re.compile(
    rf"(?:[^<]++|<(?![a-z/!?])|<!--[^<>]*+(?<=--)>|</{_ELEMENT}{_S}*+>"
    rf"|<{_ELEMENT}(?:{_S}++{_ATTRIBUTE}{_VALUE})*+{_S}*+/?+>)++",
    _FLAGS,
)
_START = re.compile(
    rf"<(?:{_ELEMENT}|(?P<style>style(?=[ \t\n\f\r>]))|(?P<input>input(?=[ \t\n\f\r])))"
    rf"(?P<attributes>(?:{_S}++(?:{_ATTRIBUTE}|{_CHECKED}){_VALUE})*+){_S}*+/?+>",
    _FLAGS,
)
_PAIR = re.compile(rf"{_S}++([a-z][a-z0-9:-]*+)({_VALUE})", _FLAGS)
_TICKED = re.compile(r"checkbox|radio", _FLAGS)  # types of input that show and hide parts, by style sheets
# What is only there for scripts: the scripts, buttons without a label, and the tags around a page.
_SCRIPT = re.compile(r"<script(?=[ \t\n\f\r/>])[^>]*+>", _FLAGS)
_STYLE = re.compile(rf"<style(?:{_S}++{_ATTRIBUTE}{_VALUE})*+{_S}*+>", _FLAGS)
_STYLE_END = re.compile(rf"</style{_S}*+>", _FLAGS)
_SCRIPT_END = re.compile(rf"</script{_S}*+>", _FLAGS)
_IDLE = re.compile(
    rf"<button(?:{_S}++[a-z-]++{_VALUE})*+{_S}*+>{_S}*+</button{_S}*+>|</?(?:html|body){_S}*+>", _FLAGS
)
_SEEN = re.compile(r"<(?:img|svg|math|audio|video|progress|meter)\b|(?:>|\A)[^<>\w]*+\w")
_SHEET = re.compile(rf"([^<]*+)</style{_S}*+>", _FLAGS)
_IGNORED_IN_URL = dict.fromkeys(range(0x21))  # characters that a browser drops in or around a scheme
_LINK = re.compile(r"(?:https?:|mailto:).*|[^:]*", _FLAGS | re.DOTALL)
_SOURCE = re.compile(r"https?:.*|data:(?:image|audio|video)/[a-z0-9.+-]+[;,].*|[^:]*", _FLAGS | re.DOTALL)
_LOADS = re.compile(
    r"\\|@import|@namespace|url\s*\((?!\s*[\"']?(?:#|data:image/(?:png|jpeg|gif|webp|svg\+xml)[;,]))|image-set"
    r"|src\s*\(|expression|binding|behaviou?r\s*:|script\s*:",
    re.IGNORECASE,
)
_ZEROS = re.compile(r"(?<=&#)0+(?=[0-9])|(?<=&#[xX])0+(?=[0-9a-fA-F])")
_NO_CHARACTER = re.compile(r"&#(?:[0-9]{20,}+|[xX][0-9a-fA-F]{20,}+);?")  # the last character is &#1114111;
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
_TEXT_ONLY = frozenset({"title", "desc", "style"})  # a parser of HTML reads elements in these as HTML
_REFERENCES = {"href": "href", f"{{{_XLINK}}}href": "xlink:href"}
_DRAWN_ATTRIBUTE = re.compile(r"(?!on|data-)[a-z][a-z0-9-]*", re.IGNORECASE)
_INSIDE = re.compile(r"\s*(?:#[^:]*|data:image/(?:png|jpeg|gif|webp)[;,].*)", re.IGNORECASE | re.DOTALL)
_ROOT = re.compile(r"<svg(?=[\s/>])([^<>]*+)", re.ASCII)
DEEPEST = 200  # levels of elements in an SVG
MOST_PARTS = 300_000  # elements, attributes and comments of an SVG: each takes about 3 us


def is_plain_html(html: str) -> bool:
    """Whether `html` is text, tables, drawings, formulas and sound and nothing else, to any parser."""
    position = 0
    while position < len(html):
        position = _after_plain(html, position)
        if position < 0:
            return False
    return True


def sanitize_html(html: str) -> str | None:
    """`html` without scripts and what only they use; None if it has more, or if nothing would be seen."""
    kept: list[str] = []
    seen = False
    position = 0
    while position < len(html):
        after = _after_plain(html, position)
        if after >= 0:
            kept.append(html[position:after])
            seen = seen or (not _STYLE.match(kept[-1]) and _SEEN.search(kept[-1]) is not None)
        elif start := _STYLE.match(html, position):  # its comments may contain the name of an element
            end = _STYLE_END.search(html, start.end())
            sheet = _without_comments(html[start.end() : end.start()]) if end else "<"
            if _loads(sheet):
                return None
            kept.append(f"{start[0]}{sheet}</style>")
            after = end.end() if end else 0
        else:
            after = _after_idle(html, position)
            if after < 0:
                return None
        position = after
    return "".join(kept) if seen else None


def _without_comments(sheet: str) -> str:
    first, *others = sheet.split("/*")
    return first + "".join(other.partition("*/")[2] for other in others)


def _after_plain(html: str, position: int) -> int:
    """The end of plain HTML that begins here, or of its first part; -1 if it is not plain."""
    if plain := _PLAIN.match(html, position):
        return plain.end()
    start = _START.match(html, position)
    if not start:
        return -1
    pairs = list(_PAIR.finditer(start["attributes"]))
    if not all(map(_is_plain, pairs)) or (start["input"] and not _is_ticked(pairs)):
        return -1
    if not start["style"]:
        return start.end()
    sheet = _SHEET.match(html, start.end())
    return sheet.end() if sheet and not _loads(sheet[1]) else -1


def _after_idle(html: str, position: int) -> int:
    """The end of something here that only a script uses, or -1."""
    if idle := _IDLE.match(html, position):
        return idle.end()
    script = _SCRIPT.match(html, position)
    end = _SCRIPT_END.search(html, script.end()) if script else None
    return end.end() if end else -1


def _loads(sheet: str) -> bool:
    """Whether a style sheet may load something; in a drawing, browsers resolve its character references."""
    return any(_LOADS.search(text) or "<" in text for text in (sheet, unescaped(sheet)))


def _is_ticked(attributes: Iterable[re.Match[str]]) -> bool:
    kinds = [_value(one) for one in attributes if one[1].lower() == "type"]
    return bool(kinds) and all(map(_TICKED.fullmatch, kinds))


def _value(attribute: re.Match[str]) -> str:
    return unescaped(attribute[2].lstrip("= \t\n\f\r").strip("\"'"))


def _is_plain(attribute: re.Match[str]) -> bool:
    name, value = attribute[1].lower(), _value(attribute)
    match name:
        case "href":
            return is_plain_link(value)
        case "src":
            return is_plain_source(value)
    return not _STYLES.fullmatch(name) or not _LOADS.search(value)


def is_plain_link(address: str) -> bool:
    """Whether an address leads to a web page, a mail address or a part of the same page, to any browser."""
    return _LINK.fullmatch(unescaped(address).translate(_IGNORED_IN_URL)) is not None


def is_plain_source(address: str) -> bool:
    """Whether an address is that of a picture, sound or film, on the web or as data."""
    return _SOURCE.fullmatch(unescaped(address).translate(_IGNORED_IN_URL)) is not None


def why_refused(markup: str) -> str:
    """Why `markup` that did not pass was left out."""
    return "it had active content" if _ACTIVE.search(unescaped(markup)) else "it is more than plain markup"


def unescaped(text: str) -> str:
    """`text` with its character references resolved, even if they have too many digits for Python's `int`."""
    return unescape(_NO_CHARACTER.sub("&#0;", _ZEROS.sub("", text)))


def parts(svg: str) -> int:
    """An upper bound on the number of a drawing's elements and attributes, known without parsing it."""
    return svg.count("<") + svg.count("=")


def sanitize_svg(svg: str) -> str | None:
    """The drawing, written anew without comments and metadata; None if it is more than a drawing."""
    if "<!ENTITY" in svg:
        return None
    svg = _ROOT.sub(_with_namespaces, svg, count=1)
    parser = ET.XMLParser(target=_Drawing())  # noqa: S314 - entities are refused, nothing is fetched
    try:
        parser.feed(svg)
        drawing: ET.Element = parser.close()
    except (ET.ParseError, _NotPlainError):
        return None
    return ET.tostring(drawing, encoding="unicode")


def _with_namespaces(root: re.Match[str]) -> str:
    """The start tag of a drawing's root, with the namespaces that it would have within a page."""
    if "xmlns" in root[1].replace("xmlns:xlink", ""):
        return root[0]
    link = "" if "xmlns:xlink" in root[1] else f' xmlns:xlink="{_XLINK}"'
    return f'<svg xmlns="{_SVG}"{link}{root[1]}'


class _NotPlainError(Exception):
    pass


class _Drawing:
    """The target of the parser: builds the tree anew, and raises at the first thing that is not allowed."""

    def __init__(self) -> None:
        self._builder = ET.TreeBuilder()
        self._open: list[str] = []
        self._text: list[str] = []  # the text of the style sheet that is open
        self._passed_over = 0  # the depth within <metadata>, or 0

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
    """The attributes that are kept, as they are written; those in editors' namespaces draw nothing."""
    for key, value in attributes.items():
        if key in _REFERENCES:
            if not _INSIDE.fullmatch(value):
                raise _NotPlainError
            yield _REFERENCES[key], value
        elif not key.startswith("{"):
            if not _DRAWN_ATTRIBUTE.fullmatch(key) or _LOADS.search(value):
                raise _NotPlainError
            yield key, value
