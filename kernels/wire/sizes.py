"""Limits on what is sent to a kernel: anything larger is refused, with a sentence, before it is sent.

    code(text)          # raises TooLarge
    answer(text)

Each connection on the way has a limit of its own. A larger message breaks the connection, and breaks it again
when it is sent again. The limits here are far below those, since JSON makes at most six bytes of one.
"""

from kernels.errors import TooLarge

__all__ = ["LARGEST_ANSWER", "LARGEST_CODE", "MESSAGE", "answer", "code"]

LARGEST_CODE = 4 << 20  # bytes of UTF-8 of one cell
LARGEST_ANSWER = 1 << 20  # bytes of UTF-8 of one answer to `input()`
MESSAGE = 64 << 20  # bytes of one message between bot and node; neither sends or takes a larger one


def code(text: str) -> None:
    """Refuse a cell that is too long. Raises: TooLarge."""
    _check("the code", text, LARGEST_CODE, "put its data into a file and read that")


def answer(text: str) -> None:
    """Refuse an answer to `input()` that is too long. Raises: TooLarge."""
    _check("the answer", text, LARGEST_ANSWER, "put it into a file and read that")


def _check(what: str, text: str, limit: int, remedy: str) -> None:
    if len(text) > limit // 4:  # a character has at most four bytes
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > limit:
            raise TooLarge(what, size, limit, remedy)
