"""A notebook that somebody attaches, run in their kernel, cell by cell, as one answer."""

import asyncio
import logging

from nextcord import Attachment

from bot.front.attachments import read
from bot.front.calls import Refused
from bot.front.chat import refusal
from bot.front.desk import Desk
from bot.front.ending import note_of
from bot.front.interaction import Interaction, InteractionOutlet, channel_of, place_of, privately
from bot.front.outlets import DirectOutlet, Outlet
from bot.front.showing import Showing
from bot.message import Incoming
from bot.remembered import person
from bot.replay import replay
from kernels import notebook as notebooks

__all__ = ["replay_for"]

log = logging.getLogger(__name__)


async def replay_for(desk: Desk, interaction: Interaction, attachment: Attachment) -> None:
    """Run the notebook for who asked; the interaction was deferred."""
    user = interaction.user
    if user is None:
        return
    data = refusal(desk, user.id) or await read(desk, attachment)
    if isinstance(data, str):
        await privately(interaction, data)
        return
    place = place_of(interaction)
    outlets: list[Outlet] = [
        InteractionOutlet(interaction, channel_of(interaction), desk.clock),
        DirectOutlet(interaction.client, user.id),
    ]
    session_id = desk.sessions.id_of(user.id, place)
    showing = Showing(desk, user.id, session_id, place, outlets, desk.draft(), several=True)
    desk.spawn(_replay(desk, showing, user.display_name, data), f"replay for {user.id}")


async def _replay(desk: Desk, showing: Showing, author: str, data: bytes) -> None:
    try:
        await showing.open()
    except Refused as refused:
        log.warning("a replay of %d has nowhere to be answered: %s", showing.user_id, refused)
        return
    await showing.finish(await note_of(desk, showing, _run(desk, showing, author, data)))


async def _run(desk: Desk, showing: Showing, author: str, data: bytes) -> str:
    imported = await asyncio.to_thread(notebooks.read, data)
    session = await desk.sessions.session(showing.user_id, showing.place)
    message = Incoming(showing.user_id, person(author), showing.place, "")
    ran = failed = total = 0
    refused = ""
    async for step in replay(session, imported, message, showing.tell, keep_going=False):
        total = step.total
        ran += step.result is not None
        failed += step.failed
        if step.refused:
            refused = f" Cell {step.number}: {step.refused}."
    return f"Ran {ran} of {total} cells{f', {failed} failed' if failed else ''}.{refused}"
