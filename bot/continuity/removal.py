"""What is removed when a session, or everything of a person, is deleted, in which order.

`bot.sessions` has ended the turns by then, and keeps others from opening what is being deleted.
"""

from collections.abc import Awaitable, Callable

from bot.model.usage import Ledger
from filestore.files import FileStore
from filestore.spool import SpooledStore

__all__ = ["remove_person"]


async def remove_person(
    store: SpooledStore,
    files: FileStore,
    ledger: Ledger,
    user_id: int,
    remove: Callable[[str], Awaitable[None]],
) -> int:
    """Delete all of a person; `remove` ends a session's kernel and removes its workspace.

    Returns how many files, sessions and folders the disk keeps. Raises: KernelError, StoreUnavailable.
    """
    for record in await store.sessions.of_user(user_id):
        await remove(record.session_id)
    left = await files.forget_person(user_id)
    await ledger.forget_person(user_id)
    return left
