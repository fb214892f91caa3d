"""Which stored versions of files belong to a session: its own, and those that a branch began with.

its_own = belonging_to(session.record)
its_own(stored)                                             # True
versions = await stored_versions(store, session.record)     # by name, the newest first
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from bot.continuity.undo.history import UndoHistory
from filestore.files import FileStore
from filestore.records import SessionRecord, StoredFile

__all__ = ["belonging_to", "stored_versions"]


def belonging_to(record: SessionRecord) -> Callable[[StoredFile], bool]:
    """Tells which of a person's files belong to the session of this record.

    Of the sessions that a branch is from, it is what was stored before the branch began.
    """
    origin = UndoHistory.from_text(record.history).origin
    earlier = {origin.of, *origin.line} if origin is not None else set[str]()

    def belongs(file: StoredFile) -> bool:
        if file.session_id == record.session_id:
            return True
        return file.session_id in earlier and file.uploaded_at <= record.created_at

    return belongs


async def stored_versions(store: FileStore, record: SessionRecord) -> Mapping[str, Sequence[StoredFile]]:
    """The versions of a session's files that have not expired. Raises: StoreUnavailable."""
    found, belongs = defaultdict[str, list[StoredFile]](list), belonging_to(record)
    async for file in store.all_of(record.user_id):
        if belongs(file):
            found[file.filename].append(file)
    return found
