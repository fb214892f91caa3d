"""An exception on its way from a node to the bot, which raises it."""

from typing import Any

from msgspec import Struct

from kernels.errors import (
    CheckpointRefused,
    KernelClosed,
    KernelStartFailed,
    NoQuestion,
    NoSuchSave,
    ResultUnread,
)

__all__ = ["RaisedError"]

RAISED: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(KernelStartFailed, KernelClosed, NoQuestion, ResultUnread),
        *(NoSuchSave, CheckpointRefused, OSError),
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
            case KernelClosed() | NoQuestion() | ResultUnread() | NoSuchSave():
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
