"""Words made safe for a notebook's Markdown cell: nothing in them runs, whatever renders them.

    harmless("**3** <b>is</b> 3")           # as it is
    harmless("<script>1</script>")          # "< script>1< /script>", which is text to everybody
    harmless(harmless(words)) == harmless(words)

Words cannot be left out as a display can. A space after a `<` makes it text to every parser of Markdown and
of HTML, and changes no formula and no code. Blocks of code stay as they are if every parser agrees that they
are blocks: three backticks at the start of a line, and no other kind of fence anywhere in the words.
"""

import re
from html import unescape

from kernels.harmless import plain_html

__all__ = ["harmless", "without_scripts"]

APART = "\u200b"  # zero width space: between the two parts of a link
LOOKED_AT = 2000  # characters after the start of a link's address
MANY = 100  # links in words that name a script somewhere, above which all of them are taken apart
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_FENCE = re.compile(r"```(?P<language>[A-Za-z0-9_+-]*)")
_FENCE_LIKE = re.compile(r"```|~~~")
_ADDRESS = re.compile(r"(?P<before>\]\s*|\\)(?=[(:]|href\b)", re.IGNORECASE)
# With these TeX makes a new name for \\href, or its own element with an address.
_MACRO = re.compile(
    r"\\(?=(?:[egx]?def|let|futurelet|csname|mmlToken|DeclareMathOperator)(?![a-zA-Z])"
    r"|(?:new|renew|provide)(?:command|environment)(?![a-zA-Z]))"
)
_ENTITY = re.compile(r"&(?=#0*92(?![0-9])|#x0*5c(?![0-9a-f])|bsol;)", re.IGNORECASE)
_TARGET = re.compile(r"href|mmltoken|csname")
_WEB = re.compile(r"href\s*\{\s*https?:")
_OPENING = re.compile(r"^[(:\s]+")
_DROPPED = re.compile("[\x00-\x20\x7f-\xa0\u200b\\\\<>(\"']+")  # what may stand in or before a scheme
_SCRIPTS = ("javascript", "vbscript", "data:text", "data:application")
LONGEST_SCHEME = max(map(len, _SCRIPTS))


def harmless(words: str) -> str:
    """The words, as Markdown in which no markup is active and no link runs anything."""
    return without_scripts(words if plain_html(words) else _taken_apart(words))


def without_scripts(words: str) -> str:
    """The words with every link to a script taken apart, so that its text shows and no link is there.

    So is what defines a macro of TeX where it may stand for a link, for the macro may be used in other words.
    """
    plain = _plain(words)
    if _TARGET.search(plain):
        words = _ENTITY.sub(f"&{APART}", _MACRO.sub(rf"\\{APART}", words))
    if not any(scheme in plain for scheme in _SCRIPTS):
        return words
    many = len(_ADDRESS.findall(words)) > MANY

    def apart(found: re.Match[str]) -> str:
        address = words[found.end() : found.end() + LOOKED_AT]
        tex = found["before"] == "\\"  # in which a comment or a command may stand before the scheme
        runs = many or (not _WEB.match(address) if tex else _runs(address))
        return found["before"] + (APART if runs else "")

    return _ADDRESS.sub(apart, words)


def _runs(address: str) -> bool:
    """Whether what begins here may be the address of a script; if that is not certain, it counts as one."""
    plain = _plain(_OPENING.sub("", address, count=1))
    return plain.startswith(_SCRIPTS) or (len(address) > LOOKED_AT // 2 and len(plain) < LONGEST_SCHEME)


def _plain(address: str) -> str:
    """As a browser reads a scheme, and more: without what it drops, and with entities resolved."""
    return _DROPPED.sub("", unescape(address)).lower()


def _taken_apart(words: str) -> str:
    """Each `<` that may open a tag as text, but for those in blocks of code."""
    parts = _fenced(words.split("\n"))
    if parts is None:
        return _TAG.sub("< ", words)
    return "\n".join(line if is_code else _TAG.sub("< ", line) for line, is_code in parts)


def _fenced(lines: list[str]) -> list[tuple[str, bool]] | None:
    """Each line, and whether it is in a block of code; None if that is not certain."""
    parts: list[tuple[str, bool]] = []
    is_open = False
    for line in lines:
        fence = _FENCE.fullmatch(line)
        if fence and is_open and fence["language"]:  # to some parsers it does not close the block
            return None
        if fence:
            is_open = not is_open
        elif _FENCE_LIKE.search(line):
            return None
        parts.append((line, is_open and not fence))
    return None if is_open else parts
