"""A session as a file to take away: its notebook, or the notebook with its files.

upload = await notebook_upload(desk, user_id, place, "bundle")
"""

from typing import Literal

from bot.bundle import bundle, notebook
from bot.delivery import Upload
from bot.front.desk import Desk

__all__ = ["TOO_LARGE", "notebook_upload"]

TOO_LARGE = (
    "That is more than Discord takes ({size}): take the notebook without its files, and those by /files."
)


async def notebook_upload(
    desk: Desk, user_id: int, place: str, kind: Literal["notebook", "bundle"]
) -> Upload:
    """The session of a place as a `.ipynb`, or with its files as a `.zip`. Raises: StoreUnavailable."""
    session = await desk.sessions.session(user_id, place)
    if kind == "bundle":
        return Upload("session.zip", await bundle(session, desk.sessions.files))
    return Upload("session.ipynb", await notebook(session))
