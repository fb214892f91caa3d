"""The writes that can wait for the database, as values that become lines of JSON.

    line = encode(CellFinished("u7", 3, "ok", outputs, 0.5, 3, ()))
    await decode(line).bring_in(store)

Bringing in a write that the database already has does nothing, so after a crash in the middle the next
program can start again from the first.
"""

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Self

from filestore.records import (
    CellRecord,
    Finished,
    MessageCell,
    Output,
    Said,
    StoredFile,
    UsageRecord,
    person_of,
)
from filestore.store import Store

CUT: Output = {
    "output_type": "stream",
    "name": "stderr",
    "text": "[The output was too large to be kept while the database could not be used.]\n",
}


class Write(ABC):
    """One write that waits."""

    __slots__ = ()

    @abstractmethod
    async def bring_in(self, store: Store) -> object:
        """Do it. Raises: StoreUnavailable; NoSuchCell and NoSuchSession when it has become pointless."""

    def cut(self) -> "Write | None":
        """The same write with a short note in place of its outputs; None if it has no outputs."""
        return None


@dataclass(frozen=True, slots=True)
class SessionOpened(Write):
    """`SessionRecords.get_or_create`."""

    session_id: str
    user_id: int
    place: str
    at: datetime

    async def bring_in(self, store: Store) -> None:
        await store.sessions.get_or_create(self.session_id, self.user_id, self.place, self.at)


@dataclass(frozen=True, slots=True)
class SessionTouched(Write):
    """`SessionRecords.touch`."""

    session_id: str
    at: datetime

    async def bring_in(self, store: Store) -> None:
        await store.sessions.touch(self.session_id, self.at)


@dataclass(frozen=True, slots=True)
class KernelNoted(Write):
    """`SessionRecords.set_kernel`."""

    session_id: str
    kernel: str | None

    async def bring_in(self, store: Store) -> None:
        await store.sessions.set_kernel(self.session_id, self.kernel)


@dataclass(frozen=True, slots=True)
class HistoryNoted(Write):
    """`SessionRecords.set_history`."""

    session_id: str
    history: str | None

    async def bring_in(self, store: Store) -> None:
        await store.sessions.set_history(self.session_id, self.history)


@dataclass(frozen=True, slots=True)
class EntryAdded(Write):
    """Words, or a cell that has begun."""

    entry: Said | CellRecord

    async def bring_in(self, store: Store) -> int:
        """Returns the number that the entry has now.

        Its session has a record afterwards, even if a deletion has left only this: the next one finds it.
        """
        entry = self.entry
        user_id = person_of(entry.session_id)
        if user_id is not None and await store.sessions.get(entry.session_id) is None:
            at = entry.started_at if isinstance(entry, CellRecord) else entry.at
            await store.sessions.get_or_create(entry.session_id, user_id, entry.place, at)
        return await store.transcripts.restore(entry)


@dataclass(frozen=True, slots=True)
class OutputsAppended(Write):
    """`Transcripts.append_outputs`."""

    session_id: str
    seq: int
    outputs: tuple[Output, ...]
    file_ids: tuple[str, ...]
    batch: str

    async def bring_in(self, store: Store) -> Finished:
        return await store.transcripts.append_outputs(
            self.session_id, self.seq, self.outputs, file_ids=self.file_ids, batch=self.batch
        )

    def cut(self) -> Self | None:
        return replace(self, outputs=(CUT,)) if self.outputs else None


@dataclass(frozen=True, slots=True)
class CellFinished(Write):
    """`Transcripts.finish_cell`."""

    session_id: str
    seq: int
    status: str
    outputs: tuple[Output, ...] | None
    execution_time: float | None
    execution_count: int | None
    file_ids: tuple[str, ...]

    async def bring_in(self, store: Store) -> Finished:
        return await store.transcripts.finish_cell(
            self.session_id,
            self.seq,
            status=self.status,
            outputs=self.outputs,
            execution_time=self.execution_time,
            execution_count=self.execution_count,
            file_ids=self.file_ids,
        )

    def cut(self) -> Self | None:
        return replace(self, outputs=(CUT,)) if self.outputs else None


@dataclass(frozen=True, slots=True)
class CellsMarked(Write):
    """`Transcripts.mark`."""

    session_id: str
    seqs: tuple[int, ...]
    undone: bool

    async def bring_in(self, store: Store) -> None:
        await store.transcripts.mark(self.session_id, self.seqs, self.undone)


@dataclass(frozen=True, slots=True)
class MessageNoted(Write):
    """`MessageCells.set`."""

    cell: MessageCell

    async def bring_in(self, store: Store) -> None:
        await store.message_cells.set(self.cell)


@dataclass(frozen=True, slots=True)
class UsageAdded(Write):
    """`Usage.add`."""

    usage: UsageRecord

    async def bring_in(self, store: Store) -> None:
        await store.usage.add(self.usage, again=True)


@dataclass(frozen=True, slots=True)
class FileAdded(Write):
    """`FileRecords.add` of a file whose bytes are on the disk."""

    file: StoredFile
    quota: int
    most: int | None = None

    async def bring_in(self, store: Store) -> StoredFile:
        """Returns the row. Raises: FileIdTaken, QuotaExceeded, TooManyFiles."""
        return await store.files.add(self.file, quota=self.quota, most=self.most)


KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(SessionOpened, SessionTouched, KernelNoted, EntryAdded, OutputsAppended, CellFinished),
        *(MessageNoted, UsageAdded, FileAdded, HistoryNoted, CellsMarked),
    )
}
RECORDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Said, CellRecord, MessageCell, UsageRecord, StoredFile)
}
# Fields that hold a record; a StoredFile's own `cell` is a number.
NESTED = {"entry", "cell", "usage", "file"}
MOMENTS = {"at", "started_at", "uploaded_at", "expires_at"}


def session_key(session_id: str) -> str:
    """The journal of a session."""
    return f"session {session_id}"


def person_key(user_id: int) -> str:
    """The journal of a person."""
    return f"person {user_id}"


def new_batch() -> str:
    """A name for a batch of outputs, by which the database knows it if it is appended again."""
    return secrets.token_hex(12)


def renumbered(write: Write, session_id: str, old: int, new: int) -> Write:
    """The write, for the entry's new number if it is for that entry."""
    match write:
        case OutputsAppended() | CellFinished() if (write.session_id, write.seq) == (session_id, old):
            return replace(write, seq=new)
        case CellsMarked() if write.session_id == session_id and old in write.seqs:
            return replace(write, seqs=tuple(new if seq == old else seq for seq in write.seqs))
        case MessageNoted(cell) if (cell.session_id, cell.seq) == (session_id, old):
            return replace(write, cell=replace(cell, seq=new))
        case FileAdded(file) if (file.session_id, file.cell) == (session_id, old):
            return replace(write, file=replace(file, cell=new))
    return write


def encode(write: Write) -> bytes:
    """The write as a line, without its end."""
    kind = type(write).__name__
    flat = {
        field.name: _named(value) if type(value := getattr(write, field.name)).__name__ in RECORDS else value
        for field in fields(KINDS[kind])
    }
    return json.dumps({"write": kind} | flat, default=datetime.isoformat).encode()


def least_size(write: Write) -> int:
    """A lower bound of the line's size in bytes, found without making the line."""
    outputs = write.outputs if isinstance(write, CellFinished | OutputsAppended) else None
    parts = [
        part
        for output in outputs or ()
        for part in (output.get("text"), *output.get("data", {}).values())
        if isinstance(part, str)
    ]
    return sum(map(len, parts))


def decode(line: bytes) -> Write:
    """The write that a line holds. Raises: ValueError, KeyError and TypeError if it holds none."""
    found = json.loads(line)
    write: Write = _made(KINDS[found.pop("write")], found)
    return write


def _named(record: Any) -> dict[str, Any]:
    return {"record": type(record).__name__} | asdict(record)


def _made(kind: type[Any], found: Mapping[str, Any]) -> Any:
    return kind(**{name: _value(name, value) for name, value in found.items()})


def _value(name: str, value: Any) -> Any:
    if name in MOMENTS:
        return datetime.fromisoformat(value)
    if name in NESTED and isinstance(value, dict):
        return _made(RECORDS[value.pop("record")], value)
    return tuple(value) if isinstance(value, list) else value
