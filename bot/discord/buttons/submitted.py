"""What happens when a person submits a form: everything needed is in the form's name.

    forms = SubmittedForms(context)
    await forms.submit(interaction)

Discord closes the form, and what was typed is gone with it. If nothing can be done with the text, the person
gets it back in a private answer that says what to do instead. A password is shown to nobody.
"""

import logging

from bot.discord.api.interactions import Interaction, defer, give_back, privately
from bot.discord.api.speaking import MAY_NOT, may_speak
from bot.discord.buttons.actions import ANSWERED, run_for
from bot.discord.buttons.forms import name_of, typed
from bot.discord.buttons.ownership import claimed
from bot.discord.context import Context
from bot.discord.failures import BROKEN, EXPECTED
from bot.errors import NothingRuns
from bot.wording.error_messages import sentence
from kernels.errors import NoQuestion

__all__ = ["SubmittedForms"]

log = logging.getLogger(__name__)

ASK_AGAIN = f"{ANSWERED} If the cell still asks, click **Answer** again."
UNKNOWN = "I do not know this form any more. Use `/run` again, or click the button that opened it."


class SubmittedForms:
    """See the module's text."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def submit(self, interaction: Interaction) -> None:
        """Do what the form is for. Raises nothing."""
        name, *rest = name_of(interaction).split(":")
        try:
            match name, rest:
                case "run" | "edit", []:
                    await self._run(interaction, announced=name == "run")
                case "answer" | "password", [seq, question]:
                    await self._answer(interaction, int(seq), int(question), secret=name == "password")
                case _:
                    await privately(interaction, UNKNOWN)
        except Exception:  # our fault, whatever it is: log it, and tell the person
            log.exception("a form %r failed", name)
            await give_back(interaction, BROKEN, "" if name == "password" else typed(interaction))

    async def _run(self, interaction: Interaction, *, announced: bool) -> None:
        """Run the code; with `announced`, the answer replaces the message that a command announced."""
        code = typed(interaction)
        await run_for(self._context, interaction, code, deferred=announced, typed=code)

    async def _answer(self, interaction: Interaction, seq: int, question: int, *, secret: bool) -> None:
        """Answer this question of this cell, and no other: what was typed may be a password."""
        await defer(interaction, message=False)
        text = typed(interaction)
        returned = "" if secret else text
        cell = await claimed(self._context, interaction, returned)
        if cell is None:
            return
        if not may_speak(interaction):
            await give_back(interaction, MAY_NOT, returned)
            return
        session = self._context.sessions.opened(cell.session_id)
        try:
            if session is None:
                raise NothingRuns
            session.answer_to(seq, question, text)
        except EXPECTED as error:
            gone = isinstance(error, NoQuestion | NothingRuns)
            await give_back(interaction, ASK_AGAIN if gone else sentence(error), returned)
            return
        if cell.answer is not None:
            cell.answer.draft.answered()
            cell.answer.touch()
