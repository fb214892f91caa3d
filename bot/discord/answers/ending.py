"""How work whose answer is shown comes to its end: in a sentence where it failed, or the bot ends first.

await live_answer.finish(await note_of(context, live_answer, work))
"""

import asyncio
import logging
from collections.abc import Awaitable

from bot.discord.answers.answer import LiveAnswer
from bot.discord.context import Context
from bot.errors import BotError
from bot.wording.error_messages import sentence
from filestore.errors import FileStoreError
from kernels.errors import GoesOn, KernelClosed, KernelError
from kernels.notebooks.cells import NotebookError

__all__ = ["note_of", "uncancelled"]

log = logging.getLogger(__name__)

RESTARTING = "I am being restarted."
GOES_ON = f"{RESTARTING} The cell goes on, and what comes of it will be told here."
NO_MORE = "What was to follow it will not be done."
AGAIN = f"{RESTARTING} Please send this again in a moment."


async def note_of(context: Context, live_answer: LiveAnswer, work: Awaitable[str]) -> str:
    """What the work returns, or in a sentence what went wrong with it on our side. Raises nothing of it."""
    try:
        return await work
    except asyncio.CancelledError:
        if not context.closing:
            raise
        return _restarting(context, live_answer)
    except (BotError, KernelError, FileStoreError, NotebookError) as error:
        if context.closing and isinstance(error, GoesOn | KernelClosed):
            return _restarting(context, live_answer)
        return sentence(error)
    except Exception as error:  # whatever it is, the message must not stay as it was
        log.exception("what %d wanted failed", live_answer.user_id)
        return sentence(error)


def uncancelled() -> None:
    """Let this task, which was cancelled, do one more thing: show its last state."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


def _restarting(context: Context, live_answer: LiveAnswer) -> str:
    uncancelled()
    if not live_answer.runs or context.settings.node == "none":
        return AGAIN
    return f"{GOES_ON} {NO_MORE}" if live_answer.several else GOES_ON
