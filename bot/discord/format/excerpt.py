"""The head and the tail of a long text of which only a little is shown, cut before any other work is done.

A cell's output can be a megabyte of one escape sequence. The work on a text must depend on how much of it a
message shows, not on its length.
"""

import re

from kernels.text.clipping import ANSI

__all__ = ["GAP", "ends"]

SHARE = 8  # a cut at the end of a line must keep an eighth of what may be kept, or it is made elsewhere
GAP = "\0"  # a line that stands for what was cut; text from a kernel has no NUL
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*|\][^\n\x07\x1b]*)?")


def ends(text: str, most: int, keep: str = "both") -> tuple[str, str] | None:
    """The first and the last characters of `text`, at most `most` of each; None if that is all of it.

    With `keep` "head" the tail is empty, with "tail" the head is. Both are whole lines, unless a line is
    nearly as long as `most`, and no escape sequence is cut.
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
