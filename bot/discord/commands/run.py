"""The slash commands that run code and ask the model, and "Run code" on a message. See also `personal.py`."""

import asyncio
import logging

import nextcord
from nextcord import Attachment, ClientCog, SlashOption

from bot.discord.answers.history import cell_record
from bot.discord.api.interactions import Interaction, defer, place_of, privately, user_of
from bot.discord.buttons.actions import run_for
from bot.discord.buttons.forms import code_form, show_form
from bot.discord.buttons.ownership import cell_of
from bot.discord.commands.decorators import menu, slash
from bot.discord.context import Context
from bot.discord.format.codeblocks import code_of
from bot.discord.format.entries import cut_short
from bot.discord.format.markdown import code_name
from bot.errors import NothingRuns
from bot.session import StoppedWork
from filestore.errors import FileStoreError

__all__ = ["RunCommands"]

log = logging.getLogger(__name__)

LOOK = 1.5  # seconds for the database, of the three in which Discord must have an answer
NO_CODE = "There is no Python block in that message."
GONE = "Your workspace, your stored files and everything said and run with the last one are deleted."
KEPT = "Your files are kept."
GOES_ON = "If it goes on, its answer asks you whether to wait for it."
CUT_SHORT = "That answer shows only part of its code. Ask the person whose answer it is to send it to you."


class RunCommands(ClientCog):
    """Run code, ask the model, stop cells."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @slash("run", "Run Python in your kernel")
    async def run(
        self,
        interaction: Interaction,
        code: str = SlashOption(description="The code; leave it out to type several lines", required=False),
    ) -> None:
        """Run code; without any, open a form for it."""
        if not code:
            await show_form(interaction, code_form("run"))
            return
        await run_for(self._context, interaction, code_of(code) or code, typed=code)

    @slash("ask", "Ask the model, which can run code for you")
    async def ask(
        self,
        interaction: Interaction,
        words: str = SlashOption(description="What you want"),
        file: Attachment = SlashOption(description="A file to work with", required=False),
    ) -> None:
        """Ask the model."""
        files = [file] if file else []
        await run_for(self._context, interaction, None, words, files=files, typed=words)

    @menu("Run code")
    async def run_message(self, interaction: Interaction, message: nextcord.Message) -> None:
        """Run a message's code in the kernel of the person who asks; of their own answer, the whole cell."""
        ours = message.author == interaction.client.user
        shown = code_of(message.content, bare=not ours)
        code = shown
        if ours and (shown is None or cut_short(shown)):
            code = await self._code_of_their_cell(interaction, message)
        if code is None:
            await privately(interaction, NO_CODE if shown is None else CUT_SHORT)
            return
        await run_for(self._context, interaction, code)

    @slash("stop", "Stop what runs for you")
    async def stop(self, interaction: Interaction) -> None:
        """Stop the running cell, and the model if it answers here."""
        await defer(interaction, private=True)
        place = place_of(interaction)
        sessions = self._context.sessions
        session = sessions.opened(sessions.id_of(user_of(interaction).id, place))
        if session is None:
            raise NothingRuns
        await privately(interaction, _told(await session.stop(place), place))

    @slash("reset", "Start over with a fresh kernel")
    async def reset(
        self,
        interaction: Interaction,
        everything: bool = SlashOption(
            description="Also delete workspace, stored files and everything said and run with this kernel",
            required=False,
            default=False,
        ),
    ) -> None:
        """End the kernel with its variables; files and conversations stay unless `everything` is set."""
        await defer(interaction, private=True)
        user_id, place = user_of(interaction).id, place_of(interaction)
        if (refused := self._context.refusal(user_id, ends=True)) is not None:
            await privately(interaction, refused)
            return
        if everything:
            await self._context.sessions.discard(user_id, place)
            await self._context.pages.clean()
        else:
            await (await self._context.sessions.session(user_id, place)).reset()
        await privately(interaction, f"Your next cell gets a fresh kernel. {GONE if everything else KEPT}")

    async def _code_of_their_cell(self, interaction: Interaction, message: nextcord.Message) -> str | None:
        try:
            async with asyncio.timeout(LOOK):
                cell = await cell_of(self._context, message.id)
                if cell is None or cell.user_id != user_of(interaction).id:
                    return None
                record = await cell_record(self._context, cell.session_id, cell.seq)
        except (TimeoutError, FileStoreError) as error:
            log.warning("the code of message %d is not known: %r", message.id, error)
            return None
        return record.code if record else None


def _told(stopped: StoppedWork, place: str) -> str:
    """What is said about what `/stop` has stopped in or from this place."""
    sentences = ["Stopping the model's answer here."] if stopped.model else []
    if stopped.code is not None:
        first = next((line.strip() for line in stopped.code.splitlines() if line.strip()), "")
        which = f"the cell {code_name(first)}" if first else "your cell"
        kind, _, channel = stopped.place.partition("-")
        elsewhere = " in your direct messages" if kind == "dm" else f" in <#{channel}>" if channel else ""
        sentences += [f"Stopping {which}{elsewhere if stopped.place != place else ''}.", GOES_ON]
    return " ".join(sentences) or "Stopping the notebook: its other cells are left out."
