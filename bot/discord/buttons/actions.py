"""What the buttons under an answer do. Only the person whose answer it is may use them."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import nextcord

from bot.discord.answers.history import cell_record
from bot.discord.answers.turn import begin
from bot.discord.api.interactions import (
    Interaction,
    InteractionDestination,
    defer,
    give_back,
    place_of,
    privately,
    user_of,
)
from bot.discord.api.speaking import MAY_NOT, may_speak
from bot.discord.buttons.forms import LONGEST, answer_form, code_form, show_form
from bot.discord.buttons.ownership import OwnAnswer, claimed, session_of
from bot.discord.buttons.undoing import undo_answer
from bot.discord.buttons.view import Action, Actions
from bot.discord.commands.file_list import show_files
from bot.discord.commands.notebooks import give
from bot.discord.context import Context
from bot.discord.failures import EXPECTED
from bot.discord.uploads import receive
from kernels.errors import NoQuestion

__all__ = ["ANSWERED", "ButtonActions", "accepted", "run_for"]

NOTHING = "Nothing of this runs any more."
GONE = "The code of this cell is no longer kept."
TOO_LONG = "This code is too long for Discord's text field: send it as a message."
DECIDED = "The cell has ended, or this has been decided already."
AGAIN = "I was restarted just now. Please click again in a moment."
NOTHING_ASKS = "No question waits for an answer here any more."
ANSWERED = "No question waits for this answer any more."

OwnAction = Callable[[Interaction, OwnAnswer], Awaitable[None]]


class ButtonActions:
    """See the module's text."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.by_name: Actions = {
            "stop": self._for_owner(self._stop, message=False),
            "wait": self._for_owner(partial(self._decide, kill=False), message=False),
            "kill": self._for_owner(partial(self._decide, kill=True), message=False),
            "answer": self._for_owner(self._open_answer, speaks=True),
            "keep": self._for_owner(self._keep, speaks=True, message=False),
            "rerun": self._rerun,
            "edit": self._for_owner(self._open_code, speaks=True),
            "undo": self._for_owner(partial(undo_answer, context), private=True),
            "notebook": self._for_owner(self._send_notebook, private=True),
            "files": self._for_owner(lambda clicked, _cell: show_files(context, clicked), private=True),
        }

    def _for_owner(self, action: OwnAction, *, speaks: bool = False, **acknowledgement: bool) -> Action:
        """Does this, unless the button is somebody else's. Acknowledges first, except before a form.

        If it `speaks`, its person must be allowed to write in the channel.
        """

        async def carry_out(interaction: Interaction) -> None:
            if acknowledgement:
                await defer(interaction, **acknowledgement)
            if (cell := await claimed(self._context, interaction)) is None:
                return
            if speaks and not may_speak(interaction):
                await privately(interaction, MAY_NOT)
                return
            await action(interaction, cell)

        return carry_out

    async def _stop(self, interaction: Interaction, cell: OwnAnswer) -> None:
        if cell.answer is not None:
            await cell.answer.stop()
            return
        try:  # it is an earlier program's, and this one may not have resumed it yet
            session = await session_of(self._context, cell)
            await session.stop_cell(cell.seq)
        except EXPECTED:
            await privately(interaction, NOTHING)

    async def _decide(self, interaction: Interaction, cell: OwnAnswer, *, kill: bool) -> None:
        """Wait for a cell that does not stop, or kill its kernel."""
        try:
            session = await session_of(self._context, cell)
            session.decide(cell.seq, kill=kill)
        except NoQuestion:  # an earlier program asked; this one asks again when it resumes the cell
            await privately(interaction, DECIDED if cell.answer is not None else AGAIN)
        except EXPECTED:
            await privately(interaction, NOTHING)
        else:
            if cell.answer is not None:
                cell.answer.decided()

    async def _keep(self, interaction: Interaction, cell: OwnAnswer) -> None:
        """Give the cell more time, and tell the person when it ends."""
        session = self._context.sessions.opened(cell.session_id)
        if cell.answer is None or session is None:
            await privately(interaction, NOTHING)
            return
        session.extend(cell.seq, self._context.settings.max_running)
        cell.answer.keep_running()

    async def _open_answer(self, interaction: Interaction, cell: OwnAnswer) -> None:
        """Open the form for the answer to the cell's question."""
        question = cell.answer.draft.question if cell.answer else None
        session = self._context.sessions.opened(cell.session_id)
        # The form shows this question, so it answers this one even if another comes in the meantime.
        if question is None or session is None or session.question_of(cell.seq) != question.number:
            await privately(interaction, NOTHING_ASKS)
            return
        name = f"{'password' if question.password else 'answer'}:{cell.seq}:{question.number}"
        await show_form(interaction, answer_form(name, question.prompt, password=question.password))

    async def _rerun(self, interaction: Interaction) -> None:
        """Run the cell's code again, with an answer of its own."""
        usable = await defer(interaction, message=False)
        cell = await claimed(self._context, interaction)
        if cell is None:
            return
        record = await cell_record(self._context, cell.session_id, cell.seq)
        if record is None:
            await privately(interaction, GONE)
            return
        await run_for(self._context, interaction, record.code, usable=usable, deferred=False)

    async def _open_code(self, interaction: Interaction, cell: OwnAnswer) -> None:
        """Open a form with the cell's code."""
        record = await cell_record(self._context, cell.session_id, cell.seq)
        if record is None or len(record.code) > LONGEST:
            await privately(interaction, TOO_LONG if record else GONE)
            return
        await show_form(interaction, code_form("edit", record.code))

    async def _send_notebook(self, interaction: Interaction, cell: OwnAnswer) -> None:
        await give(self._context, interaction, await session_of(self._context, cell), "notebook")


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
    """Begin a turn for the person who caused the interaction, if it is `accepted`."""
    destination = await accepted(context, interaction, usable=usable, deferred=deferred, typed=typed)
    if destination is None:
        return
    user, place = user_of(interaction), place_of(interaction)
    received = await receive(context, user.id, place, files, destination)
    request = received.request(user, place, code, words)
    begin(context, request, [destination, context.destinations.direct(user.id)], show_code=True)


async def accepted(
    context: Context,
    interaction: Interaction,
    *,
    usable: bool | None = None,
    deferred: bool = True,
    typed: str = "",
) -> InteractionDestination | None:
    """Where the answer to the interaction goes if a turn may begin; otherwise its person is told why not.

    Acknowledges the interaction, unless that was done already: then `usable` is whether it succeeded.
    `deferred` is whether the acknowledgement announces a new message. `typed` is what the person would have
    to type again; they get it back if no turn begins.
    """
    if not may_speak(interaction):
        await give_back(interaction, MAY_NOT, typed)
        return None
    if reason := context.refusal(user_of(interaction).id):
        await give_back(interaction, reason, typed)  # private unless a public answer was announced
        return None
    if usable is None:
        usable = await defer(interaction, message=deferred)
    return InteractionDestination(interaction, context.clock, deferred=deferred, usable=usable)
