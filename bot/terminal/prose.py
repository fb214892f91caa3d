"""Whether what was typed is words for the model and not code.

is_prose("plot the mean by year")       # True
is_prose("df.groupby('year').mean(")    # False: a slip in code is told by Python, and costs nothing
"""

import ast
import keyword
import re
import warnings

__all__ = ["is_prose"]

# Two words with a space between them, or after a comma: no statement of Python begins so but with a keyword.
WORDS = re.compile(r"(?P<first>[^\W\d_]+(?:['\u2019-][^\W\d_]+)*)[,:]? +[^\W\d_]")
PLAIN = re.compile(r"[\w\s,.;:!?'\u2019\"%-]+")  # no bracket, no operator
KEYWORDS = {
    *keyword.kwlist,
    "print",
    "exec",
}  # sentences may begin with these as well, if nothing is like code
LONGEST_SLIP = 3  # words of a line that begins with a keyword and may still be code with a slip
# IPython runs these without their percent sign.
COMMANDS = {
    *("cat", "cd", "conda", "cp", "less", "ll", "ls", "man", "mkdir", "mv", "pip", "pwd", "rm", "rmdir"),
    *("timeit", "whos"),
}


def is_prose(text: str) -> bool:
    """Whether it is plainly prose: it begins with two words, and is neither Python nor IPython's own."""
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
            warnings.simplefilter("ignore")  # an odd escape is nobody's business here
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
