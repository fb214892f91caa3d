"""The bytes below a text stream of ours: `sys.stdout.buffer`, and what can be wrapped around it.

stream.buffer.write(b"...")                             # the same as its text
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")      # as scripts for Windows do
"""

import codecs
import io
from typing import Any, TextIO

__all__ = ["Bytes"]


class Bytes(io.BufferedIOBase):
    """Writes bytes of UTF-8 to `stream`. `close` leaves it open, since wrappers call it when they go."""

    mode = "wb"

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def name(self) -> str:
        """As in a script: "<stdout>"."""
        return f"<{self._stream.name}>"

    @property
    def raw(self) -> "Bytes":
        """The object itself: there is nothing below it."""
        return self

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any, /) -> int:
        """Write bytes. If they end in the middle of a character, it waits for the rest."""
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        view = memoryview(data)
        if text := self._decoder.decode(bytes(view)):
            self._stream.write(text)
        return view.nbytes

    def flush(self) -> None:
        """Send what was written."""
        self._stream.flush()

    def fileno(self) -> int:
        """The descriptor below."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal, as the stream says."""
        return self._stream.isatty()

    def close(self) -> None:
        """Stay open, and send what was written."""
        self.flush()
