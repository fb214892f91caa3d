"""What is removed when a session, or everything of a person, is deleted, in which order.

`bot.sessions` has ended the turns by then, and keeps others from opening what is being deleted.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from bot.errors import NotAllDeleted
from bot.model.usage import Ledger
from filestore.errors import BytesStay, FileStoreError
from filestore.files import FileStore
from filestore.spool import SpooledStore
from kernels.errors import KernelError

__all__ = ["remove_person", "remove_session"]

log = logging.getLogger(__name__)

FILES, KERNEL, SAID = "your stored files", "your kernel and workspace", "everything said and run with it"
BYTES = "bytes of deleted files"
Remove = Callable[[str], Awaitable[None]]


async def remove_session(
    store: SpooledStore, files: FileStore, session_id: str, user_id: int, remove: Remove
) -> bool:
    """Delete a session; `remove` ends its kernel and removes its workspace.

    Returns whether the disk keeps bytes of something. The first step needs the database, so that nothing is
    deleted while that is away. Raises: StoreUnavailable; NotAllDeleted if it breaks off later, and then what
    was said is erased, too, if it is gone.
    """
    steps: dict[str, Callable[[], Awaitable[None]]] = {
        FILES: partial(files.condemn_all_of, session_id, user_id),
        KERNEL: partial(remove, session_id),
        SAID: partial(store.sessions.delete, session_id),
        BYTES: partial(files.delete_all_of, session_id, user_id),
    }
    gone, left = list[str](), False
    for what, step in steps.items():
        try:
            await step()
        except BytesStay:  # of some outputs or files; what can be deleted is
            left = True
        except (FileStoreError, KernelError, OSError) as error:
            if not gone:
                raise
            log.exception("session %s could not be deleted whole", session_id)
            if SAID in gone:
                await store.sessions.erase_deleted()
            stays = [what for what in steps if what not in gone]
            raise NotAllDeleted(gone, stays, error) from error
        gone.append(what)
    return left


async def remove_person(
    store: SpooledStore,
    files: FileStore,
    ledger: Ledger,
    user_id: int,
    remove: Remove,
) -> int:
    """Delete all of a person; `remove` ends a session's kernel and removes its workspace.

    Returns how many files, sessions and folders the disk keeps.
    Raises: KernelError, StoreUnavailable, OSError.
    """
    for record in await store.sessions.of_user(user_id):
        await remove(record.session_id)
    left = await files.forget_person(user_id)
    try:
        await ledger.forget_person(user_id)
    except BytesStay:  # of what waits for the database; the usage itself is deleted
        left += 1
    return left
