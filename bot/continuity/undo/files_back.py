"""The files of a workspace, put back as they were when a save was made.

back, left = await put_back(files, store, journey.files, record)
"""

from collections.abc import Iterable, Mapping, Sequence

from bot.continuity.undo.undone import FileBack, FileLeft
from bot.continuity.undo.versions import stored_versions
from bot.errors import BotError
from bot.files import PersonFiles
from bot.wording.error_messages import clause
from filestore.errors import FileStoreError
from filestore.files import FileStore
from filestore.names import clean_name
from filestore.records import SessionRecord, StoredFile
from kernels.errors import KernelError
from kernels.state.journey import ChangedFile

__all__ = ["put_back"]

OTHERS, UNSEEN = "other files", "not all of them can be looked at"
UNKNOWN = "nobody knows what was in it then"
NOT_STORED = "what was in it then is not stored any more"
ONLY_HERE = "it was not there then, but no version of it is stored, so it stays"
UNSTORED = "what is in it now is not stored, so it stays"
PUT_OFF = "what is in it now could not be stored yet, so it stays"
UPLOADED = "it was uploaded since, and stays as it is"


async def put_back(
    files: PersonFiles, store: FileStore, changed: Iterable[ChangedFile], record: SessionRecord
) -> tuple[tuple[FileBack, ...], tuple[FileLeft, ...]]:
    """Put files of a session back from the store.

    What cannot be put back is left as it is, with the reason; so is what would be lost, since it is not
    stored, and what no cell has changed, an upload. What is to be deleted goes first, to make room.
    """
    changes = sorted(changed, key=lambda file: (file.sha256 != "", file.name))
    back, left = list[FileBack](), list[FileLeft]()
    if changes and not changes[0].name:
        left.append(FileLeft(OTHERS, UNSEEN))
        del changes[0]
    try:
        place = _Place(files, store, record.user_id, await stored_versions(store, record) if changes else {})
    except FileStoreError as error:
        return (), (*left, *(FileLeft(file.name, clause(error)) for file in changes))
    for file in changes:
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
    """A session's workspace, and the stored versions of its files by name, the newest first."""

    def __init__(
        self,
        files: PersonFiles,
        store: FileStore,
        user_id: int,
        versions: Mapping[str, Sequence[StoredFile]],
    ) -> None:
        self._files = files
        self._store = store
        self._user_id = user_id
        self._versions = versions

    async def put(self, file: ChangedFile) -> FileBack | str:
        """Put a file back; returns what it is now, or why it is left ("": nothing is to be told)."""
        if not file.known:
            return UNKNOWN
        if self._files.waits(file.name):
            return PUT_OFF
        versions = self._versions.get(clean_name(file.name), ())
        if not versions:
            return NOT_STORED if file.sha256 else ONLY_HERE
        if file.now != "" and all(version.sha256 != file.now for version in versions):
            return UNSTORED
        uploads = [version for version in versions if version.source == "uploaded"]
        if uploads[:1] == versions[:1] and uploads[0].sha256 != file.sha256:  # that is nothing a cell did
            if file.now != "":
                return UPLOADED if file.sha256 else ""
            return await self._write(file.name, uploads[0])  # a cell has deleted it
        if file.sha256:
            then = next((version for version in versions if version.sha256 == file.sha256), None)
            return NOT_STORED if then is None else await self._write(file.name, then)
        if uploads:  # what is left of what a cell has done to it
            return await self._write(file.name, uploads[0])
        await self._files.kernel.write_back(file.name, None)
        return FileBack(file.name, gone=True)

    async def _write(self, name: str, version: StoredFile) -> FileBack:
        opened = await self._store.open(version.file_id, self._user_id)
        with opened.file:
            await self._files.kernel.write_back(name, opened.file)
        return FileBack(name, version.cell or 0)
