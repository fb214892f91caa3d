"""What the store keeps, as frozen values. Creating one repairs it, so no backend has to.

Moments are converted to UTC and cut to milliseconds, which both backends can keep; a moment without a time
zone is a ValueError. In text, lone surrogates and NUL are replaced, because no database takes them.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal, Required, TypedDict

Source = Literal["uploaded", "generated", "notebook"]
Output = dict[str, Any]  # one output of a cell, shaped as nbformat v4 has it

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # when a condemned file counts as expired
RUNNING = "running"  # the status of a cell that has begun and not finished
HISTORY = 64 * 1024  # bytes of UTF-8 that a session's history may have

_UNSTORABLE = re.compile(r"[\ud800-\udfff\x00]")
_PERSONS = re.compile(r"u(-?[0-9]+)(?:-.*)?", re.DOTALL)  # as `bot.sessions` makes them


def moment(at: datetime) -> datetime:
    """The same moment in UTC, cut to whole milliseconds. Raises: ValueError without a time zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone; use datetime.now(UTC)")
    utc = at.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def storable(text: str) -> str:
    """The text with U+FFFD in place of every lone surrogate and NUL."""
    return _UNSTORABLE.sub("\ufffd", text)


def person_of(session_id: str) -> int | None:
    """The person whose session it is, as its id says ("u7", or "u7-dm-9" for one place), or None."""
    found = _PERSONS.fullmatch(session_id)
    return int(found[1]) if found else None


def _repair(record: object, *, text: Sequence[str] = (), moments: Sequence[str] = ()) -> None:
    for name in text:
        object.__setattr__(record, name, storable(getattr(record, name)))
    for name in moments:
        object.__setattr__(record, name, moment(getattr(record, name)))


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One version of one file of a person; a row of `user_files`."""

    file_id: str
    user_id: int
    session_id: str
    filename: str
    version: int  # 1 for the first of its name in the session
    blob_key: str
    file_size: int  # bytes
    sha256: str  # hexadecimal
    file_type: str  # a category of filetypes.py
    source: Source
    uploaded_at: datetime
    expires_at: datetime
    cell: int | None = None  # seq of the cell that made it
    number: int = 0  # counts the person's files in the order of their puts; 0 until the store has it
    folder: str = ""  # id of the folder that its bytes are in; "" if that was never noted

    def __post_init__(self) -> None:
        _repair(self, text=("session_id", "filename"), moments=("uploaded_at", "expires_at"))


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A file's record and all its bytes."""

    record: StoredFile
    data: bytes


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file's record and a read-only file object with a real descriptor, which the caller closes."""

    record: StoredFile
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of files ended; pass it on to get the next page."""

    number: int
    uploaded_at: datetime
    file_id: str


@dataclass(frozen=True, slots=True)
class FilePage:
    """Some files, newest first; `next` is None on the last page."""

    files: tuple[StoredFile, ...]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Said:
    """What a person or the model said in a session, as Markdown."""

    session_id: str
    seq: int
    place: str
    author: str
    markdown: str
    at: datetime

    def __post_init__(self) -> None:
        _repair(self, text=("session_id", "place", "author", "markdown"), moments=("at",))


# The folder in a key that stands for outputs in the database, where earlier versions put them.
IN_A_ROW = "row"


@dataclass(frozen=True, slots=True)
class OutsideOutputs:
    """Outputs of a cell whose bytes lie outside its record, as lines of JSON under `blob_key`.

    In their place the record has `short` outputs, from number `start` on, with what they showed in a few
    lines.
    """

    blob_key: str
    size: int  # bytes
    count: int  # of these outputs
    start: int = 0
    short: int = 0

    @property
    def row(self) -> str | None:
        """The name of the row that the outputs are in, if an earlier version put them into the database."""
        folder, _, name = self.blob_key.partition("/")
        return name if folder == IN_A_ROW else None


@dataclass(frozen=True, slots=True)
class CellRecord:
    """A cell and what came of it; `status` is "running" until it is finished.

    Then: "ok", "error", "timeout", "interrupted", "died" or "out of memory". Of the outputs that `outside`
    describes, `outputs` has short forms. What a cell did that is `undone` was taken back later.
    """

    session_id: str
    seq: int
    place: str
    author: str
    code: str
    outputs: tuple[Output, ...]
    status: str
    started_at: datetime
    execution_time: float | None = None  # seconds
    execution_count: int | None = None
    file_ids: tuple[str, ...] = ()
    outside: tuple[OutsideOutputs, ...] = ()
    undone: bool = False

    def __post_init__(self) -> None:
        _repair(self, text=("session_id", "place", "author", "code"), moments=("started_at",))


class CellEnding(TypedDict, total=False):
    """How a cell ended."""

    status: Required[str]  # see CellRecord
    outputs: Sequence[Output] | None  # they replace those appended before; None keeps those
    execution_time: float | None  # seconds
    execution_count: int | None
    file_ids: Sequence[str]  # they join those of before
    outside: OutsideOutputs | None  # where `outputs`, which are short forms then, lie in full


class Appended(TypedDict, total=False):
    """What comes with outputs that are added to a cell."""

    file_ids: Sequence[str]  # they join those of before
    batch: str  # 24 hexadecimal digits that name these outputs, in case they are added again
    outside: OutsideOutputs | None  # where the outputs, which are short forms then, lie in full


class Wanted(TypedDict, total=False):
    """Which entries of a transcript are read, and how."""

    after: int  # the number after which they begin
    limit: int  # at most so many, by default MOST_ENTRIES
    place: str | None  # of one place, or (None) of all
    brief: bool  # with short forms of large outputs, and `outside`, which says where those are


MOST_ENTRIES = 1000
ENTRY = 256  # bytes that an entry counts in its person's quota in addition to its code or words


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of the outputs of a write: whether they are kept in full, or shortened for lack of room.

    `dropped` are the keys of bytes that nothing refers to any more, which the caller deletes.
    """

    whole: bool = True
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuotaRoom:
    """Whether there is room in a person's quota, of which `used` bytes are used now.

    `shortened` outputs have made room. `dropped` are the keys of their bytes, which the caller deletes.
    """

    fits: bool
    used: int
    shortened: int = 0
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Copyable:
    """What a copy of a transcript takes: `size` bytes of a quota, and copies of the bytes under `keys`."""

    size: int
    keys: tuple[str, ...] = ()


def copied_key(blob_key: str, to: str) -> str:
    """The key under which a copy of outputs for the session `to` has its own bytes."""
    folder = blob_key.partition("/")[0]
    return f"{folder}/out-{hashlib.sha256(f'{blob_key} {to}'.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why writes to a session's transcript wait for the database, and how safely.

    `cut` has the numbers of cells whose outputs were too large to wait, and will be missing.
    """

    full: bool  # the disk is full, or the space of the database
    durable: bool  # all of them are on the disk; else some are lost when the program ends
    cut: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session: whose it is, where it was opened, and what is known of its kernel, as the caller's text.

    `history`, which is the caller's text as well, says which steps can be taken back or taken again.
    """

    session_id: str
    user_id: int
    place: str
    kernel: str | None
    created_at: datetime
    last_used_at: datetime
    history: str | None = None

    def __post_init__(self) -> None:
        _repair(self, text=("session_id", "place"), moments=("created_at", "last_used_at"))


def storable_history(text: str | None) -> str | None:
    """A session's history as it is kept. Raises: ValueError if it has more than HISTORY bytes."""
    if text is None:
        return None
    kept = storable(text)
    if (size := len(kept.encode())) > HISTORY:
        raise ValueError(f"a history of {size} bytes; at most {HISTORY} are kept")
    return kept


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """What one turn of a person cost."""

    user_id: int
    at: datetime
    model: str
    input_tokens: int
    output_tokens: int
    cost: float  # US dollars
    cell_seconds: float

    def __post_init__(self) -> None:
        _repair(self, text=("model",), moments=("at",))


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """The sum of a person's turns over some time."""

    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0  # US dollars
    cell_seconds: float = 0.0

    def __add__(self, other: "UsageTotal") -> "UsageTotal":
        return UsageTotal(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class MessageCell:
    """Which cell a message in the chat created, and which channel the message is in.

    For an answer that may have several cells, `first` is the number of the first one, and its negative once
    no more can follow; `seq` is 0 and `first` is 1 while there is no cell yet. For others `first` is 0.
    `turn` is the id of the turn that the message shows as going on, "" once it shows how that ended.
    """

    message_id: int
    session_id: str
    seq: int
    channel_id: int = 0
    first: int = 0
    turn: str = ""
