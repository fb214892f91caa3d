"""The head and the tail of a long text, of which only a little is shown, cut before any work is done on it.

    head, tail = ends(text, 8000)

What a cell writes can be a megabyte of one escape sequence. Work on such a text must depend on what a message
shows of it, not on its length.
"""

import re

from kernels.text.clipping import ANSI

__all__ = ["GAP", "ends"]

SHARE = 8  # a line that ends within this share of what is kept is no place to cut at
GAP = "\0"  # a line that stands for what was cut: text from a kernel has no NUL
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*|\][^\n\x07\x1b]*)?")


def ends(text: str, most: int, keep: str = "both") -> tuple[str, str] | None:
    """The first and the last characters of `text`, at most `most` of each; None where it is not longer.

    With `keep` "head" the tail is empty, with "tail" the head is. They are whole lines, unless a line is
    nearly as long as that; and no escape sequence is torn.
    """
    if len(text) <= 2 * most:
        return None
    head = "" if keep == "tail" else _head(text, most)
    return head, "" if keep == "head" else _tail(text, len(text) - most)


def _head(text: str, end: int) -> str:
    line = text.rfind("\n", end // SHARE, end)
    if line >= 0:
        return text[:line]
    code = text.rfind("\x1b", 0, end)
    return text[:code] if code >= 0 and _UNFINISHED.fullmatch(text, code, end) else text[:end]


def _tail(text: str, start: int) -> str:
    line = text.find("\n", start, len(text) - (len(text) - start) // SHARE)
    if line >= 0:
        return text[line + 1 :]
    code = text.rfind("\x1b", 0, start)
    torn = ANSI.match(text, code) if code >= 0 else None
    return text[max(start, torn.end()) if torn else start :]
