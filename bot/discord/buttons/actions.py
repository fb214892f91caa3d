"""What the buttons under an answer do. Only the person whose answer it is may use them.

actions = ButtonActions(context)
await actions.by_name["stop"](interaction)
"""

import logging
from collections.abc import Sequence

import nextcord

from bot.discord.answers.ending import EXPECTED
from bot.discord.answers.history import cell_record
from bot.discord.answers.turn import begin
from bot.discord.api.interactions import (
    Interaction,
    InteractionDestination,
    channel_of,
    defer,
    give_back,
    place_of,
    privately,
)
from bot.discord.buttons.forms import LONGEST, answer_form, code_form, show_form
from bot.discord.buttons.ownership import OwnAnswer, claimed
from bot.discord.commands.files import FileList
from bot.discord.commands.notebooks import give
from bot.discord.context import Context
from bot.discord.uploads import receive, tell_of
from bot.request import Request
from bot.wording.error_messages import sentence
from filestore.records import CellRecord
from kernels.errors import NoQuestion

__all__ = ["ANSWERED", "ButtonActions", "run_for"]

log = logging.getLogger(__name__)

NOTHING = "Nothing of this runs any more."
GONE = "The code of this cell is no longer kept."
TOO_LONG = "This code is too long for Discord's text field: send it as a message."
DECIDED = "The cell has ended, or this has been decided already."
AGAIN = "I was restarted just now. Please click again in a moment."
NOTHING_ASKS = "No question waits for an answer here any more."
ANSWERED = "No question waits for this answer any more."


class ButtonActions:
    """See the module's text."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.by_name = {
            "stop": self.stop,
            "wait": self.wait,
            "kill": self.kill,
            "answer": self.answer,
            "keep": self.keep,
            "rerun": self.rerun,
            "edit": self.edit,
            "notebook": self.notebook,
            "files": self.files,
        }

    async def stop(self, interaction: Interaction) -> None:
        """Stop the turn."""
        await defer(interaction, message=False)
        cell = await claimed(self._context, interaction)
        if cell is None:
            return
        if cell.answer is not None:
            await cell.answer.stop()
            return
        try:  # it is an earlier program's, and this one may not have resumed it yet
            session = await self._context.sessions.session(cell.user_id, cell.place)
            await session.stop_cell(cell.seq)
        except EXPECTED:
            await privately(interaction, NOTHING)

    async def wait(self, interaction: Interaction) -> None:
        """Wait for a cell that does not stop."""
        await self._decide(interaction, kill=False)

    async def kill(self, interaction: Interaction) -> None:
        """Kill the kernel of a cell that does not stop."""
        await self._decide(interaction, kill=True)

    async def keep(self, interaction: Interaction) -> None:
        """Give the cell more time, and tell the person when it ends."""
        await defer(interaction, message=False)
        cell = await claimed(self._context, interaction)
        if cell is None:
            return
        session = self._context.sessions.opened(cell.session_id)
        if cell.answer is None or session is None:
            await privately(interaction, NOTHING)
            return
        try:
            session.extend(cell.seq, self._context.settings.max_running)
        except EXPECTED as error:
            await privately(interaction, sentence(error))
        else:
            cell.answer.keep_running()

    async def answer(self, interaction: Interaction) -> None:
        """Open the form for the answer to the cell's question."""
        cell = await claimed(self._context, interaction)
        if cell is None:
            return
        question = cell.answer.draft.question if cell.answer else None
        session = self._context.sessions.opened(cell.session_id)
        # The form shows this question, so it answers this one even if another comes in the meantime.
        if question is None or session is None or session.question_of(cell.seq) != question.number:
            await privately(interaction, NOTHING_ASKS)
            return
        name = f"{'password' if question.password else 'answer'}:{cell.seq}:{question.number}"
        await show_form(interaction, answer_form(name, question.prompt, password=question.password))

    async def rerun(self, interaction: Interaction) -> None:
        """Run the cell's code again, with an answer of its own."""
        usable = await defer(interaction, message=False)
        cell = await claimed(self._context, interaction)
        if cell is None:
            return
        record = await self._record_of(cell)
        if record is None:
            await privately(interaction, GONE)
            return
        await run_for(self._context, interaction, record.code, usable=usable, deferred=False)

    async def edit(self, interaction: Interaction) -> None:
        """Open a form with the cell's code."""
        cell = await claimed(self._context, interaction)
        if cell is None:
            return
        record = await self._record_of(cell)
        if record is None or len(record.code) > LONGEST:
            await privately(interaction, TOO_LONG if record else GONE)
            return
        await show_form(interaction, code_form("edit", record.code))

    async def notebook(self, interaction: Interaction) -> None:
        """Send the session as a notebook."""
        await defer(interaction, private=True)
        cell = await claimed(self._context, interaction)
        if cell is None:
            return
        try:
            await give(self._context, interaction, cell.user_id, cell.place, "notebook")
        except EXPECTED as error:
            await privately(interaction, sentence(error))

    async def files(self, interaction: Interaction) -> None:
        """List the person's files."""
        await defer(interaction, private=True)
        if await claimed(self._context, interaction) is not None:
            await FileList(self._context).show(interaction)

    async def _decide(self, interaction: Interaction, *, kill: bool) -> None:
        await defer(interaction, message=False)
        cell = await claimed(self._context, interaction)
        if cell is None:
            return
        try:
            session = await self._context.sessions.session(cell.user_id, cell.place)
            session.decide(cell.seq, kill=kill)
        except NoQuestion:  # an earlier program asked; this one asks again when it resumes the cell
            await privately(interaction, DECIDED if cell.answer is not None else AGAIN)
        except EXPECTED:
            await privately(interaction, NOTHING)
        else:
            if cell.answer is not None:
                cell.answer.decided()

    async def _record_of(self, cell: OwnAnswer) -> CellRecord | None:
        return await cell_record(self._context, cell.session_id, cell.seq)


async def run_for(
    context: Context,
    interaction: Interaction,
    code: str | None,
    words: str = "",
    *,
    usable: bool | None = None,
    deferred: bool = True,
    files: Sequence[nextcord.Attachment] = (),
    typed: str = "",
) -> None:
    """Begin a turn for the person who caused the interaction; its answer goes where that happened.

    Acknowledges the interaction, unless that was done already: then `usable` is whether it succeeded.
    `deferred` is whether the acknowledgement announces a new message. `typed` is what the person would have
    to type again; they get it back if no turn begins.
    """
    user = interaction.user
    if user is None:
        return
    if reason := context.refusal(user.id):
        await give_back(interaction, reason, typed)  # private unless a public answer was announced
        return
    if usable is None:
        usable = await defer(interaction, message=deferred)
    destination = InteractionDestination(
        interaction, channel_of(interaction), context.clock, deferred=deferred
    )
    if not usable:
        destination.expire()
    received = await receive(context, user.id, place_of(interaction), files)
    await tell_of(received, destination, context.limits)
    request = Request(
        user.id,
        user.display_name,
        place_of(interaction),
        code or "",
        words=words if code is None else None,
        cards=received.cards,
        pictures=received.pictures,
    )
    begin(context, request, [destination, context.destinations.direct(user.id)], show_code=True)
