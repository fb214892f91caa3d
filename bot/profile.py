"""A short card of each file that somebody has sent: what it holds, found out in the sandbox.

cards = await profile(session, files)       # {file id: text}
"""

from collections.abc import Sequence

from bot.session import Session
from filestore.records import StoredFile

__all__ = ["profile"]


async def profile(session: Session, files: Sequence[StoredFile]) -> dict[str, str]:
    """A card of at most 900 characters for every file, by file id, within half a minute.

    A table's says rows, columns with types and nulls, and a sample; a picture's its size; a notebook's its
    cells. Of a file that cannot be looked into it says type and size. The person's kernel is left alone.
    """
    raise NotImplementedError
