"""Standard input: reading from it asks the person, as `input()` does.

    sys.stdin = standard_input.StandardInput(ask)        # ask(prompt) gives the answer, without a newline

`sys.stdin.readline()` asks for one line. Code that reads all lines (`for line in sys.stdin`, `read()`) gets
answers until an empty one, since not everybody has a Ctrl-D. An answer of several lines is read line by line.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["StandardInput"]

ENDS = "(empty to end) "  # the prompt where an empty answer ends the input
NUMBER = 0  # the descriptor


class StandardInput(io.TextIOWrapper):
    """The kernel's `sys.stdin`, with everything that a text stream has."""

    def __init__(self, ask: Callable[[str], str]) -> None:
        self._asking = _Asking(ask)
        super().__init__(io.BufferedReader(self._asking), encoding="utf-8", errors="surrogateescape")
        self.mode = "r"  # type: ignore[misc]  # which Python sets for its own stdin

    def read(self, size: int | None = -1, /) -> str:
        """Read a number of characters, or all lines until an empty answer."""
        if size is None or size < 0:
            with self._asking.to_the_end():
                return super().read()
        return super().read(size)

    def __next__(self) -> str:  # type: ignore[override]
        with self._asking.to_the_end():
            return super().__next__()


class _Asking(io.RawIOBase):
    """The bytes of answers."""

    name = "<stdin>"
    mode = "rb"

    def __init__(self, ask: Callable[[str], str]) -> None:
        super().__init__()
        self._ask = ask
        self._left = b""
        self._all = False

    @contextmanager
    def to_the_end(self) -> Iterator[None]:
        """While entered, an empty answer ends the input."""
        before, self._all = self._all, True
        try:
            yield
        finally:
            self._all = before

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return NUMBER

    def readinto(self, buffer: Any, /) -> int:
        """Give what is left of the last answer, or ask; nothing at the end of the input."""
        if not self._left:
            try:
                answer = self._ask(ENDS if self._all else "")
            except EOFError:
                return 0
            if not answer and self._all:
                return 0
            self._left = f"{answer}\n".encode("utf-8", "surrogateescape")
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size

    def readall(self) -> bytes:
        with self.to_the_end():
            return super().readall() or b""
