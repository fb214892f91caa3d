"""What a database must do for us: a small Protocol of verbs for each concern, and `Store`, which has all.

Verbs, never filters. Every method is async and raises StoreUnavailable when the database does not answer.
The clock is always passed in: `now` decides what has expired. It does not decide what is newest, for a clock
can be wrong and be set right: a person's files are numbered as they are put, and the highest number is the
newest. Two backends keep these promises, `sqlite` and `mongo`; the tests of tests/filestore that run on every
backend are the contract.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any, Protocol, Unpack

from filestore.records import (
    EPOCH,
    CellEnding,
    CellRecord,
    Cursor,
    Finished,
    MessageCell,
    Output,
    OutsideOutputs,
    QuotaRoom,
    Said,
    SessionRecord,
    StoredFile,
    UsageRecord,
    UsageTotal,
)


class FileRecords(Protocol):
    """Rows of `user_files`. A row past `expires_at` is invisible to all but the janitor's verbs.

    To remove a file: condemn its row (it expires at the epoch, so that nothing can renew it), unlink the
    bytes, remove the row. A crash in between leaves a row that the next sweep meets again.
    """

    async def add(self, file: StoredFile, *, quota: int, most: int | None = None) -> StoredFile:
        """Keep a file's row, its `uploaded_at` being now; the row that stands for it comes back.

        If the newest unexpired version of its name in the person's session has the same sha256, that row gets
        the later of both expiries and comes back. Otherwise the file gets the next version of its name and
        the next number of the person's files.

        The person's sums are kept, never counted anew: a put takes no longer beside a hundred thousand files.

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
        """The person's newest file of this name: in one session the highest version, or (None) anywhere."""

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
        """Let the person's own file live until `expires_at`, if that is later than it would."""

    async def used(self, user_id: int, now: datetime, *, outputs: bool = True) -> int:
        """Bytes of the person's unexpired files, and of what their transcripts hold.

        Without `outputs` those are left out that can make room (`Transcripts.make_room`).
        """

    async def recount(self) -> int:
        """Count everybody's sums anew, and set right those that are wrong; how many there were."""

    async def condemn(self, file_id: str, user_id: int, now: datetime) -> StoredFile | None:
        """Expire the person's own file for good."""

    async def condemn_all(self, user_id: int) -> None:
        """Expire all files of a person for good."""

    async def condemned(
        self,
        now: datetime,
        *,
        after: str = "",
        limit: int = 200,
        user_id: int | None = None,
        folder: str | None = None,
    ) -> list[StoredFile]:
        """Expire for good, and list in order of id from `after` on, the files that expired by `now`.

        With `folder` only those whose bytes are in that folder, as far as that was noted.
        """

    async def remove(self, file_ids: Collection[str]) -> int:
        """Delete rows, with their shares; how many there were."""

    async def known_keys(self, blob_keys: Collection[str]) -> set[str]:
        """Those of the keys that have a row, expired or not, or that a transcript refers to."""

    async def batch(self, *, after: str = "", limit: int = 500) -> list[StoredFile]:
        """All rows, expired or not, in order of id from `after` on."""


class Shares(Protocol):
    """Who else may read a file; shares end with their file."""

    async def add(self, file_id: str, owner_id: int, user_id: int, now: datetime) -> bool:
        """Let a person read an owner's file; False when the owner has no such file."""

    async def remove(self, file_id: str, owner_id: int, user_id: int) -> bool:
        """End a share; False when there was none."""

    async def people(self, file_id: str) -> tuple[int, ...]:
        """Whom a file is shared with, in order of their ids."""

    async def forget_person(self, user_id: int) -> None:
        """End every share that was given to a person."""


class Transcripts(Protocol):
    """What was said and run in a session, numbered by one counter from 1; numbers are never used again."""

    async def say(self, session_id: str, place: str, author: str, markdown: str, at: datetime) -> Said:
        """Add words to the transcript."""

    async def begin_cell(
        self, session_id: str, place: str, author: str, code: str, at: datetime, *, least: int = 1
    ) -> CellRecord:
        """Add a cell that runs, or is about to. No end of the program undoes it; on disk right after.

        It gets the session's next number, or `least` where that is higher.
        """

    async def restore(self, entry: Said | CellRecord) -> int:
        """Add words, or a cell that has begun, which were given their number while the database was away.

        The session's counter goes on after it. Adding the same entry again does nothing. Returns the entry's
        number: a new one where another entry has it.
        """

    async def last_seq(self, session_id: str | None = None) -> int:
        """The last number given in a session, or (None) the highest given in any; 0 for none."""

    async def append_outputs(
        self,
        session_id: str,
        seq: int,
        outputs: Sequence[Output],
        file_ids: Sequence[str] = (),
        *,
        batch: str = "",
        outside: OutsideOutputs | None = None,
    ) -> Finished:
        """Add outputs and files to a cell, also after it has finished.

        `batch` (24 hexadecimal digits) names these outputs: the same batch added again does nothing, but it
        refers to the bytes `outside` from then on, and those before are dropped: they may be gone. With
        `outside` the outputs are the short forms of those.

        Raises:
            NoSuchCell: the transcript holds no such cell.
        """

    async def finish_cell(self, session_id: str, seq: int, **ending: Unpack[CellEnding]) -> Finished:
        """End a cell. No end of the program undoes this; it is on the disk right after.

        Raises:
            NoSuchCell: the transcript holds no such cell.
        """

    async def entries(
        self,
        session_id: str,
        *,
        after: int = 0,
        limit: int = 1000,
        place: str | None = None,
        brief: bool = False,
    ) -> list[Said | CellRecord]:
        """At most `limit` entries after seq `after`, in order, of one place or (None) of all.

        With `brief` there are short forms of large outputs, and `outside` says where they are. A database
        alone never has more of those that lie outside; the store over it has.
        """

    async def newest(
        self, session_id: str, *, before: int | None = None, limit: int = 50, place: str | None = None
    ) -> list[Said | CellRecord]:
        """At most `limit` entries before seq `before`, the newest first; brief."""

    def outputs(self, cell: CellRecord) -> AsyncIterator[Output]:
        """All outputs of a cell that was read, one by one, also those that lie outside."""

    async def unfinished(self, session_id: str) -> list[CellRecord]:
        """The cells that were begun and never finished, in order of seq; brief.

        Those that were begun by a program on another folder of bytes are left to that.
        """

    async def clear(self, session_id: str) -> None:
        """Forget the whole transcript, and which messages made its cells."""

    async def kept_outside(self, session_id: str) -> list[str]:
        """The keys of the bytes that a session's outputs lie under."""

    async def make_room(self, user_id: int, size: int, quota: int, now: datetime) -> QuotaRoom:
        """See whether `size` bytes more fit into a person's quota; let old large outputs make room for them.

        Oldest first, outputs that lie outside become short, with a note. None does unless all of it fits
        then. Few do at once: ask again as long as it does not fit and some were shortened.
        """


class SessionRecords(Protocol):
    """The sessions themselves. `set_*` and `touch` raise NoSuchSession when there is none of that id."""

    async def get_or_create(self, session_id: str, user_id: int, place: str, at: datetime) -> SessionRecord:
        """The session as it stands; made first when there is none."""

    async def get(self, session_id: str) -> SessionRecord | None:
        """The session, if there is one."""

    async def touch(self, session_id: str, at: datetime) -> None:
        """Note that the session was used; time never runs backwards."""

    async def set_kernel(self, session_id: str, kernel: str | None) -> None:
        """Note what there is to know of the session's kernel, as text of the caller's."""

    async def touch_all(self, at: datetime) -> None:
        """Note that every session was used."""

    async def of_user(self, user_id: int) -> list[SessionRecord]:
        """A person's sessions, the one used last first."""

    async def idle_since(self, before: datetime) -> list[SessionRecord]:
        """The sessions not used since `before`, the longest idle first."""

    async def unfinished(self, since: datetime) -> list[SessionRecord]:
        """The sessions used after `since` with a cell that was begun and never finished, the last used first.

        However many sessions there are, it takes no more queries.
        """

    async def delete(self, session_id: str) -> None:
        """Forget a session and its transcript; nothing happens when there is none."""


class Identity(Protocol):
    """Which database this is, and which program worked last with it on a folder of bytes."""

    async def id(self) -> str:
        """The database's own id: drawn at random when it was made, and the same ever since."""

    async def begin(self, folder: str, run: str) -> str:
        """Note that the program `run` begins to work on this folder; returns the one before, "" for none."""


class Usage(Protocol):
    """What turns cost."""

    async def add(self, usage: UsageRecord, *, again: bool = False) -> None:
        """Record one turn; with `again` it may have been recorded before, and then nothing happens."""

    async def total(self, user_id: int, since: datetime) -> UsageTotal:
        """The sum of a person's turns from `since` on."""

    async def forget_person(
        self, user_id: int, *, kept_as: int | None = None, since: datetime = EPOCH
    ) -> None:
        """Delete all usage of a person.

        With `kept_as`, a number below zero, what they have used from `since` on stays under that number, all
        of it at `since` and of no model: a budget can go on counting it without knowing whose it is.
        """

    async def forget_kept(self, before: datetime) -> None:
        """Delete what `forget_person` has kept and what is older than `before`."""


class ServerSettings(Protocol):
    """Settings of a Discord server: anything JSON holds."""

    async def get(self, server_id: int) -> dict[str, Any]:
        """A server's settings; empty when none were set."""

    async def set(self, server_id: int, settings: dict[str, Any]) -> None:
        """Replace a server's settings."""


class MessageCells(Protocol):
    """Which cell a message made."""

    async def set(self, cell: MessageCell) -> None:
        """Note a message's cell; a later one replaces it."""

    async def get(self, message_id: int) -> MessageCell | None:
        """The cell of a message, if it made one."""

    async def of_cell(self, session_id: str, seq: int) -> list[MessageCell]:
        """The messages of a cell, in order of their ids."""

    async def going_on(self, since: int) -> Sequence[MessageCell]:
        """Those with an id from `since` on in whose answer more may follow, in order."""


class Store(Protocol):
    """A database, open."""

    @property
    def identity(self) -> Identity:
        """Which database this is."""

    @property
    def files(self) -> FileRecords:
        """Rows of files."""

    @property
    def shares(self) -> Shares:
        """Who else may read them."""

    @property
    def transcripts(self) -> Transcripts:
        """What was said and run."""

    @property
    def sessions(self) -> SessionRecords:
        """Sessions."""

    @property
    def usage(self) -> Usage:
        """What turns cost."""

    @property
    def server_settings(self) -> ServerSettings:
        """Settings of servers."""

    @property
    def message_cells(self) -> MessageCells:
        """Cells of messages."""
