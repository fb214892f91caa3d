"""Strangers' text made safe to show.

    one_line("a\\x1b\\u202e.csv")       # "a__.csv": a name, or anything else within a line of ours
    escaped("a\\x1b")                  # "a\\\\x1b": a line of a log
    text("50%\\r\\x9b2J")               # "50%␍\\ufffd2J": text of several lines in which nothing acts
    drawn("\\x1b[31mred\\x1b]0;x\\x07")  # for a terminal: colours and what redraws a line stay

Which characters are hidden on a line is defined in `kernels.inside.characters`, since kernels hide the same.
"""

import re

from kernels.inside.characters import escaped, one_line

__all__ = ["drawn", "escaped", "one_line", "text"]

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline
_ON_A_TERMINAL = re.compile(
    # Colours, erase-line, cursor-up; then what may stay besides; then what may not.
    r"(?P<kept>\x1b\[[0-9;]*[mKA]|[\x08\r])|[\x00-\x07\x0b-\x1f\x7f-\x9f]"
)
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}


def text(lines: str, mark: str | None = None) -> str:
    """`lines` with a picture of each control character but tab and newline, or `mark`, in its place."""
    return _CONTROL.sub(_picture if mark is None else mark, lines)


def drawn(output: str) -> str:
    """A cell's output for a terminal: nothing in it clears or renames the terminal, or makes it answer."""
    return _ON_A_TERMINAL.sub(lambda found: found["kept"] or _picture(found), output)


def _picture(found: re.Match[str]) -> str:
    return _PICTURES.get(ord(found[0]), "\ufffd")
