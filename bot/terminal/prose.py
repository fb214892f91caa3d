"""Whether what was typed is meant for the model and is not code.

is_prose("plot the mean by year")       # True
is_prose("df.groupby('year').mean(")    # False: Python reports a slip in code, and that costs nothing
"""

import ast
import keyword
import re
import warnings

__all__ = ["is_prose"]

# Two words, with a space or a comma and a space between them: only statements with a keyword begin like that.
WORDS = re.compile(r"(?P<first>[^\W\d_]+(?:['\u2019-][^\W\d_]+)*)[,:]? +[^\W\d_]")
PLAIN = re.compile(r"[\w\s,.;:!?'\u2019\"%-]+")  # without brackets and operators
# A sentence may begin with one of these, too, if nothing in it looks like code.
KEYWORDS = {*keyword.kwlist, "print", "exec"}
LONGEST_SLIP = 3  # words; a line that begins with a keyword and is no longer may be code with a slip
# IPython runs these without their percent sign.
COMMANDS = {
    *("cat", "cd", "conda", "cp", "less", "ll", "ls", "man", "mkdir", "mv", "pip", "pwd", "rm", "rmdir"),
    *("timeit", "whos"),
}


def is_prose(text: str) -> bool:
    """Whether it is clearly prose: it begins with two words, and is neither Python nor an IPython command."""
    plain = text.strip()
    words = WORDS.match(plain)
    if words is None or words["first"] in COMMANDS or _is_python(plain):
        return False
    if words["first"] in KEYWORDS:
        return PLAIN.fullmatch(plain) is not None and len(plain.split()) > LONGEST_SLIP
    return True


def _is_python(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape does not matter here
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
