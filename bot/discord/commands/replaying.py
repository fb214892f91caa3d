"""A notebook that somebody attaches, run in their kernel, cell by cell, as one answer."""

import logging
import tempfile
from typing import BinaryIO

from nextcord import Attachment

from bot.discord.answers.answer import LiveAnswer, closed_on_failure
from bot.discord.answers.ending import note_of
from bot.discord.api.destinations import Destination, DirectDestination
from bot.discord.api.interactions import Interaction, InteractionDestination, channel_of, place_of, privately
from bot.discord.api.retry import DiscordRefused
from bot.discord.chat import refusal
from bot.discord.context import Context
from bot.discord.uploads import read
from bot.notebooks.replay import imported, replay
from bot.request import Request, person
from kernels.notebooks.cells import NotebookError
from kernels.notebooks.reading import refuse_too_large
from kernels.text.clipping import counted

__all__ = ["replay_for"]

log = logging.getLogger(__name__)


async def replay_for(context: Context, interaction: Interaction, attachment: Attachment) -> None:
    """Run the notebook for who asked; the interaction was deferred."""
    user = interaction.user
    if user is None:
        return
    if (refused := refusal(context, user.id)) is not None:
        await privately(interaction, refused)
        return
    place = place_of(interaction)
    destinations: list[Destination] = [
        InteractionDestination(interaction, channel_of(interaction), context.clock),
        DirectDestination(interaction.client, user.id),
    ]
    session_id = context.sessions.id_of(user.id, place)
    live_answer = LiveAnswer(context, user.id, session_id, place, destinations, context.draft(), several=True)
    context.spawn(_replay(context, live_answer, user.display_name, attachment), f"replay for {user.id}")


async def _replay(context: Context, live_answer: LiveAnswer, author: str, attachment: Attachment) -> None:
    try:
        with closed_on_failure(live_answer):
            await live_answer.open()
            note = await note_of(context, live_answer, _run(context, live_answer, author, attachment))
    except DiscordRefused as refused:
        log.warning("a replay of %d has nowhere to be answered: %s", live_answer.user_id, refused)
        return
    await live_answer.finish(note)


async def _run(context: Context, live_answer: LiveAnswer, author: str, attachment: Attachment) -> str:
    async def opened() -> BinaryIO:
        return await _opened(context, attachment)

    async with imported(context.sessions.jobs, live_answer.user_id, opened) as notebook:
        session = await context.sessions.session(live_answer.user_id, live_answer.place)
        request = Request(live_answer.user_id, person(author), live_answer.place)
        ran = failed = 0
        refused = ""
        async for step in replay(session, notebook, request, live_answer.tell, keep_going=False):
            ran += step.result is not None
            failed += step.failed
            if step.refused:
                refused = f" Cell {step.number}: {step.refused}"
        told = f", {failed} failed" if failed else ""
        return f"Ran {ran} of {counted(notebook.code_cells, 'cell')}{told}.{refused}"


async def _opened(context: Context, attachment: Attachment) -> BinaryIO:
    """The attachment in a temporary file. Raises: NotebookError when it cannot be had."""
    refuse_too_large(attachment.size)
    data = await read(context, attachment)
    if isinstance(data, str):
        raise NotebookError(data)
    file = tempfile.TemporaryFile()  # noqa: SIM115  the caller's
    try:
        await context.sessions.jobs.in_thread(file.write, data)
    except BaseException:  # whatever ends it, the file must not stay
        file.close()
        raise
    return file
