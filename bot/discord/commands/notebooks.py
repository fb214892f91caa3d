"""Sends a session as a file: its notebook, or the notebook with its files."""

import tempfile
from typing import BinaryIO, Literal

from bot.discord.api.interactions import Interaction, privately
from bot.discord.context import Context
from bot.discord.format.attachments import Upload
from bot.errors import OverLimit
from bot.notebooks.bundle import bundle, notebook
from bot.session import Session
from bot.wording.error_messages import sentence
from kernels.text.clipping import human_size

__all__ = ["Kind", "give"]

Kind = Literal["notebook", "bundle"]

TOO_LARGE: dict[Kind, str] = {
    "notebook": (
        "Your notebook is too large for Discord ({size}), even zipped. **Edit & run** below an answer has its"
        " code, and `/files` has your files."
    ),
    "bundle": (
        "That is too large for Discord ({size}): take the notebook without its files, and get the files with"
        " `/files`."
    ),
}


async def give(context: Context, interaction: Interaction, session: Session, kind: Kind) -> None:
    """Send a session to the person who asked, or say what else they can do.

    The interaction was deferred.

    Raises: AtWork, TooBusy, NotebookError, KernelError, StoreUnavailable.
    """
    try:
        with tempfile.TemporaryFile() as file:
            upload = await _upload(context, session, kind, file)
    except OverLimit as error:
        await privately(interaction, TOO_LARGE[kind].format(size=f"over {human_size(error.limit)}"))
    except OSError as error:
        await privately(interaction, sentence(error))
    else:
        await privately(interaction, "Your session:", uploads=[upload])


async def _upload(context: Context, session: Session, kind: Kind, file: BinaryIO) -> Upload:
    """A `.zip` with files, or a `.ipynb`, which is zipped only if it is too large otherwise."""
    limit = context.limits.file
    if kind == "bundle":
        await bundle(session, context.sessions.files, file, limit=limit)
        name = "session.zip"
    else:
        zipped = await notebook(session, file, limit=limit)
        name = "session.ipynb.zip" if zipped else "session.ipynb"
    return Upload(name, await context.sessions.jobs.in_thread(_content, file))


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
