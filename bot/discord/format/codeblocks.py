"""Finds the code to run in a message: its Python blocks.

code_of("look: ```py\\nprint(1)\\n```")      # "print(1)"
code_of("what is a list?")                  # None: words for the model
"""

import re
from collections.abc import Iterator
from textwrap import dedent

__all__ = ["code_of"]

PYTHON = frozenset({"py", "python", "python3", "py3", "ipython"})
_OPENING = re.compile(r"(?<![\\`])(?P<fence>`{3,})(?:(?P<language>[\w+#.-]*)[ \t]*\r?\n)?")
_QUOTED = re.compile(r"[ \t]*>")  # a quote: the block is somebody else's


def code_of(text: str, *, bare: bool = False) -> str | None:
    """The code of all fenced Python blocks of a message, joined; None if there are none.

    With `bare`, blocks without a language count as Python if no block says that it is. Blocks in other
    languages and the text around blocks are words. A block that is not closed goes on to the message's end.
    """
    blocks = [(language, code) for language, code in _blocks(text) if code.strip()]
    python = [code for language, code in blocks if language in PYTHON]
    if bare and not python:
        python = [code for language, code in blocks if not language]
    return "\n".join(python) if python else None


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """The language in lower case, and the content, of each fenced block."""
    place = 0
    while opening := _OPENING.search(text, place):
        place = opening.end()
        closing = _closing(text, place, len(opening["fence"]))
        before = text[text.rfind("\n", 0, opening.start()) + 1 : opening.start()]
        code = text[place : closing.start() if closing else len(text)]
        if not _QUOTED.match(before):
            yield (opening["language"] or "").lower(), _tidied(code)
        place = closing.end() if closing else len(text)


def _closing(text: str, place: int, length: int) -> re.Match[str] | None:
    """The next fence that is at least as long as the opening one and not inside a string on its line."""
    for closing in re.compile(f"`{{{length},}}").finditer(text, place):
        start, end = text.rfind("\n", 0, closing.start()) + 1, text.find("\n", closing.end())
        before = text[max(start, place) : closing.start()]
        after = text[closing.end() : end if end >= 0 else len(text)]
        if not any(before.count(quote) % 2 and quote in after for quote in "'\""):
            return closing
    return None


def _tidied(code: str) -> str:
    return dedent(code.replace("\r\n", "\n")).strip("\n").rstrip()
