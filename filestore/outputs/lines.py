"""Outputs that lie outside a cell's record, as lines of JSON, written and read a few at a time.

await blobs.put(key, OutputLines(outputs), limit=...)
while found := some_lines(file): ...
"""

import io
import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from filestore.records import Output

__all__ = ["OutputLines", "some_lines"]

PIECE = 64  # lines read in one step, as long as they are short
PIECE_SIZE = 1 << 20  # bytes


class OutputLines(io.RawIOBase):
    """Outputs as lines of JSON, made while they are read, so that few of them are in memory at a time."""

    def __init__(self, outputs: Iterable[Output]) -> None:
        self._lines: Iterator[bytes] = (json.dumps(output).encode() + b"\n" for output in outputs)
        self._left = bytearray()

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or (-1) all."""
        while (size < 0 or len(self._left) < size) and (line := next(self._lines, b"")):
            self._left += line
        end = len(self._left) if size < 0 else size
        found = bytes(self._left[:end])
        del self._left[:end]
        return found


def some_lines(file: BinaryIO) -> list[Output]:
    """The next outputs: several if they are small, else one."""
    found: list[Output] = []
    size = 0
    while len(found) < PIECE and size < PIECE_SIZE and (line := file.readline()):
        size += len(line)
        found.append(json.loads(line))
    return found
