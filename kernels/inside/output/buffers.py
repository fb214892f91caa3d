"""The bytes below a text stream of ours: `sys.stdout.buffer`, and what can be wrapped around it.

stream.buffer.write(b"...")                             # the same as its text
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")      # as scripts for Windows do
"""

import codecs
import io
from typing import Any, Protocol

__all__ = ["Bytes"]


class _Text(Protocol):
    name: str

    def write(self, text: str, /) -> Any: ...
    def flush(self) -> None: ...
    def fileno(self) -> int: ...
    def isatty(self) -> bool: ...


class Bytes(io.BufferedIOBase):
    """Takes bytes of UTF-8 for `stream`. Nothing closes it: a wrapper that goes would do so, with itself."""

    mode = "wb"

    def __init__(self, stream: _Text) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def name(self) -> str:
        """As in a script."""
        return f"<{self._stream.name}>"

    @property
    def raw(self) -> "Bytes":
        """There is nothing below."""
        return self

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def write(self, data: Any, /) -> int:
        """Write bytes. A letter that they end in the middle of waits for the rest."""
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
        """No terminal, as the stream says."""
        return self._stream.isatty()

    def close(self) -> None:
        """Stay open, and send what was written."""
        self.flush()
