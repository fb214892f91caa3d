"""A notebook that somebody attaches, run in their kernel, cell by cell, as one answer."""

import logging
import tempfile
from typing import BinaryIO

from nextcord import Attachment

from bot.discord.answers.answer import Showing, closed_on_failure
from bot.discord.answers.ending import note_of
from bot.discord.api.destinations import DirectOutlet, Outlet
from bot.discord.api.interactions import Interaction, InteractionOutlet, channel_of, place_of, privately
from bot.discord.api.retry import Refused
from bot.discord.chat import refusal
from bot.discord.context import Context
from bot.discord.uploads import read
from bot.model.history import person
from bot.notebooks.replay import imported, replay
from bot.request import Request
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
    outlets: list[Outlet] = [
        InteractionOutlet(interaction, channel_of(interaction), context.clock),
        DirectOutlet(interaction.client, user.id),
    ]
    session_id = context.sessions.id_of(user.id, place)
    showing = Showing(context, user.id, session_id, place, outlets, context.draft(), several=True)
    context.spawn(_replay(context, showing, user.display_name, attachment), f"replay for {user.id}")


async def _replay(context: Context, showing: Showing, author: str, attachment: Attachment) -> None:
    try:
        with closed_on_failure(showing):
            await showing.open()
            note = await note_of(context, showing, _run(context, showing, author, attachment))
    except Refused as refused:
        log.warning("a replay of %d has nowhere to be answered: %s", showing.user_id, refused)
        return
    await showing.finish(note)


async def _run(context: Context, showing: Showing, author: str, attachment: Attachment) -> str:
    async def opened() -> BinaryIO:
        return await _opened(context, attachment)

    async with imported(context.sessions.jobs, showing.user_id, opened) as notebook:
        session = await context.sessions.session(showing.user_id, showing.place)
        request = Request(showing.user_id, person(author), showing.place)
        ran = failed = 0
        refused = ""
        async for step in replay(session, notebook, request, showing.tell, keep_going=False):
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
