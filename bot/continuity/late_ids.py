"""Tell people about files that had to wait for the database, once these have their ids."""

import logging
from collections.abc import AsyncIterator

from bot.files import PersonFiles
from bot.reply import Reply, Tell
from bot.wording.error_messages import clause
from filestore.spool import Recorded
from kernels.workspace.captured import Skipped

__all__ = ["tell_recorded"]

log = logging.getLogger(__name__)


async def tell_recorded(recorded: AsyncIterator[Recorded], files: PersonFiles, tell: Tell) -> None:
    """Tell each as late output of its cell, until cancelled."""
    async for one in recorded:
        try:
            await tell(_reply(one, files))
        except Exception:  # one that cannot be told must not keep the next ones from being told
            log.exception("file %s is not told", one.file.file_id)


def _reply(recorded: Recorded, files: PersonFiles) -> Reply:
    file = recorded.file
    if recorded.refused is None:
        return Reply(file.cell or 0, files=(files.generated(file),), late=True)
    return Reply(file.cell or 0, skipped=(Skipped(file.filename, clause(recorded.refused)),), late=True)
