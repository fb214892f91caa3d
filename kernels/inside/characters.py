"""Which characters are never shown as they are: the one definition, for kernels and for all that serve them.

    one_line("a\\nb\\x1b\\u202e.csv")      # "a_b__.csv": a name, or anything else within a line of ours
    escaped("a\\nb")                      # "a\\\\nb": for a log, as Python would write it

`kernels.text.visible` builds on it, and a bundle has a copy of this file.
"""

import re

__all__ = ["escaped", "one_line"]

# Unicode's categories Cc, Cf (bidi overrides among them), Cs, Zl and Zp, except for the two joiners, which
# Persian and emoji need. The controls of C1 (U+0080 to U+009F) are escape sequences of one character to many
# terminals: U+009B begins what `ESC [` does.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)


def one_line(text: str, mark: str = "_") -> str:
    """`text` on one line, with `mark` for each character that is not shown."""
    return _HIDDEN.sub(mark, text)


def escaped(text: str) -> str:
    """`text` on one line, with each character that is not shown written as Python would write it."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
