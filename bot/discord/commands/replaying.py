"""Runs a notebook that somebody attached in their kernel, cell by cell, as one answer."""

import tempfile
from functools import partial
from typing import BinaryIO

from nextcord import Attachment

from bot.discord.answers.answer import LiveAnswer
from bot.discord.answers.ending import show_work
from bot.discord.api.interactions import Interaction, place_of, user_of
from bot.discord.buttons.actions import accepted
from bot.discord.context import Context
from bot.discord.uploads import read
from bot.notebooks.replay import imported, replay
from bot.request import Request, new_turn, person
from kernels.notebooks.cells import NotebookError
from kernels.notebooks.reading import refuse_too_large
from kernels.text.clipping import counted

__all__ = ["replay_for"]


async def replay_for(context: Context, interaction: Interaction, attachment: Attachment) -> None:
    """Run the notebook for the person who attached it; acknowledges the interaction."""
    destination = await accepted(context, interaction)
    if destination is None:
        return
    user = user_of(interaction)
    answer = LiveAnswer(
        context,
        user.id,
        place_of(interaction),
        [destination, context.destinations.direct(user.id)],
        context.draft(),
        turn=new_turn(),
        several=True,
    )
    work = partial(_run, context, answer, user.display_name, attachment)
    context.tasks.spawn(show_work(context, answer, work), f"replay for {user.id}")


async def _run(context: Context, answer: LiveAnswer, author: str, attachment: Attachment) -> str:
    opened = partial(_opened, context, attachment)
    async with imported(context.sessions.jobs, answer.user_id, opened) as notebook:
        session = await context.sessions.session(answer.user_id, answer.place)
        request = Request(answer.user_id, person(author), answer.place, turn=answer.turn)
        ran = failed = 0
        refused = ""
        async for step in replay(session, notebook, request, answer.tell, keep_going=False):
            ran += step.result is not None
            failed += step.failed
            if step.refused:
                refused = f" Cell {step.number}: {step.refused}"
        told = f", {failed} failed" if failed else ""
        return f"Ran {ran} of {counted(notebook.code_cells, 'cell')}{told}.{refused}"


async def _opened(context: Context, attachment: Attachment) -> BinaryIO:
    """The attachment in a temporary file. Raises: NotebookError if it cannot be read."""
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
