"""JSON of the values that bot and node exchange; `kernels.node.messages` says which there are.

    encode(value)                   # bytes, on one line
    decode(text, NodeInfo)          # raises NotDecoded
    decoder(Command).decode(text)   # the same, for what is decoded often

A field that the reader does not know is ignored; one that is missing, or of the wrong type, is refused.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import MsgspecError, Raw, Struct, convert, to_builtins
from msgspec.json import Decoder, Encoder
from msgspec.json import decode as decode_plain

from kernels.cell.overflow import TextFile
from kernels.errors import (
    CheckpointRefused,
    KernelClosed,
    KernelStartFailed,
    NoQuestion,
    NoSuchSave,
    NotSaved,
    ResultUnread,
)
from kernels.text.clipping import repair
from kernels.workspace.captured import Captured, CapturedFile, Stamp

__all__ = ["FileOnNode", "NotDecoded", "RaisedError", "decode", "decoder", "encode", "on_node"]

NotDecoded = MsgspecError  # what cannot be read as the type that was asked for


class FileOnNode(Struct, frozen=True):
    """A captured file as the node's machine has it. File names need not be UTF-8, so paths are bytes.

    The text of a cell is a file without a path. The bytes are requested by the file's index in its message.
    """

    name: str
    size: int
    mtime: float
    workspace: bytes
    path: bytes
    stamp: Stamp

    @classmethod
    def of(cls, file: Captured) -> "FileOnNode":
        """The description of a file that was captured on this machine."""
        if isinstance(file, TextFile):
            return cls(file.name, file.size, file.mtime, b"", b"", Stamp(0, 0, file.size, 0, 0))
        assert isinstance(file, CapturedFile), "a node captures files of its own machine"
        workspace, path = os.fsencode(file.workspace), os.fsencode(file.path)
        return cls(file.name, file.size, file.mtime, workspace, path, file.stamp)

    def file(self) -> CapturedFile:
        """The file, which can be opened on the node's machine only."""
        workspace, path = Path(os.fsdecode(self.workspace)), os.fsdecode(self.path)
        return CapturedFile(self.name, self.size, self.mtime, workspace, path, self.stamp)


def on_node(files: Iterable[Captured]) -> tuple[Any, ...]:
    """What is written for files that were captured on this machine: a `Captured` when it is read."""
    return tuple(map(FileOnNode.of, files))


def encode(value: Any) -> bytes:
    """The JSON of a value. Lone surrogates, which UTF-8 cannot hold, become U+FFFD."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _ENCODER.encode(repair(to_builtins(value, enc_hook=_plain)))


def decoder(kind: Any) -> Decoder[Any]:
    """What decodes JSON to values of this type, such as a union of messages."""
    return Decoder(kind, dec_hook=_made)


def decode[T](text: bytes | str, kind: type[T]) -> T:
    """The value of this type that is in some JSON. Raises: NotDecoded."""
    value: T = decoder(kind).decode(text)
    return value


def _plain(value: Any) -> Any:
    """What is written of a value of a type that msgspec does not know."""
    if isinstance(value, Raw):  # it is written already, and stands in a value that has to be repaired
        return decode_plain(value)
    if isinstance(value, Path):
        return os.fsencode(value).decode("latin-1")  # a character for each byte
    if isinstance(value, int):  # of a kind of its own, as sizes are that come from settings
        return int(value)
    raise NotImplementedError(f"a {type(value).__name__} cannot be written as JSON")


def _made(kind: type, value: Any) -> Any:
    """The reverse of `_plain`."""
    if kind is Path:
        return Path(os.fsdecode(value.encode("latin-1")))
    if kind is Captured:
        return convert(value, FileOnNode).file()
    raise NotImplementedError(f"a {kind.__name__} cannot be read from JSON")


_ENCODER = Encoder(enc_hook=_plain)


RAISED: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(KernelStartFailed, KernelClosed, NoQuestion, ResultUnread),
        *(NoSuchSave, NotSaved, CheckpointRefused, OSError),
    )
}


class RaisedError(Struct, frozen=True):
    """An exception for the other end to raise: the name of one that `RAISED` has, and its arguments."""

    kind: str
    arguments: tuple[str | int, ...] = ()

    @classmethod
    def of(cls, error: BaseException) -> "RaisedError":
        """What is told of an exception; one that `RAISED` does not have is an OSError with its text."""
        match error:
            case KernelStartFailed(log=log, reason=reason, state=state):
                return cls("KernelStartFailed", (log, reason, state))
            case KernelClosed() | NoQuestion() | ResultUnread() | NoSuchSave() | NotSaved():
                return cls(type(error).__name__)
            case CheckpointRefused(why=why):
                return cls("CheckpointRefused", (why,))
            case OSError(errno=int(number), strerror=reason):
                # Without the path, which is the node's: the number tells a person what to do.
                return cls("OSError", (number, reason or ""))
        return cls("OSError", (str(error) or type(error).__name__,))

    def exception(self) -> Exception:
        """The exception to raise."""
        error: Exception = RAISED.get(self.kind, OSError)(*self.arguments)
        return error
