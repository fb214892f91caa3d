"""A session as a file to take away: its notebook, or the notebook with its files.

await give(desk, interaction, user_id, place, "bundle")
"""

import asyncio
from typing import Literal

from bot.bundle import bundle, notebook, zipped
from bot.delivery import Upload
from bot.front.desk import Desk
from bot.front.interaction import Interaction, privately
from kernels.text import human_size

__all__ = ["Kind", "give"]

Kind = Literal["notebook", "bundle"]

TOO_LARGE: dict[Kind, str] = {
    "notebook": (
        "Your notebook is more than Discord takes, even zipped ({size}). **Edit & run** below an answer has"
        " its code, and `/files` has your files."
    ),
    "bundle": (
        "That is more than Discord takes ({size}): take the notebook without its files, and those by"
        " `/files`."
    ),
}


async def give(desk: Desk, interaction: Interaction, user_id: int, place: str, kind: Kind) -> None:
    """Give the session of a place to who asked, or say what else they can do; the interaction was deferred.

    Raises: KernelError, StoreUnavailable.
    """
    upload = await _upload(desk, user_id, place, kind)
    if len(upload.data) > desk.limits.file:
        await privately(interaction, TOO_LARGE[kind].format(size=human_size(len(upload.data))))
    else:
        await privately(interaction, "Your session:", uploads=[upload])


async def _upload(desk: Desk, user_id: int, place: str, kind: Kind) -> Upload:
    """A `.zip` with files, or a `.ipynb`, which is zipped only where it is too large as it is."""
    session = await desk.sessions.session(user_id, place)
    if kind == "bundle":
        return Upload("session.zip", await bundle(session, desk.sessions.files))
    data = await notebook(session)
    if len(data) <= desk.limits.file:
        return Upload("session.ipynb", data)
    return Upload("session.ipynb.zip", await asyncio.to_thread(zipped, {"session.ipynb": data}))
