"""What a person is told when their command, button or form fails."""

import logging

from bot.discord.api.interactions import Interaction, privately
from bot.errors import BotError
from bot.wording.error_messages import sentence
from filestore.errors import FileStoreError
from kernels.errors import KernelError
from kernels.notebooks.cells import NotebookError

__all__ = ["BROKEN", "EXPECTED", "tell_failure"]

log = logging.getLogger(__name__)

BROKEN = "Something failed on our side. Please try again."
EXPECTED = (BotError, KernelError, FileStoreError, NotebookError)  # errors for which there is a sentence


async def tell_failure(interaction: Interaction, error: Exception, what: object) -> None:
    """Say privately what went wrong with `what`. An unexpected error is our fault, and is logged."""
    if isinstance(error, EXPECTED):
        await privately(interaction, sentence(error))
        return
    log.error("%s failed", what, exc_info=error)
    await privately(interaction, BROKEN)
