"""What the buttons under an answer do. Only the person whose answer it is may click them.

controls = Controls(context)
controls.verbs          # by the button's name
"""

import logging
from collections.abc import Sequence

import nextcord

from bot.discord.answers.turn import begin
from bot.discord.api.destinations import DirectDestination
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
from bot.discord.buttons.ownership import claimed, record_of
from bot.discord.chat import refusal
from bot.discord.commands.files import FileList
from bot.discord.commands.notebooks import give
from bot.discord.context import Context
from bot.discord.uploads import receive, tell_of
from bot.errors import BotError
from bot.request import Request
from bot.wording.error_messages import sentence
from filestore.errors import FileStoreError
from kernels.errors import KernelError, NoQuestion
from kernels.notebooks.cells import NotebookError

__all__ = ["ANSWERED", "EXPECTED", "Controls", "run_for"]

log = logging.getLogger(__name__)

NOTHING = "Nothing of this runs any more."
GONE = "The code of this cell is not kept any more."
TOO_LONG = "This code is longer than Discord's text field takes: send it as a message."
DECIDED = "The cell has ended, or this is decided already."
AGAIN = "I was restarted just now. Please click again in a moment."
NOTHING_ASKS = "No question waits for an answer here any more."
ANSWERED = "No question waits for this answer any more."
EXPECTED = (BotError, KernelError, FileStoreError, NotebookError)


class Controls:
    """See the module's text."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.verbs = {
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
        if cell.live_answer is not None:
            await cell.live_answer.stop()
            return
        try:  # of an earlier program, which this one has perhaps not yet gone on with
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
        if cell.live_answer is None or session is None:
            await privately(interaction, NOTHING)
            return
        try:
            session.extend(cell.seq, self._context.settings.max_running)
        except EXPECTED as error:
            await privately(interaction, sentence(error))
        else:
            cell.live_answer.keep_running()

    async def answer(self, interaction: Interaction) -> None:
        """Open the form for the answer to the cell's question."""
        cell = await claimed(self._context, interaction)
        if cell is None:
            return
        question = cell.live_answer.draft.question if cell.live_answer else None
        session = self._context.sessions.opened(cell.session_id)
        # The form shows this question, so it is this one that it answers, though another may come meanwhile.
        if question is None or session is None or session.question_of(cell.seq) != question.number:
            await privately(interaction, NOTHING_ASKS)
            return
        name = f"{'password' if question.password else 'answer'}:{cell.seq}:{question.number}"
        await show_form(interaction, answer_form(name, question.prompt, password=question.password))

    async def rerun(self, interaction: Interaction) -> None:
        """Run the cell's code again, as an answer of its own."""
        usable = await defer(interaction, message=False)
        cell = await claimed(self._context, interaction)
        record = await record_of(self._context, cell) if cell else None
        if cell is None:
            return
        if record is None:
            await privately(interaction, GONE)
            return
        await run_for(self._context, interaction, record.code, usable=usable, deferred=False)

    async def edit(self, interaction: Interaction) -> None:
        """Open a form with the cell's code."""
        cell = await claimed(self._context, interaction)
        record = await record_of(self._context, cell) if cell else None
        if cell is None:
            return
        if record is None or len(record.code) > LONGEST:
            await privately(interaction, TOO_LONG if record else GONE)
            return
        await show_form(interaction, code_form("edit", record.code))

    async def notebook(self, interaction: Interaction) -> None:
        """Give the session as a notebook."""
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
        except NoQuestion:  # what an earlier program has asked is asked again when its cell is gone on with
            await privately(interaction, DECIDED if cell.live_answer is not None else AGAIN)
        except EXPECTED:
            await privately(interaction, NOTHING)
        else:
            if cell.live_answer is not None:
                cell.live_answer.decided()


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
    """Begin a turn for who caused the interaction; its answer goes where that was.

    It acknowledges the interaction, unless that was done: then `usable` is whether it could be. `deferred` is
    whether that announces an answer of its own. `typed` is what the person would have to type once more, and
    gets back where no turn begins.
    """
    user = interaction.user
    if user is None:
        return
    if reason := refusal(context, user.id):
        await give_back(interaction, reason, typed)  # privately only where no public answer was announced
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
    begin(context, request, [destination, DirectDestination(interaction.client, user.id)], show_code=True)
