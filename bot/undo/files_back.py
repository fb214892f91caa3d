"""The files of a workspace, put back as they were when a save was made.

back, left = await put_back(files, kernel, store, journey.files, record.user_id, [session_id])
"""

from collections.abc import Iterable, Sequence

from bot.errors import BotError
from bot.files import PersonFiles
from bot.undo.undone import FileBack, FileLeft
from bot.wording.error_messages import clause
from filestore.errors import FileStoreError
from filestore.files import FileStore
from filestore.records import StoredFile
from kernels.errors import KernelError
from kernels.state.journey import ChangedFile

__all__ = ["put_back"]

UNKNOWN = "nobody knows what was in it then"
NOT_STORED = "what was in it then is not stored any more"
ONLY_HERE = "it was not there then, but it is stored nowhere else, so it stays"
PUT_OFF = "what is in it now could not be stored yet, so it stays"


async def put_back(
    files: PersonFiles,
    store: FileStore,
    changed: Iterable[ChangedFile],
    user_id: int,
    sessions: Sequence[str],
) -> tuple[tuple[FileBack, ...], tuple[FileLeft, ...]]:
    """Put files back from the store, where `sessions` are the ones that may have stored them.

    What cannot be put back is left as it is, with the reason. What is to be deleted goes first, to make room.
    """
    back, left = list[FileBack](), list[FileLeft]()
    for file in sorted(changed, key=lambda file: (file.sha256 != "", file.name)):
        try:
            if why := await _refusal(files, store, file, user_id, sessions):
                left.append(FileLeft(file.name, why))
            elif not file.sha256:
                await files.kernel.write_back(file.name, None)
                back.append(FileBack(file.name, gone=True))
            elif stored := await _stored(store, file, user_id, sessions):
                opened = await store.open(stored.file_id, user_id)
                with opened.file:
                    await files.kernel.write_back(file.name, opened.file)
                back.append(FileBack(file.name, stored.cell or 0))
            else:
                left.append(FileLeft(file.name, NOT_STORED))
        except (BotError, FileStoreError, KernelError, OSError) as error:  # the others can still go back
            left.append(FileLeft(file.name, clause(error)))
    return tuple(back), tuple(left)


async def _refusal(
    files: PersonFiles, store: FileStore, file: ChangedFile, user_id: int, sessions: Sequence[str]
) -> str:
    """Why a file is left as it is: what would be lost for good, or what nobody knows."""
    if not file.known:
        return UNKNOWN
    if files.waits(file.name):
        return PUT_OFF
    if not file.sha256:
        versions = [await store.newest(file.name, user_id, session_id) for session_id in sessions]
        return "" if any(versions) else ONLY_HERE
    return ""


async def _stored(
    store: FileStore, file: ChangedFile, user_id: int, sessions: Sequence[str]
) -> StoredFile | None:
    for session_id in sessions:
        if stored := await store.with_content(file.name, user_id, session_id, file.sha256):
            return stored
    return None
