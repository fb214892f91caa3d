"""Every failure of this package. Each has fields, and its text is a sentence that a person can act on.

FileStoreError
├── NoSuchFile, NoSuchCell, NoSuchSession
├── QuotaExceeded, TooManyFiles, FileTooLarge
├── FileIdTaken, BlobExists, BlobMissing, BytesStay
└── StoreUnavailable        the database did not answer, or cannot be used
    └── StoreTooNew, StoreFull, StoreDamaged, StoreInUse, BytesRefused, NotRecordedYet, SpoolFull
"""

SHOWN_ID = 40  # characters of an id that an error repeats


class FileStoreError(Exception):
    """Any failure of the file store."""


class NoSuchFile(FileStoreError):
    """No file of this id that the person may read; `file_id` is what was asked for, clipped."""

    def __init__(self, file_id: object) -> None:
        text = file_id if isinstance(file_id, str) else type(file_id).__name__
        shown = "".join(mark if mark.isprintable() else "\ufffd" for mark in text[:SHOWN_ID])
        self.file_id = shown + "…" if len(text) > SHOWN_ID else shown
        super().__init__(f"no file {self.file_id}: it expired, or is not yours")


class NoSuchCell(FileStoreError):
    """The session's transcript has no cell `seq`; it may have been cleared."""

    def __init__(self, session_id: str, seq: int) -> None:
        self.session_id, self.seq = session_id, seq
        super().__init__(f"no cell {seq} in session {session_id}: its transcript may have been cleared")


class NoSuchSession(FileStoreError):
    """There is no session with this id; it may have been deleted."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"no session {session_id}: it may have been deleted")


class QuotaExceeded(FileStoreError):
    """A file of `size` bytes does not fit beside the `used` bytes of the person's `quota`."""

    def __init__(self, used: int, quota: int, size: int) -> None:
        self.used, self.quota, self.size = used, quota, size
        super().__init__(
            f"{size} bytes do not fit: {used} of {quota} bytes are used; delete files to make room"
        )


class TooManyFiles(FileStoreError):
    """The person has `most` files, as many as one person may have."""

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"there are {most} files already; delete some to make room")


class FileTooLarge(FileStoreError):
    """A file of `size` bytes or more (reading stops early) is above the `limit` in bytes."""

    def __init__(self, size: int, limit: int) -> None:
        self.size, self.limit = size, limit
        super().__init__(f"the file has {size} bytes or more; at most {limit} are kept")


class FileIdTaken(FileStoreError):
    """Another file has this id."""

    def __init__(self, file_id: str) -> None:
        self.file_id = file_id
        super().__init__(f"a file {file_id} is there already; draw another id")


class BlobExists(FileStoreError):
    """There are bytes under this key already; no key is written twice."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"bytes lie under {key} already; choose another key")


class BlobMissing(FileStoreError):
    """There are no bytes under this key."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"no bytes under {key}")


class BytesStay(FileStoreError):
    """Something that was to be deleted is still on the disk, which refuses with `reason`."""

    def __init__(self, reason: str | None) -> None:
        self.reason = reason or "an error"
        super().__init__(f"the disk refuses to delete something: {self.reason}")


class StoreUnavailable(FileStoreError):
    """The database cannot be used now; `reason` says why, in its own words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the database cannot be used now: {reason}")


class StoreFull(StoreUnavailable):
    """The database's disk is full, or the space that was allotted to it."""


class StoreDamaged(StoreUnavailable):
    """The database's file is corrupt."""


class StoreInUse(StoreUnavailable):
    """Another program, process `pid` of the machine `host`, works with the database."""

    def __init__(self, host: str, pid: int) -> None:
        self.host, self.pid = host, pid
        super().__init__(f"another Kernelcord, process {pid} on {host}, works with it")


class BytesRefused(StoreUnavailable):
    """The disk does not take the bytes of outputs (because it is `full`?); the database may be usable."""

    def __init__(self, reason: str, *, full: bool) -> None:
        self.full = full
        super().__init__(reason)


class NotRecordedYet(StoreUnavailable):
    """The write waits in the spool until the database can be used again; `reason` says why it waits."""


class SpoolFull(StoreUnavailable):
    """The database cannot be used, and the spool has no more room for writes that wait."""


class StoreTooNew(StoreUnavailable):
    """The database has schema `found`; this program knows only up to `known`."""

    def __init__(self, found: int, known: int) -> None:
        self.found, self.known = found, known
        super().__init__(f"it has schema {found}, this version knows {known}; update the program")
