"""What can go wrong on our side of a kernel. A person's failing code is a `RunResult`, never one of these.

KernelError
|-- KernelStartFailed(log, reason, state)   the process ended, or did not answer, before its first cell
|-- Misconfigured(reason)     no kernel can start with these settings; `reason` names the wrong one
|-- SandboxUnavailable(reason, remedy)   this machine cannot confine kernels as asked
|-- KernelClosed()              the kernel was shut down, and takes no more cells
|-- GoesOn()                    the kernel was let go, and its cell goes on in its node
|-- NoQuestion()                an answer was given, but no `input()` is waiting for one
|-- ResultUnread()            a node has told what came of a command, and it could not be read
|-- NoSuchSave()              there is no save to go back to, or it cannot be read any more
|-- NotSaved()                what is there cannot be saved, and would be lost
|-- CheckpointRefused(why)    a checkpoint could not be made
|-- TooLarge(what, size, limit, remedy)   more than may be sent to a kernel at once
|-- NodeUnavailable(reason, remedy)   no node answers, and none can be started
|   `-- NodeGone(reason)        the node that answered before has ended, with all its kernels
`-- NodeIncompatible(pid, newer)  the node that runs is of another version
"""

from typing import Literal

from kernels.text.clipping import over

__all__ = [
    "CheckpointRefused",
    "GoesOn",
    "KernelClosed",
    "KernelError",
    "KernelStartFailed",
    "Misconfigured",
    "NoQuestion",
    "NoSuchSave",
    "NodeGone",
    "NodeIncompatible",
    "NodeUnavailable",
    "NotSaved",
    "ResultUnread",
    "SandboxUnavailable",
    "TooLarge",
]


class KernelError(Exception):
    """The root: everything that this package raises on purpose."""


class GoesOn(KernelError):
    """The cell's kernel was let go: the cell goes on in its node, for the program that comes next."""


class KernelStartFailed(KernelError):
    """No kernel came up; `log` is the end of what its process wrote (at most 2,000 characters).

    `reason` says why, if the process did not: "it did not answer within 60 s". `state` is for the operator:
    how far the start got, and what the process was doing.
    """

    def __init__(self, log: str, reason: str = "", state: str = "") -> None:
        why, how_far = f": {reason}" if reason else "", f" ({state})" if state else ""
        words = log.strip() or "(none)"
        super().__init__(f"The kernel could not be started{why}{how_far}. Its last words: {words}")
        self.log = log
        self.reason = reason
        self.state = state


class Misconfigured(KernelError):
    """Kernels cannot start with these settings; `reason` says which one is wrong, for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}.")


class SandboxUnavailable(KernelError):
    """Kernels cannot be confined here; `reason` says what is missing, `remedy` what to do about it."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason} {remedy}".strip())
        self.remedy = remedy


class KernelClosed(KernelError):
    """The kernel was shut down: ask the pool for a new one."""

    def __init__(self) -> None:
        super().__init__("This kernel is closed.")


class NoQuestion(KernelError):
    """The cell is not waiting for an answer."""

    def __init__(self) -> None:
        super().__init__("The cell is not waiting for an answer.")


class ResultUnread(KernelError):
    """What a node has told of a command, such as a cell's result, could not be read."""

    def __init__(self) -> None:
        super().__init__("What came of this could not be read.")


class NoSuchSave(KernelError):
    """There is no such save of a session's variables, or it cannot be read any more."""

    def __init__(self) -> None:
        super().__init__("There is no such save of the variables.")


class NotSaved(KernelError):
    """Variables that would be lost for good cannot be saved, so nothing was done."""

    def __init__(self) -> None:
        super().__init__("The variables cannot be saved, and would be lost.")


class CheckpointRefused(KernelError):
    """A checkpoint could not be made.

    `why` is "name" (it is not 1 to 40 visible characters), "many" (there are 20 already) or "unsaved" (the
    variables could not be saved, or are not saved at all).
    """

    def __init__(self, why: Literal["name", "many", "unsaved"]) -> None:
        super().__init__(f"The checkpoint could not be made: {why}.")
        self.why = why


class TooLarge(KernelError):
    """`what` ("the code") was not sent: its `size` in bytes is over the `limit`. `remedy` says what to do."""

    def __init__(self, what: str, size: int, limit: int, remedy: str) -> None:
        super().__init__(f"{what} is too large: {over(size, limit)}; {remedy}")


class NodeUnavailable(KernelError):
    """No node answers; `reason` says more, and `remedy`, a sentence, what the operator can do."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"No node can be reached: {reason}{remedy and f'. {remedy}'}")
        self.reason = reason
        self.remedy = remedy


class NodeGone(NodeUnavailable):
    """The node that had the kernels has ended, and with it the kernels."""

    def __init__(self, reason: str = "it has ended") -> None:
        super().__init__(reason)


class NodeIncompatible(KernelError):
    """The running node (process `pid`) speaks another version of the protocol, newer or older.

    It keeps its kernels, which a bot of its own version can go on using.
    """

    def __init__(self, pid: int, *, newer: bool) -> None:
        super().__init__(
            f"The running node (process {pid}) is of {'a newer' if newer else 'an older'} version."
        )
        self.pid = pid
        self.newer = newer
