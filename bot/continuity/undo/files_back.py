"""The files of a workspace, put back as they were when a save was made.

back, left = await put_back(files, kernel, store, journey.files, record.user_id, [session_id])
"""

from collections.abc import Iterable, Sequence

from bot.continuity.undo.undone import FileBack, FileLeft
from bot.errors import BotError
from bot.files import PersonFiles
from bot.wording.error_messages import clause
from filestore.errors import FileStoreError
from filestore.files import FileStore
from filestore.records import StoredFile
from kernels.errors import KernelError
from kernels.state.journey import ChangedFile

__all__ = ["put_back"]

UNKNOWN = "nobody knows what was in it then"
NOT_STORED = "what was in it then is not stored any more"
ONLY_HERE = "it was not there then, but no version of it is stored, so it stays"
PUT_OFF = "what is in it now could not be stored yet, so it stays"
UPLOADED = "it was uploaded since, and stays as it is"


async def put_back(
    files: PersonFiles,
    store: FileStore,
    changed: Iterable[ChangedFile],
    user_id: int,
    sessions: Sequence[str],
) -> tuple[tuple[FileBack, ...], tuple[FileLeft, ...]]:
    """Put files back from the store, where `sessions` are the ones that may have stored them, theirs first.

    What cannot be put back is left as it is, with the reason; so is what no cell has changed, an upload. What
    is to be deleted goes first, to make room.
    """
    place = _Place(files, store, user_id, sessions)
    back, left = list[FileBack](), list[FileLeft]()
    for file in sorted(changed, key=lambda file: (file.sha256 != "", file.name)):
        try:
            done = await place.put(file)
        except (BotError, FileStoreError, KernelError, OSError) as error:  # the others can still go back
            done = clause(error)
        if isinstance(done, FileBack):
            back.append(done)
        elif done:
            left.append(FileLeft(file.name, done))
    return tuple(back), tuple(left)


class _Place:
    """A session's workspace, and where the versions of its files are stored."""

    def __init__(self, files: PersonFiles, store: FileStore, user_id: int, sessions: Sequence[str]) -> None:
        self._files = files
        self._store = store
        self._user_id = user_id
        self._sessions = sessions

    async def put(self, file: ChangedFile) -> FileBack | str:
        """Put a file back; returns what it is now, or why it is left ("": nothing is to be told)."""
        if not file.known:
            return UNKNOWN
        if self._files.waits(file.name):
            return PUT_OFF
        newest = await self._newest(file.name)
        if not file.sha256:
            return await self._take_away(file.name, newest)
        if newest is not None and newest.source == "uploaded" and newest.sha256 != file.sha256:
            return UPLOADED
        for session_id in self._sessions:
            found = await self._store.with_content(file.name, self._user_id, session_id, file.sha256)
            if found is not None:
                return await self._write(file.name, found)
        return NOT_STORED

    async def _take_away(self, name: str, newest: StoredFile | None) -> FileBack | str:
        """Delete a file that was not there, unless it is an upload; a changed one is as it was uploaded."""
        if newest is None:
            return ONLY_HERE
        if newest.source == "uploaded":
            return ""
        async for version in self._store.all_of(self._user_id, newest.session_id):
            if version.filename == newest.filename and version.source == "uploaded":
                return await self._write(name, version)
        await self._files.kernel.write_back(name, None)
        return FileBack(name, gone=True)

    async def _write(self, name: str, version: StoredFile) -> FileBack:
        opened = await self._store.open(version.file_id, self._user_id)
        with opened.file:
            await self._files.kernel.write_back(name, opened.file)
        return FileBack(name, version.cell or 0)

    async def _newest(self, name: str) -> StoredFile | None:
        for session_id in self._sessions:
            if found := await self._store.newest(name, self._user_id, session_id):
                return found
        return None
