"""The bot's own errors. Those of a kernel or of the store pass through unchanged.

BotError
|-- NothingRuns, NotOpened, DeletedSince, NotAllDeleted, NotAFile, NotText, DataInUse
|-- UndoRefused(why), BranchRefused(why)
|-- AtWork, TooBusy, OverLimit, OverBudget, WorkspaceFull, NodeLives
`-- ModelError
    |-- NoModel, BadKey, NoSuchModel, NoSuchAddress, TooLong, NoCredit
    `-- RateLimited, OutOfReach, CutOff, Refused
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal


class BotError(Exception):
    """The root of everything that this package raises on purpose."""


class NothingRuns(BotError):
    """The session is not running a cell."""


class NotOpened(BotError):
    """A person's session could not be opened: `cause` is an OSError, a MemoryError or a TimeoutError."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(cause)
        self.cause = cause


class DeletedSince(BotError):
    """The person has had everything deleted after they had asked for this."""


class NotAllDeleted(BotError):
    """A deletion broke off because of `cause`: what is `gone` by then, and what `stays`."""

    def __init__(self, gone: Sequence[str], stays: Sequence[str], cause: Exception) -> None:
        super().__init__(gone, stays, cause)
        self.gone = gone
        self.stays = stays
        self.cause = cause


class UndoRefused(BotError):
    """Nothing was undone, redone or restored, and unless `why` is "lost" nothing has changed.

    `why` is "off" (variables are not saved here), "nothing" (there is no such cell, or nothing to redo),
    "too far" (the save of the time before is not kept; `cell` is the earliest cell that can be returned to,
    0 if there is none), "unread" (the save as of `cell` cannot be read back), "lost" (nor could what there
    was), "unsaved" (what `cell` and later ones have done would be lost for good), "no checkpoint" (`name`),
    "running" (a cell runs and does not end), or "not yours" (the cells are not of the turn that asks).
    """

    def __init__(
        self,
        why: Literal[
            "off",
            "nothing",
            "too far",
            "unread",
            "lost",
            "unsaved",
            "no checkpoint",
            "running",
            "not yours",
        ],
        *,
        cell: int = 0,
        name: str = "",
    ) -> None:
        super().__init__(why)
        self.why = why
        self.cell = cell
        self.name = name


class BranchRefused(BotError):
    """No branch was made, or found.

    `why` is "name" (it is not 1 to 40 visible characters), "taken" (the name or the place has one already),
    "none" (there is none of this name), "many" (there are as many as a person may have), or "running" (a cell
    runs, and has to end first).
    """

    def __init__(self, why: Literal["name", "taken", "none", "many", "running"], name: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.name = name


class WorkspaceFull(BotError):
    """A file does not fit into a workspace beside what is there: `limit` in bytes is for all of it."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(f"{name} does not fit into a workspace of {limit} bytes")
        self.name = name
        self.limit = limit


class NotAFile(BotError):
    """What is at the path is neither a file nor a folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


class NotText(BotError):
    """The line with this number has bytes that are not text in this encoding."""

    def __init__(self, encoding: str, line: int) -> None:
        super().__init__(f"line {line} is not {encoding}")
        self.encoding = encoding
        self.line = line


class DataInUse(BotError):
    """Another program has locked the data folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder


class AtWork(BotError):
    """The person already has a job of this `kind`: "a notebook", "an export"."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class TooBusy(BotError):
    """There are too many jobs of others: this one did not get its turn in time."""


class NodeLives(BotError):
    """A node, process `pid`, keeps kernels in this data folder, where this program is to keep its own."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid


class OverLimit(BotError):
    """What was being made became larger than `limit` bytes, and was given up."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class OverBudget(BotError):
    """The person's `budget` for the day is used up ("$2.00" or "100,000 tokens"), or leaves too little.

    In the latter case the request needs `needed` tokens, of which the day has `left`.
    """

    def __init__(self, budget: str, needed: int = 0, left: int = 0) -> None:
        super().__init__(budget, needed, left)
        self.budget = budget
        self.needed = needed
        self.left = left


class ModelError(BotError):
    """The model gave no whole answer; `detail` is what its API said, without the key."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class NoModel(ModelError):
    """No model is set up: there is no key and no address for one."""


class BadKey(ModelError):
    """The API refuses the key."""


class NoSuchModel(ModelError):
    """The API has no model of that name, or not for this key; `detail` is the name."""


class NoSuchAddress(ModelError):
    """There is no such API at the address that is set: `detail` is the URL that was requested."""


class TooLong(ModelError):
    """The system prompt and the conversation are longer than the model can read."""


class NoCredit(ModelError):
    """The account of the API has no credit left."""


class RateLimited(ModelError):
    """The API accepts no more requests for the moment."""


class OutOfReach(ModelError):
    """The API cannot be reached, or fails."""


class CutOff(ModelError):
    """The stream ended before the answer did."""


class Refused(ModelError):
    """The API refuses the request, or its filter ended the answer."""
