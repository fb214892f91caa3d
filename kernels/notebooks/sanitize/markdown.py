"""Makes words safe for a notebook's Markdown cell: nothing in them runs, whatever renders them.

    sanitize_markdown("**3** <b>is</b> 3")           # as it is
    sanitize_markdown("<script>1</script>")          # "< script>1< /script>", which is text to everybody
    sanitize_markdown(sanitize_markdown(words)) == sanitize_markdown(words)

Unlike a display, words cannot be left out. A space after a `<` makes it text to every parser of Markdown and
of HTML, and changes no formula and no code. Blocks of code stay as they are if all parsers agree that they
are blocks: three backticks at the start of a line, no other kind of fence anywhere in the words, and before
them nothing that a parser may read together with the fence. That would be a formula (nbconvert looks for `$$`
and `\\begin` before it looks for fences, and JupyterLab takes formulas out before it parses anything), the
definition of a link, whose label and title may have several lines, a directive of MyST, or a page's front
matter. Diagrams of mermaid do not count as code, since nbconvert puts them into its pages as they are.
"""

import re
from collections.abc import Iterator

from kernels.notebooks.sanitize.formulas import APART, begins, tags
from kernels.notebooks.sanitize.html import is_plain_html, unescaped

__all__ = ["is_plain_markdown", "sanitize_markdown", "without_hidden", "without_scripts"]

LOOKED_AT = 2000  # characters that are examined after the start of a link's address
MANY = 100  # links; if words name a script anywhere and have more links, all of them are broken
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_FENCE = re.compile(r"```(?P<language>[A-Za-z0-9_+-]*)")
_FENCE_LIKE = re.compile(r"```|~~~")
_DRAWN = ("mermaid",)  # the beginnings of languages that are drawn
_TOGETHER = re.compile(r"\]:|:::")  # a link's definition, a directive
_FRONT_MATTER = re.compile(r"\s*(?:---|\+\+\+)")
_QUOTED = re.compile(r"""(?:"[^"]*+"|'[^']*+')""")
_TAG_LINES = re.compile(r"[\n\r]\s*(?:[\n\r]|>)")  # an empty line, or one that begins with `>`
_ESCAPED = re.compile(r"\\.")
_LINK = re.compile(r"\](?=[(:])")
_IMAGE = re.compile(r"!\[(?![^\[\]\\\"$]*+\])")  # a picture whose description is not just plain words
_LED_TO = re.compile(r"\][(\[:]")
_IN_LINK = {"(": re.compile(r"[()$\\]"), ":": re.compile(r"[$\\]|\n(?=\n)")}
_BARE_LINK = re.compile(r"(?:https?|ftp|www)(?=(?::/|\.)[^\s<$\\]{0,200}+[^\s<])", re.IGNORECASE)
_INFO = re.compile(r"^((?:[^\S\n]|[>*+\d.)-])*+(?:``|~~))(?=[`~]++[^\n$\\]*+[$\\])", re.MULTILINE)
_ADDRESS = re.compile(r"(?P<before>\]\s*|\\)(?=[(:]|(?:href|url)\b)", re.IGNORECASE)
# With these TeX gives \\href another name, or makes its own element with an address.
_MACRO = re.compile(
    r"\\(?=(?:[egx]?def|let|futurelet|csname|mmlToken|DeclareMathOperator)(?![a-zA-Z])"
    r"|(?:new|renew|provide)(?:command|environment)(?![a-zA-Z]))"
)
_ENTITY = re.compile(r"&(?=#0*92(?![0-9])|#x0*5c(?![0-9a-f])|bsol;)", re.IGNORECASE)
_TARGET = re.compile(r"href|mmltoken|csname")
_WEB = re.compile(r"(?:href|url)\s*\{\s*https?:")
_OPENING = re.compile(r"^[(:\s]+")
_DROPPED = re.compile("[\x00-\x20\x7f-\xa0\u200b\\\\<>(\"']+")  # characters that may be in or before a scheme
_SCRIPTS = ("javascript", "vbscript", "data:text", "data:application")
LONGEST_SCHEME = max(map(len, _SCRIPTS))


def sanitize_markdown(words: str, author: str = "") -> str:
    """The words as Markdown in which no markup is active and no link runs anything.

    `author` is the line before them, which is not changed but may begin a formula.
    """
    words = without_hidden(words)  # comes first, since it may change what is a tag
    return without_scripts(words if is_plain_markdown(words) else _taken_apart(words, author))


def is_plain_markdown(words: str) -> bool:
    """Whether HTML in the words is plain, even to a parser that does not take all of its tags for tags.

    In Markdown a line can end a tag, a `>` can begin a quotation, and a formula can begin in a tag and end
    after it. Then the content of the tag is text, or becomes a part of another tag.
    """
    return is_plain_html(words) and not any(map(_may_break, tags(words)))


def _may_break(tag: str) -> bool:
    if tag.startswith("<!--"):
        return False
    if any(sign in tag[1:] for sign in "<$\\") or _TAG_LINES.search(tag):
        return True
    return any(len(value.splitlines()) > 1 for value in _QUOTED.findall(tag))


def without_hidden(words: str) -> str:
    """The words without quotation marks where a renderer may put them into an attribute as they are.

    marked does so with the description of a picture. JupyterLab puts a formula back into the finished page,
    where its quotation mark ends the attribute: links in which a formula may begin are broken. The language
    of a block is an attribute too.
    """
    words = _described(words)
    last = words.rfind('"')
    if not begins(words[: max(last, 0)]):
        return words
    links = list(_LINK.finditer(words, 0, last))
    apart = links if len(links) > MANY else filter(lambda link: _hides(words, link, last), links)
    kept, start = [], 0
    for link in apart:
        kept += [words[start : link.end()], APART]
        start = link.end()
    links_apart = _BARE_LINK.sub(rf"\g<0>{APART}", "".join([*kept, words[start:]]))
    return _INFO.sub(rf"\1{APART}", links_apart)


def _hides(words: str, link: re.Match[str], last: int) -> bool:
    """Whether a formula may begin in a link's address or title, before `last`."""
    depth = 0
    signs = _IN_LINK[words[link.end()]]
    for sign in signs.finditer(words, link.end(), min(link.end() + LOOKED_AT, last)):
        if sign[0] in "$\\":
            return True
        depth += 1 if sign[0] == "(" else -1
        if depth <= 0:
            return False
    return last > link.end() + LOOKED_AT


def _described(words: str) -> str:
    """The words without quotation marks in the descriptions of pictures."""
    if "![" not in words or not _LED_TO.search(words):
        return words
    paragraphs = words.split("\n\n")
    for number, paragraph in enumerate(paragraphs):
        image, end = _IMAGE.search(paragraph), paragraph.rfind("]")
        if image and image.start() < end:
            start = image.start()
            inside = paragraph[start:end].replace('"', "&quot;")
            paragraphs[number] = f"{paragraph[:start]}{inside}{paragraph[end:]}"
    return "\n\n".join(paragraphs)


def without_scripts(words: str) -> str:
    """The words with every link to a script broken, so that only its text is shown.

    Definitions of TeX macros that may stand for a link are broken too, since other words may use the macro.
    """
    plain = _plain(words)
    if _TARGET.search(plain):
        words = _ENTITY.sub(f"&{APART}", _MACRO.sub(rf"\\{APART}", words))
    if not any(scheme in plain for scheme in _SCRIPTS):
        return words
    many = len(_ADDRESS.findall(words)) > MANY

    def apart(found: re.Match[str]) -> str:
        address = words[found.end() : found.end() + LOOKED_AT]
        tex = found["before"] == "\\"  # there a comment or a command may come before the scheme
        runs = many or (not _WEB.match(address) if tex else _runs(address))
        return found["before"] + (APART if runs else "")

    return _ADDRESS.sub(apart, words)


def _runs(address: str) -> bool:
    """Whether this may be the beginning of a script's address; if that is not certain, it counts as one."""
    plain = _plain(_OPENING.sub("", address, count=1))
    return plain.startswith(_SCRIPTS) or (len(address) > LOOKED_AT // 2 and len(plain) < LONGEST_SCHEME)


def _plain(address: str) -> str:
    """The address as a browser reads its scheme: without the characters it drops, with entities resolved."""
    return _DROPPED.sub("", unescaped(address)).lower()


def _taken_apart(words: str, author: str) -> str:
    """The words in which each `<` that may open a tag is text, except in blocks of code."""
    lines = words.split("\n")
    if not _are_blocks(lines):
        return _TAG.sub("< ", words)
    return "\n".join(line if is_code else _TAG.sub("< ", line) for line, is_code in _fenced(lines, author))


def _are_blocks(lines: list[str]) -> bool:
    """Whether all fences are of one kind, and each opens or closes a block to any parser."""
    is_open = False
    for line in lines:
        if fence := _FENCE.fullmatch(line):
            if is_open and fence["language"]:  # some parsers do not close the block here
                return False
            is_open = not is_open
        elif _FENCE_LIKE.search(line):
            return False
    return not is_open


def _fenced(lines: list[str], author: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is certainly in a block of code."""
    is_open = is_drawn = False
    certain = not (begins(author) or _FRONT_MATTER.match(lines[0]))
    opened_certain = False
    for line in lines:
        fence = _FENCE.fullmatch(line)
        if fence:
            is_open = not is_open
            is_drawn = fence["language"].lower().startswith(_DRAWN)
            opened_certain = certain
        yield line, is_open and not fence and opened_certain and not is_drawn
        if certain and (begins(line) or (not is_open and _may_go_on(line))):
            certain = False


def _may_go_on(line: str) -> bool:
    """Whether something may begin in a line of words that includes a fence after it."""
    plain = _ESCAPED.sub("", line)  # the label of a link's definition may have several lines
    return _TOGETHER.search(plain) is not None or plain.rfind("[") > plain.rfind("]")
