"""Strangers' text made safe to show: the one place that says which characters are not shown.

    shown("a\\x1b\\u202e.csv")          # "a__.csv": a name, or anything else that stands in a line of ours
    text("50%\\r\\x9b2J")               # "50%␍\\ufffd2J": text of several lines in which nothing acts
    drawn("\\x1b[31mred\\x1b]0;x\\x07")  # for a terminal: colours and what redraws a line stay

The controls of C1 (U+0080 to U+009F) are escape sequences of one character to many terminals: U+009B begins
what `ESC [` does.
"""

import re

__all__ = ["drawn", "escaped", "shown", "text"]

# Unicode's categories Cc, Cf (bidi overrides among them), Cs, Zl and Zp. Two joiners are not among them:
# Persian and emoji need them.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline
_ON_A_TERMINAL = re.compile(
    # Colours, erase-line, cursor-up; then what may stay besides; then what may not.
    r"(?P<kept>\x1b\[[0-9;]*[mKA]|[\x08\r])|[\x00-\x07\x0b-\x1f\x7f-\x9f]"
)
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}


def shown(name: str, mark: str = "_") -> str:
    """`name` on one line, with `mark` for each character that is not shown."""
    return _HIDDEN.sub(mark, name)


def text(lines: str, mark: str | None = None) -> str:
    """`lines` with a picture of each control character but tab and newline, or `mark`, in its place."""
    return _CONTROL.sub(_picture if mark is None else mark, lines)


def drawn(output: str) -> str:
    """What a cell has written, for a terminal: nothing in it clears or renames it, or makes it answer."""
    return _ON_A_TERMINAL.sub(lambda found: found["kept"] or _picture(found), output)


def escaped(line: str) -> str:
    """`line` for a log: each character that is not shown is written as Python would write it."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), line)


def _picture(found: re.Match[str]) -> str:
    return _PICTURES.get(ord(found[0]), "\ufffd")
