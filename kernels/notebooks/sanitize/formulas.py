"""Formulas in words and pages: where one may begin, and how to prevent that one links to a script.

    begins("a $x$")                                     # True: from here on a renderer may see a formula
    without_script_links(r"<b>$\\href{javascript:1}{x}$</b>")        # the same, with the command taken apart

Pages have MathJax, which looks for formulas in the text of the finished page: it joins the texts around a
comment, and character references are already resolved there. Programs that show notebooks look for formulas
earlier, in the words, before they know which of these are code or in a tag.
https://docs.mathjax.org/en/latest/input/tex/extensions/html.html
"""

import re
from collections.abc import Iterator
from typing import Any

from kernels.notebooks.sanitize.html import unescaped

__all__ = ["APART", "begins", "tags", "without_script_links", "without_script_links_in"]

APART = "\u200b"  # zero width space: a backslash before it does not begin a command of TeX
_BEGINS = re.compile(r"\$|\\\\[(\[]|\\begin\{")
_TAG = re.compile(r"""<!--[^<>]*+>|</?[a-z](?:[^"'<>]++|"[^"]*+"|'[^']*+')*+>""", re.IGNORECASE | re.ASCII)
_LINKS = re.compile(
    r"\\(?:(?:href|url)(?![a-zA-Z])(?!\s*+\{\s*+https?:)|mmlToken(?![a-zA-Z])|csname(?![a-zA-Z]))"
)
_BACKSLASH = re.compile(rf"(?:\\|&(?:#0*92(?![0-9]);?|#x0*5c(?![0-9a-f]);?|bsol;))(?!{APART})", re.IGNORECASE)


def begins(words: str) -> bool:
    """Whether any renderer may take a part of the words for the beginning of a formula."""
    return _BEGINS.search(words) is not None


def tags(html: str) -> Iterator[str]:
    """The tags and comments of plain HTML, as they are written."""
    return (tag[0] for tag in _TAG.finditer(html))


def without_script_links(html: str) -> str:
    """HTML, or any text, in which no command of TeX links to a script.

    If one may do so, all commands in the text are made ineffective; tags stay as they are. Links to web pages
    are fine.
    """
    if "\\" not in html and "&" not in html:
        return html
    if not _LINKS.search(unescaped(_TAG.sub("", html))):
        return html
    kept, start = [], 0
    for tag in _TAG.finditer(html):
        kept += [_apart(html[start : tag.start()]), tag[0]]
        start = tag.end()
    return "".join([*kept, _apart(html[start:])])


def without_script_links_in(value: Any) -> Any:
    """`without_script_links` of each text in a JSON value, nested no deeper than a kernel's messages are."""
    match value:
        case str():
            return without_script_links(value)
        case list():
            return [
                without_script_links_in(one) if isinstance(one, str | list | dict) else one for one in value
            ]
        case dict():
            return {without_script_links(key): without_script_links_in(one) for key, one in value.items()}
    return value


def _apart(text: str) -> str:
    return _BACKSLASH.sub(rf"\g<0>{APART}", text)
