"""Shows work as an answer to its end, which is a sentence if the work failed or the bot ends first."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.discord.answers.answer import LiveAnswer, closed_on_failure
from bot.discord.api.retry import DiscordRefused
from bot.discord.context import CLOSING, Context
from bot.discord.failures import EXPECTED
from bot.wording.error_messages import sentence
from kernels.errors import GoesOn, KernelClosed

__all__ = ["note_of", "restarting", "show_work", "uncancelled"]

log = logging.getLogger(__name__)

RESTARTING = "I am being restarted."
GOES_ON = f"{RESTARTING} The cell goes on, and its result will be shown here."
NO_MORE = "What was to follow it will not be done."


async def show_work(context: Context, answer: LiveAnswer, work: Callable[[], Awaitable[str]]) -> None:
    """Open the answer, do the work, and finish the answer with the note that the work returns."""
    try:
        with closed_on_failure(answer):
            await answer.open()
            note = await note_of(context, answer, work())
    except DiscordRefused as refused:
        log.warning("an answer to %d can be shown nowhere: %s", answer.user_id, refused)
        return
    await answer.finish(note)


async def note_of(context: Context, answer: LiveAnswer, work: Awaitable[str]) -> str:
    """What the work returns, or a sentence about what went wrong on our side. Raises no error of the work."""
    try:
        return await work
    except asyncio.CancelledError:
        if not context.closing:
            raise
        uncancelled()
        return restarting(context, answer)
    except EXPECTED as error:
        if context.closing and isinstance(error, GoesOn | KernelClosed):
            return restarting(context, answer)
        return sentence(KernelClosed() if isinstance(error, GoesOn) else error)  # its session is deleted
    except Exception as error:  # whatever it is, the message must not stay as it was
        log.exception("the request of %d failed", answer.user_id)
        return sentence(error)


def uncancelled() -> None:
    """Let the calling task, which was cancelled, do one more thing: show its final state."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


def restarting(context: Context, answer: LiveAnswer) -> str:
    """What to say in an answer whose bot ends before it."""
    if not answer.runs or context.settings.node == "none":
        return CLOSING
    return f"{GOES_ON} {NO_MORE}" if answer.several else GOES_ON
