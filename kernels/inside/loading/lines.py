"""A file's name, and whatever a file says, on one line of ours.

    one_line("a\\nb.csv")       # "a_b.csv"

The same characters are not shown as in `kernels.text.visible`, which does not exist in a kernel or a bundle.
"""

import unicodedata

__all__ = ["one_line"]

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, format characters, lone surrogates, separators
JOINERS = "\u200c\u200d"  # Persian and emoji need them


def one_line(text: str, mark: str = "_") -> str:
    """`text` with `mark` for each character that is not shown."""
    if text.isprintable():
        return text
    return "".join(
        mark if unicodedata.category(letter) in HIDDEN and letter not in JOINERS else letter
        for letter in text
    )
