"""All that is kept of a person, as one zip, for `/privacy`.

with await export(sessions, user_id) as archive: ...        # a temporary file, at its start
"""

from typing import BinaryIO

from bot.sessions import Sessions

__all__ = ["export"]


async def export(sessions: Sessions, user_id: int, *, limit: int | None = None) -> BinaryIO:
    """A zip of the person's files, transcripts (as notebooks and JSON), usage and settings.

    It lies in a temporary file that goes when it is closed. With `limit`, in bytes, the largest files are
    left out until the zip is below that; its README names them with their ids. Raises: StoreUnavailable.
    """
    raise NotImplementedError
