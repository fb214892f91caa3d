"""What a database must do for us: a small Protocol for each concern, and `Store`, which has all of them.

Methods name what is wanted, and none takes a filter. Every method is async and raises StoreUnavailable if the
database does not answer. The clock is always passed in: `now` decides what has expired. It does not decide
what is newest, because a clock can be wrong and be corrected: a person's files are numbered as they are put,
and the highest number is the newest. Two backends keep these promises, `sqlite` and `mongo`; the tests in
tests/filestore that run on every backend are the contract.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Unpack

from filestore.records import (
    EPOCH,
    Appended,
    CellEnding,
    CellRecord,
    Copyable,
    Cursor,
    Finished,
    MessageCell,
    Output,
    QuotaRoom,
    Said,
    SessionRecord,
    StoredFile,
    UsageRecord,
    UsageTotal,
    Wanted,
)


class FileRecords(Protocol):
    """Records of `user_files`. After its `expires_at` a record is invisible, except to the janitor's methods.

    To remove a file, condemn its record (which then expires at the epoch, so that nothing can renew it),
    delete the bytes, and remove the record. A crash in between leaves a record that the next sweep removes.
    """

    async def add(self, file: StoredFile, *, quota: int, most: int | None = None) -> StoredFile:
        """Record a file, whose `uploaded_at` is now; returns the record that stands for it.

        If the newest unexpired version of its name in the person's session has the same sha256, that record
        gets the later of both expiries and is returned. Otherwise the file gets the next version of its name
        and the next number of the person's files.

        Raises:
            QuotaExceeded: the person's unexpired files, transcripts and this one are above `quota` bytes.
            TooManyFiles: they are more than `most` files.
            FileIdTaken: the id is in use.
        """

    async def readable(self, file_id: str, user_id: int, now: datetime) -> StoredFile | None:
        """The file, if the person owns it or it is shared with them."""

    async def named(
        self, filename: str, user_id: int, now: datetime, session_id: str | None = None
    ) -> StoredFile | None:
        """The person's newest file of this name, in one session or (None) anywhere."""

    async def page(
        self,
        user_id: int,
        now: datetime,
        *,
        limit: int,
        after: Cursor | None = None,
        session_id: str | None = None,
    ) -> list[StoredFile]:
        """At most `limit` files of the person, newest first, older than `after`."""

    async def extend(
        self, file_id: str, user_id: int, now: datetime, expires_at: datetime
    ) -> StoredFile | None:
        """Keep the person's own file until `expires_at`, if that is later than its expiry."""

    async def used(self, user_id: int, now: datetime, *, outputs: bool = True) -> int:
        """Bytes of the person's unexpired files and of their transcripts.

        Without `outputs`, outputs that can make room are left out (`Transcripts.make_room`).
        """

    async def recount(self) -> int:
        """Recount everybody's sums, and correct those that are wrong; returns how many were."""

    async def condemn(self, file_id: str, user_id: int, now: datetime) -> StoredFile | None:
        """Make the person's own file expire for good."""

    async def condemn_all(self, user_id: int, session_id: str | None = None) -> None:
        """Make all files of a person, or of one session of theirs, expire for good."""

    async def condemned(
        self,
        now: datetime,
        *,
        after: str = "",
        limit: int = 200,
        user_id: int | None = None,
        session_id: str | None = None,
        folder: str | None = None,
    ) -> list[StoredFile]:
        """Condemn the files that expired by `now`, and list them in order of id, from `after` on.

        With `folder`, files are left out whose bytes are known to be in another folder.
        """

    async def remove(self, file_ids: Collection[str]) -> int:
        """Delete records with their shares; returns how many there were."""

    async def known_keys(self, blob_keys: Collection[str]) -> set[str]:
        """Those of the keys that a file's record, expired or not, or a transcript refers to."""

    async def batch(self, *, after: str = "", limit: int = 500) -> list[StoredFile]:
        """All records, expired or not, in order of id from `after` on."""


class Shares(Protocol):
    """Who else may read a file; shares end with their file."""

    async def add(self, file_id: str, owner_id: int, user_id: int, now: datetime) -> bool:
        """Let a person read an owner's file; False if the owner has no such file."""

    async def remove(self, file_id: str, owner_id: int, user_id: int) -> bool:
        """End a share; False if there was none."""

    async def people(self, file_id: str) -> tuple[int, ...]:
        """Whom a file is shared with, in order of their ids."""

    async def forget_person(self, user_id: int) -> None:
        """End every share that a person was given."""


class Transcripts(Protocol):
    """What was said and run in a session, numbered from 1 by one counter. No number is used twice."""

    async def say(self, session_id: str, place: str, author: str, markdown: str, at: datetime) -> Said:
        """Add words to the transcript."""

    async def begin_cell(
        self, session_id: str, place: str, author: str, code: str, at: datetime, *, least: int = 1
    ) -> CellRecord:
        """Add a cell that runs, or is about to. No crash of ours undoes this; it is synced right after.

        It gets the session's next number, or `least` if that is higher.
        """

    async def restore(self, entry: Said | CellRecord) -> int:
        """Add words, or a cell that has begun, that got their number while the database was away.

        The session's counter goes on after that number. Adding the same entry again does nothing. Returns the
        entry's number, which is a new one if another entry has its own.
        """

    async def last_seq(self, session_id: str | None = None) -> int:
        """The last number given in a session, or (None) the highest given in any session; 0 for none."""

    async def append_outputs(
        self, session_id: str, seq: int, outputs: Sequence[Output], **more: Unpack[Appended]
    ) -> Finished:
        """Add outputs and files to a cell, also after it has finished.

        Adding the same batch again changes only where its bytes lie: in `outside` from then on, and the old
        bytes are dropped, since they may be gone. Raises: NoSuchCell.
        """

    async def finish_cell(self, session_id: str, seq: int, **ending: Unpack[CellEnding]) -> Finished:
        """End a cell. No crash of ours undoes this; it is synced right after. Raises: NoSuchCell."""

    async def mark(self, session_id: str, seqs: Sequence[int], undone: bool) -> None:
        """Note that these cells are undone, or no longer; numbers that no cell has are ignored."""

    async def copyable(self, session_id: str, to: str, upto: int) -> Copyable:
        """See what `copy` takes. Raises: NoSuchSession and ValueError, as `copy` does."""

    async def copy(self, session_id: str, to: str, upto: int) -> int:
        """Copy the entries up to number `upto` to another session of the same person; returns how many.

        The copies have the same numbers, and `to` goes on counting after `upto`, or after the session's last
        number if that is lower. Outputs that lie outside have bytes of their own (`records.copied_key`):
        `outputs.large` copies these, and sees to the quota. If it fails, what was copied is deleted again.

        Raises:
            NoSuchSession: one of the two has no record, or another person has `to`.
            ValueError: `to` has, or had, entries of its own.
            QuotaExceeded: there is no room for all of it, and nothing was copied.
            StoreUnavailable: the database may be left with a part; deleting the session `to` deletes that.
        """

    async def entries(self, session_id: str, **wanted: Unpack[Wanted]) -> list[Said | CellRecord]:
        """The entries that are wanted, in order, undone cells among them.

        A database by itself always gives short forms of what lies outside; `outputs.large` gives all of it.
        """

    async def newest(
        self, session_id: str, *, before: int | None = None, limit: int = 50, place: str | None = None
    ) -> list[Said | CellRecord]:
        """At most `limit` entries before seq `before`, the newest first; brief."""

    def outputs(self, cell: CellRecord) -> AsyncIterator[Output]:
        """All outputs of a cell that was read, one by one, including those that lie outside."""

    async def unfinished(self, session_id: str) -> list[CellRecord]:
        """The cells that were begun and never finished, in order of seq; brief.

        Cells that a program with another folder of bytes has begun are left out.
        """

    async def clear(self, session_id: str) -> None:
        """Delete the whole transcript, and the notes of which messages created its cells."""

    async def kept_outside(self, session_id: str) -> list[str]:
        """The keys of the bytes of a session's outputs."""

    async def make_room(self, user_id: int, size: int, quota: int, now: datetime) -> QuotaRoom:
        """See whether `size` more bytes fit into a person's quota; shorten large outputs to make room.

        Outputs that lie outside are reduced to their short form with a note, the oldest first, but only if
        that can make enough room. Only some are at a time: call again if it does not fit and some were
        shortened.
        """


class SessionRecords(Protocol):
    """The sessions themselves.

    `set_kernel`, `set_history` and `touch` raise NoSuchSession if there is none with that id.
    """

    async def get_or_create(self, session_id: str, user_id: int, place: str, at: datetime) -> SessionRecord:
        """The session as it is; if there is none it is created."""

    async def get(self, session_id: str) -> SessionRecord | None:
        """The session, if there is one."""

    async def touch(self, session_id: str, at: datetime) -> None:
        """Note that the session was used; an earlier moment than noted changes nothing."""

    async def set_kernel(self, session_id: str, kernel: str | None) -> None:
        """Note what is known of the session's kernel, as a text in the caller's own format."""

    async def set_history(self, session_id: str, text: str | None) -> None:
        """Note which steps can be taken back or again, as a text in the caller's own format.

        Raises: ValueError if it has more than HISTORY bytes.
        """

    async def touch_all(self, at: datetime) -> None:
        """Note that every session was used."""

    async def of_user(self, user_id: int) -> list[SessionRecord]:
        """A person's sessions, the last used first."""

    async def with_history(self, part: str) -> list[SessionRecord]:
        """The sessions with this text in their histories."""

    async def idle_since(self, before: datetime) -> list[SessionRecord]:
        """The sessions not used since `before`, the longest idle first."""

    async def unfinished(self, since: datetime) -> list[SessionRecord]:
        """The sessions used after `since` with a cell that was begun and never finished, the last used first.

        The number of queries does not depend on the number of sessions.
        """

    async def delete(self, session_id: str) -> None:
        """Delete a session and its transcript; nothing happens if there is none."""

    async def erase_deleted(self) -> None:
        """Make sure that nothing deleted so far, of whatever kind, can be read from files that are ours."""


class Identity(Protocol):
    """Which database this is, and which run of the program used it last with a folder of bytes."""

    async def id(self) -> str:
        """The database's own id, which was drawn at random when the database was created."""

    async def begin_run(self, folder: str, run: str) -> str:
        """Note that the run `run` begins to work with this folder; returns the previous run, "" for none."""


class Usage(Protocol):
    """What turns cost."""

    async def add(self, usage: UsageRecord, *, again: bool = False) -> None:
        """Record one turn; with `again`, nothing happens if it has been recorded before."""

    async def total(self, user_id: int, since: datetime, before: datetime | None = None) -> UsageTotal:
        """The sum of a person's turns from `since` on, and `before` then."""

    async def forget_person(
        self, user_id: int, *, kept_as: int | None = None, since: datetime = EPOCH
    ) -> None:
        """Delete all usage of a person.

        With `kept_as`, a number below zero, usage from `since` on stays under that number, dated `since` and
        without its model, so that a budget can go on counting it without knowing whose it is.
        """

    async def forget_kept(self, before: datetime) -> None:
        """Delete usage older than `before` that `forget_person` has kept."""


class ServerSettings(Protocol):
    """Settings of a Discord server: anything that JSON can hold."""

    async def get(self, server_id: int) -> dict[str, Any]:
        """A server's settings; empty if none were set."""

    async def set(self, server_id: int, settings: dict[str, Any]) -> None:
        """Replace a server's settings."""


class MessageCells(Protocol):
    """Which cell a message created."""

    async def set(self, cell: MessageCell) -> None:
        """Note a message's cell; a later one replaces it. Of a session that was deleted nothing is noted."""

    async def get(self, message_id: int) -> MessageCell | None:
        """The cell of a message, if it created one."""

    async def of_cell(self, session_id: str, seq: int) -> list[MessageCell]:
        """The messages of a cell, in order of their ids."""

    async def going_on(self, since: int) -> Sequence[MessageCell]:
        """Messages with an id from `since` on in which a turn goes on, or whose answer may have more cells.

        In order of their ids.
        """


@dataclass(frozen=True, slots=True)
class Store:
    """A database, open."""

    identity: Identity
    files: FileRecords
    shares: Shares
    transcripts: Transcripts
    sessions: SessionRecords
    usage: Usage
    server_settings: ServerSettings
    message_cells: MessageCells
